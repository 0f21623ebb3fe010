"""What a rain gauge says, and whether to believe it.

A gauge that gives more than a share of the greatest rain ever measured in that time, or the same depth again
and again, is wrong. Four times in a row a depth of five tips or more is next to impossible in rain; after the
first one the others wait until the next differs. So are three hours of one small depth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.episodes import NOTHING, blame
from sensors.rain_kernel import HOUR_US, NM, most_ever_mm

INTERVAL, TOTAL = 0, 1
TOO_MUCH, REPEATED = 1, 2
_MANY_TIPS, _SAME_MANY = 5, 4
_SAME_FEW, _SAME_FEW_US = 36, 3 * HOUR_US

GAUGE_LIMITS = [
    ("input", "i8"),
    ("factor", "f8"),  # mm for what it counts
    ("tip", "i8"),  # nm
    ("rollover", "f8"),
    ("record_share", "f8"),
]
GAUGE = [
    ("has_total", "i8"),
    ("total", "f8"),
    ("same", "i8"),  # the last depth, nm
    ("same_n", "i8"),
    ("same_us", "i8"),
    ("waiting", "i8"),
]


@njit(cache=True, nogil=True)
def fallen_mm_since(limit: Any, s: Any, value: float) -> float:
    """Return what fell since the sample before, or NaN when it cannot be known."""
    if limit.input == INTERVAL:
        return value if value >= 0.0 else np.nan
    grown = value - s.total
    if s.has_total == 0:
        grown = 0.0
    elif grown < 0.0:
        # The counter began anew: at its end, or because somebody or something reset it.
        grown = grown + limit.rollover if s.total > 0.9 * limit.rollover > 0.0 else value
    s.has_total, s.total = 1, value
    return float(grown * limit.factor) if grown >= 0.0 else np.nan


@njit(cache=True, nogil=True)
def believed_nm(limit: Any, s: Any, time_us: int, period_us: int, fallen_mm: float) -> tuple[int, int]:
    """Return the rain to add, nm, and a code about the sensor."""
    if fallen_mm > limit.record_share * most_ever_mm(period_us / HOUR_US):
        return 0, blame(s, TOO_MUCH, time_us, time_us)
    amount = int(np.rint(fallen_mm * NM))
    if amount == 0 or amount != s.same:
        amount_now = amount + s.waiting
        s.same, s.same_n, s.same_us, s.waiting = amount, 1, time_us, 0
        return amount_now, NOTHING
    s.same_n += 1
    if amount < _MANY_TIPS * limit.tip:
        if s.same_n < _SAME_FEW or time_us - s.same_us < _SAME_FEW_US:
            return amount, NOTHING
        return 0, blame(s, REPEATED, s.same_us, time_us)
    if s.same_n < _SAME_MANY:
        s.waiting += amount
        return 0, NOTHING
    s.waiting = 0
    return 0, blame(s, REPEATED, s.same_us, time_us)
