"""Transitions of alerts from a place on, in their order, however many there are: a few are in memory."""

from __future__ import annotations

from collections import deque

import structlog

from streams import codec
from streams.deliveries import Item, Place, items
from streams.kafka.access import Access
from streams.kafka.reader import Reader
from streams.records import AlertTransitions
from streams.topics import ALERTS

log = structlog.get_logger()

WAIT_S = 1.0


class RewoundError(ConnectionError):
    """The topic of alerts ends before what was read of it. To begin anew helps."""


class AlertQueue:
    """Reads on when what is wanted is not in memory, so that no more than two answers of Kafka are there.

    Parameters
    ----------
    kafka, prefix
        Where Kafka is; what stands before the names of topics.
    begin
        Where the first one stands.
    """

    def __init__(self, kafka: Access, prefix: str, begin: Place) -> None:
        self._reader = Reader(kafka, (ALERTS,), {ALERTS.name: {0: begin.offset}}, prefix)
        self._begin = begin
        self._waiting: deque[Item] = deque()
        self.read_to = begin.offset
        """Everything before this offset was read."""
        self.unreadable = 0
        """Messages that were passed over; the writer parks them."""

    async def start(self) -> None:
        """Connect, however long that takes."""
        await self._reader.start()

    async def stop(self) -> None:
        """Let go of the connection."""
        await self._reader.stop()

    async def get(self, number: int = 0, wait_s: float = WAIT_S) -> Item | None:
        """Return the first transition, or one behind it; None: it is not there after `wait_s`.

        Raises
        ------
        RewoundError
            Something of the topic was lost.
        """
        if len(self._waiting) <= number:
            await self._read(wait_s)
        return self._waiting[number] if len(self._waiting) > number else None

    async def take_all(self) -> list[Item]:
        """Take what comes; nothing after a while. It raises what `get` raises."""
        await self._read(WAIT_S)
        found = list(self._waiting)
        self._waiting.clear()
        return found

    def drop(self) -> None:
        """Take the first one away."""
        self._waiting.popleft()

    async def _read(self, wait_s: float) -> None:
        for one in await self._reader.next(wait_s):
            if one.offset < self.read_to:
                raise RewoundError("the topic of alerts has lost what was read of it")
            self.read_to = one.offset + 1
            try:
                batch = codec.decode(one.value)
            except codec.CodecError as error:
                self.unreadable += 1
                log.error("an alert cannot be told", offset=one.offset, error=str(error))
                continue
            if isinstance(batch, AlertTransitions):
                found = items(one.offset, batch)
                self._waiting.extend(
                    i for i in found if one.offset != self._begin.offset or i.place >= self._begin
                )
