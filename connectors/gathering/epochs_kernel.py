"""Bytes of a stream to pieces that end where an epoch does.

Each message of observations says whether others of its epoch follow: MSM by the multiple message bit (DF393),
legacy messages by the synchronous GNSS flag (DF005); RTCM 10403, the heads of their tables. A frame of
another kind, and bytes of no frame, go on at once unless an epoch is open.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.gathering.chunks_kernel import take_chunks_off
from connectors.gathering.columns import REGION_BYTES, Column, Int64, Row, UInt8
from gnss.rtcm.bits import Integer, copy_bytes
from gnss.rtcm.framing import MAX_FRAME_BYTES, OVERHEAD_BYTES, scan_frames
from kernels.compiled import njit

_FILLED, _SCANNED, _CUT, _IS_OPEN = (
    int(Column.FILLED),
    int(Column.SCANNED),
    int(Column.CUT),
    int(Column.IS_OPEN),
)
_SKIPPED, _SINCE_US, _LAST_US = int(Column.SKIPPED), int(Column.HELD_SINCE_US), int(Column.LAST_US)
_RECEIVED_AT_US, _BACKLOG_UNTIL_US = int(Column.RECEIVED_AT_US), int(Column.BACKLOG_UNTIL_US)
_OBSERVES = int(Column.OBSERVES)
_BYTES, _FRAMES, _BAD, _CODING = int(Column.BYTES), int(Column.FRAMES), int(Column.BAD), int(Column.CODING)
_SLOT, _RAW_FROM, _RAW_TO = int(Row.SLOT), int(Row.RAW_FROM), int(Row.RAW_TO)
_FRAMES_FROM, _FRAMES_TO = int(Row.FRAMES_FROM), int(Row.FRAMES_TO)
_ROW_RECEIVED_AT_US, _IS_BACKLOG = int(Row.RECEIVED_AT_US), int(Row.IS_BACKLOG)
_ROW_BYTES, _ROW_FRAMES, _ROW_BAD = int(Row.BYTES), int(Row.FRAMES), int(Row.BAD)
_ROW_OBSERVES = int(Row.OBSERVES)


class Scratch(NamedTuple):
    """Room for what `gnss.rtcm.framing.scan_frames` finds in a region."""

    start: NDArray[np.int64]
    length: NDArray[np.int32]
    message: NDArray[np.int16]
    bad_before: NDArray[np.int32]


def scratch() -> Scratch:
    """Return room for one region."""
    most = REGION_BYTES // OVERHEAD_BYTES + 1
    return Scratch(
        np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most, np.int16), np.empty(most, np.int32)
    )


@njit(cache=True, nogil=True, inline="always")
def stays_open(
    region: UInt8, begin: Integer, payload: Integer, message: Integer, is_open: Integer
) -> Integer:
    """Return whether more of an epoch follows behind a frame."""
    if payload < 7:
        return is_open
    flags = region[begin + 9]
    is_msm = 1071 <= message <= 1137 and 1 <= message % 10 <= 7
    if is_msm or 1001 <= message <= 1004:
        return np.int64((flags >> 1) & 1)
    if 1009 <= message <= 1012:
        return np.int64((flags >> 4) & 1)
    return is_open


@njit(cache=True, nogil=True, inline="always")
def _observes(message: Integer) -> Integer:
    """Return whether a message holds observations, as 0 or 1."""
    is_msm = 1071 <= message <= 1137 and 1 <= message % 10 <= 7
    return np.int64(is_msm or 1001 <= message <= 1004 or 1009 <= message <= 1012)


@njit(cache=True, nogil=True)
def search(state: Int64, region: UInt8, final: bool, found_at: Scratch) -> None:
    """Find frames behind what was searched before, and how far whole epochs reach."""
    begin = state[_SCANNED]
    found, bad, skipped, consumed = scan_frames(
        region[begin : state[_FILLED]],
        final,
        found_at.start,
        found_at.length,
        found_at.message,
        found_at.bad_before,
    )
    is_open, cut = state[_IS_OPEN], state[_CUT]
    for i in range(found):
        at, payload = begin + found_at.start[i], found_at.length[i]
        is_open = stays_open(region, at, payload, found_at.message[i], is_open)
        state[_OBSERVES] |= _observes(found_at.message[i])
        if not is_open:
            cut = at + payload + OVERHEAD_BYTES
    state[_SCANNED] = begin + consumed
    if final or not is_open:
        cut = state[_SCANNED]
    elif cut == 0 and state[_FILLED] > REGION_BYTES - MAX_FRAME_BYTES:
        cut = state[_SCANNED]  # an epoch of so many bytes is none
    state[_IS_OPEN] = 0 if final else is_open
    state[_CUT] = cut
    state[_FRAMES] += found
    state[_BAD] += bad
    state[_SKIPPED] |= np.int64(skipped > 0)


@njit(cache=True, nogil=True)
def arrive(
    state: Int64,
    region: UInt8,
    count: Integer,
    mono_us: Integer,
    received_at_us: Integer,
    found_at: Scratch,
) -> None:
    """Take `count` bytes that were put behind those in the region."""
    filled = state[_FILLED]
    if state[_CODING]:
        count = take_chunks_off(state, region, filled, count)
    if count == 0:
        return
    if filled == 0:
        state[_SINCE_US] = mono_us
    state[_FILLED] = filled + count
    state[_BYTES] += count
    state[_LAST_US], state[_RECEIVED_AT_US] = mono_us, received_at_us
    search(state, region, False, found_at)


@njit(cache=True, nogil=True)
def put_out(
    slot: Integer,
    state: Int64,
    region: UInt8,
    mono_us: Integer,
    out: UInt8,
    at: Integer,
    row: Int64,
    found_at: Scratch,
) -> Integer:
    """Move what goes on to `out` from `at` on, tell it in `row`, and return where `out` is free again.

    `out` needs room for twice a region: bytes as they came, and behind them the frames alone, unless they are
    the same.
    """
    cut = state[_CUT]
    copy_bytes(region, 0, cut, out, at)
    begin: Integer = at
    end: Integer = at + cut
    if state[_SKIPPED]:
        begin = end
        found, _, _, _ = scan_frames(
            region[:cut], True, found_at.start, found_at.length, found_at.message, found_at.bad_before
        )
        for i in range(found):
            size = found_at.length[i] + OVERHEAD_BYTES
            copy_bytes(region, found_at.start[i], size, out, end)
            end += size
    row[_SLOT], row[_RAW_FROM], row[_RAW_TO] = slot, at, at + cut
    row[_FRAMES_FROM], row[_FRAMES_TO] = begin, end
    row[_ROW_RECEIVED_AT_US] = state[_RECEIVED_AT_US]
    row[_IS_BACKLOG] = np.int64(mono_us < state[_BACKLOG_UNTIL_US])
    row[_ROW_BYTES], row[_ROW_FRAMES], row[_ROW_BAD] = state[_BYTES], state[_FRAMES], state[_BAD]
    copy_bytes(region, cut, state[_FILLED] - cut, region, 0)
    state[_FILLED] -= cut
    state[_SCANNED] -= cut
    row[_ROW_OBSERVES] = state[_OBSERVES]
    state[_CUT] = state[_BYTES] = state[_FRAMES] = state[_BAD] = state[_OBSERVES] = 0
    if state[_SCANNED] == 0:
        state[_SKIPPED] = 0
    state[_SINCE_US] = mono_us
    return end
