"""Medians of some dozens to some hundreds of values, without memory of their own; for kernels.

Of few values by sorting. Of more the middle is enclosed first: to count how many values lie below a bound is
one pass that a processor makes four or eight values at a time, while a partition waits for each comparison.
"""

from __future__ import annotations

from typing import Any

from kernels.compiled import njit

_SORTED = 12
"""So many values are sorted."""


@njit(cache=True, nogil=True)
def median(values: Any) -> float:
    """Return the median as `numpy.median` has it; the values, numbers of shape (n,), are in disorder then."""
    n = len(values)
    first, last = (n - 1) // 2, n // 2
    if n <= _SORTED:
        _sort(values, n)
        return float(0.5 * (values[first] + values[last]))
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    below, up_to = 0, n  # how many are not above `low` and `high`; at first those at `low` are enclosed, too
    while up_to - below > _SORTED:
        middle = 0.5 * low + 0.5 * high
        if not low < middle < high:
            break
        count = 0
        for value in values:
            count += value <= middle
        if count <= first:
            low, below = middle, count
        elif count > last:
            high, up_to = middle, count
        else:
            return float(0.5 * (_highest(values, middle) + _lowest(values, middle)))
    kept = 0
    for value in values:
        if value <= high and (below == 0 or value > low):
            values[kept] = value
            kept += 1
    _sort(values, kept)  # many only where they are equal, or nearly
    return float(0.5 * (values[first - below] + values[last - below]))


@njit(cache=True, nogil=True)
def _highest(values: Any, most: float) -> float:
    found = values.min()
    for value in values:
        if value <= most:
            found = max(found, value)
    return float(found)


@njit(cache=True, nogil=True)
def _lowest(values: Any, least: float) -> float:
    found = values.max()
    for value in values:
        if value > least:
            found = min(found, value)
    return float(found)


@njit(cache=True, nogil=True)
def _sort(values: Any, n: int) -> None:
    """Sort the first n by insertion."""
    for i in range(1, n):
        value, j = values[i], i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
