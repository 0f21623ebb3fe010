"""The newest sample of each datastream, and which of them have not been shown yet. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.records import FlaggedSamples

_FIRST_ROWS = 64
_LONG_AGO_US = np.iinfo(np.int64).min
_FORGOTTEN_AT_ONCE = 100
"""A hundredth of all: who invents names does not make each of them cost a search."""


class NewestSamples:
    """Takes samples by columns: tens of thousands come each second, and a fraction of them is shown.

    Parameters
    ----------
    limit
        Datastreams. Names come from devices: of more, those that were heard longest ago are forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: dict[str, int] = {}
        self._names: list[str] = []
        """By row; those of free rows are void."""
        self._free: list[int] = []
        self._clock = 1
        """Samples that have come."""
        self._time_us = np.zeros(0, np.int64)
        self._value = np.zeros(0, np.float64)
        self._flag = np.zeros(0, np.uint8)
        self._heard = np.zeros(0, np.int64)
        """When something of a datastream came last, by `_clock`; 0: the row is free."""
        self._unsent = np.zeros(0, np.int64)
        """Since when there has been something to show; 0: there is nothing."""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, batch: FlaggedSamples) -> None:
        """Take a batch; of two samples for the same time the later one stays.

        Raises
        ------
        IndexError
            The batch has a series without name.
        """
        for begin in range(0, len(batch), self._limit):
            self._add(batch, slice(begin, begin + self._limit))

    def take(self, limit: int) -> list[tuple[str, int, float, int]]:
        """Return name, time (us), value and flag of those that have waited longest; they wait no more."""
        waiting = np.flatnonzero(self._unsent)
        if len(waiting) > limit:
            waiting = waiting[np.argpartition(self._unsent[waiting], limit)[:limit]]
        waiting = waiting[np.argsort(self._unsent[waiting])]
        self._unsent[waiting] = 0
        columns = (self._time_us[waiting], self._value[waiting], self._flag[waiting])
        names = [self._names[row] for row in waiting.tolist()]
        return list(zip(names, *(column.tolist() for column in columns), strict=True))

    def _add(self, batch: FlaggedSamples, piece: slice) -> None:
        series, time_us = batch.series[piece], batch.time_us[piece]
        order = np.arange(self._clock, self._clock + len(series))
        self._clock += len(series)
        rows = self._rows_of(batch.datastream_ids, series, order)
        self._heard[rows] = order
        is_newest = time_us >= self._time_us[rows]
        first = np.flatnonzero(is_newest & (self._unsent[rows] == 0))[::-1]
        self._unsent[rows[first]] = order[first]  # the last one that is set stays: the first that came
        by_time = np.argsort(time_us, kind="stable")
        by_time = by_time[is_newest[by_time]]
        rows = rows[by_time]
        self._time_us[rows] = time_us[by_time]
        self._value[rows] = batch.value[piece][by_time]
        self._flag[rows] = batch.flag[piece][by_time]

    def _rows_of(
        self, names: Sequence[str], series: NDArray[np.int32], order: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        used = np.unique(series).tolist()
        found = [self._rows.get(names[one], -1) for one in used]
        row_of = np.full(len(names), -1)
        row_of[used] = found
        if -1 in found:
            rows = row_of[series]
            is_known = rows >= 0
            self._heard[rows[is_known]] = order[is_known]  # none of these is forgotten for a new one
            new = dict.fromkeys(names[one] for one, row in zip(used, found, strict=True) if row < 0)
            self._make_room(len(new), int(order[0]))
            for name in new:
                self._rows[name] = row = self._free.pop()
                self._names[row] = name
            row_of[used] = [self._rows[names[one]] for one in used]
        return row_of[series]

    def _make_room(self, n: int, now: int) -> None:
        """Have at least n free rows, at the cost of datastreams that were not heard from `now` on."""
        if (excess := len(self._rows) + n - self._limit) > 0:
            most = max(excess, self._limit // _FORGOTTEN_AT_ONCE)
            others = np.flatnonzero((self._heard > 0) & (self._heard < now))
            for row in others[np.argsort(self._heard[others])[:most]].tolist():
                del self._rows[self._names[row]]
                self._time_us[row], self._heard[row], self._unsent[row] = _LONG_AGO_US, 0, 0
                self._free.append(row)
        if (lacking := n - len(self._free)) > 0:
            begin, more = len(self._names), max(lacking, _FIRST_ROWS, len(self._names))
            self._free.extend(range(begin + more - 1, begin - 1, -1))
            self._names.extend([""] * more)
            self._time_us = np.concatenate((self._time_us, np.full(more, _LONG_AGO_US)))
            self._value = np.concatenate((self._value, np.zeros(more)))
            self._flag = np.concatenate((self._flag, np.zeros(more, np.uint8)))
            self._heard, self._unsent = (
                np.concatenate((column, np.zeros(more, np.int64))) for column in (self._heard, self._unsent)
            )
