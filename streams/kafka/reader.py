"""Reads whole topics from where the reader itself remembers to have been: no group, no commits to Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from streams.kafka.access import Access
from streams.kafka.missed import missed
from streams.kafka.origin import Headers
from streams.kafka.why import Why
from streams.topics import Topic

log = structlog.get_logger()

RETRY_S = 1.0
READ_BYTES = 8_000_000
"""Of one read, over all partitions."""
IDLE_S = 0.5
"""Brokers answer after so long, also when there is nothing."""
SILENT_S = 10.0
LAST_OFFSETS = 100


@dataclass(frozen=True, slots=True)
class Read:
    """A message."""

    topic: Topic
    partition: int
    offset: int
    value: bytes
    headers: Headers


@dataclass(slots=True)
class Reader:
    """Reads all partitions of some topics, or some of them.

    Parameters
    ----------
    kafka, prefix
        Where Kafka is; what stands before the names of topics.
    topics
        What is read.
    begin
        The next offset by topic and partition; what is not named begins with the oldest message. None: with
        the next new message of each.
    """

    kafka: Access
    topics: Sequence[Topic]
    begin: Mapping[str, Mapping[int, int]] | None
    prefix: str = ""
    most_bytes: int = READ_BYTES
    """Of one read, over all partitions."""
    gather_s: float = 0.0
    """How long a broker gathers before it answers: few large answers cost less. 0: it answers at once."""
    since_us: int | None = None
    """Where reading begins at the ends: with what came from this time on instead, and the last `LAST_OFFSETS`
    of each partition, however old; so that two readers that begin one after the other have the last messages
    of each in common."""
    only: Collection[int] | None = None
    """Partitions; None: all of them."""
    missed: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Messages that brokers had let go of before they were read, by topic (at the broker) and partition."""
    _why: Why = field(init=False)
    _consumer: AIOKafkaConsumer | None = None
    _by_name: dict[str, Topic] = field(default_factory=dict)
    _next: dict[TopicPartition, int] = field(default_factory=dict)
    _ends: dict[TopicPartition, int] = field(default_factory=dict)
    """Behind what was there at the start, where reading begins before it."""
    _answered_ms: int = 0
    """When a broker last answered, as aiokafka tells it."""
    _answer_seen_s: float = 0.0
    """When that was seen to change, by the event loop's clock."""
    _knock_at_s: float = 0.0

    def __post_init__(self) -> None:
        self._why = Why(self.kafka, "cannot read from Kafka, trying again")

    @property
    def error(self) -> str:
        """Why nothing can be read right now; empty when all is well."""
        return self._why.text

    async def start(self) -> None:
        """Connect, however long that takes."""
        try:
            self._consumer = await self._connected()
        finally:
            self._why.clear()
        self._answer_seen_s = asyncio.get_running_loop().time()

    async def _connected(self) -> AIOKafkaConsumer:
        self._by_name = {self.prefix + topic.name: topic for topic in self.topics}
        while True:
            consumer = None
            try:
                consumer = AIOKafkaConsumer(
                    **await self.kafka.admitted(),
                    enable_auto_commit=False,
                    auto_offset_reset="latest" if self.begin is None else "none",
                    isolation_level="read_committed",
                    fetch_max_bytes=self.most_bytes,
                    max_partition_fetch_bytes=self.most_bytes // 4,
                    fetch_min_bytes=self.most_bytes // 4 if self.gather_s else 1,
                    fetch_max_wait_ms=round((self.gather_s or IDLE_S) * 1000),
                )
                await consumer.start()
                await self._seek(consumer)
            except (KafkaError, OSError) as error:
                if consumer is not None:
                    await _close(consumer)
                self._why.note(error)
                await asyncio.sleep(RETRY_S)
            else:
                return consumer

    async def stop(self) -> None:
        """Let go of the connection."""
        self._why.clear()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _close(consumer)

    async def next(self, timeout_s: float) -> list[Read]:
        """Return what is there, each partition's messages in their order; nothing after `timeout_s`."""
        assert self._consumer is not None, "the reader is not started"
        try:
            found = await self._consumer.getmany(timeout_ms=round(timeout_s * 1000))
        except OffsetOutOfRangeError as error:
            found = {}
            await self._pass_over(self._consumer, error.args[0])
        self._look(self._consumer, is_waiting=not found)
        for at, records in found.items():
            self._next[at] = records[-1].offset + 1
        return [
            Read(self._by_name[at.topic], at.partition, one.offset, one.value or b"", one.headers)
            for at, records in found.items()
            for one in records
        ]

    def _look(self, consumer: AIOKafkaConsumer, *, is_waiting: bool) -> None:
        """Say in `error` when brokers do not answer; aiokafka goes on asking for ever, without a word."""
        now_s = asyncio.get_running_loop().time()
        answered_ms = max((consumer.last_poll_timestamp(at) or 0 for at in consumer.assignment()), default=0)
        if answered_ms != self._answered_ms or not is_waiting:
            self._answered_ms, self._answer_seen_s = answered_ms, now_s
        if now_s - self._answer_seen_s < SILENT_S:
            self._why.clear()
            self._knock_at_s = 0.0
        elif now_s >= self._knock_at_s:
            self._knock_at_s = now_s + SILENT_S
            self._why.note(None)

    def lag(self) -> int:
        """Return how many messages wait to be read, as the brokers told with the last ones: no question."""
        assert self._consumer is not None, "the reader is not started"
        ends = {at: self._consumer.highwater(at) or 0 for at in self._next}
        return sum(max(ends[at] - behind, 0) for at, behind in self._next.items())

    async def ends(self) -> dict[str, dict[int, int]]:
        """Ask for the offsets behind the last messages, by topic and partition.

        Raises
        ------
        aiokafka.errors.KafkaError
            No broker answers.
        """
        assert self._consumer is not None, "the reader is not started"
        found: dict[str, dict[int, int]] = {}
        for at, end in (await self._consumer.end_offsets(list(self._consumer.assignment()))).items():
            found.setdefault(self._by_name[at.topic].name, {})[at.partition] = end
        return found

    async def places(self) -> dict[str, dict[int, int]]:
        """Return the offsets from which reading goes on, by topic and partition."""
        assert self._consumer is not None, "the reader is not started"
        found: dict[str, dict[int, int]] = {}
        for at in self._consumer.assignment():
            place = await self._consumer.position(at)
            found.setdefault(self._by_name[at.topic].name, {})[at.partition] = place
        return found

    async def is_past_start(self) -> bool:
        """Return whether all was read that was there when a reader with `since_us` was started."""
        assert self._consumer is not None, "the reader is not started"
        return all([await self._consumer.position(at) >= end for at, end in self._ends.items()])

    async def held(self) -> int | None:
        """Ask how many messages brokers keep of what is read; None: no broker answers."""
        assert self._consumer is not None, "the reader is not started"
        partitions = list(self._consumer.assignment())
        try:
            begins = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        except KafkaError as error:
            log.warning("cannot ask how many messages are kept", error=repr(error))
            return None
        held: int = sum(ends[at] - begins[at] for at in partitions)
        return held

    async def since(self, time_us: int) -> dict[str, dict[int, int]]:
        """Ask for the offsets of the first messages from a time on, by topic and partition; else of the ends.

        Raises
        ------
        aiokafka.errors.KafkaError
            No broker answers.
        """
        assert self._consumer is not None, "the reader is not started"
        found = await self.ends()
        asked = dict.fromkeys(self._consumer.assignment(), time_us // 1000)
        for at, first in (await self._consumer.offsets_for_times(asked)).items():
            if first is not None:
                found[self._by_name[at.topic].name][at.partition] = first.offset
        return found

    def seek(self, offsets: Mapping[str, Mapping[int, int]]) -> None:
        """Read on from other offsets, by topic and partition."""
        assert self._consumer is not None, "the reader is not started"
        for at in self._consumer.assignment():
            offset = offsets.get(self._by_name[at.topic].name, {}).get(at.partition)
            if offset is not None:
                self._consumer.seek(at, offset)

    async def remaining(self) -> int:
        """Ask how many messages wait to be read.

        Raises
        ------
        aiokafka.errors.KafkaError
            No broker answers.
        """
        assert self._consumer is not None, "the reader is not started"
        partitions = list(self._consumer.assignment())
        ends = await self._consumer.end_offsets(partitions)
        return sum([max(ends[at] - await self._consumer.position(at), 0) for at in partitions])

    async def is_at_end(self) -> bool:
        """Return whether everything that is there was read; no, when no broker answers."""
        try:
            return await self.remaining() == 0
        except KafkaError as error:
            log.warning("cannot ask how much there is to read", error=repr(error))
            return False

    async def _pass_over(self, consumer: AIOKafkaConsumer, wanted: Mapping[TopicPartition, int]) -> None:
        """Go on with the oldest messages, where those that follow are not there."""
        try:
            for at, oldest in (await consumer.beginning_offsets(list(wanted))).items():
                self._place(at, wanted[at], oldest)
                consumer.seek(at, oldest)
        except KafkaError as error:
            log.warning("cannot ask which messages are kept, trying again", error=repr(error))

    def _place(self, at: TopicPartition, wanted: int | None, oldest: int) -> int:
        """Return where reading begins; note what is gone. Of what is compacted the newest is there."""
        if wanted is None:
            return oldest
        if not self._by_name[at.topic].compacted:
            self.missed += missed({at: wanted}, {at: oldest})
        return max(wanted, oldest)

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        partitions = [
            TopicPartition(name, partition)
            for name, topic in self._by_name.items()
            for partition in range(topic.partitions)
            if self.only is None or partition in self.only
        ]
        consumer.assign(partitions)
        if self.begin is not None:
            begin = self.begin
            offsets = {at: begin.get(self._by_name[at.topic].name, {}).get(at.partition) for at in partitions}
            for at, oldest in (await consumer.beginning_offsets(partitions)).items():
                consumer.seek(at, self._place(at, offsets[at], oldest))
        elif self.since_us is not None:
            firsts = await consumer.offsets_for_times(dict.fromkeys(partitions, self.since_us // 1000))
            ends = await consumer.end_offsets(partitions)
            self._ends = ends
            for at, oldest in (await consumer.beginning_offsets(partitions)).items():
                first = ends[at] if firsts[at] is None else firsts[at].offset
                consumer.seek(at, max(min(first, ends[at] - LAST_OFFSETS), oldest))
        for at in partitions:  # where nobody knows: at one end, from now on
            await consumer.position(at)


async def _close(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer; brokers that are away change nothing."""
    task = asyncio.current_task()
    asked = task.cancelling() if task else 0
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        if task and task.cancelling() > asked:
            raise
        # nobody cancelled us: aiokafka ends so when its fetcher pauses after an error
        await consumer._client.close()


def following(read: Iterable[Read]) -> dict[str, dict[int, int]]:
    """Return the next offset behind messages, by topic and partition."""
    consumed: dict[str, dict[int, int]] = {}
    for one in read:
        consumed.setdefault(one.topic.name, {})[one.partition] = one.offset + 1
    return consumed
