"""What kernels of detectors say: one row of `sensors.detectors.bank.CROSSING` a crossing."""

from __future__ import annotations

from typing import Any

from numba import njit

CREDIBLE = 1e6
"""A value beyond this, in any unit of the sea, was not measured."""


@njit(cache=True, nogil=True)
def cross(
    crossings: Any,
    found: int,
    slot: int,
    row: int,
    code: int,
    level: int,
    onset_us: int,
    at_us: int,
    value: float,
    threshold: float,
) -> int:
    """Fill the next row; return how many are filled. `extra` is left to the caller."""
    c = crossings[found]
    c.slot, c.row, c.code, c.level = slot, row, code, level
    c.onset_us, c.at_us, c.value, c.threshold = onset_us, at_us, value, threshold
    c.extra[:] = 0.0
    return found + 1


@njit(cache=True, nogil=True)
def is_credible(value: float) -> bool:
    """Return whether a value is a number that can be reckoned with."""
    return abs(value) < CREDIBLE
