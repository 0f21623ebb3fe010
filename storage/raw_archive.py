"""Raw streams of stations as compressed hourly objects `<id>/<YYYY>/<DDD>/<id>_<YYYYMMDD>T<HH>.rtcm.zst`.

Chunks are gathered by station and by 10-second slots of their own time (`storage.raw_slots`); a finished slot
becomes a segment, see `storage.segments`. The bytes of a segment are on the disk before its row is committed
with everything else of the round, and an object that ends with bytes nobody committed is cut back when the
archive is opened. So after a kill there is no half segment, and what was in the buffers is lost: at most the
last 18 seconds of each live station.

The place of a byte is its slot and the number of bytes of the slot before it. Chunks that come again (a
replay of the same input) find their bytes stored in the same place and are not stored twice; a stream that
was cut short is completed. Other bytes for a slot that has some (a live station after a quick restart) are
put after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from storage.append_kernel import Piece
from storage.objects import ObjectFolder, hour_of, object_path
from storage.raw_expiry import Expiry
from storage.raw_places import Places
from storage.raw_reader import RawReader, time_of
from storage.raw_slots import Slot, Slots
from storage.rows import RawSegment
from storage.segments import Packed, encode_segments
from storage.store import RawIndex
from streams.records import RawChunk

_PACKED_BYTES = 4_000_000
"""That are packed at once: the slots of some 200 stations."""


class _Part(NamedTuple):
    """What of a slot goes to the disk."""

    slot: Slot
    end: int
    """How many bytes of the slot there are then."""
    segment: RawSegment | None
    """None: the archive has all of it."""


class RawArchive:
    """Writes and reads the objects under `folder`; what is in them is known to `index`.

    One thread adds and writes; `read` may be called from any.

    Parameters
    ----------
    folder
        Where the objects are, usually `raw` in the data folder.
    index
        The store whose `commit` gets the segments that `due` and `flush` return.
    ends
        What `ends` said when everything was written that was added before; without it what comes next
        counts as a repetition where it is one.
    keep_us
        How long bytes are kept; 0: for ever.
    """

    def __init__(
        self,
        folder: Path | str,
        index: RawIndex,
        ends: Mapping[str, tuple[int, int]] | None = None,
        *,
        keep_us: int = 0,
    ) -> None:
        self._objects = ObjectFolder(folder)
        self._reader = RawReader(self._objects, index)
        self._places = Places(index, self._reader, ends)
        self._expiry = Expiry(self._objects, index, keep_us)
        self._index = index
        self._slots = Slots()
        self._written: list[RawSegment] = []
        self._lengths: dict[str, int] = {}
        self._repair()

    @property
    def ends(self) -> Mapping[str, tuple[int, int]]:
        """Slot of each station that was written last, and how many bytes of it there are."""
        return self._places.ends

    @property
    def dropped_bytes(self) -> int:
        """Bytes that were not archived since there was no room for them."""
        return self._slots.dropped_bytes

    def add(self, *chunks: RawChunk) -> None:
        """Take chunks; nothing is written yet. Without any time they belong to the year 1970."""
        self._slots.add(chunks)

    def due(self, now_us: int) -> list[RawSegment]:
        """Write what is finished at `now_us` and return it, to be committed.

        Raises
        ------
        StorageFullError
            No space; what could not be written stays in memory and is tried again at the next call.
        """
        return self._write(self._slots.due(now_us))

    def flush(self) -> list[RawSegment]:
        """Write everything and return it, to be committed.

        Raises
        ------
        StorageFullError
            No space; what could not be written stays in memory.
        """
        return self._write(self._slots.all())

    def written(self) -> list[RawSegment]:
        """Return what `due` or `flush` wrote before it failed: one station's object may, and others' not."""
        written, self._written = self._written, []
        return written

    def committed(self) -> None:
        """Note that the rows of all that was returned are committed; until then their places are kept."""
        self._places.committed()

    def expire(self, now_us: int) -> None:
        """Drop what has been kept long enough, once an hour; call it when nothing waits for its commit."""
        if self._expiry.is_due(now_us):
            oldest = hour_of(object_path("", self._expiry.cut_us(now_us)))
            self._close_objects([path for path in self._lengths if hour_of(path) < oldest])
            self._expiry.drop(now_us, self._lengths)

    def close(self) -> None:
        """Note which objects are whole. Without it the next opening looks at them again."""
        self._close_objects(list(self._lengths))
        self._objects.close()

    def read(self, station_id: str, start_us: int, end_us: int) -> Iterator[RawChunk]:
        """Return the committed chunks of a station with a time in the range, in the order of the stream.

        Raises
        ------
        StorageError
            An object is missing or damaged.
        """
        return self._reader.read(station_id, start_us, end_us)

    # --- from slots to segments -----------------------------------------------------------------------

    def _write(self, slots: list[Slot]) -> list[RawSegment]:
        try:
            if slots:
                self._open_objects({slot.path for slot in slots})
            while slots:
                slots, error = self._write_some(slots)
                if error is not None:
                    raise error
        finally:
            self._slots.put_back(slots)
        return self.written()

    def _write_some(self, slots: Sequence[Slot]) -> tuple[list[Slot], Exception | None]:
        """Write the first slots of each station; return what is left, and why something was not written.

        A disk takes many files at once sooner than one by one, and the slots of a file together.
        """
        batch, left = _together(slots)
        pieces = self._pieces(batch)
        errors = self._append([piece for piece, _ in pieces])
        failed: list[Slot] = []
        for together, (piece, parts), error in zip(batch, pieces, errors, strict=True):
            if error is not None:
                failed += together
                continue
            self._lengths[piece.file] = piece.offset + len(piece.data)
            for slot, end, segment in parts:
                self._places.reach(slot.station_id, slot.slot_us, end, segment)
                if segment is not None:
                    self._written.append(segment)
        return failed + left, next(filter(None, errors), None)

    def _append(self, pieces: Sequence[Piece]) -> list[Exception | None]:
        """Write pieces; return why one is not written."""
        told = iter(self._objects.append_all([one for one in pieces if one.data]))
        return [next(told) if one.data else None for one in pieces]

    def _pieces(self, batch: Sequence[Sequence[Slot]]) -> list[tuple[Piece, list[_Part]]]:
        """Return what of each station's slots is to be written, and where."""
        slots = list(chain.from_iterable(batch))
        missing = [self._places.missing(slot.station_id, slot.slot_us, slot.chunks) for slot in slots]
        packed = chain.from_iterable(map(encode_segments, _shares(slots, missing)))
        left = iter(missing)
        return [self._piece(together, left, packed) for together in batch]

    def _piece(
        self,
        slots: Sequence[Slot],
        missing: Iterator[tuple[list[RawChunk], int]],
        packed: Iterator[Packed],
    ) -> tuple[Piece, list[_Part]]:
        path = slots[0].path
        begin = end = self._lengths[path]
        data, parts = [], []
        for slot, (chunks, position) in zip(slots, missing, strict=False):  # behind them are other stations'
            if not chunks:
                parts.append(_Part(slot, position, None))
                continue
            one = next(packed)
            times = list(map(time_of, chunks))
            segment = RawSegment(
                station_id=slot.station_id,
                slot_us=slot.slot_us,
                position=position,
                path=path,
                offset=end,
                length=len(one.data),
                size=one.size,
                chunks=len(chunks),
                start_us=min(times),
                end_us=max(times),
                sha256=one.sha256,
            )
            data.append(one.data)
            end += segment.length
            parts.append(_Part(slot, position + segment.size, segment))
        return Piece(path, begin, b"".join(data)), parts

    # --- files ----------------------------------------------------------------------------------------

    def _open_objects(self, paths: set[str]) -> None:
        new = sorted(path for path in paths if path not in self._lengths)
        if not new:
            return
        oldest = min(map(hour_of, paths))
        self._close_objects([path for path in self._lengths if path not in paths and hour_of(path) < oldest])
        self._index.open_objects(new)
        lengths = self._index.object_lengths(new)
        for path in new:
            length = lengths[path]
            self._objects.cut(path, length)
            self._lengths[path] = length

    def _close_objects(self, paths: Iterable[str]) -> None:
        """Take objects from the list of the unfinished, unless they hold what is not committed."""
        lengths = self._index.object_lengths(list(paths))
        whole = [path for path, length in lengths.items() if length == self._lengths[path]]
        if whole:
            self._index.close_objects(whole)
            for path in whole:
                del self._lengths[path]

    def _repair(self) -> None:
        unfinished = self._index.unfinished_objects()
        for path, length in unfinished:
            self._objects.cut(path, length)
        if unfinished:
            self._index.close_objects([path for path, _ in unfinished])


def _together(slots: Iterable[Slot]) -> tuple[list[list[Slot]], list[Slot]]:
    """Return the first slots of each station that go into one object one behind the other, and the others."""
    found: dict[str, list[Slot]] = {}
    left: list[Slot] = []
    ended: set[str] = set()
    for slot in slots:
        before = found.get(slot.station_id)
        if before is None:
            found[slot.station_id] = [slot]
        elif slot.station_id not in ended and slot.goes_behind(before[-1]):
            before.append(slot)
        else:
            left.append(slot)
            ended.add(slot.station_id)  # nothing overtakes what is older
    return list(found.values()), left


def _shares(
    slots: Iterable[Slot], missing: Iterable[tuple[list[RawChunk], int]]
) -> Iterator[list[tuple[int, list[RawChunk]]]]:
    """Cut what is missing of slots into what is packed at once."""
    share: list[tuple[int, list[RawChunk]]] = []
    size = 0
    for slot, (chunks, _) in zip(slots, missing, strict=True):
        if chunks:
            share.append((slot.slot_us, chunks))
            size += slot.size
        if size >= _PACKED_BYTES:
            yield share
            share, size = [], 0
    if share:
        yield share
