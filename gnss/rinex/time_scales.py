"""The time systems that RINEX names, to and from UTC (RINEX 3.05, section 4.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnss.time import SECOND_US, gps_to_utc

BEIDOU_BEHIND_US = 14 * SECOND_US
"""BeiDou's time stood at UTC on 2006-01-01, when GPS time was 14 s ahead."""
TIME_SYSTEMS = ("GPS", "GLO", "GAL", "QZS", "BDT", "IRN")


def to_utc(time_us: ArrayLike, time_system: str) -> NDArray[np.int64]:
    """Return UTC in us for a calendar time counted from 1970 in us, of the same shape.

    GLO is UTC, without the three hours of Moscow.
    """
    time = np.asarray(time_us, np.int64)
    if time_system == "GLO":
        return time
    return gps_to_utc(time + (BEIDOU_BEHIND_US if time_system == "BDT" else 0))
