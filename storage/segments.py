"""The bytes of one segment of the raw archive: a timing table and the plain stream, both skippable by zstd.

A segment is a zstd skippable frame (RFC 8878, section 3.1.2) that holds the timing table, then one zstd frame
of the raw bytes. Segments follow one another in an object, so any zstd tool gives the station's plain stream,
and `decode_segment` gives the chunks with their times.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
import numpy as np
import zstandard

from streams.records import RawChunk

VERSION = 1
MAX_SEGMENT_BYTES = 64 * 2**20
"""No segment holds more; a table that claims more is damaged."""
_SKIPPABLE_MAGIC = 0x184D2A50
_PACKING = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    window_log=20,
    hash_log=14,
    min_match=5,
    target_length=1,
    write_checksum=True,
)
"""Observations have next to nothing that comes again: a search that gives up soon is twice as fast as that of
level 3, and what it packs is larger by 0.2 to 0.3 %."""
_HEAD = struct.Struct("<II")
"""Magic and length of the timing table."""
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


class Packed(NamedTuple):
    """A segment."""

    data: bytes
    sha256: bytes
    """Of its content: timing table, plain bytes."""
    size: int
    """Plain bytes."""


def encode_segments(of: Sequence[tuple[int, Sequence[RawChunk]]]) -> list[Packed]:
    """Return the segment of each slot's chunks.

    Many at once: each call that lets go of the interpreter's lock waits for it behind all other threads, and
    that took ten times as long as the compressing of 20 kB.

    Parameters
    ----------
    of
        Begins of slots, us, and their chunks, which are not empty.
    """
    if not of:
        return []
    content: list[bytes] = []
    sizes: list[int] = []
    for slot_us, chunks in of:
        payloads = [chunk.payload for chunk in chunks]
        lengths = list(map(len, payloads))
        table = _timing(slot_us, lengths, chunks)
        content += (table, *payloads)
        sizes += (len(table), sum(lengths))
    whole = memoryview(b"".join(content))
    begins = list(accumulate(sizes, initial=0))
    places = np.array([begins[1::2], sizes[1::2]], np.uint64).T.tobytes()
    plain = zstandard.BufferWithSegments(whole, places)
    compressor = zstandard.ZstdCompressor(compression_params=_PACKING)
    frames: Any = compressor.multi_compress_to_buffer(plain)
    found = []
    for begin, plain_begin, end, frame in zip(begins[:-1:2], begins[1::2], begins[2::2], frames, strict=True):
        head = _HEAD.pack(_SKIPPABLE_MAGIC, plain_begin - begin)
        data = b"".join((head, whole[begin:plain_begin], frame))
        found.append(Packed(data, _digest(whole[begin:end]), end - plain_begin))
    return found


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
    if hashlib.sha256(data[8:timing_end] + plain).digest() != sha256 or len(plain) != size:
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


def _timing(slot_us: int, lengths: list[int], chunks: Sequence[RawChunk]) -> bytes:
    """Return the timing table, with times after the slot's begin; as `_Timing`, which takes longer."""
    received = [at if (at := one.received_at_us) is None else at - slot_us for one in chunks]
    reference = [at if (at := one.reference_us) is None else at - slot_us for one in chunks]
    return msgspec.msgpack.encode((VERSION, slot_us, lengths, received, reference))


def _digest(content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256()
    for at in range(0, len(content), _HELD_BYTES):
        digest.update(content[at : at + _HELD_BYTES])
    return digest.digest()
