"""Robust statistics of few points: slopes, scatter, outliers; for kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.median import median

NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution, in median absolute deviations."""
MOST_PAIRED = 24
"""Of more points not all pairs are made: 276 are enough."""


@njit(cache=True, nogil=True)
def deviation(value: Any) -> tuple[float, float]:
    """Return the median, and the standard deviation as the median absolute deviation tells it."""
    scratch = value.copy()
    middle = median(scratch)
    for k in range(len(value)):
        scratch[k] = abs(value[k] - middle)
    return middle, NORMAL_MAD * median(scratch)


@njit(cache=True, nogil=True)
def median_slope(time_us: Any, value: Any) -> float:
    """Return the median of the slopes of all pairs per second (Theil 1950, Sen 1968).

    Of more than `MOST_PAIRED` points each of the first half makes a pair with its fellow of the second
    (Theil's short form): the work grows as the points do, and a wave is met in all its phases.

    Parameters
    ----------
    time_us, value
        Shape (n,), n >= 2, times that grow.
    """
    n = len(time_us)
    if n > MOST_PAIRED:
        half = n - n // 2
        slopes = np.empty(n - half)
        for k in range(n - half):
            slopes[k] = (value[half + k] - value[k]) / ((time_us[half + k] - time_us[k]) * 1e-6)
        return median(slopes)
    slopes = np.empty(n * (n - 1) // 2)
    pair = 0
    for k in range(1, n):
        for j in range(k):
            slopes[pair] = (value[k] - value[j]) / ((time_us[k] - time_us[j]) * 1e-6)
            pair += 1
    return median(slopes)


@njit(cache=True, nogil=True)
def theil_sen(time_us: Any, value: Any) -> tuple[float, float, float]:
    """Return the line of `median_slope`.

    Returns
    -------
    Slope per second; the line's value at the last time; the standard deviation of the points from the line,
    robust.
    """
    n = len(time_us)
    slope = median_slope(time_us, value)
    left = np.empty(n)
    for k in range(n):
        left[k] = value[k] - slope * ((time_us[k] - time_us[n - 1]) * 1e-6)
    at_end, scatter = deviation(left)
    return slope, at_end, scatter


@njit(cache=True, nogil=True)
def is_outlier(before: Any, value: float, multiple: float, floor: float) -> bool:
    """Return whether a value is further from the median of those before than their scatter lets (Hampel)."""
    middle, scatter = deviation(before)
    return bool(abs(value - middle) > multiple * max(scatter, floor))


@njit(cache=True, nogil=True)
def remembered(memory: float, scatter: float, share: float) -> float:
    """Return a scatter that follows quickly where it gets smaller, and slowly where it grows.

    What moves faster and faster scatters about its own trend: that must not count as noise. So a growth
    counts a quarter, and never more than a doubling at a time. 0: nothing is remembered yet.
    """
    if memory == 0.0:
        return scatter
    if scatter < memory:
        return memory + share * (scatter - memory)
    return memory + 0.25 * share * (min(scatter, 2.0 * memory) - memory)
