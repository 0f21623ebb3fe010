"""Calls over Kafka: orders are read, doors asked, receipts written; and time told to who decides on calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from deploy.calling import Caller
from streams import codec
from streams.call_book import CallBook
from streams.call_records import CallReceipts
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Read, Reader
from streams.partitions import pieces
from streams.records import Record, Tick
from streams.together import together
from streams.topics import CALL_RECEIPTS, CALLS

log = structlog.get_logger()

WAIT_S = 1.0
TICK_S = 1.0
LOOK_BACK_US = 86_400_000_000
"""No deadline of a call is longer."""


@dataclass(slots=True)
class KafkaReceipts:
    """Implements `streams.bus.ReceiptSink`."""

    output: Output
    prefix: str = ""

    async def put_receipts(self, batch: CallReceipts) -> None:
        """Return when the broker has it."""
        topic = self.prefix + CALL_RECEIPTS.name
        await self.output.send([Message(topic, 0, piece) for piece in pieces(batch)])


@dataclass(slots=True, eq=False)
class KafkaCalling:
    """Feeds a caller while `work` runs.

    What it knows is what is in Kafka: orders without a receipt. One that stood still and does not know yet
    that another works brings no calls (`Caller.make_sure`), unless Kafka is away, too: then doors know them
    by their ids.
    """

    kafka: Access
    prefix: str
    caller: Caller
    output: Output
    clock_us: Callable[[], int]
    unreadable: int = field(default=0)

    async def work(self) -> None:
        """Carry calls out until cancelled."""
        self.caller.book = CallBook()
        reader = await self._reader()
        try:
            while not await reader.is_at_end():
                self.caller.listen(self._batches(await reader.next(WAIT_S)))
            await together(self.caller.run(), self._tick(), self._follow(reader))
        finally:
            await reader.stop()

    async def _reader(self) -> Reader:
        """Return a reader that begins where calls may still be needed."""
        topics = (CALLS, CALL_RECEIPTS)
        looking = Reader(self.kafka, topics, None, self.prefix)
        try:
            await looking.start()
            begin = await looking.since(self.clock_us() - LOOK_BACK_US)
        finally:
            await looking.stop()
        reader = Reader(self.kafka, topics, begin, self.prefix)
        await reader.start()
        return reader

    async def _follow(self, reader: Reader) -> None:
        while True:
            self.caller.listen(self._batches(await reader.next(WAIT_S)))

    async def _tick(self) -> None:
        """Let deadlines pass although nothing arrives."""
        topic = self.prefix + CALL_RECEIPTS.name
        while True:
            tick = codec.encode(Tick(now_us=self.clock_us()))
            await self.output.send([Message(topic, 0, tick)])
            await asyncio.sleep(TICK_S)

    def _batches(self, read: list[Read]) -> list[Record]:
        found = []
        for one in read:
            try:
                found.append(codec.decode(one.value))
            except codec.CodecError as error:
                self.unreadable += 1
                log.error("a call cannot be read", topic=one.topic.name, offset=one.offset, error=str(error))
        return found
