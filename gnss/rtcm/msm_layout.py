"""The layout of MSM1 to MSM7: field widths, scales, markers of missing values, lock times.

Source: RTCM 10403.3, multiple signal messages (DF393 to DF420), as open implementations publish and agree
on it. The order of fields: header, cell mask; then column by column for the satellites DF397, extended
information, DF398, DF399; then column by column for the cells fine pseudorange, fine phase range, lock time,
half-cycle, CNR, fine phase-range rate. Each type leaves out some of these columns (`COLUMN_BITS`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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

FIRST_FULL_KIND, FIRST_HIGH_KIND = 4, 6
"""Types below 4 leave out the whole milliseconds; types from 6 on have finer steps."""

COLUMN_MS, COLUMN_INFO, COLUMN_FRACTION, COLUMN_ROUGH_RATE = range(4)
COLUMN_RANGE, COLUMN_PHASE, COLUMN_LOCK, COLUMN_HALF, COLUMN_CN0, COLUMN_RATE = range(4, 10)


def _column_bits() -> NDArray[np.int64]:
    bits = np.zeros((8, 10), np.int64)
    for kind in range(1, 8):
        high = CELL_LAYOUT[int(kind >= FIRST_HIGH_KIND)]
        bits[kind, COLUMN_FRACTION] = ROUGH_FRACTION_BITS
        if kind != 2:
            bits[kind, COLUMN_RANGE] = high[RANGE_BITS]
        if kind != 1:
            bits[kind, [COLUMN_PHASE, COLUMN_LOCK, COLUMN_HALF]] = high[PHASE_BITS], high[LOCK_BITS], 1
        if kind >= FIRST_FULL_KIND:
            bits[kind, [COLUMN_MS, COLUMN_CN0]] = ROUGH_MS_BITS, high[CN0_BITS]
        if kind in {5, 7}:
            rates = [COLUMN_INFO, COLUMN_ROUGH_RATE, COLUMN_RATE]
            bits[kind, rates] = CHANNEL_BITS, ROUGH_RATE_BITS, RATE_BITS
    return bits


COLUMN_BITS = _column_bits()
"""Shape (8, 10), row 0 not used: bits that MSM type 1 to 7 has in each column, in their order, for each
satellite (four columns) and for each cell (six); 0: the type leaves the column out."""
BITS_EACH = np.stack(
    [COLUMN_BITS[:, :COLUMN_RANGE].sum(axis=1), COLUMN_BITS[:, COLUMN_RANGE:].sum(axis=1)], 1
)
"""Shape (8, 2): bits that MSM type 1 to 7 has for each satellite and for each cell."""
