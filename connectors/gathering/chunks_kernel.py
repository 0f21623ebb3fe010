"""Chunked bodies (RFC 9112, section 7.1) in place; the quick twin of `gnss.ntrip.body.ChunkedDecoder`."""

from __future__ import annotations

from connectors.gathering.columns import Column, Int64, Place, UInt8
from gnss.ntrip.body import MAX_CHUNK_BYTES, MAX_CHUNK_LINE_BYTES
from gnss.rtcm.bits import Integer, copy_bytes
from kernels.compiled import njit

_PLACE, _LEFT = int(Column.CHUNK_PLACE), int(Column.CHUNK_LEFT)
_DIGITS, _LINE, _RETURNED = (
    int(Column.CHUNK_DIGITS),
    int(Column.CHUNK_LINE_BYTES),
    int(Column.CHUNK_RETURNED),
)
_SIZE, _SIZE_DIGITS, _SIZE_BLANKS = int(Place.SIZE), int(Place.SIZE_DIGITS), int(Place.SIZE_BLANKS)
_EXTENSION, _DATA, _BEHIND_DATA = int(Place.EXTENSION), int(Place.DATA), int(Place.BEHIND_DATA)
_END, _BROKEN = int(Place.END), int(Place.BROKEN)
_MOST_DIGITS = 16


@njit(cache=True, nogil=True)
def take_chunks_off(state: Int64, region: UInt8, begin: Integer, count: Integer) -> Integer:
    """Turn `count` bytes of a body at `begin` into what its chunks hold; return how many bytes that is.

    `state` is the stream's row; the place is `Place.END` behind the last chunk, and `Place.BROKEN` when the
    bytes are no chunks: what came before is returned.
    """
    at, end, to = begin, begin + count, begin
    while at < end and state[_PLACE] < _END:
        if state[_PLACE] == _DATA:
            size = min(state[_LEFT], end - at)
            if to != at:
                copy_bytes(region, at, size, region, to)
            to += size
            at += size
            state[_LEFT] -= size
            if state[_LEFT] == 0:
                state[_PLACE] = _BEHIND_DATA
            continue
        _take_of_line(state, region[at])
        at += 1
    return to - begin


@njit(cache=True, nogil=True)
def _take_of_line(state: Int64, byte: Integer) -> None:
    place = state[_PLACE]
    state[_LINE] += 1
    if state[_LINE] > MAX_CHUNK_LINE_BYTES:
        state[_PLACE] = _BROKEN
    elif byte == 10:
        _end_line(state)
    elif place == _EXTENSION:
        return
    elif byte == 13:
        state[_RETURNED] = 1
    elif place == _BEHIND_DATA or state[_RETURNED]:
        state[_PLACE] = _BROKEN
    elif byte in (9, 32):
        if place == _SIZE_DIGITS:
            state[_PLACE] = _SIZE_BLANKS
    elif byte == 59 and place != _SIZE:
        state[_PLACE] = _EXTENSION
    else:
        _take_digit(state, byte)


@njit(cache=True, nogil=True)
def _take_digit(state: Int64, byte: Integer) -> None:
    digit = -1
    if 48 <= byte <= 57:
        digit = byte - 48
    elif 65 <= byte <= 70 or 97 <= byte <= 102:
        digit = (byte & 0xDF) - 55
    if digit < 0 or state[_PLACE] == _SIZE_BLANKS or state[_DIGITS] == _MOST_DIGITS:
        state[_PLACE] = _BROKEN
        return
    state[_PLACE] = _SIZE_DIGITS
    state[_DIGITS] += 1
    state[_LEFT] = min((state[_LEFT] << 4) + digit, MAX_CHUNK_BYTES + 1)


@njit(cache=True, nogil=True)
def _end_line(state: Int64) -> None:
    place = state[_PLACE]
    state[_LINE] = state[_DIGITS] = state[_RETURNED] = 0
    if place == _BEHIND_DATA:
        state[_PLACE] = _SIZE
    elif place == _SIZE or state[_LEFT] > MAX_CHUNK_BYTES:
        state[_PLACE] = _BROKEN
    else:
        state[_PLACE] = _DATA if state[_LEFT] else _END
