"""Which minutes the rows of a commit touch."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from storage.sql.levels import END_US, FIRST_US, MINUTE_US, Mark

_Kind = TypeVar("_Kind", np.int32, np.int64)

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
    begins = distinct(minute)
    if len(begins) > MOST_MARKS:
        return [_mark(low, high, key)]
    return [_mark(one, one, key[minute == one]) for one in begins.tolist()]


def distinct(values: NDArray[_Kind]) -> NDArray[_Kind]:
    """Return each value once, in order; several times faster than a hash of them (`numpy.unique`)."""
    some = np.sort(values)
    return some[np.append(True, some[1:] != some[:-1])] if len(some) else some


def few_or_all(keys: NDArray[np.int32]) -> list[int] | None:
    """Return keys that a mark may name, each once; None: too many."""
    some = distinct(keys)
    return some.tolist() if len(some) <= MOST_KEYS else None


def _mark(low: int, high: int, key: NDArray[np.int32]) -> Mark:
    return Mark(low * MINUTE_US, (high + 1) * MINUTE_US, few_or_all(key))
