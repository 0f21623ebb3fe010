"""Raw bytes of stations, archived where they are gathered: neither Kafka nor the database is needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from storage.raw_archive import RawArchive
from storage.rows import RawSegment
from storage.store import Store
from streams.bus import RawSink
from streams.records import RawChunk

log = structlog.get_logger()

BEAT_S = 1.0
WAITING_BYTES = 64_000_000
"""That may wait for a disk that is slow or full."""


@dataclass(slots=True)
class RawKeeper:
    """Hands chunks on and archives them; implements `streams.bus.RawSink`.

    A disk that is full or broken is said in `error` and does not hold up the chunks: those that find no room
    are not archived, and counted.

    Parameters
    ----------
    sink
        Where the chunks go.
    archive, store
        Where their bytes are kept, and which segments count.
    """

    sink: RawSink
    archive: RawArchive
    store: Store
    clock_us: Callable[[], int]
    error: str = ""
    dropped_bytes: int = 0
    _waiting: list[RawChunk] = field(default_factory=list)
    _waiting_bytes: int = 0
    _segments: list[RawSegment] = field(default_factory=list)
    _much: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, chunk: RawChunk) -> bool:
        """Take a chunk without waiting."""
        self._keep(chunk)
        return self.sink.offer(chunk)

    async def put(self, chunk: RawChunk) -> None:
        """Take a chunk, waiting for room; who waits in vain has it archived nevertheless."""
        try:
            await self.sink.put(chunk)
        finally:
            self._keep(chunk)

    async def run(self) -> None:
        """Write once a second, and when much waits, until cancelled; then what is left."""
        writing: asyncio.Future[None] | None = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._much.wait(), BEAT_S)
                writing = asyncio.ensure_future(self._write(self.clock_us()))
                await asyncio.shield(writing)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self._write_last(writing))

    def _keep(self, chunk: RawChunk) -> None:
        if self._waiting_bytes > WAITING_BYTES:
            self.dropped_bytes += len(chunk.payload)
            return
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk.payload)
        if self._waiting_bytes > WAITING_BYTES // 4:
            self._much.set()

    async def _write_last(self, before: asyncio.Future[None] | None) -> None:
        if before is not None:  # its thread goes on when its caller is cancelled
            await before
        await self._write(None)

    async def _write(self, now_us: int | None) -> None:
        self._much.clear()
        chunks, self._waiting, self._waiting_bytes = self._waiting, [], 0
        error = await asyncio.to_thread(self._archived, chunks, now_us)
        if error and not self.error:
            log.error("cannot archive raw data, trying again", error=error)
        self.error = error

    def _archived(self, chunks: list[RawChunk], now_us: int | None) -> str:
        """Write what is due (None: everything); return what went wrong, in words."""
        for chunk in chunks:
            self.archive.add(chunk)
        trouble = ""
        try:
            self._segments += self.archive.flush() if now_us is None else self.archive.due(now_us)
        except Exception as error:  # noqa: BLE001 - rovers and Kafka go on whatever the disk does
            trouble = f"{type(error).__name__}: {error}"
            self._segments += self.archive.written()
        try:
            if self._segments:
                self.store.commit((), None, now_us=now_us or 0, raw_segments=self._segments)
                self._segments = []
                self.archive.committed()
            if now_us is not None:
                self.archive.expire(now_us)
        except Exception as error:  # noqa: BLE001 - as above
            trouble = trouble or f"{type(error).__name__}: {error}"
        return trouble
