"""Transitions of alerts from a place on, in their order, however many there are: a few are in memory."""

from __future__ import annotations

import contextlib
from collections import deque

import structlog

from streams import codec
from streams.deliveries import Heard, Item, Place, items
from streams.kafka.access import Access
from streams.kafka.reader import Read, Reader
from streams.records import AlertTransitions
from streams.topics import ALERTS

log = structlog.get_logger()

WAIT_S = 1.0
LOOK_BACK = 5_000
"""So many messages before its begin are looked at: what comes again of them is left out."""


class RewoundError(ConnectionError):
    """The topic of alerts ends before what was read of it. To begin anew helps."""


class AlertQueue:
    """Reads on when what is wanted is not in memory, so that no more than two answers of Kafka are there.

    What comes again is left out: a bridge that was killed sends some transitions once more.

    Parameters
    ----------
    kafka, prefix
        Where Kafka is; what stands before the names of topics.
    begin
        Where the first one stands.
    """

    def __init__(self, kafka: Access, prefix: str, begin: Place) -> None:
        self._reader = Reader(kafka, (ALERTS,), {ALERTS.name: {0: begin.offset}}, prefix)
        back = {ALERTS.name: {0: max(begin.offset - LOOK_BACK, 0)}}
        self._before = Reader(kafka, (ALERTS,), back, prefix)
        self._begin = begin
        self._heard = Heard()
        self._waiting: deque[Item] = deque()
        self.read_to = begin.offset
        """Everything before this offset was read."""
        self.unreadable = 0
        """Messages that were passed over; the writer parks them."""

    @property
    def repeated(self) -> int:
        """Transitions that came again."""
        return self._heard.repeated

    async def start(self) -> None:
        """Connect and look back, however long that takes."""
        if self._begin.offset:
            await self._look_back()
        await self._reader.start()

    async def stop(self) -> None:
        """Let go of the connection."""
        await self._before.stop()
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
                found = self._new(one)
            except codec.CodecError as error:
                self.unreadable += 1
                log.error("an alert cannot be told", offset=one.offset, error=str(error))
                continue
            self._waiting.extend(
                i for i in found if one.offset != self._begin.offset or i.place >= self._begin
            )

    def _new(self, one: Read) -> list[Item]:
        """Return what is to be told of a message and has not come before."""
        batch = codec.decode(one.value)
        if not isinstance(batch, AlertTransitions):
            return []
        are_new = [self._heard.is_new(transition) for transition in batch.transitions]
        return [item for item in items(one.offset, batch) if are_new[item.place.row]]

    async def _look_back(self) -> None:
        """Know what stands before the begin."""
        await self._before.start()
        at = 0
        while at < self._begin.offset and not await self._before.is_at_end():
            for one in await self._before.next(WAIT_S):
                at = one.offset + 1
                if at <= self._begin.offset:
                    with contextlib.suppress(codec.CodecError):
                        self._new(one)
        await self._before.stop()
        self._heard.repeated = 0  # those were left out before
