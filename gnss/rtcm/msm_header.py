"""Headers and masks of MSM and of legacy observations: the first pass of `gnss.rtcm.msm`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm import msm_layout as layout
from gnss.rtcm.bits import PADDING_BYTES, Integer, copy_bytes, load_be64, popcount, unsigned_field
from gnss.rtcm.framing import HEADER_BYTES, MAX_PAYLOAD_BYTES
from gnss.rtcm.legacy import is_legacy, legacy_header
from gnss.systems import System
from kernels.compiled import njit

SCRATCH_BYTES = MAX_PAYLOAD_BYTES + PADDING_BYTES
_GLONASS, _BEIDOU = int(System.GLONASS), int(System.BEIDOU)
_BITS_EACH = layout.BITS_EACH

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _time_ms(system: Integer, sent: Integer) -> Integer:
    """Return the epoch time as `MsmFrames.time_ms` defines it."""
    if system == _GLONASS:
        of_day = sent & ((1 << layout.DAY_BITS) - 1)
        if of_day >= layout.MS_PER_DAY + layout.LEAP_SECOND_MS:
            return -1
        return (of_day - layout.MOSCOW_MS) % layout.MS_PER_DAY
    if system == _BEIDOU:
        if sent >= (1 << 30) - layout.BDS_TO_GPS_MS:
            sent -= 1 << 30  # a sender subtracted the 14 s and forgot the week's begin
        if sent >= layout.MS_PER_WEEK:
            return -1
        return (sent + layout.BDS_TO_GPS_MS) % layout.MS_PER_WEEK
    return sent if sent < layout.MS_PER_WEEK else -1


@njit(cache=True, nogil=True, inline="always")
def window_of(buffer: UInt8, begin: Integer, length: Integer, scratch: UInt8) -> tuple[UInt8, Integer]:
    """Return an array and an offset of the payload with `PADDING_BYTES` readable bytes behind it."""
    if begin + length + PADDING_BYTES <= buffer.size:
        return buffer, begin
    copy_bytes(buffer, begin, length, scratch, 0)
    return scratch, 0


@njit(cache=True, nogil=True, inline="always")
def _field64(buffer: UInt8, bit: Integer) -> Any:
    """Return 64 bits from a bit that is not the first of its byte."""
    shift = np.uint64(bit & 7)
    behind = np.uint64(buffer[(bit >> 3) + 8]) >> (np.uint64(8) - shift)
    return (load_be64(buffer, bit >> 3) << shift) | behind


@njit(cache=True, nogil=True)
def masks_of(buffer: UInt8, bit: Integer) -> tuple[np.uint64, np.uint64, Integer, Integer, np.uint64]:
    """Return satellite mask, signal mask, their counts and the cell mask, all from the highest bit on.

    The cell mask is zero when it would have more than 64 bits.
    """
    satellites = _field64(buffer, bit + layout.BIT_SATELLITES)
    signals = np.uint64(unsigned_field(buffer, bit + layout.BIT_SIGNALS, 32)) << np.uint64(32)
    n_satellites, n_signals = popcount(satellites), popcount(signals)
    unused = layout.MAX_CELLS - n_satellites * n_signals
    cells = np.uint64(0)
    if 0 <= unused < layout.MAX_CELLS:
        cells = _field64(buffer, bit + layout.HEADER_BITS) >> np.uint64(unused) << np.uint64(unused)
    return satellites, signals, n_satellites, n_signals, cells


@njit(cache=True, nogil=True)
def _msm_header(
    window: UInt8, bit: Integer, bits: Integer, message: Integer
) -> tuple[Integer, Integer, Integer, Integer, Integer]:
    """Return the same of an MSM as `gnss.rtcm.legacy.legacy_header`; cells -1 also for masks of over 64."""
    group, no_bits = (message - layout.FIRST_MESSAGE) // 10, np.int64(0)
    if bits < layout.HEADER_BITS:
        return group, no_bits, no_bits, no_bits, np.int64(-1)
    sent = unsigned_field(window, bit + layout.BIT_TIME, 30)
    more = unsigned_field(window, bit + layout.BIT_MORE, 1)
    steering = unsigned_field(window, bit + layout.BIT_STEERING, 2)
    _, _, n_satellites, n_signals, mask = masks_of(window, bit)
    per_satellite, per_cell = _BITS_EACH[message % 10, 0], _BITS_EACH[message % 10, 1]
    n_cells = popcount(mask)
    body = n_satellites * (n_signals + per_satellite) + n_cells * per_cell
    if n_satellites * n_signals > layout.MAX_CELLS or layout.HEADER_BITS + body > bits:
        n_cells = np.int64(-1)
    return group, sent, more, steering, n_cells


@njit(cache=True, nogil=True)
def read_headers(
    buffer: UInt8,
    start: Int64,
    length: Int32,
    frame: Int32,
    message: NDArray[np.int16],
    system: UInt8,
    station: NDArray[np.int16],
    time_ms: Int64,
    more: UInt8,
    steering: UInt8,
    cells: Int32,
) -> tuple[int, int, int]:
    """Fill the columns of `MsmFrames` (shape (n,) each); return rows, sum of cells, damaged messages."""
    scratch = np.zeros(SCRATCH_BYTES, np.uint8)
    rows = total = damaged = 0
    for i in range(start.size):
        begin, bits = start[i] + HEADER_BYTES, np.int64(length[i]) * 8
        if start[i] < 0 or length[i] < 0 or begin + length[i] > buffer.size:
            raise ValueError("a frame of the index lies outside of the buffer: index this buffer anew")
        if length[i] < 2:
            continue
        number = (np.int64(buffer[begin]) << 4) | (np.int64(buffer[begin + 1]) >> 4)
        legacy, is_msm = is_legacy(number), layout.FIRST_MESSAGE <= number <= layout.LAST_MESSAGE
        if not legacy and (not is_msm or number % 10 < 1 or number % 10 > 7):
            continue
        window, at = window_of(buffer, begin, length[i], scratch)
        if legacy:
            group, sent, more_bit, steering_bits, n_cells = legacy_header(window, at * 8, bits, number)
        else:
            group, sent, more_bit, steering_bits, n_cells = _msm_header(window, at * 8, bits, number)
        if n_cells < 0:
            damaged += 1
            continue
        frame[rows] = i
        message[rows] = number
        system[rows] = group
        station[rows] = unsigned_field(window, at * 8 + layout.BIT_STATION, 12)
        time_ms[rows] = _time_ms(group, sent)
        more[rows] = more_bit
        steering[rows] = steering_bits
        cells[rows] = n_cells
        rows += 1
        total += n_cells
    return rows, total, damaged
