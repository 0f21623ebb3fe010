"""The processors of one partition, whoever carries messages to them.

A group of processors reads topics of equal partitions; a task is a group at one partition. It knows the next
offset of each of its topics, so that what is read again after a crash, up to where its snapshot stands, is
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from streams import codec
from streams.kafka.journal import Entry, JournalError, unpacked
from streams.kafka.origin import Origin, Origins
from streams.partition_time import believed, time_of
from streams.pipeline import Failure, Pipeline
from streams.processor import OfPartition
from streams.processors.snapshots import join, split
from streams.recent_samples import DATASTREAMS, RecentSamples
from streams.records import Changes, Commands, Record, SampleBatch, Tick
from streams.topics import (
    CALL_RECEIPTS,
    COMMANDS,
    DETECTIONS,
    PRESENCES,
    RAW,
    SAMPLES,
    TELLINGS,
    Topic,
    topics_of,
)

_VERSION = 1
DATASTREAMS_REMEMBERED = DATASTREAMS // SAMPLES.partitions
"""Of a task: a worker may have those of all partitions."""


@dataclass(frozen=True, slots=True)
class Group:
    """Processors that work together."""

    name: str
    reads: tuple[Topic, ...]
    """Of equal partitions; those of its processors that come from elsewhere."""

    @property
    def is_journaled(self) -> bool:
        """Whether the order in which its messages come is not the same twice."""
        return len(self.reads) > 1


SCORE = Group("score", (RAW,))
SENSE = Group("sense", (SAMPLES,))
CORRELATE = Group("correlate", (TELLINGS,))
ALERT = Group("alert", (DETECTIONS, COMMANDS, CALL_RECEIPTS, PRESENCES))
GROUPS = (SCORE, SENSE, CORRELATE, ALERT)


class _Snapshot(msgspec.Struct):
    version: int
    now_us: int
    next_offset: dict[str, int]
    origins: dict[str, tuple[int, int]]
    recent: bytes
    chunks: dict[str, int]
    """Of each processor, in their order."""


class SnapshotError(ValueError):
    """A snapshot is damaged, or of another version."""


@dataclass(slots=True)
class Task:
    """A group at one partition; not to be used by two threads at once."""

    group: Group
    partition: int
    pipeline: Pipeline
    now_us: int = 0
    next_offset: dict[str, int] = field(default_factory=dict)
    """By topic."""
    origins: Origins = field(default_factory=Origins)
    recent: RecentSamples = field(default_factory=lambda: RecentSamples(most=DATASTREAMS_REMEMBERED))
    read_again: int = 0
    """Messages that were left out, since the snapshot stands for them."""
    restored: frozenset[str] = frozenset()
    """Processors whose state the snapshot had."""

    def __post_init__(self) -> None:
        """Let processors know where they are."""
        for processor in self.pipeline.processors:
            if isinstance(processor, OfPartition):
                processor.partition = self.partition

    @property
    def name(self) -> str:
        """Name among all tasks."""
        return f"{self.group.name}/{self.partition}"

    @property
    def taken(self) -> int:
        """How much it has taken: it counts up with each message."""
        return sum(self.next_offset.values())

    def is_behind(self, topic: str, offset: int) -> bool:
        """Return whether a message is one that the state stands for already; it is counted."""
        if offset >= self.next_offset.get(topic, 0):
            return False
        self.read_again += 1
        return True

    def take(
        self,
        topic: str,
        offset: int,
        message: bytes,
        origin: Origin | None = None,
        stamp_us: int | None = None,
        *,
        is_again: bool = False,
    ) -> list[Record]:
        """Take the next message of a topic; return what came of it.

        Failures of processors stand in `pipeline.failures`.

        Parameters
        ----------
        stamp_us
            When it came, as the topic keeps it; None: that is not known.
        is_again
            It was parked: it was remembered before it failed, and is judged all the same.

        Raises
        ------
        streams.codec.CodecError
            It cannot be read. It counts as taken.
        """
        batches = self._batches(topic, offset, message, origin, stamp_us, is_again=is_again)
        return [] if batches is None else self.pipeline.run(batches, self.now_us or None)

    def _batches(
        self,
        topic: str,
        offset: int,
        message: bytes,
        origin: Origin | None,
        stamp_us: int | None,
        *,
        is_again: bool,
    ) -> list[Record] | None:
        """Return what processors get of a message; None: it is a repetition."""
        self.next_offset[topic] = offset + 1
        if not (is_again or self.origins.is_new(origin)):
            return None
        batch = codec.decode(message)
        if isinstance(batch, Commands) and stamp_us is not None:
            batch = believed(batch, stamp_us)
        self.now_us = max(self.now_us, time_of(batch))
        if isinstance(batch, SampleBatch) and not is_again:
            # brokers send again what they were not told to be safe
            batch = self.recent.without(batch)
        return [] if isinstance(batch, Tick) else [batch]

    def told(self, outputs: Iterable[Record]) -> list[bytes]:
        """Return those outputs that processors of the group read, for a journal."""
        reads = {topic for processor in self.pipeline.processors for topic in processor.reads}
        return [codec.encode(one) for one in outputs if reads.intersection(topics_of(one))]

    def repeat(self, journal: Iterable[bytes]) -> None:
        """Take what was taken behind the snapshot, in the same order, with what came of it then.

        Outputs are not made a second time: what is told after a restart with another program or configuration
        must go on from what others were told before.

        Parameters
        ----------
        journal
            Chunks of entries; those that the snapshot stands for are left out.

        Raises
        ------
        streams.kafka.journal.JournalError
            It is damaged, or does not follow what was taken. All before that place was taken.
        """
        for entry in unpacked(journal):
            if entry.at > self.taken:
                raise JournalError(f"something is missing in the journal of {self.name} before {entry.at}")
            if entry.at == self.taken:
                self._repeat(entry)
        self.pipeline.failures.clear()  # told when they happened

    def _repeat(self, entry: Entry) -> None:
        try:
            told = [codec.decode(one) for one in entry.told]
        except codec.CodecError as error:
            raise JournalError(f"the journal of {self.name} cannot be read: {error}") from error
        try:
            batches = self._batches(
                entry.topic, entry.offset, entry.value, entry.origin, entry.stamp_us, is_again=entry.is_again
            )
        except codec.CodecError:
            return  # it was parked then
        if batches is not None:
            self.pipeline.repeat([*batches, *told], self.now_us or None)

    def begin(self, changes: Changes, *, only_new: bool = False) -> None:
        """Know what was changed by command before the first message that is read.

        Parameters
        ----------
        only_new
            Let those alone know it that the snapshot says nothing of: they are new in this program.
        """
        some = [p for p in self.pipeline.processors if not (only_new and p.name in self.restored)]
        Pipeline(some).begin(changes)

    def failures(self) -> list[Failure]:
        """Take away what failed since the last call."""
        failures, self.pipeline.failures = self.pipeline.failures, []
        return failures

    def snapshot(self) -> list[bytes]:
        """Return the state as chunks that a message can carry."""
        states = self.pipeline.snapshots()
        head = _Snapshot(
            version=_VERSION,
            now_us=self.now_us,
            next_offset=self.next_offset,
            origins=self.origins.last,
            recent=self.recent.snapshot(),
            chunks={name: len(chunks) for name, chunks in states.items()},
        )
        pieces = (chunk for chunks in states.values() for chunk in chunks)
        return list(split([msgspec.msgpack.encode(head), *pieces]))

    def restore(self, chunks: Sequence[bytes]) -> None:
        """Take back what `snapshot` gave, before the first message.

        Raises
        ------
        SnapshotError
            It is damaged, or of another version; nothing was taken.
        """
        pieces = list(join(chunks))
        try:
            head = msgspec.msgpack.decode(pieces[0], type=_Snapshot)
        except (IndexError, msgspec.MsgspecError) as error:
            raise SnapshotError(f"the snapshot of {self.name} is damaged: {error}") from error
        if head.version != _VERSION:
            raise SnapshotError(f"the snapshot of {self.name} is of version {head.version}, not {_VERSION}")
        if len(pieces) != 1 + sum(head.chunks.values()):
            raise SnapshotError(f"the snapshot of {self.name} is not whole")
        self.pipeline.restore(_divided(pieces[1:], head.chunks))
        self.restored = frozenset(head.chunks)
        self.now_us, self.next_offset = head.now_us, head.next_offset
        self.origins = Origins(head.origins)
        self.recent = RecentSamples(head.recent, DATASTREAMS_REMEMBERED)


def _divided(pieces: Sequence[bytes], counts: Mapping[str, int]) -> dict[str, Sequence[bytes]]:
    """Return the chunks of each processor."""
    divided, at = dict[str, Sequence[bytes]](), 0
    for name, count in counts.items():
        divided[name] = pieces[at : at + count]
        at += count
    return divided
