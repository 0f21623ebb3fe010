"""What kernels of detectors say: one row of `sensors.detectors.bank.CROSSING` a crossing."""

from __future__ import annotations

from typing import Any

from kernels.compiled import njit

CREDIBLE = 1e6
"""A value beyond this, in any unit of the sea, was not measured."""


@njit(cache=True, nogil=True)
def fill(
    crossing: Any,
    slot: int,
    row: int,
    code: int,
    level: int,
    onset_us: int,
    at_us: int,
    value: float,
    threshold: float,
) -> None:
    """Fill a row. `extra` is left to the caller."""
    crossing.slot, crossing.row, crossing.code, crossing.level = slot, row, code, level
    crossing.onset_us, crossing.at_us = onset_us, at_us
    crossing.value, crossing.threshold = value, threshold
    crossing.extra[:] = 0.0


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
    """Fill the next row; return how many are filled."""
    fill(crossings[found], slot, row, code, level, onset_us, at_us, value, threshold)
    return found + 1


@njit(cache=True, nogil=True)
def is_credible(value: float) -> bool:
    """Return whether a value is a number that can be reckoned with."""
    return abs(value) < CREDIBLE
