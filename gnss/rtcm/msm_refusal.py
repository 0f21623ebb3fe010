"""Why an observation cannot be sent in an MSM: checks of `gnss.rtcm.msm_encode`."""

from __future__ import annotations

import numpy as np

from gnss.rtcm import msm_layout as layout
from gnss.rtcm.bits import Integer
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.systems import UNKNOWN_CHANNEL, System
from kernels.compiled import njit

_GLONASS = int(System.GLONASS)
_CELL_LAYOUT = layout.CELL_LAYOUT
_MAX_RANGE_M = layout.ROUGH_MS_MISSING * SPEED_OF_LIGHT_M_S / 1000.0
_MAX_RATE_M_S = 8193.0

CELLS, SYSTEM, SATELLITE, SIGNAL, TWICE, RANGE, SPREAD, RATE, CN0, LOCK, HALF, CHANNEL = range(1, 13)
REASONS = {
    CELLS: "satellites times signals make more than 64 cells: split them over several messages",
    SYSTEM: "its system is not that of the message",
    SATELLITE: "the satellite mask has no place for this number",
    SIGNAL: "the signal id is not one of 1 to 32",
    TWICE: "this satellite and signal stand there twice",
    RANGE: "the range or phase is not one of 0 to 254 ms of light",
    SPREAD: "the satellite's ranges (290 m) or phases (1,170 m) lie too far from their common rough range",
    RATE: "the satellite's rates exceed 8,191 m/s or lie more than 3 m/s apart",
    CN0: "the C/N0 is not above 0 and below 64 dB-Hz",
    LOCK: "this message type has no such lock indicator",
    HALF: "the half-cycle flag is neither 0 nor 1",
    CHANNEL: "the GLONASS frequency number is not one of -7 to 7, or the satellite has two",
}


@njit(cache=True, nogil=True)
def refusal_of(
    group: Integer,
    kind: Integer,
    number: Integer,
    signal: Integer,
    range_m: float,
    phase_m: float,
    rate_m_s: float,
    cn0_dbhz: float,
    indicator: Integer,
    half_cycle: Integer,
    channel: Integer,
) -> int:
    """Return why one observation cannot be sent, 0 when it can."""
    full, high = kind % 2 == 1, 1 if kind >= 6 else 0
    if number < 1 or number > 64:
        return SATELLITE
    if signal < 1 or signal > 32:
        return SIGNAL
    if not (np.isnan(range_m) or 0.0 <= range_m < _MAX_RANGE_M):
        return RANGE
    if not (np.isnan(phase_m) or -_MAX_RANGE_M < phase_m < _MAX_RANGE_M):
        return RANGE
    if full and not (np.isnan(rate_m_s) or abs(rate_m_s) < _MAX_RATE_M_S):
        return RATE
    if not np.isnan(cn0_dbhz):
        steps = np.floor(cn0_dbhz * _CELL_LAYOUT[high, layout.CN0_STEPS] + 0.5)
        if not 1.0 <= steps < float(1 << _CELL_LAYOUT[high, layout.CN0_BITS]):
            return CN0
    if indicator >= 1 << _CELL_LAYOUT[high, layout.LOCK_BITS]:
        return LOCK
    if half_cycle > 1:
        return HALF
    top = layout.MAX_CHANNEL
    if (
        full
        and group == _GLONASS
        and channel != UNKNOWN_CHANNEL
        and not -layout.CHANNEL_OFFSET <= channel <= top
    ):
        return CHANNEL
    return 0
