"""Columns of decoded observations: what every decoder writes and every indicator reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.systems import UNKNOWN_CHANNEL

__all__ = ["LOST_LOCK", "PARTIAL", "UNKNOWN_CHANNEL", "MsmFrames", "Observations"]

LOST_LOCK = 1
"""The sender says that lock was lost since the report before (RINEX: bit 0 of the LLI)."""
PARTIAL = 2
"""Range and phase lack whole milliseconds of light (MSM1 to MSM3, 1001, 1003, 1009 and 1011).

They are right up to a multiple of 1 ms, 299,792.458 m (GLONASS 1009 and 1011: of 2 ms), the same one for all
values of a satellite in a message, so that their differences are right. They lie between -1.2 and 301 km
(GLONASS 1009 and 1011: up to 672 km). `gnss.rtcm.whole_ms` restores them."""

Int8 = NDArray[np.int8]
UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MsmFrames:
    """One row for each frame of observations, in the order of the buffer. All arrays have shape (n_frames,).

    These are MSM1 to MSM7 of all systems, and the messages before them: 1001 to 1004 (GPS and SBAS) and 1009
    to 1012 (GLONASS).
    """

    frame: Int32
    """Row of the frame in the frame index that was decoded."""
    message: Int16
    """Message number, for instance 1077."""
    system: UInt8
    """`gnss.systems.System` of the message; 1001 to 1004 are GPS and may hold SBAS satellites."""
    reference_station: Int16
    """DF003, 0 to 4095."""
    time_ms: Int64
    """GPS time in ms of the week, 0 to 604 799 999 (BeiDou: 14 s added, so it agrees with the others).
    GLONASS: UTC ms of the day, 0 to 86 399 999: DF034 less three hours, modulo the day (the leap seconds to
    GPS time are not known here, and the week day of DF416 is not relied on); DF034 of a leap second,
    86 400 000 to 86 400 999, reads as the second behind it. -1: no time that a clock could show."""
    more_follow: UInt8
    """DF393 or DF005: 1 when more messages of this epoch follow."""
    clock_steering: UInt8
    """DF411: 0 not applied, 1 applied, 2 unknown (always so in 1001 to 1012)."""
    cells: Int32
    """Observations that the frame holds."""
    damaged: int = 0
    """Such messages without a row: too short for their masks or their count of satellites, or masks that span
    more than 64 cells."""

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class Observations:
    """One row for each signal of a satellite in one frame. All arrays have shape (n_cells,).

    A value that the sender marked as invalid, or that the message type does not have, is NaN (floats) or -1
    (lock time); the row stays. 1003, 1004, 1011 and 1012 have a row of L2 for each satellite, NaN throughout
    where L2 was not observed.
    """

    row: Int32
    """Row in `MsmFrames`, for the time and the station."""
    system: UInt8
    satellite: UInt8
    """PRN or slot number as in RINEX: G01 is 1, J01 is 1 (PRN 193), S20 is 20 (PRN 120). 0: the sender of
    1009 to 1012 does not know the slot, or one of 1001 to 1004 sent a number that no satellite has."""
    signal: UInt8
    """MSM signal id, 1 to 32; `gnss.rtcm.signals` has its RINEX code and frequency."""
    range_m: Float64
    """Pseudorange."""
    phase_m: Float64
    """Phase range (carrier phase times wavelength, the sign of a range)."""
    rate_m_s: Float64
    """Phase-range rate; in MSM5 and MSM7 only."""
    cn0_dbhz: Float64
    lock_ms: Int32
    """Smallest lock time that the indicator allows; -1 without one (MSM1, reserved indicators)."""
    lock_indicator: Int16
    """As sent: DF402, DF407, or one of DF013, DF019, DF043 and DF049 (1001 to 1012); -1 without one. Which of
    the three follows from both columns: `lock_ms` is 1,000 or more while the indicator is 1 to 127, and not a
    power of two, for the last kind only."""
    half_cycle: UInt8
    """DF420: 1 when the phase may be off by half a cycle; 0 in 1001 to 1012, which do not tell."""
    flags: UInt8
    """Sum of `LOST_LOCK` and `PARTIAL`."""
    channel: Int8
    """GLONASS frequency number (DF419 or DF040), -7 to 13, or `UNKNOWN_CHANNEL`; 0 for the other systems."""

    def __len__(self) -> int:
        return len(self.row)
