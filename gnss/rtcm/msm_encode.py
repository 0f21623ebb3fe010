"""Columns of observations to MSM4 to MSM7 of all systems: the inverse of `gnss.rtcm.msm`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.observations import PARTIAL, Observations
from gnss.rtcm import msm_layout as layout
from gnss.rtcm import msm_refusal as refusal
from gnss.rtcm.bits import Integer, put_field
from gnss.rtcm.framing import MAX_PAYLOAD_BYTES
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.systems import UNKNOWN_CHANNEL, System
from kernels.compiled import njit

_GLONASS, _SBAS = int(System.GLONASS), int(System.SBAS)
_CELL_LAYOUT, _LOCK_MS, _LOCK_INDICATORS = layout.CELL_LAYOUT, layout.LOCK_MS, layout.LOCK_INDICATORS
_C_M_MS = SPEED_OF_LIGHT_M_S / 1000.0
_MISSING = -(1 << 62)

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _steps(metres: float, bits_of_ms: Integer) -> Integer:
    """Return a range in steps of 2**-bits ms, `_MISSING` for NaN."""
    if np.isnan(metres):
        return _MISSING
    return np.int64(np.floor(metres / _C_M_MS * (np.int64(1) << bits_of_ms) + 0.5))


@njit(cache=True, nogil=True)
def _common_rough(values: Float64, high: Integer) -> Integer:
    """Return DF397 and DF398 as one number that suits all values; `_MISSING` when there is none.

    `values` has shape (2, n): ranges and phases of one satellite in metres.
    """
    lowest, highest = np.int64(0), np.int64(layout.ROUGH_MS_MISSING << layout.ROUGH_FRACTION_BITS) - 1
    wanted = np.int64(-1)
    for kind in range(2):
        shift = _CELL_LAYOUT[high, layout.RANGE_SHIFT + kind]
        limit = (np.int64(1) << (_CELL_LAYOUT[high, layout.RANGE_BITS + kind] - 1)) - 1
        for metres in values[kind]:
            steps = _steps(metres, layout.ROUGH_FRACTION_BITS + shift)
            if steps == _MISSING:
                continue
            if wanted < 0:
                wanted = max((steps + (np.int64(1) << (shift - 1))) >> shift, np.int64(0))
            lowest = max(lowest, -((limit - steps) >> shift))
            highest = min(highest, (steps + limit) >> shift)
    if wanted < 0:
        return np.int64(layout.ROUGH_MS_MISSING << layout.ROUGH_FRACTION_BITS)
    return min(max(wanted, lowest), highest) if lowest <= highest else _MISSING


@njit(cache=True, nogil=True)
def _common_rate(rates: Float64) -> Integer:
    """Return DF399 for the rates (m/s) of one satellite; `_MISSING` when none suits all."""
    lowest, highest = np.inf, -np.inf
    for rate in rates:
        if not np.isnan(rate):
            lowest, highest = min(lowest, rate), max(highest, rate)
    if lowest > highest:
        return layout.ROUGH_RATE_MISSING
    rough = np.floor((lowest + highest) / 2 + 0.5)
    reach = (-layout.RATE_MISSING - 1 + 0.49) / layout.RATE_STEPS
    if abs(rough) >= -layout.ROUGH_RATE_MISSING or highest - rough > reach or rough - lowest > reach:
        return _MISSING
    return np.int64(rough)


@njit(cache=True, nogil=True)
def _lock_indicator(high: Integer, lock_ms: Integer) -> Integer:
    """Return the highest indicator whose smallest lock time is not above `lock_ms`."""
    indicator = np.int64(0)
    while indicator + 1 < _LOCK_INDICATORS[high] and _LOCK_MS[high, indicator + 1] <= lock_ms:
        indicator += 1
    return indicator


@njit(cache=True, nogil=True)
def _encode(
    header: Int64,
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    signal: NDArray[np.uint8],
    range_m: Float64,
    phase_m: Float64,
    rate_m_s: Float64,
    cn0_dbhz: Float64,
    lock_ms: NDArray[np.int32],
    lock_indicator: NDArray[np.int16],
    half_cycle: NDArray[np.uint8],
    channel: NDArray[np.int8],
    out: NDArray[np.uint8],
) -> tuple[Integer, int, int]:
    """Write the payload into zeroed bytes; return its bits, or 0, the reason and the observation.

    `header`: message number, station, time as sent, more follow, clock steering.
    """
    group, kind = (header[0] - layout.FIRST_MESSAGE) // 10, header[0] % 10
    full, high = kind % 2 == 1, 1 if kind >= 6 else 0
    grid = np.full((65, 33), -1, np.int64)
    for i in range(satellite.size):
        if system[i] != group:
            return 0, refusal.SYSTEM, i
        number = np.int64(satellite[i]) - (layout.SBAS_OFFSET if group == _SBAS else 0)
        reason = refusal.refusal_of(
            group,
            kind,
            number,
            np.int64(signal[i]),
            range_m[i],
            phase_m[i],
            rate_m_s[i],
            cn0_dbhz[i],
            np.int64(lock_indicator[i]),
            np.int64(half_cycle[i]),
            np.int64(channel[i]),
        )
        if reason:
            return 0, reason, i
        if grid[number, signal[i]] >= 0:
            return 0, refusal.TWICE, i
        grid[number, signal[i]] = i
    satellites = [s for s in range(1, 65) if np.any(grid[s] >= 0)]
    signals = [g for g in range(1, 33) if np.any(grid[:, g] >= 0)]
    if len(satellites) * len(signals) > layout.MAX_CELLS:
        return 0, refusal.CELLS, -1

    order = np.empty(satellite.size, np.int64)
    rough, rough_rate = np.empty(len(satellites), np.int64), np.empty(len(satellites), np.int64)
    first = np.zeros(len(satellites) + 1, np.int64)
    n = 0
    for s in range(len(satellites)):
        for g in signals:
            if grid[satellites[s], g] >= 0:
                order[n] = grid[satellites[s], g]
                n += 1
        first[s + 1] = n
        mine = order[first[s] : n]
        rough[s] = _common_rough(np.stack((range_m[mine], phase_m[mine])), high)
        rough_rate[s] = _common_rate(rate_m_s[mine]) if full else 0
        if rough[s] == _MISSING:
            return 0, refusal.SPREAD, mine[0]
        if rough_rate[s] == _MISSING:
            return 0, refusal.RATE, mine[0]
        if full and group == _GLONASS and np.any(channel[mine] != channel[mine[0]]):
            return 0, refusal.CHANNEL, mine[0]

    at: Integer = put_field(out, 0, 12, header[0])
    at = put_field(out, at, 12, header[1])
    at = put_field(out, at, 30, header[2])
    at = put_field(out, at, 1, header[3])
    put_field(out, layout.BIT_STEERING, 2, header[4])
    for s in satellites:
        put_field(out, layout.BIT_SATELLITES + s - 1, 1, 1)
    for g in signals:
        put_field(out, layout.BIT_SIGNALS + g - 1, 1, 1)
    at = layout.HEADER_BITS
    for s in satellites:
        for g in signals:
            at = put_field(out, at, 1, 1 if grid[s, g] >= 0 else 0)
    for s in range(len(satellites)):
        at = put_field(out, at, layout.ROUGH_MS_BITS, rough[s] >> layout.ROUGH_FRACTION_BITS)
    if full:
        for s in range(len(satellites)):
            info: Integer = np.int64(0)
            if group == _GLONASS:
                number = np.int64(channel[order[first[s]]])
                known = number != UNKNOWN_CHANNEL
                info = number + layout.CHANNEL_OFFSET if known else np.int64(layout.CHANNEL_MISSING)
            at = put_field(out, at, layout.CHANNEL_BITS, info)
    for s in range(len(satellites)):
        at = put_field(out, at, layout.ROUGH_FRACTION_BITS, rough[s])
    if full:
        for s in range(len(satellites)):
            at = put_field(out, at, layout.ROUGH_RATE_BITS, rough_rate[s])
    for which in range(2):
        width = _CELL_LAYOUT[high, layout.RANGE_BITS + which]
        shift = _CELL_LAYOUT[high, layout.RANGE_SHIFT + which]
        values = phase_m if which else range_m
        for s in range(len(satellites)):
            for c in order[first[s] : first[s + 1]]:
                fine: Integer = np.int64(1) << (width - 1)
                steps = _steps(values[c], layout.ROUGH_FRACTION_BITS + shift)
                if steps != _MISSING:
                    fine = steps - (rough[s] << shift)
                at = put_field(out, at, width, fine)
    for c in order:
        indicator: Integer = np.int64(lock_indicator[c])
        if indicator < 0:
            indicator = _lock_indicator(high, np.int64(lock_ms[c]))
        at = put_field(out, at, _CELL_LAYOUT[high, layout.LOCK_BITS], indicator)
    for c in order:
        at = put_field(out, at, 1, np.int64(half_cycle[c]))
    for c in order:
        strength = 0.0 if np.isnan(cn0_dbhz[c]) else cn0_dbhz[c] * _CELL_LAYOUT[high, layout.CN0_STEPS]
        at = put_field(out, at, _CELL_LAYOUT[high, layout.CN0_BITS], np.int64(np.floor(strength + 0.5)))
    if full:
        for s in range(len(satellites)):
            for c in order[first[s] : first[s + 1]]:
                fine = np.int64(layout.RATE_MISSING)
                if not np.isnan(rate_m_s[c]):
                    fine = np.int64(np.floor((rate_m_s[c] - rough_rate[s]) * layout.RATE_STEPS + 0.5))
                at = put_field(out, at, layout.RATE_BITS, fine)
    return at, 0, -1


def _time_sent(system: System, time_ms: int) -> int:
    period = layout.MS_PER_DAY if system is System.GLONASS else layout.MS_PER_WEEK
    if not 0 <= time_ms < period:
        msg = f"time_ms {time_ms} is outside of 0 to {period - 1} for {system.name}"
        raise ValueError(msg)
    if system is System.GLONASS:
        of_day = (time_ms + layout.MOSCOW_MS) % layout.MS_PER_DAY
        return layout.GLONASS_DAY_UNKNOWN << layout.DAY_BITS | of_day
    if system is System.BEIDOU:
        return (time_ms - layout.BDS_TO_GPS_MS) % layout.MS_PER_WEEK
    return time_ms


def encode_msm(
    message: int,
    reference_station: int,
    time_ms: int,
    more_follow: bool,
    observations: Observations,
    *,
    clock_steering: int = 0,
) -> bytes:
    """Return the payload of an MSM4 to MSM7 (`gnss.rtcm.framing.build_frame` frames it).

    Decoding gives the observations back in the order of satellite and signal, rounded to the resolution of
    the message type.

    Parameters
    ----------
    message
        Message number, for instance 1077.
    reference_station
        DF003, 0 to 4095.
    time_ms
        As `MsmFrames.time_ms`: GPS time in ms of the week; GLONASS UTC ms of the day (DF416 is sent as
        unknown).
    more_follow
        DF393: more MSM of this epoch follow.
    observations
        All of the message's system, in any order; `row` is not read. Where `lock_indicator` is negative, the
        highest indicator that `lock_ms` allows is sent; else it is sent as it is, so that observations of
        another kind of message need -1. `rate_m_s` and `channel` are sent by MSM5 and MSM7.
    clock_steering
        DF411, 0 to 3.

    Raises
    ------
    ValueError
        Something does not fit; the text names the satellite, the signal and the reason.
    """
    if not (layout.FIRST_MESSAGE <= message <= layout.LAST_MESSAGE and message % 10 in {4, 5, 6, 7}):
        msg = f"{message} is not an MSM4 to MSM7 of a known system"
        raise ValueError(msg)
    if not (0 <= reference_station < 4096 and 0 <= clock_steering < 4):
        msg = f"station {reference_station} is not 0 to 4095, or clock steering {clock_steering} not 0 to 3"
        raise ValueError(msg)
    system = System((message - layout.FIRST_MESSAGE) // 10)
    if np.any(observations.flags & PARTIAL):
        msg = f"MSM {message} needs whole ranges: restore the whole milliseconds (restore_whole_ms) first"
        raise ValueError(msg)
    if len(observations) > layout.MAX_CELLS:
        msg = f"MSM {message} with {len(observations)} observations: {refusal.REASONS[refusal.CELLS]}"
        raise ValueError(msg)
    header = np.array(
        [message, reference_station, _time_sent(system, time_ms), bool(more_follow), clock_steering], np.int64
    )

    def column(values: NDArray[Any], dtype: type) -> NDArray[Any]:
        return np.array(values, dtype)  # a copy, so that the kernel meets one array type only

    out = np.zeros(MAX_PAYLOAD_BYTES, np.uint8)
    bits, reason, at = _encode(
        header,
        column(observations.system, np.uint8),
        column(observations.satellite, np.uint8),
        column(observations.signal, np.uint8),
        column(observations.range_m, np.float64),
        column(observations.phase_m, np.float64),
        column(observations.rate_m_s, np.float64),
        column(observations.cn0_dbhz, np.float64),
        column(observations.lock_ms, np.int32),
        column(observations.lock_indicator, np.int16),
        column(observations.half_cycle, np.uint8),
        column(observations.channel, np.int8),
        out,
    )
    if reason:
        where = f"MSM {message}"
        if at >= 0:
            where += f", satellite {observations.satellite[at]}, signal {observations.signal[at]}"
        msg = f"{where}: {refusal.REASONS[reason]}"
        raise ValueError(msg)
    return out[: (bits + 7) // 8].tobytes()
