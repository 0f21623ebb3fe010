"""The bounded way from the event loop to the pipeline's thread, and the answers back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.records import RawChunk, Record

TICK_S = 0.2
PENDING_LIMIT_BYTES = 64_000_000
ROUND_LIMIT_BYTES = 8_000_000
ITEM_BYTES = 512
"""What an item costs besides its payload: a flood of tiny ones must not count as nothing."""


class StoppedError(RuntimeError):
    """The runtime has stopped or failed: nothing of this is stored, whoever sent it keeps it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A batch that waits, and who waits for it to be durable."""

    batch: RawChunk | Record
    size: int
    done: asyncio.Future[None] | None = None


@dataclass(slots=True)
class Health:
    """How the runtime is doing, for `/readyz` and `/metrics`."""

    rounds: int = 0
    failures: int = 0
    refused_samples: int = 0
    """Samples whose datastream has an id that is no text."""
    pending_bytes: int = 0
    last_round_us: int = 0
    keep_error: str = ""
    """Why nothing is being stored right now; empty when all is well."""


@dataclass(slots=True, eq=False)
class Inbox:
    """What has arrived and is not durable yet. `take` and `settle` belong to the thread."""

    health: Health
    refusal: str = ""
    """Why nothing is taken any more."""
    _queue: queue.SimpleQueue[Item | None] = field(default_factory=queue.SimpleQueue)
    _size_lock: threading.Lock = field(default_factory=threading.Lock)
    _loop: asyncio.AbstractEventLoop | None = None
    _room: asyncio.Event | None = None
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)
    _entry: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who waits for room is let in in the order of arrival."""

    def open(self) -> None:
        """Bind it to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()

    def offer(self, batch: RawChunk | Record, size: int) -> bool:
        """Take a batch without waiting; False when there is no room."""
        if self.refusal or self.health.pending_bytes > PENDING_LIMIT_BYTES:
            return False
        self._add(Item(batch, ITEM_BYTES + size))
        return True

    async def put(self, batch: RawChunk | Record, size: int) -> None:
        """Take a batch, waiting for room.

        Raises
        ------
        StoppedError
            Nothing is taken any more.
        """
        await self._wait_for_room()
        self._add(Item(batch, ITEM_BYTES + size))

    async def deliver(self, batch: Record, size: int) -> None:
        """Take a batch, waiting for room, and return when it is durable.

        Raises
        ------
        StoppedError
            It was not stored in time.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._entry:
            await self._wait_for_room()
            self._waiting.add(done)
            self._add(Item(batch, ITEM_BYTES + size, done))
        try:
            await done
        finally:
            self._waiting.discard(done)

    def end(self) -> None:
        """Let `take` say that this was all."""
        self._queue.put(None)

    def refuse(self, why: str) -> None:
        """Take nothing any more, and tell so whoever waits. Call it in the event loop."""
        self.refusal = self.refusal or why
        for done in self._waiting:
            if not done.done():
                done.set_exception(StoppedError(self.refusal))
        if self._room is not None:
            self._room.set()

    def take(self) -> tuple[list[Item], bool]:
        """Return what is there, after a tick at the latest, and whether more may come."""
        items: list[Item] = []
        size = 0
        try:
            item = self._queue.get(timeout=TICK_S)
            while True:
                if item is None:
                    return items, False
                items.append(item)
                size += item.size
                if size > ROUND_LIMIT_BYTES:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return items, True

    def settle(self, items: Sequence[Item]) -> None:
        """Say that items are durable."""
        size = sum(item.size for item in items)
        with self._size_lock:
            self.health.pending_bytes -= size
        waiting = [item.done for item in items if item.done is not None]
        if self._room is not None:
            self.call(self._room.set)
        if waiting:
            self.call(_resolve, waiting)

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call something in the event loop."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(function, *arguments)

    async def _wait_for_room(self) -> None:
        assert self._room is not None, "the runtime is not started"
        while not self.refusal and self.health.pending_bytes > PENDING_LIMIT_BYTES // 2:
            self._room.clear()
            if self.health.pending_bytes > PENDING_LIMIT_BYTES // 2:
                await self._room.wait()
        if self.refusal:
            raise StoppedError(self.refusal)

    def _add(self, item: Item) -> None:
        with self._size_lock:
            self.health.pending_bytes += item.size
        self._queue.put(item)


def _resolve(waiting: Sequence[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)
