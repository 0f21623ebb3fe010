"""Observation messages to columns: MSM1 to MSM7 of all systems, and 1001 to 1004 and 1009 to 1012.

Two passes over the frames: the first reads the headers and counts cells, the second fills the columns.
Facts and sources of the layout of MSM stand in `gnss.rtcm.msm_layout`; `gnss.rtcm.legacy` reads the others.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from gnss.observations import PARTIAL, MsmFrames, Observations
from gnss.rtcm import msm_layout as layout
from gnss.rtcm.bits import (
    Integer,
    copy_bytes,
    frozen,
    leading_zeros,
    popcount,
    signed_field,
    unsigned_field,
)
from gnss.rtcm.framing import HEADER_BYTES
from gnss.rtcm.legacy import is_legacy, read_legacy
from gnss.rtcm.msm_header import SCRATCH_BYTES, masks_of, read_headers, window_of
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.systems import UNKNOWN_CHANNEL, System
from kernels.compiled import njit

_GLONASS, _SBAS = int(System.GLONASS), int(System.SBAS)
_CELL_LAYOUT, _COLUMN_BITS, _LOCK_MS = layout.CELL_LAYOUT, layout.COLUMN_BITS, layout.LOCK_MS
_C_M_MS = SPEED_OF_LIGHT_M_S / 1000.0
_RATE_STEPS = float(layout.RATE_STEPS)
_COLUMN_BYTES = layout.MAX_CELLS * int(_CELL_LAYOUT[0, layout.PHASE_BITS]) // 8
"""Of the widest column of MSM1 to MSM3."""
_DTYPES: dict[str, type[np.generic]] = {
    "row": np.int32,
    "range_m": np.float64,
    "phase_m": np.float64,
    "rate_m_s": np.float64,
    "cn0_dbhz": np.float64,
    "lock_ms": np.int32,
    "lock_indicator": np.int16,
    "channel": np.int8,
}
"""Columns of `Observations` that are not uint8."""

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _read_cells(
    buffer: UInt8,
    start: Int64,
    length: Int32,
    frame: Int32,
    message: NDArray[np.int16],
    frame_system: UInt8,
    cells: Int32,
    row: Int32,
    system: UInt8,
    satellite: UInt8,
    signal: UInt8,
    range_m: Float64,
    phase_m: Float64,
    rate_m_s: Float64,
    cn0_dbhz: Float64,
    lock_ms: Int32,
    lock_indicator: NDArray[np.int16],
    half_cycle: UInt8,
    flags: UInt8,
    channel: NDArray[np.int8],
) -> None:
    """Fill the columns of `Observations` (shape: the sum of cells) from the frames that `frame` names."""
    scratch, padded = np.zeros(SCRATCH_BYTES, np.uint8), np.zeros(SCRATCH_BYTES + _COLUMN_BYTES, np.uint8)
    signal_ids = np.zeros(32, np.uint8)
    highest = np.uint64(1) << np.uint64(63)
    out = np.int64(0)
    for r in range(frame.size):
        i = frame[r]
        window, at = window_of(buffer, start[i] + HEADER_BYTES, length[i], scratch)
        bit = at * 8
        if is_legacy(message[r]):
            row[out : out + cells[r]] = r
            read_legacy(
                window, bit, message[r], out, cells[r], system, satellite, signal, range_m, phase_m, rate_m_s,
                cn0_dbhz, lock_ms, lock_indicator, half_cycle, flags, channel,
            )  # fmt: skip
            out += cells[r]
            continue
        if message[r] % 10 < layout.FIRST_FULL_KIND:
            # columns that the type leaves out are read as well, and may reach behind the payload
            copy_bytes(window, at, length[i], padded, 0)
            window, bit = padded, 0
        satellites, signals, n_satellites, n_signals, mask = masks_of(window, bit)
        for j in range(n_signals):
            zeros = leading_zeros(signals)
            signals ^= highest >> np.uint64(zeros)
            signal_ids[j] = zeros + 1

        group, kind = frame_system[r], message[r] % 10
        high = 1 if kind >= layout.FIRST_HIGH_KIND else 0
        range_bits, phase_bits = _CELL_LAYOUT[high, layout.RANGE_BITS], _CELL_LAYOUT[high, layout.PHASE_BITS]
        lock_bits, cn0_bits = _CELL_LAYOUT[high, layout.LOCK_BITS], _CELL_LAYOUT[high, layout.CN0_BITS]
        range_shift = _CELL_LAYOUT[high, layout.RANGE_SHIFT]
        phase_shift = _CELL_LAYOUT[high, layout.PHASE_SHIFT]
        range_missing, phase_missing = -(1 << (range_bits - 1)), -(1 << (phase_bits - 1))
        # exact: scaling by a power of two does not round
        range_scale = _C_M_MS / (1 << (layout.ROUGH_FRACTION_BITS + range_shift))
        phase_scale = _C_M_MS / (1 << (layout.ROUGH_FRACTION_BITS + phase_shift))
        cn0_scale = 1.0 / _CELL_LAYOUT[high, layout.CN0_STEPS]

        whole, full = kind >= layout.FIRST_FULL_KIND, _COLUMN_BITS[kind, layout.COLUMN_RATE] > 0
        n_cells = popcount(mask)
        ms_at = bit + layout.HEADER_BITS + n_satellites * n_signals
        info_at = ms_at + n_satellites * _COLUMN_BITS[kind, layout.COLUMN_MS]
        fraction_at = info_at + n_satellites * _COLUMN_BITS[kind, layout.COLUMN_INFO]
        rough_rate_at = fraction_at + n_satellites * layout.ROUGH_FRACTION_BITS
        range_at = rough_rate_at + n_satellites * _COLUMN_BITS[kind, layout.COLUMN_ROUGH_RATE]
        phase_at = range_at + n_cells * _COLUMN_BITS[kind, layout.COLUMN_RANGE]
        lock_at = phase_at + n_cells * _COLUMN_BITS[kind, layout.COLUMN_PHASE]
        half_at = lock_at + n_cells * _COLUMN_BITS[kind, layout.COLUMN_LOCK]
        cn0_at = half_at + n_cells * _COLUMN_BITS[kind, layout.COLUMN_HALF]
        rate_at = cn0_at + n_cells * _COLUMN_BITS[kind, layout.COLUMN_CN0]

        base = out
        for s in range(n_satellites):
            zeros = leading_zeros(satellites)
            satellites ^= highest >> np.uint64(zeros)
            number = zeros + 1 + (layout.SBAS_OFFSET if group == _SBAS else 0)
            rough_ms: Integer = 0
            if whole:
                rough_ms = unsigned_field(window, ms_at + s * layout.ROUGH_MS_BITS, layout.ROUGH_MS_BITS)
            fraction = unsigned_field(
                window, fraction_at + s * layout.ROUGH_FRACTION_BITS, layout.ROUGH_FRACTION_BITS
            )
            rough = (rough_ms << layout.ROUGH_FRACTION_BITS) | fraction
            has_rough = rough_ms != layout.ROUGH_MS_MISSING
            frequency = UNKNOWN_CHANNEL if group == _GLONASS else 0
            rough_rate: Integer = 0
            has_rate = full
            if full:
                rough_rate = signed_field(
                    window, rough_rate_at + s * layout.ROUGH_RATE_BITS, layout.ROUGH_RATE_BITS
                )
                has_rate = rough_rate != layout.ROUGH_RATE_MISSING
                if group == _GLONASS:
                    info = unsigned_field(window, info_at + s * layout.CHANNEL_BITS, layout.CHANNEL_BITS)
                    if info <= layout.MAX_CHANNEL + layout.CHANNEL_OFFSET:
                        frequency = info - layout.CHANNEL_OFFSET
            for j in range(n_signals):
                here = mask & highest
                mask <<= np.uint64(1)
                if not here:
                    continue
                k = out - base
                row[out] = r
                system[out] = group
                satellite[out] = number
                signal[out] = signal_ids[j]
                channel[out] = frequency
                flags[out] = 0
                fine = signed_field(window, range_at + k * range_bits, range_bits)
                value = np.float64((rough << range_shift) + fine) * range_scale
                range_m[out] = value if has_rough and fine != range_missing else np.nan
                fine = signed_field(window, phase_at + k * phase_bits, phase_bits)
                value = np.float64((rough << phase_shift) + fine) * phase_scale
                phase_m[out] = value if has_rough and fine != phase_missing else np.nan
                lock = unsigned_field(window, lock_at + k * lock_bits, lock_bits)
                lock_indicator[out] = lock
                lock_ms[out] = _LOCK_MS[high, lock]
                half_cycle[out] = unsigned_field(window, half_at + k, 1)
                strength = unsigned_field(window, cn0_at + k * cn0_bits, cn0_bits)
                cn0_dbhz[out] = strength * cn0_scale if strength else np.nan
                value = np.nan
                if has_rate:
                    fine = signed_field(window, rate_at + k * layout.RATE_BITS, layout.RATE_BITS)
                    if fine != layout.RATE_MISSING:
                        value = np.float64(rough_rate * layout.RATE_STEPS + fine) / _RATE_STEPS
                rate_m_s[out] = value
                out += 1
        if not whole:
            flags[base:out] = PARTIAL
            # what was read where the type has no such column
            cn0_dbhz[base:out] = np.nan
            if kind == 2:
                range_m[base:out] = np.nan
            if kind == 1:
                phase_m[base:out] = np.nan
                lock_indicator[base:out] = lock_ms[base:out] = -1
                half_cycle[base:out] = 0


def _empty_observations(n: int) -> Observations:
    """Return columns in one block: the allocator reuses it, many large blocks it would map anew each time."""
    dtypes = {f.name: np.dtype(_DTYPES.get(f.name, np.uint8)) for f in fields(Observations)}
    block = np.empty(n * sum(d.itemsize for d in dtypes.values()), np.uint8)
    columns, at = {}, 0
    for name, dtype in sorted(dtypes.items(), key=lambda item: -item[1].itemsize):  # keeps all aligned
        end = at + n * dtype.itemsize
        columns[name] = block[at:end].view(dtype)
        at = end
    return Observations(**columns)


def decode_cells(buffer: UInt8, start: Int64, length: Int32, frames: MsmFrames) -> Observations:
    """Decode the observations of frames whose headers were read.

    Parameters
    ----------
    buffer, start, length
        As `decode_msm` takes them.
    frames
        What `read_headers` found in these very frames, or a selection of its rows.
    """
    seen = _empty_observations(int(frames.cells.sum()))
    _read_cells(
        frozen(buffer, np.uint8),
        frozen(start, np.int64),
        frozen(length, np.int32),
        frozen(frames.frame, np.int32),
        frozen(frames.message, np.int16),
        frozen(frames.system, np.uint8),
        frozen(frames.cells, np.int32),
        seen.row,
        seen.system,
        seen.satellite,
        seen.signal,
        seen.range_m,
        seen.phase_m,
        seen.rate_m_s,
        seen.cn0_dbhz,
        seen.lock_ms,
        seen.lock_indicator,
        seen.half_cycle,
        seen.flags,
        seen.channel,
    )
    return seen


def decode_msm(buffer: UInt8, start: Int64, length: Int32) -> tuple[MsmFrames, Observations]:
    """Decode all observation messages among the frames of a buffer; other messages are passed over.

    A message that is too short for what its header announces, or whose masks span more than 64 cells, is
    counted in `MsmFrames.damaged` and changes nothing else.

    Parameters
    ----------
    buffer
        Bytes, shape (m,).
    start, length
        First byte (0xD3) and payload length of each frame, shape (n,): the columns of a `FrameIndex`, or a
        selection of its rows. The CRC is not looked at again.

    Raises
    ------
    ValueError
        A frame lies outside of the buffer.
    """
    data, starts, lengths = frozen(buffer, np.uint8), frozen(start, np.int64), frozen(length, np.int32)
    n = starts.size
    frame, message, cells = np.empty(n, np.int32), np.empty(n, np.int16), np.empty(n, np.int32)
    system, more, steering = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n, np.uint8)
    station, time_ms = np.empty(n, np.int16), np.empty(n, np.int64)
    rows, _, damaged = read_headers(
        data, starts, lengths, frame, message, system, station, time_ms, more, steering, cells
    )
    frames = MsmFrames(
        frame[:rows],
        message[:rows],
        system[:rows],
        station[:rows],
        time_ms[:rows],
        more[:rows],
        steering[:rows],
        cells[:rows],
        damaged,
    )
    return frames, decode_cells(data, starts, lengths, frames)
