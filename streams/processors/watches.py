"""The watches of one kind of detectors over many series, and which datastreams feed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.detectors import Finding, Subject, find_kind
from sensors.detectors.bank import Bank, Rows
from sensors.routing import NEVER, spread
from streams.records import Detection

Columns = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]
"""Time in µs, value, whether it is usable, time of receipt in µs."""


class Key(NamedTuple):
    """Which series is watched by what."""

    datastream_id: str
    detector: str
    historic: bool


class Wanted(NamedTuple):
    """How a series is to be watched."""

    parameters: Any
    subject: Subject
    feeds: tuple[str, ...]
    """Datastreams by role, its own first; empty: there is none now."""


class Watch:
    """One detector over one series, and what it has begun."""

    def __init__(self, key: Key, slot: int, wanted: Wanted) -> None:
        self.key = key
        self.slot = slot
        self.wanted = wanted
        self.begun: dict[str, Detection] = {}
        """The last finding about what has not ended yet, by rule."""
        self.was_fed = False
        """Something came of what fed it before; of what feeds it now tells `Sources`."""

    def given_up(self, now_us: int) -> list[Detection]:
        """Return the ends of what was begun, since nobody watches it any more."""
        end = {"phase": "end", "at_us": now_us, "detected_at_us": now_us}
        evidence = {"why": "nobody watches this series in this way any more"}
        begun, self.begun = self.begun, {}
        return [msgspec.structs.replace(one, **end, evidence=evidence) for one in begun.values()]

    def detection(self, finding: Finding, version: str, now_us: int) -> Detection:
        """Return a finding as the record that travels, and remember what it begins or ends."""
        made = Detection(
            detector=finding.rule or self.key.detector,
            version=version,
            subject_id=self.key.datastream_id,
            phase=finding.phase,
            level=finding.level,
            onset_us=finding.onset_us,
            at_us=finding.at_us,
            detected_at_us=now_us,
            title=finding.title,
            value=finding.value,
            threshold=finding.threshold,
            unit=self.wanted.subject.unit,
            evidence=finding.evidence,
            historic=self.key.historic,
        )
        if made.phase == "end":
            self.begun.pop(made.detector, None)
        else:
            self.begun[made.detector] = msgspec.structs.replace(made, evidence={})
        return made


class Sources:
    """Datastreams that feed detectors: a number for each, and how far it has come."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._readers: dict[str, int] = {}
        self._free: list[int] = []
        self.newest_us = np.full((0, 2), NEVER)
        """Of samples in order, and of late ones; shape (numbers, 2)."""

    def __len__(self) -> int:
        return len(self.newest_us)

    def number(self, name: str) -> int:
        """Return the number of one; -1: it feeds nothing."""
        return self._number.get(name, -1)

    def numbers(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each."""
        return np.fromiter(map(self._number.get, names, repeat(-1)), np.int64, len(names))

    def known(self) -> Iterator[tuple[str, int]]:
        """Yield name and number of each."""
        yield from self._number.items()

    def take(self, names: Sequence[str]) -> None:
        """Let one more detector read these."""
        for name in filter(None, names):
            self._readers[name] = self._readers.get(name, 0) + 1
            if name in self._number:
                continue
            if not self._free:
                n = len(self.newest_us)
                more = max(n, 4)
                self.newest_us = np.concatenate([self.newest_us, np.full((more, 2), NEVER)])
                self._free = list(range(n + more - 1, n - 1, -1))
            self._number[name] = self._free.pop()

    def drop(self, names: Sequence[str]) -> None:
        """Let one detector less read these; what nobody reads is forgotten."""
        for name in filter(None, names):
            self._readers[name] -= 1
            if not self._readers[name]:
                number = self._number.pop(name)
                del self._readers[name]
                self.newest_us[number] = NEVER
                self._free.append(number)


class Watches:
    """All watches of one kind.

    Parameters
    ----------
    detector
        Name of the kind.
    historic
        They get the samples that come late.
    sources
        What feeds them.
    fails
        Is told of a watch that failed and has begun anew.
    """

    def __init__(
        self, detector: str, sources: Sources, fails: Callable[[Watch, Exception], None], *, historic: bool
    ) -> None:
        self.detector, self.historic = detector, historic
        self._sources = sources
        self.bank = Bank(find_kind(detector), lambda slot, error: fails(self._by_slot[slot], error))
        self._by_slot: dict[int, Watch] = {}
        self.by_name: dict[str, Watch] = {}
        self._is_laid = False
        self._begins, self._source, self._slots, self._roles = (np.zeros(0, np.int64) for _ in range(4))

    def add(self, name: str, wanted: Wanted) -> Watch:
        """Watch one more series."""
        slot = self.bank.add(wanted.parameters, wanted.subject)
        watch = Watch(Key(name, self.detector, self.historic), slot, wanted)
        self._by_slot[slot] = self.by_name[name] = watch
        self._is_laid = False
        return watch

    def renew(self, watch: Watch, wanted: Wanted) -> None:
        """Go on in another way with what was seen."""
        watch.wanted = wanted
        self._is_laid = False
        self.bank.renew(watch.slot, wanted.parameters, wanted.subject)

    def remove(self, watch: Watch) -> None:
        """Watch a series no more."""
        self.bank.remove(watch.slot)
        del self._by_slot[watch.slot], self.by_name[watch.key.datastream_id]
        self._is_laid = False

    def on_rows(
        self, way: NDArray[np.int8], wanted: int, source: NDArray[np.int64], columns: Columns
    ) -> Iterator[tuple[int, Watch, Finding]]:
        """Feed samples; yield what is found, each with the place of its sample."""
        self._lay()
        place, *rows = spread(way, wanted, source, self._begins, self._slots, self._roles, columns)
        if len(place):
            for told in self.bank.on_rows(Rows(*rows)):
                yield int(place[told.row]), self._by_slot[told.slot], told.finding

    def on_time(self, now_us: int) -> Iterator[tuple[Watch, Finding]]:
        """Let receiving time go on."""
        for told in self.bank.on_time(now_us):
            yield self._by_slot[told.slot], told.finding

    def fed_by(self, sources: NDArray[np.int64]) -> list[Watch]:
        """Return those that read one of these."""
        self._lay()
        feeds = np.isin(self._source, sources)
        return [self._by_slot[slot] for slot in np.unique(self._slots[feeds]).tolist()]

    def _lay(self) -> None:
        """Write down by source which slots it feeds, if that is not as it was."""
        if self._is_laid and len(self._begins) == len(self._sources) + 1:
            return
        feeds = [
            (self._sources.number(name), watch.slot, role)
            for watch in self._by_slot.values()
            for role, name in enumerate(watch.wanted.feeds)
            if name
        ]
        self._source, self._slots, self._roles = np.array(sorted(feeds), np.int64).reshape(-1, 3).T.copy()
        self._begins = np.searchsorted(self._source, np.arange(len(self._sources) + 1))
        self._is_laid = True
