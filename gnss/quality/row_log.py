"""Rows of many stations, each in the order in which they came, until somebody takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]


class RowLog:
    """Rows by station. What one station has costs nothing to find, however many there are.

    Parameters
    ----------
    kind
        With a field `station`.
    """

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._bytes: dict[int, bytearray] = {}

    def append(self, rows: Rows) -> None:
        """Add rows of any stations."""
        if not len(rows):
            return
        stations, size, raw = rows["station"], self._kind.itemsize, rows.tobytes()
        begins = [0, *(np.flatnonzero(stations[1:] != stations[:-1]) + 1).tolist()]
        ends = [*begins[1:], len(rows)]
        for s, begin, end in zip(stations[begins].tolist(), begins, ends, strict=True):
            own = self._bytes.get(s)
            if own is None:
                own = self._bytes[s] = bytearray()
            own += raw[begin * size : end * size]

    def of(self, s: int) -> Rows:
        """Return a copy of the rows of one station."""
        return np.frombuffer(bytes(self._bytes.get(s, b"")), self._kind)

    def take(self, s: int) -> Rows:
        """Return the rows of one station; they are gone then."""
        return np.frombuffer(self._bytes.pop(s, bytearray()), self._kind)
