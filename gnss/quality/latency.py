"""Latency: from the time of an epoch to its arrival here. Jitter: how much that varies.

Both need the receiving time, hence they are unknown in a replay that has none, and need a host whose
clock is disciplined: an epoch that seems to arrive before it was observed tells of this clock, not of
the station. The memory is a ring of the last 60 epochs; all functions are kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnss.quality.memory import LATENCIES

RECENT_EPOCHS = 5
EXTREME_EPOCHS = 10
JITTER_EPOCHS = 10
"""Jitter is known from so many epochs on."""


@njit(cache=True, nogil=True, error_model="numpy")
def recent_s(ring: Any, count: int) -> float:
    """Return the median of the last few epochs: one late epoch is not a late station; NaN: none.

    Parameters
    ----------
    ring
        Shape (60,); value `i` of all that ever came is in `i % 60`.
    count
        How many ever came.
    """
    n = min(count, RECENT_EPOCHS)
    if n == 0:
        return np.nan
    some = np.empty(RECENT_EPOCHS)
    for a in range(n):
        value, b = ring[(count - 1 - a) % LATENCIES], a
        while b > 0 and some[b - 1] > value:
            some[b] = some[b - 1]
            b -= 1
        some[b] = value
    return float(some[n // 2])


@njit(cache=True, nogil=True, error_model="numpy")
def extremes_s(ring: Any, count: int) -> tuple[float, float]:
    """Return the smallest and the largest of the last ten epochs; 0 when there are none."""
    n = min(count, EXTREME_EPOCHS)
    if n == 0:
        return 0.0, 0.0
    low = high = ring[(count - 1) % LATENCIES]
    for a in range(1, n):
        value = ring[(count - 1 - a) % LATENCIES]
        low, high = min(low, value), max(high, value)
    return float(low), float(high)


@njit(cache=True, nogil=True, error_model="numpy")
def jitter_s(ring: Any, count: int) -> float:
    """Return the 95th less the 5th percentile (nearest rank) of the ring; NaN for fewer than ten epochs."""
    n = min(count, len(ring))
    if n < JITTER_EPOCHS:
        return np.nan
    from_below = int(0.05 * n)
    from_above = n - 1 - min(int(0.95 * n), n - 1)
    # a few of each end are all that is needed
    lowest, highest = np.full(4, np.inf), np.full(4, -np.inf)
    for a in range(n):
        value = np.float64(ring[a])
        if value < lowest[from_below]:
            b = from_below
            while b > 0 and lowest[b - 1] > value:
                lowest[b] = lowest[b - 1]
                b -= 1
            lowest[b] = value
        if value > highest[from_above]:
            b = from_above
            while b > 0 and highest[b - 1] < value:
                highest[b] = highest[b - 1]
                b -= 1
            highest[b] = value
    return float(highest[from_above] - lowest[from_below])
