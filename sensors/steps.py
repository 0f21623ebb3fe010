"""What a jump from one sample to the next is: a spike, a shifted zero, or a real movement; for kernels.

What comes behind the jump tells it: a spike returns to where it came from, a shifted zero stands still where
it went, and all else moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

HOUR_US = 3_600_000_000
LEAST = 3
"""Samples of which one may say that they stand still."""
_STILL_SHARE = 0.1
_RETURNED_SHARE = 0.3
WAITING, RETURNED, MOVED, STANDS = range(4)

STEP = np.dtype(
    [
        ("since_us", "i8"),  # 0: there is none
        ("samples", "i8"),
        ("before", "f8"),  # where the value would be without the jump
        ("behind", "f8"),
        ("slope", "f8"),  # per hour: how both go on
    ]
)


@njit(cache=True, nogil=True)
def open_step(step: Any, time_us: int, before: float, behind: float, slope: float) -> None:
    """Remember a jump."""
    step.since_us, step.samples = time_us, 1
    step.before, step.behind, step.slope = before, behind, slope


@njit(cache=True, nogil=True)
def offset(step: Any, time_us: int, value: float) -> float:
    """Return how far a value is from where it would be without the jump."""
    return float(value - step.before - step.slope * (time_us - step.since_us) / HOUR_US)


@njit(cache=True, nogil=True)
def look(step: Any, time_us: int, value: float, still: float, bend_per_h2: float, hold_us: int) -> int:
    """Take the next value behind a jump; close it unless more is to be waited for.

    Parameters
    ----------
    still
        How much a value that stands still changes by noise.
    bend_per_h2
        How far the value may leave its slope, per square hour.
    hold_us
        So long it must stand still, and for `LEAST` samples.
    """
    hours = (time_us - step.since_us) / HOUR_US
    size = step.behind - step.before
    tolerance = max(still, _STILL_SHARE * abs(size)) + bend_per_h2 * hours * hours
    away = offset(step, time_us, value)
    if abs(away) <= max(tolerance, _RETURNED_SHARE * abs(size)):
        step.since_us = 0
        return RETURNED
    if abs(away - size) > tolerance:
        step.since_us = 0
        return MOVED
    step.samples += 1
    if step.samples < LEAST or time_us - step.since_us < hold_us:
        return WAITING
    step.since_us = 0
    return STANDS
