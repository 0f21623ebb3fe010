"""Which minutes the rows of a commit touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storage.sql.levels import END_US, FIRST_US, MINUTE_US, Mark

MOST_KEYS = 100
"""A mark names so many; more are called all of them."""
MOST_MARKS = 100
"""Of a commit; beyond it one mark spans all of its time. Clocks of devices may say anything."""


def touched(key: NDArray[np.int32], time_us: NDArray[np.int64]) -> list[Mark]:
    """Return the minutes of these rows, each with the keys that have rows in it."""
    within = (time_us >= FIRST_US) & (time_us < END_US)
    if not within.all():
        key, time_us = key[within], time_us[within]
    if not len(key):
        return []
    minute = time_us // MINUTE_US
    low, high = int(minute.min()), int(minute.max())
    if low == high:
        return [_mark(low, high, key)]
    begins = np.unique(minute)
    if len(begins) > MOST_MARKS:
        return [_mark(low, high, key)]
    return [_mark(one, one, key[minute == one]) for one in begins.tolist()]


def few_or_all(keys: NDArray[np.int32]) -> list[int] | None:
    """Return keys that a mark may name, each once; None: too many."""
    some = np.unique(keys)
    return some.tolist() if len(some) <= MOST_KEYS else None


def _mark(low: int, high: int, key: NDArray[np.int32]) -> Mark:
    return Mark(low * MINUTE_US, (high + 1) * MINUTE_US, few_or_all(key))
