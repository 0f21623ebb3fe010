"""A worker's tasks: restored when their partition comes, snapshotted when it goes and once a minute.

What came of the messages that were read is at the broker before a snapshot says that they were read. A group
whose topics are several writes its outputs and its journal in one transaction, since the order in which it
reads them is not the same twice (`streams.kafka.journal`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from streams.kafka import snapshots
from streams.kafka.access import Access
from streams.kafka.dead_letters import DeadLetter, is_again
from streams.kafka.journal import Entry, JournalError
from streams.kafka.journaled import JournaledOutput
from streams.kafka.missed import Offsets, missed
from streams.kafka.origin import Headers, Origin, origin_of
from streams.kafka.output import FencedError, Message, Output
from streams.kafka.registry import standing_changes
from streams.kafka.tasks import GROUPS, Group, Task
from streams.partitions import RecordTooLargeError, keyed, pieces, split, split_samples
from streams.pipeline import Failure, Pipeline
from streams.recent_samples import DATASTREAMS
from streams.records import Changes, FlaggedSamples, Record
from streams.topics import (
    DETECTIONS,
    FLAGGED_SAMPLES,
    PRESENCES,
    RAW,
    REGISTRY,
    SNAPSHOTS,
    Topic,
    partition_of,
    topics_of,
)

log = structlog.get_logger()

SNAPSHOT_INTERVAL_US = 60_000_000
RETRY_S = 1.0
SNAPSHOT_BYTES = 256_000_000
"""Read since the last snapshot: as much would have to be read again ..."""
JOURNAL_BYTES = 64_000_000
"""... and as much is in a journal."""

Oldest = Callable[[Collection[tuple[str, int]]], Awaitable[Offsets]]
_UNCHANGED = Changes(changes=[])


@dataclass(slots=True)
class WorkerHealth:
    """How a worker is doing, for `/readyz` and `/metrics`."""

    messages: int = 0
    read_again: int = 0
    repeated: int = 0
    repeated_samples: int = 0
    dead_letters: int = 0
    failures: int = 0
    lost_states: int = 0
    """Tasks that began anew because their snapshot could not be read."""
    lost_journals: int = 0
    """Journals that could not be read to their end: what is behind is judged again."""
    lost_tasks: int = 0
    """Let go of, since another worker may have them."""
    missed: int = 0
    """Messages that brokers had let go of before they were judged."""
    journal_bytes: int = 0
    snapshots: int = 0
    snapshot_bytes: int = 0
    snapshot_s: float = 0.0
    """The longest one took so long."""


@dataclass(slots=True, eq=False)
class _Open:
    """A task that this worker has."""

    task: Task
    output: Output
    number: int
    """Of its last snapshot."""
    reach: int
    """Of the snapshot that it began with: the next one must not stand for less."""
    due_us: int
    journal: JournaledOutput | None = None
    """Over the same output, where the group is journaled."""
    is_anew: bool = False
    """What its journal would follow could not be read: it needs a snapshot first."""
    read: list[Any] = field(default_factory=list)
    """Messages that wait for the next snapshot to be acknowledged."""
    read_bytes: int = 0
    writing: asyncio.Task[None] | None = None
    """A snapshot that is on its way."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A task's state at a moment."""

    begin_us: int
    mark: snapshots.Mark
    taken: int
    """How much the task had taken."""
    chunks: list[bytes]
    read: list[Any]
    """Messages that it stands for."""
    read_bytes: int


