"""Which bytes of a slot the raw archive has, and where the next ones go."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from msgspec import structs

from storage.raw_reader import RawReader, time_of
from storage.rows import RawSegment
from storage.store import RawIndex, StorageError
from streams.records import RawChunk

MOST_STATIONS = 65_536
"""Whose places are remembered; the one that was written longest ago is forgotten first."""


class Places:
    """Finds what is not stored yet.

    Parameters
    ----------
    index, reader
        What is committed, and its bytes.
    ends
        Slot of each station that was written last, and how many bytes of it there are.
    """

    def __init__(
        self, index: RawIndex, reader: RawReader, ends: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        self.ends = dict(ends or {})
        self._index = index
        self._reader = reader
        self._written: dict[tuple[str, int], list[RawSegment]] = {}
        """Segments by station and slot whose rows are on their way."""
        self._newest_us = {name: newest_us for name, _, newest_us in index.raw_extents()}
        """The newest slot of each station: of a newer one nothing is stored, and nobody has to be asked."""
        self._is_forgetful = False
        """A station that is not named may have slots."""
        self._bound()

    def missing(self, station_id: str, slot_us: int, chunks: list[RawChunk]) -> tuple[list[RawChunk], int]:
        """Return the chunks that the archive does not have, and the position of the first."""
        last_us, end = self.ends.get(station_id, (slot_us, 0))
        position = end if last_us == slot_us else 0
        if self._is_new(station_id, slot_us):
            return chunks, position
        stored = [s for s in self._segments(station_id, slot_us) if s.position + s.size > position]
        if not stored:
            return chunks, position
        try:
            there = list(chain.from_iterable(map(self._reader.load, stored)))
        except StorageError:
            there = []
        there = _from(there, position - stored[0].position)
        new = b"".join(chunk.payload for chunk in chunks)
        old = b"".join(chunk.payload for chunk in there)[: len(new)]
        if there and new.startswith(old) and time_of(there[0]) == time_of(chunks[0]):
            return _from(chunks, len(old)), position + len(old)
        return chunks, stored[-1].position + stored[-1].size

    def reach(self, station_id: str, slot_us: int, end: int, segment: RawSegment | None) -> None:
        """Note that the bytes of a slot are stored up to `end`, the last of them by `segment`."""
        self.ends.pop(station_id, None)
        self.ends[station_id] = slot_us, end
        if len(self.ends) > MOST_STATIONS:
            del self.ends[next(iter(self.ends))]
        self._note(station_id, slot_us)
        if segment is not None:
            self._written.setdefault((station_id, slot_us), []).append(segment)

    def committed(self) -> None:
        """Note that the rows of all segments are committed."""
        self._written.clear()

    def _is_new(self, station_id: str, slot_us: int) -> bool:
        newest_us = self._newest_us.get(station_id)
        return not self._is_forgetful if newest_us is None else slot_us > newest_us

    def _note(self, station_id: str, slot_us: int) -> None:
        newest_us = self._newest_us.pop(station_id, None)
        if newest_us is None and self._is_forgetful:
            return
        self._newest_us[station_id] = slot_us if newest_us is None else max(slot_us, newest_us)
        self._bound()

    def _bound(self) -> None:
        while len(self._newest_us) > MOST_STATIONS:
            del self._newest_us[next(iter(self._newest_us))]
            self._is_forgetful = True

    def _segments(self, station_id: str, slot_us: int) -> list[RawSegment]:
        stored = self._index.segments_of_slot(station_id, slot_us)
        written = self._written.get((station_id, slot_us), [])
        known = {one.position for one in stored}
        return stored + [one for one in written if one.position not in known]


def _from(chunks: list[RawChunk], position: int) -> list[RawChunk]:
    """Return what is left of the chunks behind the first bytes of their stream."""
    left = []
    for chunk in chunks:
        if position < len(chunk.payload):
            payload = chunk.payload[position:] if position else chunk.payload
            left.append(structs.replace(chunk, payload=payload))
        position = max(0, position - len(chunk.payload))
    return left
