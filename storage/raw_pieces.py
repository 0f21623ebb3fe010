"""Archived bytes of a station as pieces that an `EpochTable` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gnss.assembly.assembled import Assembled, Chunk
from gnss.assembly.table import EpochTable
from storage.raw_reader import RawReader
from storage.rows import RawSegment
from storage.store import StorageError

STEP_BYTES = 1 << 18
LATE_US = 60_000_000
"""How much later than its epoch a byte may have come, or by how much a clock may have been behind."""
GAP_US = 3_600_000_000
"""Behind a longer pause another recording begins."""


class Piece(NamedTuple):
    """The next bytes of a recording."""

    chunks: list[Chunk]
    """Of station 0."""
    reference_us: int
    """UTC near its begin."""
    share: float
    """Of the recording that is read with it, 0 to 1."""
    begins: bool
    """Another stream begins: what is open of the one before ends."""


def archived(
    reader: RawReader, segments: Sequence[RawSegment], begin_us: int, tell: Callable[[str], None]
) -> Iterator[Piece]:
    """Yield what is in segments; damaged ones are left out and told, in a sentence.

    Nothing waits for an epoch here, so that what came late for the live system still belongs to it: the
    receiving times tell the week only, and where a stream begins anew.
    """
    chunks: list[Chunk] = []
    size, begins = 0, True
    reference_us = latest_us = begin_us
    for number, segment in enumerate(segments, start=1):
        share = number / len(segments)
        try:
            loaded = reader.load(segment)
        except StorageError as error:
            tell(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            continue
        if abs(segment.start_us - latest_us) > GAP_US or number == 1:
            if chunks:
                yield Piece(chunks, reference_us, share, begins)
            chunks, size, begins, reference_us = [], 0, True, segment.start_us
        latest_us = segment.end_us
        chunks += [Chunk(0, one.payload, None, reference_us) for one in loaded]
        size += segment.size
        if size >= STEP_BYTES:
            yield Piece(chunks, reference_us, share, begins)
            chunks, size, begins = [], 0, False
    if chunks:
        yield Piece(chunks, reference_us, 1.0, begins)


def assembled(table: EpochTable, pieces: Iterable[Piece]) -> Iterator[tuple[Assembled, int, float]]:
    """Yield the epochs of a recording piece by piece, with a time near them and the share that is done."""
    last: tuple[int, float] | None = None
    for piece in pieces:
        if piece.begins and last is not None:
            yield (table.finish(), *last)
        yield table.feed(piece.chunks), piece.reference_us, piece.share
        last = piece.reference_us, piece.share
    if last is not None:
        yield (table.finish(), *last)
