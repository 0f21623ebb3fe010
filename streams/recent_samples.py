"""The newest samples of each datastream, to leave out those that are sent again without asking a database."""

from __future__ import annotations

from itertools import islice, pairwise, repeat

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.recent_kernel import SERIES, mark_known, oldest_first, remember
from streams.records import SampleBatch
from streams.samples import bits_of, first_of_equal, rows_where

REMEMBERED = 128
"""Samples of a datastream. A repetition of an older one is judged as late: it replaces nothing either."""
DATASTREAMS = 100_000
_ROWS = 64
_SAMPLE_BYTES = 16
_FIRST_US = np.iinfo(np.int64).min

Int64 = NDArray[np.int64]


class RecentSamples:
    """Leaves out samples that came before, as columns: a row a datastream. Bounded: 2 kB a datastream.

    Parameters
    ----------
    state
        What `snapshot` gave.
    most
        Datastreams that are remembered; the one that was heard longest ago is forgotten first.
    """

    def __init__(self, state: bytes = b"", most: int = DATASTREAMS) -> None:
        self.left_out = 0
        self._most = most
        self._rows: dict[str, int] = {}
        self._names: list[str] = []
        """Of each row."""
        self._free: list[int] = []
        """Rows that nobody has."""
        self._series = np.zeros(0, SERIES)
        self._ring = np.zeros((0, REMEMBERED, 2), np.int64)
        self._heard = 0
        if state:
            self._restore(msgspec.msgpack.decode(state, type=dict[str, bytes]))

    def without(self, batch: SampleBatch) -> SampleBatch:
        """Return the samples that are new, in their order, and remember them; of equal ones the first.

        One with another value at the same time is no repetition: a clock may have been set back.
        """
        if not len(batch):
            return batch
        row = self._rows_of(batch)[batch.series]
        # Of their own, since columns off the wire are read-only: kernels would be compiled once more.
        time_us, bits = np.array(batch.time_us, np.int64), np.array(bits_of(batch.value))
        new = np.ones(len(batch), np.bool_)
        if mark_known(row, time_us, bits, self._series, self._ring, new):
            new &= first_of_equal(row, time_us, bits)
        heard = self._heard + batch.series.astype(np.int64)
        remember(row, time_us, bits, heard, new, self._series, self._ring)
        self._heard += len(batch.datastream_ids)
        if len(self._rows) > self._most:
            self._forget(len(self._rows) - self._most)
        if new.all():
            return batch
        self.left_out += int(len(batch) - new.sum())
        return rows_where(batch, new)

    def snapshot(self) -> bytes:
        """Return the state: times and bits of values of each datastream, oldest first."""
        row = np.fromiter(self._rows.values(), np.int64, len(self._rows))
        row = row[np.argsort(self._series["heard"][row])]
        count = self._series["count"][row]
        samples = np.empty((int(count.sum()), 2), np.int64)
        oldest_first(row, self._series, self._ring, samples)
        raw, ends = samples.reshape(-1).view(np.uint8).data, [0, *(_SAMPLE_BYTES * np.cumsum(count)).tolist()]
        names = (self._names[r] for r in row.tolist())
        known = {name: raw[begin:end] for name, (begin, end) in zip(names, pairwise(ends), strict=True)}
        return msgspec.msgpack.encode(known)

    def _restore(self, known: dict[str, bytes]) -> None:
        for name, raw in islice(known.items(), max(len(known) - self._most, 0), None):
            samples = np.frombuffer(raw, np.int64).reshape(-1, 2)[-REMEMBERED:]
            row, count = self._take_row(name), len(samples)
            self._ring[row, :count] = samples
            newest_us = samples[:, 0].max(initial=_FIRST_US)
            self._series[row] = (newest_us, self._heard, count, count % REMEMBERED)
            self._heard += 1

    def _rows_of(self, batch: SampleBatch) -> Int64:
        """Return the row of each datastream; -1 for those without a sample that are not known."""
        names = batch.datastream_ids
        rows = np.fromiter(map(self._rows.get, names, repeat(-1)), np.int64, len(names))
        if (rows < 0).any():
            for i in np.unique(batch.series[rows[batch.series] < 0]).tolist():
                rows[i] = self._take_row(names[i])
        return rows

    def _take_row(self, name: str) -> int:
        row = self._rows.get(name)
        if row is None:
            if not self._free:
                self._grow()
            row = self._rows[name] = self._free.pop()
            self._names[row] = name
        return row

    def _grow(self) -> None:
        """Make room for as many datastreams again."""
        n = len(self._series)
        more = n or _ROWS
        series, ring = np.zeros(n + more, SERIES), np.zeros((n + more, REMEMBERED, 2), np.int64)
        series[:n], ring[:n] = self._series, self._ring
        series["newest_us"][n:] = _FIRST_US
        self._series, self._ring = series, ring
        self._names += [""] * more
        self._free = list(range(n + more - 1, n - 1, -1))

    def _forget(self, number: int) -> None:
        """Give up the datastreams that were heard longest ago."""
        row = np.fromiter(self._rows.values(), np.int64, len(self._rows))
        row = row[np.argpartition(self._series["heard"][row], number - 1)[:number]]
        self._series[row] = np.array((_FIRST_US, 0, 0, 0), SERIES)
        for r in row.tolist():
            del self._rows[self._names[r]]
            self._names[r] = ""
            self._free.append(r)
