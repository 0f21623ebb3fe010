"""`gnss.time.resolve_week` and `resolve_day` for one time, as kernels."""

from __future__ import annotations

import numpy as np

from gnss.rtcm.bits import Integer
from gnss.time import DAY_US, GPS_EPOCH_US, LEAP_UTC_US, SECOND_US, WEEK_US
from kernels.compiled import njit

_LEAPS = len(LEAP_UTC_US)
_LEAP_UTC_US = LEAP_UTC_US.copy()
_LEAP_GPS_US = LEAP_UTC_US + SECOND_US * np.arange(1, _LEAPS + 1)


@njit(cache=True, nogil=True)
def _nearest(some_us: Integer, reference_us: Integer, period_us: Integer) -> Integer:
    return some_us + (reference_us - some_us + period_us // 2) // period_us * period_us


@njit(cache=True, nogil=True)
def resolve_week_kernel(time_ms: Integer, reference_us: Integer) -> Integer:
    """Return the UTC in us nearest to a reference (us UTC) that has the given ms of the GPS week."""
    leaps = _LEAPS  # from the newest on: one comparison for a time of today
    while leaps > 0 and reference_us < _LEAP_UTC_US[leaps - 1]:
        leaps -= 1
    gps_us = _nearest(GPS_EPOCH_US + time_ms * 1000, reference_us + SECOND_US * leaps, WEEK_US)
    leaps = _LEAPS
    while leaps > 0 and gps_us < _LEAP_GPS_US[leaps - 1]:
        leaps -= 1
    return gps_us - SECOND_US * leaps


@njit(cache=True, nogil=True)
def resolve_day_kernel(time_ms: Integer, reference_us: Integer) -> Integer:
    """Return the UTC in us nearest to a reference (us UTC) that has the given ms of the UTC day."""
    return _nearest(time_ms * 1000, reference_us, DAY_US)
