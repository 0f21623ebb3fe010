"""Record 0x7F-05: the observations of an epoch.

Source: UNAVCO, BINEX record 0x7f, subrecord 0x05, as open implementations read it. Its bit fields are parts
of numbers of several bytes; in a record with the lowest byte first these are taken to be such numbers in that
order. Only records with the highest byte first could be held against another decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.binex.framing import Record
from gnss.binex.signals import FIRST_SATELLITE, NO_SIGNAL, SIGNALS, SYSTEMS
from gnss.observations import Observations
from gnss.rtcm.bits import Integer, frozen
from gnss.rtcm.signals import wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US
from kernels.compiled import njit

OBSERVATIONS, SUBRECORD = 0x7F, 0x05
MOST_SATELLITES = 64
"""Of a record; an epoch with more goes on in another record of the same time."""
_LEAST_BYTES = 8
_MOST_CELLS = 7 * MOST_SATELLITES
_MINUTE_US = 60_000_000
_MS_PER_MINUTE = 60_000

_MORE, _SLIP, _CODE = 0x80, 0x20, 0x1F
_LONG, _COARSE, _COUNT_OF_TWO_BYTES, _COUNT, _DOPPLER = 0x40, 0x20, 0x10, 0x08, 0x04
_SNR_DB, _SNR_PART_DB = 0.4, 0.1
_RANGE_M, _RANGE_PART_M = 0.064, 0.001
_PHASE_M, _COARSE_PHASE_M = 0.00002, 0.0001
_DOPPLER_HZ = 1.0 / 256.0
_NO_COUNT = -1
_SYSTEMS = np.array(SYSTEMS, np.uint8)
_FIRST = np.array([FIRST_SATELLITE.get(system, 0) for system in SYSTEMS], np.int64)
_GLONASS = int(System.GLONASS)

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class BinexEpoch:
    """What a record of observations says."""

    time_gps_us: int
    """GPS time as `gnss.time` counts it."""
    observations: Observations
    """In the order of the record; `row` is 0, `lock_ms` -1: a record tells losses of lock, not since when."""
    slipped: NDArray[np.bool_]
    """Shape (n,): the station says that lock was lost since the record before."""
    slip_count: NDArray[np.int32]
    """Shape (n,): its count of losses of lock, -1 where it tells none."""
    is_whole: bool
    """No more of the epoch can follow."""
    unknown_signals: int
    """Observations of signals or systems that MSM has no number for; they are left out."""


def epoch_of(record: Record, channel_of: NDArray[np.int8]) -> BinexEpoch | None:
    """Return the epoch of a record; None for another record, or one that contradicts itself.

    A phase range is that of the record; `rate_m_s` follows from the Doppler shift, NaN for GLONASS satellites
    without frequency number.

    Parameters
    ----------
    channel_of
        GLONASS frequency numbers by slot from 0 on, for satellites whose number the record does not tell;
        `UNKNOWN_CHANNEL` where it is not known; shape (256,).
    """
    message = record.message
    if record.record != OBSERVATIONS or len(message) < _LEAST_BYTES or message[0] != SUBRECORD:
        return None
    order = "big" if record.is_big else "little"
    minutes, milliseconds = int.from_bytes(message[1:5], order), int.from_bytes(message[5:7], order)  # type: ignore[arg-type]
    if milliseconds >= _MS_PER_MINUTE:
        return None
    whole = np.empty((_MOST_CELLS, 6), np.int64)
    values = np.empty((_MOST_CELLS, 4))
    buffer = frozen(np.frombuffer(message, np.uint8), np.uint8)
    n, unknown = _read(buffer, record.is_big, SIGNALS, whole, values)
    if n < 0:
        return None
    system, satellite, signal, channel, slipped, count = (whole[:n, i] for i in range(6))
    channel = np.where(channel == UNKNOWN_CHANNEL, channel_of[satellite], channel)
    wave_m = wavelength_m(system, signal, channel)
    return BinexEpoch(
        time_gps_us=GPS_EPOCH_US + minutes * _MINUTE_US + milliseconds * 1000,
        observations=Observations(
            row=np.zeros(n, np.int32),
            system=system.astype(np.uint8),
            satellite=satellite.astype(np.uint8),
            signal=signal.astype(np.uint8),
            range_m=values[:n, 0].copy(),
            phase_m=values[:n, 1].copy(),
            rate_m_s=-values[:n, 2] * wave_m,
            cn0_dbhz=values[:n, 3].copy(),
            lock_ms=np.full(n, -1, np.int32),
            lock_indicator=np.full(n, -1, np.int16),
            half_cycle=np.zeros(n, np.uint8),
            flags=np.zeros(n, np.uint8),
            channel=channel.astype(np.int8),
        ),
        slipped=slipped != 0,
        slip_count=count.astype(np.int32),
        is_whole=(message[7] & 0x3F) + 1 < MOST_SATELLITES,
        unknown_signals=int(unknown),
    )


@njit(cache=True, nogil=True)
def _number(buffer: UInt8, at: Integer, n: int, is_big: bool) -> Integer:
    """Return an unsigned number of n bytes; bytes behind the buffer's end are zero."""
    value = np.int64(0)
    for i in range(n):
        byte = np.int64(buffer[at + i]) if at + i < buffer.size else np.int64(0)
        value = value << 8 | byte if is_big else value | byte << (8 * i)
    return value


