"""What a task took since its snapshot, in which order, and what came of it. No I/O.

A group that reads several topics takes their messages in an order that is not the same twice. So each message
that brought something is written down with it, and with those before it. Whoever goes on after a kill takes
the snapshot and then the journal, reads none of it again from the topics, and tells none of it again.
Messages behind the journal may come in another order than before: nobody was told of what came of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import zstandard

from streams.kafka.origin import Origin
from streams.processors.snapshots import join, split

_LEVEL = 1
_MOST_BYTES = 2**30
"""Of one chunk, unpacked."""


class JournalError(ValueError):
    """A journal is damaged, or something of it is missing."""


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """A message that a task took."""

    at: int
    """How much the task had taken before (`Task.taken`)."""
    topic: str
    offset: int
    value: bytes
    origin: Origin | None
    stamp_us: int | None
    is_again: bool
    told: list[bytes]
    """What came of it, as far as processors of the group read that."""


def packed(entries: Iterable[Entry]) -> list[bytes]:
    """Return chunks that hold entries, each of which a message can carry."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return [compressor.compress(chunk) for chunk in split(map(msgspec.msgpack.encode, entries))]


def unpacked(chunks: Iterable[bytes]) -> Iterator[Entry]:
    """Yield the entries of chunks in their order.

    Raises
    ------
    JournalError
        A chunk is damaged, or missing among others.
    """
    decompressor = zstandard.ZstdDecompressor()
    try:
        for piece in join(decompressor.decompress(one, max_output_size=_MOST_BYTES) for one in chunks):
            yield msgspec.msgpack.decode(piece, type=Entry)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise JournalError(f"a journal is damaged: {error}") from error
