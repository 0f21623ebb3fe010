"""The layout of MSM4 to MSM7: field widths, scales, markers of missing values, lock times.

Source: RTCM 10403.3, multiple signal messages (DF393 to DF420), as open implementations publish and agree
on it. The order of fields: header, cell mask; then column by column for the satellites DF397, extended
information, DF398, DF399; then column by column for the cells fine pseudorange, fine phase range, lock time,
half-cycle, CNR, fine phase-range rate.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer

FIRST_MESSAGE, LAST_MESSAGE = 1071, 1137
"""MSM numbers are 1061 + 10 * group + type: groups 1 to 7 (`System` + 1), types 1 to 7."""

MAX_CELLS = 64
HEADER_BITS = 169
BIT_STATION, BIT_TIME, BIT_MORE, BIT_STEERING = 12, 24, 54, 65
BIT_SATELLITES, BIT_SIGNALS = 73, 137

ROUGH_MS_BITS, ROUGH_MS_MISSING = 8, 255
CHANNEL_BITS, CHANNEL_OFFSET, MAX_CHANNEL, CHANNEL_MISSING = 4, 7, 7, 15
ROUGH_FRACTION_BITS = 10
ROUGH_RATE_BITS, ROUGH_RATE_MISSING = 14, -8192
RATE_BITS, RATE_MISSING, RATE_STEPS = 15, -16384, 10_000
"""DF404 counts 0.0001 m/s, 10,000 to a step of DF399."""

RANGE_BITS, PHASE_BITS, LOCK_BITS, CN0_BITS, CN0_STEPS, RANGE_SHIFT, PHASE_SHIFT = range(7)
CELL_LAYOUT: NDArray[np.int64] = np.array([[15, 22, 4, 6, 1, 14, 19], [20, 24, 10, 10, 16, 19, 21]], np.int64)
"""Shape (2, 7): row 0 MSM4 and MSM5 (DF400 to DF403), row 1 MSM6 and MSM7 (DF405 to DF408). Columns: width
of fine range, fine phase, lock and CNR; CNR steps a dB-Hz; bits of the fine range and of the fine phase
below 2**-10 ms."""

SBAS_OFFSET = 19
"""Bit 1 of an SBAS satellite mask is PRN 120, which RINEX calls S20."""

MS_PER_DAY = 86_400_000
MS_PER_WEEK = 604_800_000
LEAP_SECOND_MS = 1_000
BDS_TO_GPS_MS = 14_000
MOSCOW_MS = 10_800_000
GLONASS_DAY_UNKNOWN = 7
DAY_BITS = 27
"""DF034 has 27 bits; DF416, the day of the week, is the three above it."""


def _lock_ms() -> NDArray[np.int32]:
    minimum = np.full((2, 1024), -1, np.int32)
    minimum[0, 0] = 0
    minimum[0, 1:16] = 1 << (np.arange(1, 16) + 4)
    minimum[1, :64] = np.arange(64)
    for indicator in range(64, 705):
        # the step doubles behind every 32nd indicator
        minimum[1, indicator] = minimum[1, indicator - 1] + (1 << ((indicator - 33) // 32))
    return minimum


LOCK_MS = _lock_ms()
"""Shape (2, 1024): smallest lock time in ms of an indicator, row 0 DF402, row 1 DF407; -1 reserved."""
LOCK_INDICATORS = (16, 705)
"""How many indicators of a row have a lock time."""


@njit(cache=True, nogil=True)
def bits_each(kind: Integer) -> tuple[Integer, Integer]:
    """Return the bits that MSM type `kind` (4 to 7) has for each satellite and for each cell."""
    high = 1 if kind >= 6 else 0
    satellite = ROUGH_MS_BITS + ROUGH_FRACTION_BITS
    cell = np.int64(1)
    for column in (RANGE_BITS, PHASE_BITS, LOCK_BITS, CN0_BITS):
        cell += CELL_LAYOUT[high, column]
    if kind % 2 == 1:
        satellite += CHANNEL_BITS + ROUGH_RATE_BITS
        cell += RATE_BITS
    return satellite, cell
