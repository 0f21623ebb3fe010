"""Latency: from the time of an epoch to its arrival here. Jitter: how much that varies.

Both need the receiving time, hence they are unknown in a replay that has none, and need a host whose
clock is disciplined: an epoch that seems to arrive before it was observed tells of this clock, not of
the station. The memory is a ring of the last 60 epochs; all functions are kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.memory import LATENCIES
from kernels.compiled import njit

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
    # of sixty values at most the fourth from below and from above are all that is needed
    low_1 = low_2 = low_3 = low_4 = np.float32(np.inf)
    high_1 = high_2 = high_3 = high_4 = np.float32(-np.inf)
    for a in range(n):
        value = ring[a]
        if value < low_4:
            low_4 = max(low_3, value)
            low_3 = min(low_3, max(low_2, value))
            low_2 = min(low_2, max(low_1, value))
            low_1 = min(low_1, value)
        if value > high_4:
            high_4 = min(high_3, value)
            high_3 = max(high_3, min(high_2, value))
            high_2 = max(high_2, min(high_1, value))
            high_1 = max(high_1, value)
    from_below, from_above = n // 20, n - 1 - n * 19 // 20
    low = low_4 if from_below == 3 else low_3 if from_below == 2 else low_2 if from_below == 1 else low_1
    high = high_4 if from_above == 3 else high_3 if from_above == 2 else high_2 if from_above == 1 else high_1
    return float(np.float64(high) - np.float64(low))
