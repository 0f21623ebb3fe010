"""The newest samples of each datastream, to recognise those that are sent again without asking a database."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.records import SampleBatch

REMEMBERED = 128
"""Samples of a datastream. A repetition of an older one is judged as late: it replaces nothing either."""
DATASTREAMS = 100_000

Int64 = NDArray[np.int64]


class RecentSamples:
    """What came last; implements `streams.rounds.KnownSamples`. Bounded: 2 kB a datastream."""

    def __init__(self, state: bytes = b"") -> None:
        self._known: dict[str, Int64] = {}
        """Times and bits of values, oldest first; shape (n, 2)."""
        if state:
            for name, raw in msgspec.msgpack.decode(state, type=dict[str, bytes]).items():
                self._known[name] = np.frombuffer(raw, np.int64).reshape(-1, 2)

    def stored(self, datastream_id: str, time_us: Int64, value: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which of these samples came before, with this value (NaN: without one)."""
        known = self._known.get(datastream_id)
        if known is None:
            return np.zeros(len(time_us), np.bool_)
        there = set(map(tuple, known.tolist()))
        asked = np.column_stack([time_us, _bits(value)])
        return np.array([tuple(one) in there for one in asked.tolist()], np.bool_)

    def remember(self, batch: SampleBatch) -> None:
        """Take samples that are new."""
        order = np.argsort(batch.series, kind="stable")
        rows = np.column_stack([batch.time_us, _bits(batch.value)])[order]
        bounds = np.searchsorted(batch.series[order], np.arange(len(batch.datastream_ids) + 1))
        for name, begin, end in zip(batch.datastream_ids, bounds[:-1], bounds[1:], strict=True):
            if begin == end:
                continue
            known = self._known.pop(name, None)  # it is heard of now: the last to be forgotten
            new = rows[begin:end] if known is None else np.concatenate([known, rows[begin:end]])
            self._known[name] = new[-REMEMBERED:].copy()
        while len(self._known) > DATASTREAMS:
            del self._known[next(iter(self._known))]

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode({name: known.tobytes() for name, known in self._known.items()})


def _bits(value: NDArray[np.float64]) -> Int64:
    """Return values so that NaN equals itself."""
    return np.ascontiguousarray(value).view(np.int64)
