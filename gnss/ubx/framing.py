"""Frames of UBX: find them in a byte stream, and build them.

A frame is 0xB5 0x62, a class, an id, the payload's length with the lowest byte first, the payload, and two
sums over all that from the class on (u-blox interface descriptions, UBX frame structure; Fletcher, 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.patience import MOST_CREDIT, earned
from gnss.rtcm.bits import Integer, frozen
from kernels.compiled import njit

SYNC = b"\xb5\x62"
HEADER_BYTES, CHECK_BYTES = 6, 2
OVERHEAD_BYTES = HEADER_BYTES + CHECK_BYTES
MAX_PAYLOAD_BYTES = 16_384
"""Of a frame that is read: 255 observations have 8 kB. A longer one is taken for noise."""
_SYNC_1, _SYNC_2 = SYNC

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class UbxFrame:
    """A frame whose sums are right."""

    kind: int
    """Class and id, for instance 0x0215."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class UbxFrames:
    """What a piece of a stream brought."""

    frames: list[UbxFrame]
    bad: int
    """Pairs of synchronisation bytes outside of every frame whose length and sums make no frame."""
    skipped_bytes: int
    """That belong to no frame."""


@njit(cache=True, nogil=True)
def _sums(buffer: UInt8, begin: Integer, end: Integer) -> Integer:
    """Return both sums, the first one in the lower byte."""
    first = second = np.int64(0)
    for at in range(begin, end):
        first = first + buffer[at] & 0xFF
        second = second + first & 0xFF
    return first | second << 8


@njit(cache=True, nogil=True)
def _scan(
    buffer: UInt8, final: bool, credit: Integer, out: NDArray[np.int64]
) -> tuple[int, int, int, Integer, Integer]:
    """Fill rows of kind, begin and length; return rows, bad, skipped bytes, what is consumed, credit."""
    found = bad = skipped = 0
    at: Integer = np.int64(0)
    while at < buffer.size:
        left = buffer.size - at
        is_begin = buffer[at] == _SYNC_1 and (left == 1 or buffer[at + 1] == _SYNC_2)
        if is_begin and not final and left < OVERHEAD_BYTES:
            break
        if is_begin and left >= OVERHEAD_BYTES:
            length = np.int64(buffer[at + 4]) | np.int64(buffer[at + 5]) << 8
            if length <= MAX_PAYLOAD_BYTES and length <= credit:
                if left < length + OVERHEAD_BYTES and not final:
                    break
                if left >= length + OVERHEAD_BYTES:
                    end = at + HEADER_BYTES + length
                    sent = np.int64(buffer[end]) | np.int64(buffer[end + 1]) << 8
                    if _sums(buffer, at + 2, end) == sent:
                        out[found, 0] = np.int64(buffer[at + 2]) << 8 | np.int64(buffer[at + 3])
                        out[found, 1], out[found, 2] = at + HEADER_BYTES, length
                        found += 1
                        at = end + CHECK_BYTES
                        credit = earned(credit, length + OVERHEAD_BYTES)
                        continue
                    bad += 1
                    credit -= length
            else:
                bad += 1
        at += 1
        skipped += 1
        credit = earned(credit, 1)
    return found, bad, skipped, at, credit


class UbxFramer:
    """Cuts a live stream into frames; keeps less than one frame between calls."""

    def __init__(self) -> None:
        self._tail = b""
        self._credit = MOST_CREDIT

    def feed(self, data: bytes) -> UbxFrames:
        """Take the next bytes of the stream; return the frames that they completed."""
        return self._advance(self._tail + data, final=False)

    def finish(self) -> UbxFrames:
        """End the stream: what waited for more bytes is searched as it is. The framer is then as new."""
        found = self._advance(self._tail, final=True)
        self._credit = MOST_CREDIT
        return found

    def _advance(self, data: bytes, *, final: bool) -> UbxFrames:
        buffer = frozen(np.frombuffer(data, np.uint8), np.uint8)
        out = np.empty((len(data) // OVERHEAD_BYTES, 3), np.int64)
        n, bad, skipped, consumed, credit = _scan(buffer, final, self._credit, out)
        self._tail, self._credit = data[consumed:], int(credit)
        frames = [UbxFrame(kind, data[at : at + length]) for kind, at, length in out[:n].tolist()]
        return UbxFrames(frames, bad, skipped)


def build_ubx(kind: int, payload: bytes) -> bytes:
    """Return the frame of a payload.

    Raises
    ------
    ValueError
        The payload is longer than a frame can say.
    """
    if len(payload) > 0xFFFF:
        raise ValueError(f"a UBX payload of {len(payload)} bytes does not fit: give at most 65535")
    covered = kind.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    sums = int(_sums(np.frombuffer(covered, np.uint8), 0, len(covered)))
    return SYNC + covered + sums.to_bytes(2, "little")
