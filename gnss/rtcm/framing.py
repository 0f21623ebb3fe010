"""Frames of RTCM 3: find them in a byte stream, and build them.

A frame is 0xD3, six reserved bits that are 0, a 10-bit payload length, the payload, and a CRC-24Q over all
that (RTCM 10403, transport layer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.rtcm.bits import Integer, frozen
from gnss.rtcm.crc import crc24q, crc24q_between, crc24q_kernel, prefixes_kernel
from kernels.compiled import njit

PREAMBLE = 0xD3
HEADER_BYTES = 3
CRC_BYTES = 3
OVERHEAD_BYTES = HEADER_BYTES + CRC_BYTES
MAX_PAYLOAD_BYTES = 1023
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + OVERHEAD_BYTES
NO_MESSAGE = -1
WASTED_SHARE = 2
"""When failed candidates have cost so many times the buffer's bytes, CRCs are made of prefixes: a buffer of
nothing but preambles would take 500 times as long as another."""

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FrameIndex:
    """Where the valid frames of a buffer are. All arrays have shape (n,), in the order of the buffer."""

    start: NDArray[np.int64]
    """Offset of the frame's first byte, 0xD3; its payload begins three bytes later."""
    length: NDArray[np.int32]
    """Payload length in bytes, 0 to 1023; the frame is six bytes longer."""
    message: NDArray[np.int16]
    """Message number (DF002), 0 to 4095; -1 when the payload is shorter than a number."""
    bad: int
    """Failed candidates: 0xD3 and six zero bits, outside of every valid frame, whose length and CRC-24Q do
    not make a frame. A damaged frame is one; it is more when its own bytes hold another such pattern (one
    of 64 damaged frames of 256 bytes), none when the damage hit those 14 bits. A last frame that the
    stream's end cuts off is not damaged and only adds to `skipped_bytes`."""
    skipped_bytes: int
    """Bytes before `consumed` that belong to no valid frame."""
    consumed: int
    """What is behind must be given again, with more bytes behind it; all of the buffer if `final`."""

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Framed:
    """What a piece of a stream brought."""

    frames: bytes
    """All valid frames that it completed, one after the other, unchanged."""
    count: int
    bad: int
    skipped_bytes: int
    messages: NDArray[np.int16]
    """Message numbers, shape (count,), as in `FrameIndex.message`."""


@njit(cache=True, nogil=True)
def scan_frames(
    buffer: UInt8,
    final: bool,
    start: NDArray[np.int64],
    length: NDArray[np.int32],
    message: NDArray[np.int16],
    bad_before: NDArray[np.int32],
) -> tuple[int, int, int, Integer]:
    """Fill the columns (shape: as many as could ever be found); return found, bad, skipped, consumed.

    `bad_before` gets the failed candidates between the frame before (or the begin) and each frame; `bad` has
    those behind the last frame too. `find_frames` tells the rest.
    """
    size = buffer.size
    found = bad = skipped = incomplete = told = 0
    at: Integer = np.int64(0)
    payload: Integer
    number: Integer
    wasted = np.int64(0)
    prefixes_from: Integer = -1
    prefixes = np.empty(0, np.uint32)
    while at < size:
        if buffer[at] != PREAMBLE:
            at += 1
            skipped += 1
            continue
        left = size - at
        if left > 1 and buffer[at + 1] & 0xFC:
            at += 1
            skipped += 1
            continue
        payload = 0
        complete = left >= OVERHEAD_BYTES
        if complete:
            payload = (np.int64(buffer[at + 1]) << 8) | np.int64(buffer[at + 2])
            complete = bool(left >= payload + OVERHEAD_BYTES)
        if not complete:
            if not final:
                break
            incomplete += 1
            skipped += 1
            at += 1
            continue
        end = at + HEADER_BYTES + payload
        sent = (np.int64(buffer[end]) << 16) | (np.int64(buffer[end + 1]) << 8) | np.int64(buffer[end + 2])
        if prefixes_from < 0:
            crc = crc24q_kernel(buffer, at, end)
        else:
            crc = crc24q_between(prefixes, at - prefixes_from, end - prefixes_from)
        if crc != sent:
            wasted += payload
            if prefixes_from < 0 and wasted > WASTED_SHARE * size + MAX_FRAME_BYTES:
                prefixes_from = at
                prefixes = np.empty(size - at + 1, np.uint32)
                prefixes_kernel(buffer, at, prefixes)
            bad += 1
            skipped += 1
            at += 1
            continue
        start[found] = at
        length[found] = payload
        number = NO_MESSAGE
        if payload > 1:
            number = (np.int64(buffer[at + 3]) << 4) | (np.int64(buffer[at + 4]) >> 4)
        message[found] = number
        bad += incomplete  # a valid frame behind it: not the end, a wrong length made it incomplete
        incomplete = 0
        bad_before[found] = bad - told
        told = bad
        found += 1
        at = end + CRC_BYTES
    return found, bad, skipped, at


def find_frames(buffer: UInt8, *, final: bool = False) -> FrameIndex:
    """Find all valid frames of a buffer.

    After a candidate that fails, the search goes on at the byte behind its first. A candidate that the
    buffer's end cuts off waits (`consumed` points at it), unless this is the stream's end (`final`): then the
    search goes on behind its first byte, and it counts as bad if a valid frame follows. So the frames and
    counts of a stream do not depend on how it was cut into buffers.

    Parameters
    ----------
    buffer
        Bytes, shape (n,).
    final
        No more bytes follow.
    """
    data = frozen(buffer, np.uint8)
    most = data.size // OVERHEAD_BYTES
    start, length, message = np.empty(most, np.int64), np.empty(most, np.int32), np.empty(most, np.int16)
    bad_before = np.empty(most, np.int32)
    found, bad, skipped, consumed = scan_frames(data, final, start, length, message, bad_before)
    return FrameIndex(
        start[:found].copy(), length[:found].copy(), message[:found].copy(), bad, skipped, int(consumed)
    )


class Framer:
    """Cuts a live stream into frames; keeps less than one frame (1,029 bytes) between calls."""

    def __init__(self) -> None:
        self._tail = b""

    @property
    def waiting(self) -> bytes:
        """What may be the begin of a frame, and waits for more bytes."""
        return self._tail

    def feed(self, data: bytes) -> Framed:
        """Take the next bytes of the stream; return the frames that they completed."""
        return self._advance(self._tail + data, final=False)

    def finish(self) -> Framed:
        """End the stream: what waited for more bytes is searched as it is. The framer is then as new."""
        return self._advance(self._tail, final=True)

    def _advance(self, data: bytes, *, final: bool) -> Framed:
        index = find_frames(np.frombuffer(data, np.uint8), final=final)
        self._tail = data[index.consumed :]
        end = index.start + index.length + OVERHEAD_BYTES
        breaks = np.flatnonzero(index.start[1:] != end[:-1])
        first = np.concatenate((index.start[:1], index.start[breaks + 1])).tolist()
        last = np.concatenate((end[breaks], end[-1:])).tolist()
        frames = b"".join([data[i:j] for i, j in zip(first, last, strict=True)])
        return Framed(frames, len(index), index.bad, index.skipped_bytes, index.message)


def build_frame(payload: bytes) -> bytes:
    """Return the frame of a payload.

    Raises
    ------
    ValueError
        The payload is longer than 1,023 bytes.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        msg = f"an RTCM payload of {len(payload)} bytes does not fit a frame: split it below 1,024 bytes"
        raise ValueError(msg)
    head = bytes((PREAMBLE,)) + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(CRC_BYTES, "big")
