"""Raw streams of stations as compressed hourly objects `<id>/<YYYY>/<DDD>/<id>_<YYYYMMDD>T<HH>.rtcm.zst`.

Chunks are gathered by station and by 10-second slots of their own time; a finished slot (or a full buffer)
becomes a segment, see `storage.segments`. The bytes of a segment are on the disk before its row is committed
with everything else of the round, and an object that ends with bytes nobody committed is cut back when the
archive is opened. So after a kill there is no half segment, and what was in the buffers is lost: at most the
last 18 seconds of each live station. Slots of all stations end at once; each live station's are written at a
time of its own within the `SPREAD_US` after it, since thousands of files at once hold up everything else.

The place of a byte is its slot and the number of bytes of the slot before it. Chunks that come again (a
replay of the same input) find their bytes stored in the same place and are not stored twice; a stream that
was cut short is completed. Other bytes for a slot that has some (a live station after a quick restart) are
put after them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from storage.append_kernel import Piece
from storage.objects import ObjectFolder, hour_of, object_path
from storage.raw_expiry import Expiry
from storage.raw_places import Places
from storage.raw_reader import LAST_US, RawReader, time_of
from storage.rows import RawSegment
from storage.segments import encode_segments
from storage.store import RawIndex
from streams.records import RawChunk

SLOT_US = 10_000_000
GRACE_US = 5_000_000
"""How long after its end a slot waits for chunks that stood in a queue."""
SPREAD_US = 7_000_000
STATION_BUFFER_BYTES = 2**20
WAITING_LIMIT_BYTES = 256 * 2**20
"""Finished segments that could not be written; beyond it chunks are dropped and counted."""
_WRITERS = 8
"""Files that are synced at once: a file system then writes its journal once for several of them."""
_HOUR_US = 3_600_000_000
_SHARE = 50
"""Files that a thread takes at once."""
_PACKED_BYTES = 4_000_000
"""That are packed at once: the slots of some 200 stations."""


@dataclass(slots=True)
class _Buffer:
    """Chunks of one station in one slot."""

    slot_us: int
    size: int = 0
    live: bool = False
    """Its times are receiving times, so the clock can finish it."""
    due_us: int = 0
    """It is not written before; what is read again is written at once."""
    chunks: list[RawChunk] = field(default_factory=list)


class _Part(NamedTuple):
    """What of a buffer goes to the disk."""

    slot_us: int
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
        self.dropped_bytes = 0
        """Bytes that were not archived since there was no room for them."""
        self._index = index
        self._buffers: dict[str, _Buffer] = {}
        self._waiting: deque[tuple[str, _Buffer]] = deque()
        self._waiting_bytes = 0
        self._written: list[RawSegment] = []
        self._lengths: dict[str, int] = {}
        self._writers = ThreadPoolExecutor(_WRITERS, "raw-archive")
        self._repair()

    @property
    def ends(self) -> Mapping[str, tuple[int, int]]:
        """Slot of each station that was written last, and how many bytes of it there are."""
        return self._places.ends

    def add(self, chunk: RawChunk) -> None:
        """Take a chunk; nothing is written yet. Without any time it belongs to the year 1970."""
        time_us = time_of(chunk)
        slot_us = time_us - time_us % SLOT_US
        buffer = self._buffers.get(chunk.station_id)
        if buffer is None or buffer.slot_us != slot_us:
            if buffer is not None:
                self._finish(chunk.station_id, buffer)
            buffer = self._buffers[chunk.station_id] = _Buffer(slot_us)
        if self._waiting_bytes > WAITING_LIMIT_BYTES:
            self.dropped_bytes += len(chunk.payload)
        elif chunk.payload:
            buffer.chunks.append(chunk)
            buffer.size += len(chunk.payload)
            buffer.live = chunk.received_at_us is not None
        if buffer.size >= STATION_BUFFER_BYTES or chunk.end_of_stream:
            self._finish(chunk.station_id, buffer)

    def due(self, now_us: int) -> list[RawSegment]:
        """Write what is finished at `now_us` and return it, to be committed.

        Raises
        ------
        StorageFullError
            No space; what could not be written stays in memory and is tried again at the next call.
        """
        for station_id, buffer in self._buffers.items():
            if buffer.live and buffer.slot_us + SLOT_US + GRACE_US <= now_us:
                self._finish(station_id, buffer)
        return self._write(now_us)

    def flush(self) -> list[RawSegment]:
        """Write everything and return it, to be committed.

        Raises
        ------
        StorageFullError
            No space; what could not be written stays in memory.
        """
        for station_id, buffer in self._buffers.items():
            self._finish(station_id, buffer)
        return self._write(LAST_US)

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
        self._writers.shutdown()
        self._close_objects(list(self._lengths))

    def read(self, station_id: str, start_us: int, end_us: int) -> Iterator[RawChunk]:
        """Return the committed chunks of a station with a time in the range, in the order of the stream.

        Raises
        ------
        StorageError
            An object is missing or damaged.
        """
        return self._reader.read(station_id, start_us, end_us)

    # --- from chunks to segments ----------------------------------------------------------------------

    def _finish(self, station_id: str, buffer: _Buffer) -> None:
        """Move the buffer's chunks to those that wait to be written; its slot may go on."""
        if buffer.chunks:
            if buffer.live and buffer.size < STATION_BUFFER_BYTES:
                phase_us = crc32(station_id.encode()) * 1000 % SPREAD_US
                buffer.due_us = buffer.slot_us + SLOT_US + phase_us
            self._waiting.append((station_id, buffer))
            self._waiting_bytes += buffer.size
            self._buffers[station_id] = _Buffer(buffer.slot_us)

    def _write(self, now_us: int) -> list[RawSegment]:
        due = [(station_id, buffer) for station_id, buffer in self._waiting if buffer.due_us <= now_us]
        if due:
            self._open_objects({object_path(station_id, buffer.slot_us) for station_id, buffer in due})
        while self._write_some(now_us):
            pass
        return self.written()

    def _write_some(self, now_us: int) -> bool:
        """Write the oldest buffers of each station that are due; return whether more of them may be due.

        A disk takes many files at once sooner than one by one, and the slots of a file together.
        """
        batch: dict[str, list[_Buffer]] = {}
        rest: deque[tuple[str, _Buffer]] = deque()
        ended: set[str] = set()
        is_more = False
        for station_id, buffer in self._waiting:
            found = batch.get(station_id)
            must_wait = buffer.due_us > now_us or station_id in ended
            if must_wait or (found and not _go_together(found[-1], buffer)):
                rest.append((station_id, buffer))
                is_more = is_more or buffer.due_us <= now_us
                ended.add(station_id)  # nothing overtakes what is older
            elif found:
                found.append(buffer)
            else:
                batch[station_id] = [buffer]
        pieces = self._pieces(batch)
        errors = self._append([piece for piece, _ in pieces])
        failed: deque[tuple[str, _Buffer]] = deque()
        for (station_id, buffers), (piece, parts), error in zip(batch.items(), pieces, errors, strict=True):
            if error is not None:
                failed += [(station_id, buffer) for buffer in buffers]
                continue
            self._waiting_bytes -= sum(buffer.size for buffer in buffers)
            self._lengths[piece.file] = piece.offset + len(piece.data)
            for part in parts:
                self._places.reach(station_id, *part)
            self._written += [part.segment for part in parts if part.segment is not None]
        self._waiting = failed + rest
        for error in errors:
            if error is not None:
                raise error
        return bool(batch) and is_more

    def _append(self, pieces: Sequence[Piece]) -> list[Exception | None]:
        """Write pieces in several threads; return why one is not written."""
        written = [one for one in pieces if one.data]
        shares = [written[i : i + _SHARE] for i in range(0, len(written), _SHARE)]
        told = chain.from_iterable(self._writers.map(self._objects.append_all, shares))
        return [next(told) if one.data else None for one in pieces]

    def _pieces(self, batch: Mapping[str, Sequence[_Buffer]]) -> list[tuple[Piece, list[_Part]]]:
        """Return what of each station's buffers is to be written, and where."""
        slots = [(name, buffer) for name, buffers in batch.items() for buffer in buffers]
        missing = [self._places.missing(name, buffer.slot_us, buffer.chunks) for name, buffer in slots]
        new = [
            (buffer.slot_us, chunks)
            for (_, buffer), (chunks, _) in zip(slots, missing, strict=True)
            if chunks
        ]
        packed = chain.from_iterable(map(encode_segments, _shares(new)))
        left = iter(missing)
        return [
            self._piece(name, buffers, list(islice(left, len(buffers))), packed)
            for name, buffers in batch.items()
        ]

    def _piece(
        self,
        station_id: str,
        buffers: Sequence[_Buffer],
        missing: Sequence[tuple[list[RawChunk], int]],
        packed: Iterator[tuple[bytes, bytes]],
    ) -> tuple[Piece, list[_Part]]:
        path = object_path(station_id, buffers[0].slot_us)
        piece, parts = bytearray(), []
        for buffer, (chunks, position) in zip(buffers, missing, strict=True):
            if not chunks:
                parts.append(_Part(buffer.slot_us, position, None))
                continue
            data, sha256 = next(packed)
            times = [time_of(chunk) for chunk in chunks]
            segment = RawSegment(
                station_id=station_id,
                slot_us=buffer.slot_us,
                position=position,
                path=path,
                offset=self._lengths[path] + len(piece),
                length=len(data),
                size=sum(len(chunk.payload) for chunk in chunks),
                chunks=len(chunks),
                start_us=min(times),
                end_us=max(times),
                sha256=sha256,
            )
            piece += data
            parts.append(_Part(buffer.slot_us, position + segment.size, segment))
        return Piece(path, self._lengths[path], bytes(piece)), parts

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


def _shares(slots: Iterable[tuple[int, list[RawChunk]]]) -> Iterator[list[tuple[int, list[RawChunk]]]]:
    """Cut slots into those that are packed at once."""
    share: list[tuple[int, list[RawChunk]]] = []
    size = 0
    for slot in slots:
        share.append(slot)
        size += sum(len(chunk.payload) for chunk in slot[1])
        if size >= _PACKED_BYTES:
            yield share
            share, size = [], 0
    if share:
        yield share


def _go_together(before: _Buffer, buffer: _Buffer) -> bool:
    """Return whether a buffer goes into the same object, and into a slot behind the one before it."""
    return before.slot_us < buffer.slot_us and before.slot_us // _HOUR_US == buffer.slot_us // _HOUR_US