@njit(cache=True, nogil=True)
def _signed(value: Integer, bits: int) -> Integer:
    """Return the lowest bits of a number, in two's complement."""
    low = value & ((np.int64(1) << bits) - 1)
    return low - ((low >> (bits - 1)) << bits)


@njit(cache=True, nogil=True)
def _phase(sent: Integer, bits: int, range_m: float, step_m: float) -> float:
    """Return the phase range; the lowest number stands for none."""
    difference = _signed(sent, bits)
    return np.nan if difference == -(np.int64(1) << (bits - 1)) else range_m + difference * step_m


@njit(cache=True, nogil=True)
def _read(
    buffer: UInt8,
    is_big: bool,
    signals: NDArray[np.uint8],
    whole: NDArray[np.int64],
    values: NDArray[np.float64],
) -> tuple[int, int]:
    """Fill rows of whole numbers and of values; return rows (-1: it contradicts itself), unknown signals.

    `whole`: system, satellite, signal, channel, slip, slip count. `values`: range (m), phase range (m),
    Doppler shift (Hz), C/N0 (dB-Hz).
    """
    n = unknown = 0
    head = np.int64(buffer[7])
    at: Integer = np.int64(8)
    if head & 0x80:
        at += 3  # the receiver's clock offset
    if head & 0x40:
        at += 1 + 4 * (_number(buffer, at, 1, is_big) >> 4)  # offsets between systems
    for _ in range((head & 0x3F) + 1):
        number, kind = _number(buffer, at, 1, is_big), _number(buffer, at + 1, 1, is_big)
        at += 2
        known = (kind & 0x0F) < _SYSTEMS.size
        system = np.int64(_SYSTEMS[kind & 0x0F]) if known else np.int64(-1)
        if known and number > _FIRST[kind & 0x0F]:
            number -= _FIRST[kind & 0x0F]
        channel: Integer = np.int64(UNKNOWN_CHANNEL if system == _GLONASS else 0)
        first_m, first_row = 0.0, n
        for i in range(kind >> 4 & 7):
            if at >= buffer.size:
                return -1, 0
            descriptor = np.int64(buffer[at])
            at += 1
            flags: Integer = np.int64(0)
            more: Integer = descriptor & _MORE
            many = 0
            while more and many < 4:
                flag = _number(buffer, at, 1, is_big)
                at += 1
                many += 1
                more = flag & _MORE
                if flag & 3 == 0:
                    flags = flag & 0x7F
                elif flag & 3 == 2 and system == _GLONASS:
                    channel = _signed(flag >> 2, 4)
            snr = _number(buffer, at, 1, is_big) * _SNR_DB
            at += 1
            if i == 0:
                sent = _number(buffer, at, 5, is_big)
                at += 5
                snr += _signed(sent >> 38, 2) * _SNR_PART_DB
                first_m = (sent >> 6 & 0xFFFFFFFF) * _RANGE_M + (sent & 0x3F) * _RANGE_PART_M
                range_m = first_m
            elif flags & _LONG:
                sent = _number(buffer, at, 3, is_big)
                at += 3
                snr += _signed(sent >> 22, 2) * _SNR_PART_DB
                range_m = first_m + _signed(sent, 20) * _RANGE_PART_M
            else:
                range_m = first_m + _signed(_number(buffer, at, 2, is_big), 16) * _RANGE_PART_M
                at += 2
            sent = _number(buffer, at, 3, is_big)
            at += 3
            step_m = _COARSE_PHASE_M if flags & _COARSE else _PHASE_M
            if flags & _LONG:
                phase_m = _phase(sent, 24, range_m, step_m)
            else:
                snr += _signed(sent >> 22, 2) * _SNR_PART_DB
                phase_m = _phase(sent, 22, range_m, step_m)
            doppler_hz = np.nan
            if flags & _DOPPLER:
                doppler_hz = _signed(_number(buffer, at, 3, is_big), 24) * _DOPPLER_HZ
                at += 3
            count: Integer = np.int64(_NO_COUNT)
            if flags & _COUNT:
                width = 2 if flags & _COUNT_OF_TWO_BYTES else 1
                count = _number(buffer, at, width, is_big)
                at += width
            signal = np.int64(signals[kind & 0x0F, descriptor & _CODE]) if known else np.int64(NO_SIGNAL)
            if signal == NO_SIGNAL:
                unknown += 1
                continue
            whole[n, 0], whole[n, 1], whole[n, 2] = system, number, signal
            whole[n, 4], whole[n, 5] = descriptor & _SLIP, count
            has_range = range_m > 0.0
            values[n, 0] = range_m if has_range else np.nan
            values[n, 1] = phase_m if has_range else np.nan
            values[n, 2] = doppler_hz
            values[n, 3] = snr if snr > 0.0 else np.nan
            n += 1
        whole[first_row:n, 3] = channel
    return (n, unknown) if at <= buffer.size else (-1, 0)
