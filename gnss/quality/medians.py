"""Medians of a few values, for kernels: no allocation, a few passes."""

from __future__ import annotations

from typing import Any

from kernels.compiled import njit


@njit(cache=True, nogil=True, error_model="numpy")
def select(values: Any, n: int, k: int) -> float:
    """Return the k-th smallest (from 0) of the first n values, which it reorders (Hoare's selection).

    Parameters
    ----------
    values
        Shape (m,), m >= n, without NaN.
    """
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return float(values[k])


@njit(cache=True, nogil=True, error_model="numpy")
def median(values: Any, n: int) -> float:
    """Return the median of the first n values, which it reorders; n > 0."""
    upper = select(values, n, n // 2)
    if n % 2:
        return upper
    lower = values[0]  # the largest of those below
    for i in range(1, n // 2):
        lower = max(lower, values[i])
    return float((lower + upper) / 2.0)