@dataclass(slots=True, eq=False)
class Worker:
    """Runs tasks on messages, whoever brings them.

    Parameters
    ----------
    kafka, prefix
        Where Kafka is; what stands before the names of topics.
    name
        Of this process and no other, also after a restart.
    make
        Gives the processors of a group, fresh.
    site_of
        Site of a datastream, which decides on its partition.
    clock_us
        The edge's clock, for the times of snapshots only.
    """

    kafka: Access
    name: str
    make: Callable[[Group], Pipeline]
    site_of: Callable[[str], str]
    clock_us: Callable[[], int]
    prefix: str = ""
    snapshot_interval_us: int = SNAPSHOT_INTERVAL_US
    groups: Sequence[Group] = GROUPS
    acknowledge: Callable[[Iterable[Any]], None] = lambda _: None
    oldest: Oldest | None = None
    """Asks brokers which messages of topics and partitions are the oldest that they keep."""
    rejoin: Callable[[], None] = lambda: None
    """Called when a task is lost whose partition this worker still has: partitions have to be given out anew,
    and what nobody has acknowledged has to come again."""
    health: WorkerHealth = field(default_factory=WorkerHealth)
    _output: Output = field(init=False)
    _open: dict[tuple[str, int], _Open] = field(default_factory=dict)
    """By group and partition."""
    _lost: dict[tuple[str, int], str] = field(default_factory=dict)
    """Why, of tasks that are not open again."""
    _restoring: asyncio.Task[None] | None = None
    _looking: set[asyncio.Task[None]] = field(default_factory=set)
    _owned: set[tuple[str, int]] = field(default_factory=set)
    """Topics and partitions."""

    _partition_of_samples: Callable[[str], int] = field(init=False)
    """Of a datastream's id."""
    _urgent: frozenset[str] = field(init=False)
    """Topics whose messages wait for no others."""

    def __post_init__(self) -> None:
        self._output = Output(self.kafka, self.name)
        self._urgent = frozenset(self.prefix + topic.name for topic in (DETECTIONS, PRESENCES))
        self._partition_of_samples = lru_cache(DATASTREAMS)(
            lambda name: partition_of(self.site_of(name), FLAGGED_SAMPLES)
        )

    async def stop(self) -> None:
        """Let go of the producers; `let_go` comes before."""
        for task in self._looking:
            task.cancel()
        await self._output.close()

    @property
    def tasks(self) -> int:
        """How many tasks it has."""
        return len(self._open)

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        troubles = (*(one.output.error for one in self._open.values()), *self._lost.values())
        return self._output.error or next(filter(None, troubles), "")

    def own(self, partitions: set[tuple[str, int]]) -> None:
        """Say which topics and partitions this worker has now; their tasks are restored meanwhile."""
        self._owned = partitions
        wanted = {
            (group.name, partition): (group, partition)
            for group in self.groups
            for topic in group.reads
            for name, partition in partitions
            if name == self.prefix + topic.name
        }
        self._lost = {key: why for key, why in self._lost.items() if key in wanted}
        missing = [one for key, one in wanted.items() if key not in self._open]
        if missing:
            before = self._restoring
            self._restoring = asyncio.create_task(self._restore(missing, before), name="restore")

    async def take(
        self,
        group: Group,
        topic: str,
        partition: int,
        offset: int,
        value: bytes,
        headers: Headers,
        message: object,
        stamp_us: int | None = None,
    ) -> None:
        """Take a message, and return when what came of it is on its way to the broker.

        Parameters
        ----------
        topic
            Its name at the broker.
        message
            What `acknowledge` is given when the message need not be read again.
        stamp_us
            When it came, as the topic keeps it.
        """
        if (topic, partition) not in self._owned:
            return
        one = await self._task(group, partition)
        if one is None:
            return
        async with one.lock:
            if self._open.get((group.name, partition)) is not one:
                return  # it was let go of meanwhile
            self.health.messages += 1
            if one.task.is_behind(topic, offset):
                self.health.read_again += 1
                if one.journal is None:
                    self.acknowledge([message])
                else:  # a snapshot need not stand for it yet
                    one.read.append(message)
                return
            at = one.task.taken
            taken, outputs = self._judge(one, topic, offset, value, headers, stamp_us)
            one.read.append(message)
            one.read_bytes += len(value)
            try:
                if one.journal is not None:
                    told = one.task.told(taken)
                    origin, again = origin_of(headers), is_again(headers)
                    await one.journal.post(
                        Entry(at, topic, offset, value, origin, stamp_us, again, told), outputs
                    )
                else:
                    await self._output.post(outputs, at_once=any(m.topic in self._urgent for m in outputs))
                if one.read_bytes > (SNAPSHOT_BYTES if one.journal is None else JOURNAL_BYTES):
                    await self._snapshot(one)
                elif self.clock_us() >= one.due_us and one.writing is None:
                    self._begin_snapshot(one)
            except FencedError as error:
                self._lose(one, error)

    async def let_go(self, partitions: set[tuple[str, int]] | None) -> None:
        """Write the snapshots of tasks whose partitions (None: all) go elsewhere, and forget them."""
        if self._restoring is not None:
            await asyncio.wait([self._restoring])
        for key, one in list(self._open.items()):
            topics = {(self.prefix + topic.name, key[1]) for topic in one.task.group.reads}
            if partitions is None or topics & partitions:
                async with one.lock:
                    if one.writing is not None:
                        await asyncio.wait([one.writing])
                    try:
                        if one.read:
                            await self._snapshot(one)
                    except FencedError:
                        pass  # it goes on where the last snapshot stands
                    self._open.pop(key, None)
                    if one.journal is not None:
                        await one.journal.close()
        self._owned = set() if partitions is None else self._owned - partitions

    def _lose(self, one: _Open, why: FencedError) -> None:
        """Let go of a task without its state, which is not the newest by now if another worker has it."""
        log.warning("a task may be another worker's", task=one.task.name, why=str(why))
        key = one.task.group.name, one.task.partition
        if self._open.get(key) is one:
            del self._open[key]
            self.health.lost_tasks += 1
            self._lost[key] = one.output.error
            if any((self.prefix + topic.name, key[1]) in self._owned for topic in one.task.group.reads):
                self.rejoin()

    def _wrote(self, n_bytes: int) -> None:
        self.health.journal_bytes += n_bytes

    def _judge(
        self, one: _Open, topic: str, offset: int, value: bytes, headers: Headers, stamp_us: int | None
    ) -> tuple[list[Record], list[Message]]:
        """Return what comes of a message, and the messages that this makes, dead letters among them."""
        task, taken = one.task, list[Record]()
        origin = origin_of(headers)
        repeated, left_out = task.origins.repeated, task.recent.left_out
        try:
            taken = task.take(topic, offset, value, origin, stamp_us, is_again=is_again(headers))
            made = self._messages(f"{task.name}/{topic}", offset, taken)
        except Exception as error:  # noqa: BLE001 - one message must not stop those behind it
            return taken, [self._parked(task, topic, offset, value, f"{type(error).__name__}: {error}")]
        self.health.repeated += task.origins.repeated - repeated
        self.health.repeated_samples += task.recent.left_out - left_out
        for failure in self._failures(task):
            if failure.batch is not None:
                reason = f"{failure.processor}: {failure.error!r}"
                made.append(self._parked(task, topic, offset, value, reason))
        return taken, made

    def _failures(self, task: Task) -> list[Failure]:
        failures = task.failures()
        for failure in failures:
            self.health.failures += 1
            log.error("a processor failed", processor=failure.processor, error=repr(failure.error))
        return failures

    def _messages(self, maker: str, offset: int, outputs: Sequence[Record]) -> list[Message]:
        made: list[Message] = []
        for batch in outputs:
            parts = (
                (target, partition, part)
                for target in topics_of(batch)
                for partition, part in self._split(batch, target).items()
            )
            for target, partition, part in parts:
                try:
                    messages = _messages_of(part, target)
                except RecordTooLargeError as error:
                    self.health.failures += 1
                    log.error("what came of a message cannot travel", topic=target.name, error=str(error))
                    continue
                for key, piece in messages:
                    origin = Origin(maker, offset, len(made))
                    made.append(Message(self.prefix + target.name, partition, piece, origin.headers(), key))
        return made

    def _split(self, batch: Record, target: Topic) -> dict[int, Record]:
        if isinstance(batch, FlaggedSamples):  # many ids in each message, the same ones each second
            return dict(split_samples(batch, self._partition_of_samples))
        return split(batch, target, self.site_of)

    def _parked(self, task: Task, topic: str, offset: int, value: bytes, reason: str) -> Message:
        self.health.dead_letters += 1
        log.error("a message was parked", topic=topic, partition=task.partition, offset=offset, reason=reason)
        letter = DeadLetter(topic, task.partition, offset, task.group.name, reason, value)
        return letter.message(self.prefix)

    async def _task(self, group: Group, partition: int) -> _Open | None:
        """Return a task; one that is being restored is waited for. None: it is another worker's by now."""
        key = (group.name, partition)
        if key not in self._open and self._restoring is not None:
            await asyncio.wait([self._restoring])
        return self._open.get(key)

    async def _restore(self, wanted: Sequence[tuple[Group, int]], before: asyncio.Task[None] | None) -> None:
        """Open tasks with their newest snapshots, again and again until that works."""
        if before is not None:
            await asyncio.wait([before])
        # what is open has taken messages since, and must not begin again at its snapshot
        tasks = {
            f"{group.name}/{partition}": (group, partition)
            for group, partition in wanted
            if (group.name, partition) not in self._open
        }
        while tasks:
            outputs: dict[str, Output] = {}
            try:
                for name, (group, _) in tasks.items():
                    outputs[name] = await self._output_of(name, group)
                places = {name: partition for name, (_, partition) in tasks.items()}
                standing = await standing_changes(self.kafka, self.prefix)
                async for name, found in snapshots.read(self.kafka, self.prefix + SNAPSHOTS.name, places):
                    group, partition = tasks[name]
                    opened = self._opened(group, partition, outputs[name], found, standing)
                    if opened.is_anew:
                        await self._snapshot(opened)
                    del tasks[name], outputs[name]
                    self._look_behind(opened.task)
                    self._open[group.name, partition] = opened
                    self._lost.pop((group.name, partition), None)
            except (KafkaError, OSError, FencedError) as error:
                log.error("cannot restore the state, trying again", error=repr(error))
                for output in outputs.values():
                    if output is not self._output:
                        await output.close()
                await asyncio.sleep(RETRY_S)

    def _look_behind(self, task: Task) -> None:
        """Count what brokers let go of before it was judged, beside what goes on."""
        places = {
            (topic, task.partition): task.next_offset[topic]
            for topic in (self.prefix + one.name for one in task.group.reads if not one.compacted)
            if topic in task.next_offset
        }
        if self.oldest is not None and places:
            looking = asyncio.create_task(self._compare(places, self.oldest(places)), name="looking behind")
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)

    async def _compare(self, places: Offsets, asked: Awaitable[Offsets]) -> None:
        try:
            oldest = await asked
        except Exception as error:  # noqa: BLE001 - whatever the driver says, judging goes on
            log.warning("cannot ask which messages are kept", error=repr(error))
            return
        self.health.missed += missed(places, oldest).total()

    async def _output_of(self, name: str, group: Group) -> Output:
        if not group.is_journaled:
            return self._output
        # taken again after an error, the id would shut out a worker that has the task meanwhile
        output = Output(self.kafka, self.name, f"{self.prefix}groundswell-{name}", once=True)
        await output.insist(_nothing)  # from now on nobody else writes for this task
        return output

    def _opened(
        self,
        group: Group,
        partition: int,
        output: Output,
        found: snapshots.Found,
        standing: Changes = _UNCHANGED,
    ) -> _Open:
        task, is_restored = Task(group, partition, self.make(group)), False
        if found.chunks is not None:
            try:
                task.restore(found.chunks)
                is_restored = True
            except Exception as error:  # noqa: BLE001 - an older program's state, say: it begins anew
                self.health.lost_states += 1
                log.error("a state was lost", task=task.name, error=repr(error))
                task = Task(group, partition, self.make(group))
        if is_restored:  # changes since the snapshot come in line, those that are not kept there do not
            task.begin(standing, only_new=True)
            until_us = self.clock_us() - RAW.retention_s * 1_000_000
            standing = Changes(changes=[one for one in standing.changes if one.at_us < until_us])
        task.begin(standing)
        is_anew = group.is_journaled and found.chunks is not None and not is_restored
        try:
            task.repeat(found.journal.values())
        except JournalError as error:
            self.health.lost_journals += 1
            is_anew = True
            log.error("a journal was lost, what it stands for is judged again", error=str(error))
        # not all at the same time
        spread_us = self.snapshot_interval_us * (1 + partition % SNAPSHOTS.partitions) // SNAPSHOTS.partitions
        due_us = self.clock_us() + spread_us
        one = _Open(task, output, found.number, found.reach, due_us, is_anew=is_anew)
        if group.is_journaled:
            topic, lost = self.prefix + SNAPSHOTS.name, partial(self._lose, one)
            kept = [(number, -1) for number in found.journal]  # the next snapshot stands for them
            one.journal = JournaledOutput(output, task.name, partition, topic, lost, self._wrote, kept)
        return one

    async def _snapshot(self, one: _Open) -> None:
        """Write the state, and return when it is there."""
        if one.writing is not None:
            await asyncio.wait([one.writing])
        await self._written(one, self._taken(one))

    def _begin_snapshot(self, one: _Open) -> None:
        """Write the state as it is now while the next messages are taken."""

        async def write(taken: _Taken) -> None:
            try:
                await self._written(one, taken)
            except FencedError as error:
                self._lose(one, error)
            except Exception as error:  # noqa: BLE001 - the next one stands for all that this one did
                log.error("a snapshot was not written", task=one.task.name, error=repr(error))
                one.read[:0] = taken.read
                one.read_bytes += taken.read_bytes
            finally:
                one.writing = None

        one.writing = asyncio.create_task(write(self._taken(one)), name=f"snapshot of {one.task.name}")

    def _taken(self, one: _Open) -> _Taken:
        """Return the state, and what need not be read again when it is written."""
        begin_us = self.clock_us()
        mark = snapshots.Mark(self.name, one.number + 1, max(one.task.taken, one.reach))
        taken = _Taken(begin_us, mark, one.task.taken, one.task.snapshot(), one.read, one.read_bytes)
        one.read, one.read_bytes = [], 0
        one.due_us = max(begin_us, one.due_us) + self.snapshot_interval_us
        return taken

    async def _written(self, one: _Open, taken: _Taken) -> None:
        """Write a state; what was read until then need not be read again."""
        task = one.task
        await (one.journal or one.output).flush()  # the state stands for what is at the broker
        topic = self.prefix + SNAPSHOTS.name
        made = await asyncio.to_thread(
            snapshots.messages, task.name, task.partition, taken.mark, taken.chunks, topic
        )
        if one.journal is None:
            await one.output.send(made)
        else:
            await one.journal.snapshot(made, taken.taken)
        one.number = taken.mark.number
        self.acknowledge(taken.read)
        self.health.snapshots += 1
        self.health.snapshot_bytes += sum(len(m.value) for m in made)
        self.health.snapshot_s = max(self.health.snapshot_s, (self.clock_us() - taken.begin_us) * 1e-6)


def _messages_of(part: Record, target: Topic) -> list[tuple[bytes | None, bytes]]:
    """Return keys and messages; only what is compacted needs a key."""
    if target is REGISTRY and isinstance(part, Changes):
        return list(keyed(part))
    return [(None, one) for one in pieces(part)]


async def _nothing(_: Any) -> None:
    """An empty transaction: a producer with the same id is shut out by its start."""
