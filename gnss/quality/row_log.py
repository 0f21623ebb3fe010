"""Rows of many stations in the order in which they came, until somebody takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROOM = 256
Rows = NDArray[Any]


class RowLog:
    """A column that grows. Its dtype has a field `station`."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._kind = kind
        self._rows = np.zeros(_ROOM, kind)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def rows(self) -> Rows:
        """All of them, not to be kept."""
        rows: Rows = self._rows[: self._n]
        return rows

    def append(self, rows: Rows) -> None:
        """Add rows."""
        n = self._n + len(rows)
        if n > len(self._rows):
            more = np.zeros(max(n, 2 * len(self._rows)), self._kind)
            more[: self._n] = self.rows
            self._rows = more
        self._rows[self._n : n] = rows
        self._n = n

    def of(self, s: int) -> Rows:
        """Return a copy of the rows of one station."""
        own: Rows = self.rows[self.rows["station"] == s].copy()
        return own

    def take(self, which: NDArray[np.bool_]) -> Rows:
        """Return those rows, by station and in their order within it; they are gone then."""
        taken, kept = self.rows[which], self.rows[~which]
        self._rows = np.zeros(max(len(kept), _ROOM), self._kind)
        self._n = 0
        self.append(kept)
        ordered: Rows = taken[np.argsort(taken["station"], kind="stable")]
        return ordered


def of_station(rows: Rows, s: int) -> Rows:
    """Return the rows of a station out of rows that are ordered by station."""
    station = rows["station"]
    part: Rows = rows[np.searchsorted(station, s) : np.searchsorted(station, s, side="right")]
    return part
