"""Observations of 1001 to 1004 (GPS) and 1009 to 1012 (GLONASS): parts of both passes of `gnss.rtcm.msm`.

They stand in the same columns as those of MSM. 1001, 1003, 1009 and 1011 tell their ranges modulo 1 ms (GPS)
or 2 ms (GLONASS) only and have `PARTIAL`; `gnss.rtcm.whole_ms` restores them. There is no half-cycle flag and
no rate. Facts and sources of the layout stand in `gnss.rtcm.legacy_layout`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.observations import PARTIAL
from gnss.rtcm import legacy_layout as layout
from gnss.rtcm.bits import Integer, signed_field, unsigned_field
from gnss.systems import UNKNOWN_CHANNEL, System
from kernels.compiled import njit

_GPS, _GLONASS, _SBAS = int(System.GPS), int(System.GLONASS), int(System.SBAS)
_SYSTEM_LAYOUT, _SATELLITE_BITS, _LOCK_MS = layout.SYSTEM_LAYOUT, layout.SATELLITE_BITS, layout.LOCK_MS
_L1_SIGNALS, _L2_SIGNALS = layout.L1_SIGNALS, layout.L2_SIGNALS
_STEPS_PER_M = 1000.0 * layout.PHASE_STEPS_PER_MM
_RANGE_STEPS = layout.RANGE_STEP_MM * layout.PHASE_STEPS_PER_MM

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Float64 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def is_legacy(message: Integer) -> bool:
    """Return whether a message number is one of 1001 to 1004 and 1009 to 1012."""
    if message < layout.FIRST_GPS or message > layout.LAST_GLONASS:
        return False
    return bool(_SATELLITE_BITS[message - layout.FIRST_GPS] > 0)


@njit(cache=True, nogil=True)
def _is_dual(message: Integer) -> bool:
    """Return whether it is one of 1003, 1004, 1011 and 1012, which have both bands."""
    return bool(((message - layout.FIRST_GPS) >> 1) % 2 == 1)


@njit(cache=True, nogil=True)
def legacy_header(
    window: UInt8, bit: Integer, bits: Integer, message: Integer
) -> tuple[Integer, Integer, Integer, Integer, Integer]:
    """Return system, time as sent, multi-message bit, clock steering and cells; cells -1: too short.

    `window` and `bit` are the payload as `gnss.rtcm.msm_header.window_of` gives it, `bits` its length.
    """
    row = 1 if message >= layout.FIRST_GLONASS else 0
    group, no_bits, unknown = np.int64(_GLONASS if row else _GPS), np.int64(0), np.int64(2)
    header_bits, time_bits = _SYSTEM_LAYOUT[row, layout.HEADER_BITS], _SYSTEM_LAYOUT[row, layout.TIME_BITS]
    if bits < header_bits:
        return group, no_bits, no_bits, unknown, np.int64(-1)
    sent = unsigned_field(window, bit + layout.BIT_TIME, time_bits)
    more = unsigned_field(window, bit + layout.BIT_TIME + time_bits, 1)
    satellites = unsigned_field(window, bit + layout.BIT_TIME + time_bits + 1, layout.COUNT_BITS)
    n_cells = satellites * (2 if _is_dual(message) else 1)
    if header_bits + satellites * _SATELLITE_BITS[message - layout.FIRST_GPS] > bits:
        n_cells = np.int64(-1)
    return group, sent, more, unknown, n_cells


@njit(cache=True, nogil=True)
def _put_signal(
    out: Integer,
    range_steps: Integer,
    has_range: bool,
    phase_steps: Integer,
    has_phase: bool,
    lock: Integer,
    cn0: Integer,
    range_m: Float64,
    phase_m: Float64,
    cn0_dbhz: Float64,
    lock_ms: Int32,
    lock_indicator: Int16,
) -> None:
    """Fill what a signal has of its own; ranges and phases are in steps of 0.5 mm."""
    range_m[out] = range_steps / _STEPS_PER_M if has_range else np.nan
    phase_m[out] = phase_steps / _STEPS_PER_M if has_phase else np.nan
    cn0_dbhz[out] = cn0 / layout.CN0_STEPS if cn0 else np.nan
    lock_indicator[out] = lock
    lock_ms[out] = _LOCK_MS[lock]


@njit(cache=True, nogil=True)
def read_legacy(
    window: UInt8,
    bit: Integer,
    message: Integer,
    first: Integer,
    cells: Integer,
    system: UInt8,
    satellite: UInt8,
    signal: UInt8,
    range_m: Float64,
    phase_m: Float64,
    rate_m_s: Float64,
    cn0_dbhz: Float64,
    lock_ms: Int32,
    lock_indicator: Int16,
    half_cycle: UInt8,
    flags: UInt8,
    channel: NDArray[np.int8],
) -> None:
    """Fill rows `first` to `first + cells` of the columns of `Observations` from one message.

    `window` and `bit` are the payload as `gnss.rtcm.msm_header.window_of` gives it.
    """
    row = 1 if message >= layout.FIRST_GLONASS else 0
    extended, dual = message % 2 == 0, _is_dual(message)
    range_bits, whole_bits = _SYSTEM_LAYOUT[row, layout.RANGE_BITS], _SYSTEM_LAYOUT[row, layout.WHOLE_BITS]
    modulus = _SYSTEM_LAYOUT[row, layout.MODULUS_MM] * layout.PHASE_STEPS_PER_MM
    every_bit = (1 << range_bits) - 1
    signed_marker = layout.RANGE_MISSING_SIGNED & every_bit
    at = bit + _SYSTEM_LAYOUT[row, layout.HEADER_BITS]
    out = first
    while out < first + cells:
        number = unsigned_field(window, at, layout.ID_BITS)
        at += layout.ID_BITS
        code = unsigned_field(window, at, layout.L1_CODE_BITS)
        at += layout.L1_CODE_BITS
        group, frequency = _GPS, 0
        if row:
            sent = unsigned_field(window, at, layout.CHANNEL_BITS) - layout.CHANNEL_OFFSET
            group, frequency = _GLONASS, sent if sent <= layout.MAX_CHANNEL else UNKNOWN_CHANNEL
            at += layout.CHANNEL_BITS
        elif number >= layout.SBAS_FIRST_ID:
            group, number = _SBAS, number - layout.SBAS_FIRST_ID + layout.SBAS_FIRST_SATELLITE
        sent = unsigned_field(window, at, range_bits)
        at += range_bits
        difference = signed_field(window, at, layout.PHASE_BITS)
        at += layout.PHASE_BITS
        lock = unsigned_field(window, at, layout.LOCK_BITS)
        at += layout.LOCK_BITS
        cn0: Integer = 0
        base = np.int64(sent * _RANGE_STEPS)
        if extended:
            base += unsigned_field(window, at, whole_bits) * modulus
            at += whole_bits
            cn0 = unsigned_field(window, at, layout.CN0_BITS)
            at += layout.CN0_BITS
        usable = sent not in (every_bit, signed_marker)
        has_range = usable and sent != layout.RANGE_MISSING
        has_phase = usable and difference != layout.PHASE_MISSING
        signal[out] = _L1_SIGNALS[code]
        _put_signal(
            out, base, has_range, base + difference, has_phase, lock, cn0,
            range_m, phase_m, cn0_dbhz, lock_ms, lock_indicator,
        )  # fmt: skip
        behind = out + 1
        if dual:
            code = unsigned_field(window, at, layout.L2_CODE_BITS)
            at += layout.L2_CODE_BITS
            range_difference = signed_field(window, at, layout.L2_RANGE_BITS)
            at += layout.L2_RANGE_BITS
            difference = signed_field(window, at, layout.PHASE_BITS)
            at += layout.PHASE_BITS
            lock = unsigned_field(window, at, layout.LOCK_BITS)
            at += layout.LOCK_BITS
            cn0 = 0
            if extended:
                cn0 = unsigned_field(window, at, layout.CN0_BITS)
                at += layout.CN0_BITS
            has_range = usable and range_difference != layout.L2_RANGE_MISSING
            has_phase = usable and difference != layout.PHASE_MISSING
            signal[behind] = _L2_SIGNALS[row, code]
            _put_signal(
                behind, base + range_difference * _RANGE_STEPS, has_range, base + difference, has_phase, lock,
                cn0, range_m, phase_m, cn0_dbhz, lock_ms, lock_indicator,
            )  # fmt: skip
            behind += 1
        system[out:behind] = group
        satellite[out:behind] = number
        channel[out:behind] = frequency
        rate_m_s[out:behind] = np.nan
        half_cycle[out:behind] = 0
        flags[out:behind] = 0 if extended else PARTIAL
        out = behind
