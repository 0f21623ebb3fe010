"""Snapshots: pieces of state to chunks that a message can carry, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

CHUNK_BYTES = 512_000
_LENGTH_BYTES = 4


def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks of at most `CHUNK_BYTES` that hold the pieces, each with its length before it."""
    waiting = bytearray()
    for piece in pieces:
        waiting += len(piece).to_bytes(_LENGTH_BYTES, "little") + piece
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def join(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces that `split` was given."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(waiting[:_LENGTH_BYTES], "little")
            if len(waiting) < end:
                break
            yield bytes(waiting[_LENGTH_BYTES:end])
            del waiting[:end]
