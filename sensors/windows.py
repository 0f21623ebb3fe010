"""The last points of a series in a record of fixed size, oldest first; for kernels.

A record stays small enough that the oldest point is dropped by moving the others: points are blocks of
samples, not samples, and so it is always in order for whoever reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit


def points(capacity: int) -> np.dtype[np.void]:
    """Return the type of a record that holds so many points."""
    return np.dtype([("n", "i8"), ("time_us", "i8", (capacity,)), ("value", "f8", (capacity,))])


@njit(cache=True, nogil=True)
def append(ring: Any, time_us: int, value: float) -> None:
    """Add the newest point; a full ring loses its oldest."""
    capacity = len(ring.time_us)
    if ring.n == capacity:
        drop(ring, 1)
    ring.time_us[ring.n] = time_us
    ring.value[ring.n] = value
    ring.n += 1


@njit(cache=True, nogil=True)
def drop(ring: Any, count: int) -> None:
    """Lose the oldest points."""
    _shift(ring.time_us, ring.n, count)
    _shift(ring.value, ring.n, count)
    ring.n -= count


@njit(cache=True, nogil=True)
def _shift(column: Any, n: int, count: int) -> None:
    """Move the n values forward; a column alone is moved in one go."""
    for k in range(n - count):
        column[k] = column[k + count]


@njit(cache=True, nogil=True)
def since(ring: Any, time_us: int) -> int:
    """Return the index of the first point that is not older; `ring.n` if all are."""
    low, high = 0, ring.n
    while low < high:
        middle = (low + high) // 2
        if ring.time_us[middle] < time_us:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def value_at(ring: Any, time_us: int, max_age_us: int) -> float:
    """Return the value at a time: between two points on their line, behind the last as it was.

    NaN where the nearest points are further than `max_age_us`.
    """
    k = since(ring, time_us)
    if k < ring.n and ring.time_us[k] == time_us:
        return float(ring.value[k])
    if k == 0 or time_us - ring.time_us[k - 1] > max_age_us:
        return np.nan
    before = ring.value[k - 1]
    if k == ring.n or ring.time_us[k] - time_us > max_age_us:
        return float(before)
    share = (time_us - ring.time_us[k - 1]) / (ring.time_us[k] - ring.time_us[k - 1])
    return float(before + share * (ring.value[k] - before))
