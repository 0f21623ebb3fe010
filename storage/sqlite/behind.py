"""Reports and samples of large commits: written down as they came, in their tables some seconds later.

Each series has a page of its own, at the end of what it has. 28,000 rows a second touch as many pages, each
of which goes into the log: 115 MB, half a second of a disk and a processor. Twenty seconds brought together
touch them once, with the full ones beside them, which share their rows with new ones. Until then a commit
writes its batches one behind the other into `pending_rows`; a file that is opened brings what stands there.
Rows are replaced by themselves, so what is brought twice counts once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import msgspec
import numpy as np

from streams.records import FlaggedSamples, Record, StationReport, StationReports

T = TypeVar("T")

LARGE_ROWS = 2000
"""A smaller commit writes into the tables itself, while nothing waits."""
MOST_ROWS = 1_000_000
"""Of more, the next commit waits until all are brought."""
HOLD_S = 20.0
STEP_ROWS = 4000
"""Of a transaction: a commit that waits for it waits for about 20 ms."""

Columns = StationReports | FlaggedSamples


def rows_of(batches: Iterable[Record]) -> int:
    """Return how many reports and samples there are."""
    return sum(
        len(one.reports) if isinstance(one, StationReports) else len(one)
        for one in batches
        if isinstance(one, Columns)
    )


def without_extras(batch: Columns) -> Columns:
    """Return a batch without places and waveforms: these are in their tables at once."""
    if isinstance(batch, FlaggedSamples) and (batch.places is not None or batch.waves is not None):
        return msgspec.structs.replace(batch, places=None, waves=None)
    return batch


@dataclass(slots=True)
class Behind:
    """What stands in `pending_rows`, in memory. Not for two threads at once."""

    clock_s: Callable[[], float] = time.monotonic
    rows: int = 0
    number: int = 0
    """The newest of `pending_rows`."""
    names: set[str] = field(default_factory=set)
    """Datastreams that have samples here."""
    _batches: list[Columns] = field(default_factory=list)
    _since_s: float = 0.0
    _taken_s: float = 0.0

    def takes(self, batches: Sequence[Record]) -> bool:
        """Return whether these go here, and not into the tables: nothing overtakes what waits."""
        return bool(self._batches) or rows_of(batches) >= LARGE_ROWS

    @property
    def is_due(self) -> bool:
        """Whether it is time to bring them."""
        return bool(self._batches) and self.clock_s() - self._since_s >= HOLD_S

    def add(self, batches: Iterable[Columns], number: int) -> None:
        """Remember what was committed, up to this number."""
        if not self._batches:
            self._since_s = self.clock_s()
        for batch in batches:
            self._batches.append(batch)
            if isinstance(batch, FlaggedSamples):
                self.names.update(batch.datastream_ids)
        self.number = max(self.number, number)
        self.rows = rows_of(self._batches)

    def samples_of(self, name: str) -> list[FlaggedSamples]:
        """Return the batches that have samples of a datastream, the oldest first."""
        if name not in self.names:
            return []
        some = (one for one in self._batches if isinstance(one, FlaggedSamples))
        return [one for one in some if name in one.datastream_ids]

    def standing(self) -> list[Columns]:
        """Return what is to be brought."""
        self._taken_s = self.clock_s()
        return list(self._batches)

    def brought(self, batches: int) -> None:
        """Forget so many of the oldest batches."""
        rest, number = self._batches[batches:], self.number
        self._batches, self.names = [], set()
        self.add(rest, number)
        self._since_s = self._taken_s


def by_station(batches: Iterable[Columns]) -> list[StationReport]:
    """Return the reports of all batches, those of a station together and in their order."""
    found: dict[str, list[StationReport]] = {}
    for batch in batches:
        if isinstance(batch, StationReports):
            for report in batch.reports:
                found.setdefault(report.station_id, []).append(report)
    return [report for reports in found.values() for report in reports]


def values_in(
    batches: Iterable[FlaggedSamples], name: str, times_us: Sequence[int]
) -> dict[int, tuple[int, float | None]]:
    """Return the newest revision and its value at some times of a datastream, where there is one."""
    asked_us, found = np.array(times_us, np.int64), dict[int, tuple[int, float | None]]()
    for batch in batches:
        rows = np.flatnonzero(batch.series == batch.datastream_ids.index(name))
        rows = rows[np.isin(batch.time_us[rows], asked_us)]
        columns = batch.time_us[rows], batch.revision[rows], batch.value[rows]
        for time_us, revision, value in zip(*(column.tolist() for column in columns), strict=True):
            if time_us not in found or revision >= found[time_us][0]:
                found[time_us] = revision, None if math.isnan(value) else value
    return found


def steps(rows: Iterable[T]) -> Iterator[list[T]]:
    """Cut rows into those of one transaction each."""
    left = iter(rows)
    while step := list(islice(left, STEP_ROWS)):
        yield step
