"""Carries topics from one Kafka to another, each as a stream of its own that waits for no other.

What has arrived is written down in the Kafka where it arrives (`bridge-places`), about once a second and
always behind the messages: a bridge that was killed sends some of them again, and their readers leave them
out. No transactions: one that a cut leaves open would hold up every reader of the partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.access import Access
from streams.kafka.admin import KafkaUnreachable, TopicsRefused, cluster_of
from streams.kafka.history import History
from streams.kafka.output import Message, Output
from streams.kafka.passage import Passage
from streams.kafka.reader import Reader
from streams.together import together
from streams.topics import BRIDGE_PLACES

log = structlog.get_logger()

WAIT_S = 0.5
RETRY_S = 1.0
LOOK_S = 5.0
ANSWER_S = 10.0
SAVE_US = 1_000_000
SILENT_US = 10_000_000
"""So long without a confirmation is told: a producer tries again by itself, and says nothing."""
READ_BYTES = 2_000_000
SLICE_BYTES = 262_144
"""Sent at once: streams that share a rate take turns with as much."""
T = TypeVar("T")


@dataclass(slots=True)
class Rate:
    """Bytes a second that some streams share, in the order in which they ask."""

    bytes_a_second: float
    steady_us: Callable[[], int]
    """As of `Carrier`."""
    _free_at_us: float = 0.0

    async def wait(self, size: int) -> None:
        """Return when so many bytes may be sent."""
        now_us = self.steady_us()
        begin_us = max(self._free_at_us, now_us)
        self._free_at_us = begin_us + size / self.bytes_a_second * 1e6
        if begin_us > now_us:
            await asyncio.sleep((begin_us - now_us) * 1e-6)


@dataclass(frozen=True, slots=True)
class Side:
    """A Kafka."""

    kafka: Access
    prefix: str = ""


@dataclass(slots=True)
class Carrier:
    """Carries one topic.

    Parameters
    ----------
    passage
        What becomes of its messages.
    source, target
        Where they are read, where they go.
    steady_us
        Microseconds since some moment. It must not be a clock that can be set back, or all waits for as long.
    rate
        None: as fast as possible.
    """

    passage: Passage
    source: Side
    target: Side
    steady_us: Callable[[], int]
    rate: Rate | None = None
    lag: int = 0
    """Messages that have not arrived, when somebody looked last."""
    sent: int = 0
    sent_bytes: int = 0
    _errors: dict[Side, str] = field(default_factory=dict)
    _is_begun: bool = False
    _output: Output = field(init=False)
    _reader: Reader | None = None
    _on_the_way: int = 0
    """Messages that were read and are not confirmed."""
    _asked_us: int | None = None
    """Since when a confirmation is waited for."""

    def __post_init__(self) -> None:
        self._output = Output(self.target.kafka, f"groundswell-bridge-{self.name}")

    @property
    def name(self) -> str:
        """Who carries what."""
        return self.passage.name

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        reading = self._reader.error if self._reader is not None else ""
        if found := self._errors.get(self.source) or reading:
            return f"{self.name}: {found}"
        if found := self._errors.get(self.target) or self._output.error or self._silence():
            return f"{self.name}: {found}"
        if self._is_begun:
            return ""
        return (
            f"{self.name}: has not begun yet; if it stays so, run `groundswell topics apply` at "
            f"{self.source.kafka.servers} and {self.target.kafka.servers}, and see what rights users have"
        )

    async def run(self) -> None:
        """Carry until cancelled; a Kafka that is away is waited for."""
        places = self.target.prefix + BRIDGE_PLACES.name
        try:
            cluster = await self._insist(self.source, lambda: cluster_of(self.source.kafka))
            saved = await self._insist(self.target, lambda: newest(self.target.kafka, places, self.name))
            self.passage.begin(cluster, saved)
            if self.passage.history is not None:
                await self._look_back(self.passage.history)
            self._reader = Reader(
                self.source.kafka, (self.passage.source,), self.passage.offsets(), self.source.prefix,
                READ_BYTES,
            )  # fmt: skip
            await self._reader.start()
            self._is_begun = True
            if self.passage.history is not None:  # or after a kill the next one would end it elsewhere
                await self._deliver([Message(places, 0, self.passage.save(), key=self.name.encode())])
            await together(self._look(self._reader), self._carry(self._reader, places))
        finally:
            if self._reader is not None:
                await self._reader.stop()
            await self._output.close()

    async def _look_back(self, history: History) -> None:
        """Let the history of alerts be known before it goes over."""
        self._reader = Reader(self.source.kafka, (self.passage.source,), {}, self.source.prefix, READ_BYTES)
        await self._reader.start()
        while not await self._reader.is_at_end():
            history.note(await self._reader.next(WAIT_S))
        await self._reader.stop()

    async def _carry(self, reader: Reader, places: str) -> None:
        key, due_us, is_saved = self.name.encode(), 0, True
        while True:
            read = await reader.next(WAIT_S)
            if read:
                self._on_the_way = len(read)
                await self._send(self.passage.take(read))
                self._on_the_way, is_saved = 0, False
            if not is_saved and self.steady_us() >= due_us:
                await self._deliver([Message(places, 0, self.passage.save(), key=key)])
                due_us, is_saved = self.steady_us() + SAVE_US, True

    async def _send(self, messages: Sequence[Message]) -> None:
        """Return when all of them have arrived."""
        for some in _sliced(messages):
            size = sum(len(message.value) for message in some)
            if self.rate is not None:
                await self.rate.wait(size)
            await self._deliver(some)
            self.sent += len(some)
            self.sent_bytes += size

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Return when the other side has these messages."""
        self._asked_us = self.steady_us()
        await self._output.send(messages)
        self._asked_us = None

    def _silence(self) -> str:
        silent_us = 0 if self._asked_us is None else self.steady_us() - self._asked_us
        if silent_us <= SILENT_US:
            return ""
        return f"Kafka at {self.target.kafka.servers} has not answered for {silent_us // 1_000_000} s"

    async def _look(self, reader: Reader) -> None:
        """Ask now and then how much waits, and so whether the source is there."""
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    self.lag = await reader.remaining() + self._on_the_way
            except (KafkaError, OSError, TimeoutError) as error:
                self._errors[self.source] = await self.source.kafka.reason(error)
            else:
                self._errors[self.source] = ""
            await asyncio.sleep(LOOK_S)

    async def _insist(self, side: Side, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask a Kafka something until it answers."""
        while True:
            try:
                async with asyncio.timeout(2 * ANSWER_S):
                    found = await ask()
            except (KafkaUnreachable, TopicsRefused) as error:
                self._errors[side] = str(error)
                await asyncio.sleep(RETRY_S)
            except (KafkaError, OSError, TimeoutError) as error:
                self._errors[side] = await side.kafka.reason(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._errors[side] = ""
                return found


async def newest(kafka: Access, topic: str, key: str) -> bytes | None:
    """Return the last value of a key in a compacted topic of one partition; None: there is none.

    Raises
    ------
    aiokafka.errors.KafkaError
        No broker answers, or it has no such topic.
    """
    consumer = AIOKafkaConsumer(
        **await kafka.admitted(), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    at, wanted, found = TopicPartition(topic, 0), key.encode(), None
    await consumer.start()
    try:
        consumer.assign([at])
        end = (await consumer.end_offsets([at]))[at]
        while await consumer.position(at) < end:
            for record in (await consumer.getmany(at, timeout_ms=500)).get(at, ()):
                if record.key == wanted:
                    found = record.value
    finally:
        await consumer.stop()
    return found


def _sliced(messages: Sequence[Message]) -> list[list[Message]]:
    """Cut messages into slices of about `SLICE_BYTES`."""
    slices: list[list[Message]] = []
    size = SLICE_BYTES
    for message in messages:
        if size >= SLICE_BYTES:
            slices.append([])
            size = 0
        slices[-1].append(message)
        size += len(message.value)
    return slices
