"""What is on its way into Kafka: messages, who waits for them, and how it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.kafka.spool_frames import Frame


@dataclass(slots=True)
class SinkHealth:
    """How the way into Kafka is doing, for `/readyz` and `/metrics`."""

    kafka_error: str = ""
    """Why messages do not arrive right now; empty when all is well."""
    full: str = ""
    """Why the spool takes nothing more; empty when all is well."""
    messages_sent: int = 0
    bytes_sent: int = 0
    """Confirmed by Kafka."""
    ticks_sent: int = 0
    """Of `messages_sent`, those made because nothing else was there."""
    pending_bytes: int = 0
    """In memory alone: neither confirmed nor in the spool."""
    spooled_messages: int = 0
    spooled_bytes: int = 0
    oldest_spooled_us: int | None = None
    spooled_ever: int = 0
    """Messages that went through the spool."""
    torn_bytes: int = 0
    damaged_bytes: int = 0
    """Of the spool: cut off after a kill, and found damaged."""
    refused_chunks: int = 0
    refused_samples: int = 0
    """Too large for a message, or without a usable id."""
    lost_messages: int = 0
    """At a stop, with Kafka away and no room on the disk."""


class Promise:
    """Tells those who wait when all of some messages are durable."""

    def __init__(self, waiting: Sequence[asyncio.Future[None]], count: int) -> None:
        self._waiting = waiting
        self._count = count

    def keep(self) -> None:
        """One more of the messages is durable."""
        self._count -= 1
        if self._count == 0:
            for future in self._waiting:
                if not future.done():
                    future.set_result(None)

    def fail(self, error: Exception) -> None:
        """One will not be."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)


@dataclass(slots=True, eq=False)
class Message:
    """A message on its way."""

    frame: Frame
    made_s: float
    """By the event loop's clock."""
    promise: Promise | None = None
    tick: bool = False
    position: int | None = None
    """Its place in the spool."""
    arrived: bool = False

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.frame.payload)

    def durable(self) -> None:
        """Keep what was promised, once."""
        promise, self.promise = self.promise, None
        if promise is not None:
            promise.keep()

    def fail(self, error: Exception) -> None:
        """Say that it is not stored."""
        promise, self.promise = self.promise, None
        if promise is not None:
            promise.fail(error)


@dataclass(slots=True, eq=False)
class Room:
    """How much may be in memory alone; it counts in `SinkHealth.pending_bytes`."""

    health: SinkHealth
    most_bytes: int
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be taken without waiting."""
        return self.health.pending_bytes > self.most_bytes

    def take(self, size: int) -> None:
        """Something has come."""
        self.health.pending_bytes += size

    def free(self, size: int) -> None:
        """Something has gone."""
        self.health.pending_bytes -= size
        if self.health.pending_bytes <= self.most_bytes // 2:
            self._event.set()

    def wake(self) -> None:
        """Let all who wait look again, whether there is room or not."""
        self._event.set()

    async def half_free(self) -> bool:
        """Return True at once where half of it is free; else wait until that may be so, and return False."""
        if self.health.pending_bytes <= self.most_bytes // 2:
            return True
        self._event.clear()
        await self._event.wait()
        return False
