"""The layout of 1001 to 1004 (GPS) and 1009 to 1012 (GLONASS): widths, scales, markers, signals, lock times.

Source: RTCM 10403.1, GPS and GLONASS RTK observables (DF002 to DF020, DF034 to DF050), as open
implementations publish and agree on it. The order of fields: header with the count of satellites; then for
each satellite number, L1 code, (GLONASS: channel,) L1 pseudorange, L1 phase less pseudorange, L1 lock time,
in the extended types (even numbers) whole moduli of L1 and its CNR; in the types of two bands the L2 code, L2
less L1 pseudorange, L2 phase less L1 pseudorange, L2 lock time, in the extended type L2 CNR.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FIRST_GPS, LAST_GPS, FIRST_GLONASS, LAST_GLONASS = 1001, 1004, 1009, 1012

BIT_TIME = 24
COUNT_BITS = 5
ID_BITS, L1_CODE_BITS, CHANNEL_BITS, PHASE_BITS, LOCK_BITS, CN0_BITS = 6, 1, 5, 20, 7, 8
L2_CODE_BITS, L2_RANGE_BITS = 2, 14

TIME_BITS, RANGE_BITS, WHOLE_BITS, HEADER_BITS, MODULUS_MM = range(5)
SYSTEM_LAYOUT: NDArray[np.int64] = np.array(
    [[30, 24, 8, 64, 299_792_458], [27, 25, 7, 61, 599_584_916]], np.int64
)
"""Shape (2, 5): row 0 GPS, row 1 GLONASS. Columns: width of the epoch time (behind it the multi-message bit,
DF005, and the count of satellites), of the L1 pseudorange and of its whole moduli (DF014, DF044), bits of the
header, and what the L1 pseudorange is sent modulo of (1 ms and 2 ms of light) in mm."""

RANGE_STEP_MM, PHASE_STEPS_PER_MM, CN0_STEPS = 20, 2, 4
"""Steps of 0.02 m (pseudoranges) and 0.0005 m (phases); CNR steps a dB-Hz."""

RANGE_MISSING = 0x80000
"""L1 pseudorange: missing, but the value that L2 is to be added to (so the standard)."""
RANGE_MISSING_SIGNED = -(1 << 19)
"""The marker of encoders that take it for a negative number of 20 bits (librtcm). Like a field with every bit
1 (rtcm-rs) it lies above the modulus: missing, and L2 has nothing to be added to."""
L2_RANGE_MISSING, PHASE_MISSING = -(1 << 13), -(1 << 19)

SBAS_FIRST_ID, SBAS_FIRST_SATELLITE = 40, 20
"""DF009 of 40 is PRN 120, which RINEX calls S20 (40 to 58 by the standard; those above follow)."""
CHANNEL_OFFSET, MAX_CHANNEL = 7, 13

L1_SIGNALS: NDArray[np.uint8] = np.array([2, 3], np.uint8)
"""MSM signal id of DF010 and DF039: C/A (1C), P (1P)."""
L2_SIGNALS: NDArray[np.uint8] = np.array([[17, 9, 10, 10], [8, 9, 10, 11]], np.uint8)
"""Shape (2, 4): MSM signal id of DF016 (GPS) and DF046 (GLONASS).

GPS 0 is "C/A or L2C": no GPS satellite sends C/A on L2, and which component of L2C was tracked is not told;
2X, both, as RTKLIB has it. 1 is P(Y) tracked directly: 2P. 2 and 3 are P(Y) by cross-correlation and by
correlation: 2W, the id of semi-codeless tracking (RTKLIB calls 2 2D, for which MSM has no id). GLONASS: 2C,
2P, and two ids without a name for the reserved codes 2 and 3."""

ROLL_OVER_CYCLES = 1500
"""A sender keeps DF012, DF018, DF042 and DF048 in their span of 524 m by steps of so many cycles. A message
does not tell when: who compares phases over time must expect it."""


def _lock_ms() -> NDArray[np.int32]:
    indicator = np.arange(128)
    group = indicator // 24
    # the step doubles behind every 24th indicator
    seconds = (indicator << group) - 24 * ((1 << group) * (group - 1) + 1)
    seconds[127] = 937
    return (seconds * 1000).astype(np.int32)


LOCK_MS = _lock_ms()
"""Shape (128,): smallest lock time in ms of an indicator (DF013, DF019, DF043, DF049)."""


def _satellite_bits() -> NDArray[np.int64]:
    bits = np.zeros(LAST_GLONASS + 1 - FIRST_GPS, np.int64)
    for row, first in enumerate((FIRST_GPS, FIRST_GLONASS)):
        one = ID_BITS + L1_CODE_BITS + row * CHANNEL_BITS + PHASE_BITS + LOCK_BITS
        one += SYSTEM_LAYOUT[row, RANGE_BITS]
        second = L2_CODE_BITS + L2_RANGE_BITS + PHASE_BITS + LOCK_BITS
        extended = SYSTEM_LAYOUT[row, WHOLE_BITS] + CN0_BITS
        bits[first - FIRST_GPS :][:4] = one, one + extended, one + second, one + extended + second + CN0_BITS
    return bits


SATELLITE_BITS = _satellite_bits()
"""Shape (12,), by the message number less 1001: bits of each satellite; 0: not one of these messages."""
