"""What of an epoch MSM7 can say: values that have no room are left out, one by one, and counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

MOST_RANGE_M = 254.0 * SPEED_OF_LIGHT_M_S / 1000.0
_NEAR_RANGE_M, _NEAR_PHASE_M = 140.0, 1_000.0
"""How far the values of a satellite may be from its first one. MSM7 has room for 293 m and 1,171 m
from a rough value that is a multiple of 293 m, so up to half as much from the first one."""
_RATE_REACH_M_S = 1.638
"""How far rates may be from a common rough one, a multiple of 1 m/s."""
_MOST_RATE_M_S = 8_000.0
_LEAST_CN0_DBHZ, _MOST_CN0_DBHZ = 0.04, 63.9

Float64 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def fit(
    satellite: NDArray[np.int64],
    range_m: Float64,
    phase_m: Float64,
    rate_m_s: Float64,
    cn0_dbhz: Float64,
) -> Integer:
    """Make NaN of what does not fit; return how many values that were.

    Parameters
    ----------
    satellite
        Any number for each satellite, the signals of one beside each other; all arrays have shape (n,).
    """
    left_out = 0
    middle_m = lowest = highest = np.nan
    for i in range(satellite.size):
        if i == 0 or satellite[i] != satellite[i - 1]:
            middle_m = lowest = highest = np.nan
        value = range_m[i]
        fits = 0.0 <= value < MOST_RANGE_M and not abs(value - middle_m) > _NEAR_RANGE_M
        if fits and np.isnan(middle_m):
            middle_m = value
        if not fits:
            left_out += not np.isnan(value)
            range_m[i] = np.nan
        value = rate_m_s[i]
        low, high = (value, value) if np.isnan(lowest) else (min(lowest, value), max(highest, value))
        rough = np.floor((low + high) / 2 + 0.5)
        fits = abs(value) < _MOST_RATE_M_S and max(high - rough, rough - low) <= _RATE_REACH_M_S
        if fits:
            lowest, highest = low, high
        else:
            left_out += not np.isnan(value)
            rate_m_s[i] = np.nan
        if not _LEAST_CN0_DBHZ <= cn0_dbhz[i] <= _MOST_CN0_DBHZ:
            left_out += not np.isnan(cn0_dbhz[i])
            cn0_dbhz[i] = np.nan
    # phases last, as they need a range of their satellite
    middle_m = np.nan
    for i in range(satellite.size):
        if i == 0 or satellite[i] != satellite[i - 1]:
            middle_m = np.nan
            j = i
            while j < satellite.size and satellite[j] == satellite[i] and np.isnan(middle_m):
                middle_m = range_m[j]
                j += 1
        if not (abs(phase_m[i] - middle_m) <= _NEAR_PHASE_M and abs(phase_m[i]) < MOST_RANGE_M):
            left_out += not np.isnan(phase_m[i])
            phase_m[i] = np.nan
    return left_out
