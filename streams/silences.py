"""Which alerts call nobody for a while. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable

from sensors.model import Datastream
from streams.definitions import DatastreamDefinition, SilenceDefinition
from streams.objects import Objects, sensors_base
from streams.records import AlertTransition, Changes


class Silences:
    """The silences that were set, and what they need to know of sensors."""

    def __init__(self, datastreams: Iterable[Datastream]) -> None:
        self._objects = Objects(sensors_base(datastreams), ("silence", "datastream"))

    @property
    def unreadable(self) -> int:
        """Changes that a newer program wrote."""
        return self._objects.unreadable

    def take(self, changes: Changes) -> bool:
        """Take changes; return whether any was new."""
        return bool(self._objects.take(changes))

    def covering(self, alert: AlertTransition, at_us: int) -> str:
        """Return the id of the silence that covers an alert at a time; empty: none does."""
        if alert.historic:
            return ""
        found = (
            identity
            for identity, one in self._objects.all("silence", SilenceDefinition)
            if one.begin_us <= at_us < one.end_us and self._matches(one, alert)
        )
        return min(found, default="")

    def boundaries(self, after_us: int, until_us: int) -> list[int]:
        """Return when silences begin or end, later than `after_us`, not later than `until_us`."""
        found = {
            at_us
            for _, one in self._objects.all("silence", SilenceDefinition)
            for at_us in (one.begin_us, one.end_us)
            if after_us < at_us <= until_us
        }
        return sorted(found)

    def forget(self, now_us: int) -> None:
        """Forget silences that are long over."""
        self._objects.forget_over(now_us)

    def snapshot(self) -> bytes:
        """Return the state as a piece of a snapshot."""
        return self._objects.snapshot()

    def restored(self, piece: bytes) -> bool:
        """Take back what `snapshot` gave; False: the piece is something else."""
        return self._objects.restored(piece)

    def _matches(self, silence: SilenceDefinition, alert: AlertTransition) -> bool:
        subject = alert.subject_id
        datastream = self._objects.find("datastream", subject, DatastreamDefinition)
        site = subject if datastream is None else datastream.thing
        observed = "" if datastream is None else datastream.property
        asked = (
            (silence.station, subject),
            (silence.datastream, subject),
            (silence.site, site),
            (silence.property, observed),
            (silence.rule, alert.rule),
        )
        return all(not wanted or wanted == there for wanted, there in asked)
