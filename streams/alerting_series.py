"""Series that can raise an alert: those with detectors, and those that such detectors read besides."""

from __future__ import annotations

from collections.abc import Iterable

from sensors.detectors import Subject, inputs_of, read_parameters
from sensors.model import Datastream
from streams.definitions import DatastreamDefinition
from streams.objects import Objects, sensors_base, watched
from streams.records import Changes


class AlertingSeries:
    """Knows which they are, as it is in force now.

    Parameters
    ----------
    datastreams
        Of the registry; changes lie over it.
    """

    def __init__(self, datastreams: Iterable[Datastream]) -> None:
        self._objects = Objects(sensors_base(datastreams), ("datastream", "rule"))
        self._feeds: dict[str, frozenset[str]] = {}
        """What the detectors of a series read, itself included, by its id."""
        self._readers: dict[str, int] = {}
        for identity, _ in self._objects.all("datastream", DatastreamDefinition):
            self._look(identity)

    def __len__(self) -> int:
        return len(self._readers)

    def take(self, changes: Changes) -> None:
        """Let changes of datastreams and rules hold."""
        for kind, identity in self._objects.take(changes):
            self._look(identity if kind == "datastream" else identity.rpartition("/")[0])

    def has_any_of(self, names: Iterable[str]) -> bool:
        """Return whether one of these series can raise an alert."""
        return not self._readers.keys().isdisjoint(names)

    def _look(self, identity: str) -> None:
        for name in self._feeds.pop(identity, ()):
            self._readers[name] -= 1
            if not self._readers[name]:
                del self._readers[name]
        feeds = self._read_by(identity)
        if feeds:
            self._feeds[identity] = feeds
            for name in feeds:
                self._readers[name] = self._readers.get(name, 0) + 1

    def _read_by(self, identity: str) -> frozenset[str]:
        datastream = watched(self._objects, identity)
        if datastream is None or not datastream.detectors:
            return frozenset()
        feeds = {identity}
        for detector, parameters in datastream.detectors.items():
            try:
                read = read_parameters(detector, parameters, Subject(datastream.name, datastream.unit))
            except ValueError:  # of a newer program, whose processors know it
                continue
            feeds.update(inputs_of(detector, read))
        return frozenset(feeds)
