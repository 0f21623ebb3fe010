"""Latency: from the time of an epoch to its arrival here. Jitter: how much that varies.

Both need the receiving time, hence they are unknown in a replay that has none, and need a host whose
clock is disciplined: an epoch that seems to arrive before it was observed tells of this clock, not of
the station.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_EPOCHS = 60
RECENT_EPOCHS = 5
JITTER_EPOCHS = 10
"""Jitter is known from so many epochs on."""


class Latencies:
    """The latencies of the last epochs in s, oldest first."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: list[float] = []

    def add(self, latency_s: float) -> None:
        """Take the latency of an epoch."""
        self._values.append(latency_s)
        del self._values[:-WINDOW_EPOCHS]

    def recent_s(self) -> float | None:
        """Return the median of the last few epochs: one late epoch is not a late station."""
        recent = sorted(self._values[-RECENT_EPOCHS:])
        return recent[len(recent) // 2] if recent else None

    def largest_s(self) -> float:
        """Return the largest of the last ten epochs; 0 when there are none."""
        return max(self._values[-10:], default=0.0)

    def smallest_s(self) -> float:
        """Return the smallest of the last ten epochs; 0 when there are none."""
        return min(self._values[-10:], default=0.0)

    def jitter_s(self) -> float | None:
        """Return the 95th less the 5th percentile (nearest rank) over the last 60 epochs."""
        n = len(self._values)
        if n < JITTER_EPOCHS:
            return None
        ordered = sorted(self._values)
        return ordered[min(int(0.95 * n), n - 1)] - ordered[int(0.05 * n)]

    def snapshot(self) -> bytes:
        """Return the state."""
        return np.array(self._values, "<f8").tobytes()

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        values: NDArray[Any] = np.frombuffer(state, "<f8")
        self._values = values.tolist()
