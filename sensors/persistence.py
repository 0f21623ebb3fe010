"""Whether residuals persist, and whether they look like a fault of the instrument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

SAMPLES = 3
OF = 5
SHARE = 0.6
"""At least 3 of the last 5, or 60 % of more."""
_STEP_SHARE = 0.7
_STILL_DEVIATIONS = 2.5


class Residual(NamedTuple):
    """A judged sample."""

    time_us: int
    value: float
    residual: float
    jump: float
    """Change of the residual since the sample before."""
    over: bool
    """It exceeds the threshold."""


def shorten(recent: list[Residual], time_us: int, duration_s: float) -> None:
    """Keep the last five samples, or those of twice the duration when these are more."""
    first_us = time_us - round(2e6 * duration_s)
    while len(recent) > OF and recent[0].time_us < first_us:
        del recent[0]


def persists(recent: Sequence[Residual], duration_s: float) -> bool:
    """Return whether enough of the samples exceed the threshold, over long enough."""
    over = [r.time_us for r in recent if r.over]
    return len(over) >= max(SAMPLES, SHARE * len(recent)) and over[-1] - over[0] >= duration_s * 1e6


def reaches(recent: Iterable[Residual], limit: float, duration_s: float) -> bool:
    """Return whether at least three samples reach a limit, over long enough."""
    above = [r.time_us for r in recent if abs(r.residual) >= limit]
    return len(above) >= SAMPLES and above[-1] - above[0] >= duration_s * 1e6


def stands_still(over: Sequence[Residual], noise: float) -> bool:
    """Return whether the residuals differ by no more than noise of this standard deviation makes."""
    return float(np.std([r.residual for r in over], ddof=1)) <= _STILL_DEVIATIONS * noise


def jumped(over: Sequence[Residual]) -> bool:
    """Return whether most of the first residual came from one sample to the next."""
    return abs(over[0].jump) >= _STEP_SHARE * abs(over[0].residual)


def is_stuck(recent: Sequence[Residual], resolution: float) -> bool:
    """Return whether the values themselves do not change."""
    values = [r.value for r in recent]
    return max(values) - min(values) <= resolution


def columns(recent: Iterable[Residual]) -> dict[str, list[Any]]:
    """Return samples as evidence."""
    rows = list(recent)
    return {
        "time_us": [r.time_us for r in rows],
        "value": [round(r.value, 4) for r in rows],
        "trend": [round(r.value - r.residual, 4) for r in rows],
        "residual": [round(r.residual, 4) for r in rows],
        "exceeds": [r.over for r in rows],
    }
