"""The bytes of one segment of the raw archive: a timing table and the plain stream, both skippable by zstd.

A segment is a zstd skippable frame (RFC 8878, section 3.1.2) that holds the timing table, then one zstd frame
of the raw bytes. Segments follow one another in an object, so any zstd tool gives the station's plain stream,
and `decode_segment` gives the chunks with their times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import zstandard

from streams.records import RawChunk

VERSION = 1
MAX_SEGMENT_BYTES = 64 * 2**20
"""No segment holds more; a table that claims more is damaged."""
_SKIPPABLE_MAGIC = 0x184D2A50
_LEVEL = 3
_HELD_BYTES = 2047
"""As many at once are hashed without letting go of the interpreter's lock."""


class SegmentError(ValueError):
    """The bytes are not a whole segment. Trying again cannot help."""


class _Timing(msgspec.Struct, array_like=True):
    version: int
    slot_us: int
    lengths: list[int]
    received: list[int | None]
    """Microseconds after the slot's begin."""
    reference: list[int | None]


def encode_segments(of: Sequence[tuple[int, Sequence[RawChunk]]]) -> list[tuple[bytes, bytes]]:
    """Return the segment of each slot's chunks, and the SHA-256 of its content (timing table, plain bytes).

    Many at once: each call that lets go of the interpreter's lock waits for it behind all other threads, and
    that took ten times as long as the compressing of 20 kB.

    Parameters
    ----------
    of
        Begins of slots, us, and their chunks, which are not empty.
    """
    timings = [_timing(slot_us, chunks) for slot_us, chunks in of]
    plain: list[Any] = [b"".join(chunk.payload for chunk in chunks) for _, chunks in of]
    if not plain:
        return []
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).multi_compress_to_buffer(plain)
    magic = _SKIPPABLE_MAGIC.to_bytes(4, "little")
    return [
        (
            b"".join((magic, len(timing).to_bytes(4, "little"), timing, packed[i].tobytes())),
            _digest(timing, bytes_),
        )
        for i, (timing, bytes_) in enumerate(zip(timings, plain, strict=True))
    ]


def decode_segment(station_id: str, data: bytes, sha256: bytes) -> list[RawChunk]:
    """Return the chunks of a segment.

    Raises
    ------
    SegmentError
        It is damaged, or not what `sha256` was made of.
    """
    timing_end = 8 + int.from_bytes(data[4:8], "little")
    if int.from_bytes(data[:4], "little") != _SKIPPABLE_MAGIC or timing_end > len(data):
        raise SegmentError("the segment does not begin with a timing table")
    try:
        timing = msgspec.msgpack.decode(data[8:timing_end], type=_Timing)
        size = sum(timing.lengths)
        if timing.version != VERSION or size > MAX_SEGMENT_BYTES:
            raise SegmentError(f"the segment has version {timing.version} and {size} bytes")
        plain = zstandard.ZstdDecompressor().decompress(data[timing_end:], max_output_size=size)
    except (msgspec.MsgspecError, zstandard.ZstdError) as error:
        raise SegmentError(f"the segment is damaged: {error}") from error
    if _digest(data[8:timing_end], plain) != sha256 or len(plain) != size:
        raise SegmentError("the segment is not what was written")
    chunks = []
    begin = 0
    for length, received, reference in zip(timing.lengths, timing.received, timing.reference, strict=True):
        chunks.append(
            RawChunk(
                station_id=station_id,
                payload=plain[begin : begin + length],
                received_at_us=None if received is None else timing.slot_us + received,
                reference_us=None if reference is None else timing.slot_us + reference,
            )
        )
        begin += length
    return chunks


def _timing(slot_us: int, chunks: Sequence[RawChunk]) -> bytes:
    return msgspec.msgpack.encode(
        _Timing(
            version=VERSION,
            slot_us=slot_us,
            lengths=[len(chunk.payload) for chunk in chunks],
            received=[_after(slot_us, chunk.received_at_us) for chunk in chunks],
            reference=[_after(slot_us, chunk.reference_us) for chunk in chunks],
        )
    )


def _after(slot_us: int, time_us: int | None) -> int | None:
    return None if time_us is None else time_us - slot_us


def _digest(timing: bytes, plain: bytes) -> bytes:
    digest = hashlib.sha256()
    for whole in (timing, plain):
        data = memoryview(whole)
        for at in range(0, len(data), _HELD_BYTES):
            digest.update(data[at : at + _HELD_BYTES])
    return digest.digest()
