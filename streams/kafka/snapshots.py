"""Snapshots of tasks in a compacted topic: written whole or not at all, also while a zombie writes.

A snapshot is some chunks and, behind them, a head that names its writer, its number and how many chunks it
has. Each chunk's key holds one of two generations, so that a new snapshot never overwrites the one before;
a message's headers say whose it is. A reader takes the whole snapshot that stands for the most input. (A
worker that was stopped for a minute and goes on may still write one: it stands for less.) Beside them is the
journal of tasks that have one (`streams.kafka.journal`): a chunk a key, an empty one where it is void.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import zstandard
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from streams.kafka.access import Access
from streams.kafka.output import Message
from streams.topics import SNAPSHOTS

_LEVEL = 1
_JOURNAL = "journal"
"""Where other keys have one of two generations."""
MOST_BYTES = 2**30
"""Of one snapshot, unpacked."""


class Mark(NamedTuple):
    """Which snapshot of a task it is."""

    writer: str
    """This process and no other."""
    number: int
    """Counts up with each snapshot of the task, over all its writers."""
    reach: int
    """How much input it stands for."""


class _Head(msgspec.Struct, array_like=True):
    writer: str
    number: int
    chunks: int
    reach: int
    """How much input it stands for, to compare two snapshots of a task."""


class Found(NamedTuple):
    """What a topic has of a task."""

    number: int
    """Of its newest whole snapshot; 0: there is none."""
    reach: int
    """As of its mark."""
    chunks: list[bytes] | None
    """None: there is no snapshot that can be read."""
    journal: dict[int, bytes]
    """Chunks by number, in the order in which they were written, packed."""


@dataclass(slots=True)
class _Set:
    head: _Head | None = None
    chunks: dict[int, bytes] = field(default_factory=dict)


def messages(task: str, partition: int, mark: Mark, chunks: Sequence[bytes], topic: str) -> list[Message]:
    """Return the messages of a snapshot, in the order in which they are written: the head is the last.

    Parameters
    ----------
    task, partition
        Name of the task, and where it is.
    chunks
        State, as the task gives it.
    topic
        Name at the broker.
    """
    at = partition % SNAPSHOTS.partitions
    whose = [("snapshot", f"{mark.writer}/{mark.number}".encode())]
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    slot = f"{task}/{mark.number % 2}"
    made = [
        Message(topic, at, compressor.compress(chunk), whose, f"{slot}/{i}".encode())
        for i, chunk in enumerate(chunks)
    ]
    head = _Head(mark.writer, mark.number, len(chunks), mark.reach)
    return [*made, Message(topic, at, msgspec.msgpack.encode(head), whose, f"{slot}/head".encode())]


def journal_key(task: str, number: int) -> bytes:
    """Return the key of a chunk of a journal."""
    return f"{task}/{_JOURNAL}/{number}".encode()


def newest(task: str, found: Iterable[ConsumerRecord]) -> Found:
    """Return the whole snapshot of a task that stands for the most input, and its journal.

    Messages of other tasks, and what cannot be read, are left out.
    """
    sets: dict[bytes, _Set] = {}
    journal: dict[int, bytes] = {}
    for record in found:
        name, _, rest = (record.key or b"").decode(errors="replace").partition(f"{task}/")
        whose = dict(record.headers).get("snapshot")
        slot, _, place = rest.partition("/")
        if name or not rest:
            continue
        if slot == _JOURNAL and place.isdecimal():
            journal.pop(int(place), None)
            if record.value:
                journal[int(place)] = record.value
            continue
        if whose is None or not record.value:
            continue
        one = sets.setdefault(whose, _Set())
        try:
            if place == "head":
                one.head = msgspec.msgpack.decode(record.value, type=_Head)
            else:
                one.chunks[int(place)] = record.value
        except (ValueError, msgspec.MsgspecError):
            continue
    whole = [
        (one.head.reach, one.head.number, one)
        for one in sets.values()
        if one.head is not None and all(i in one.chunks for i in range(one.head.chunks))
    ]
    for reach, number, one in sorted(whole, key=lambda each: each[:2], reverse=True):
        assert one.head is not None
        try:
            decompressor = zstandard.ZstdDecompressor()
            chunks = [one.chunks[i] for i in range(one.head.chunks)]
            plain = [decompressor.decompress(c, max_output_size=MOST_BYTES) for c in chunks]
        except zstandard.ZstdError:
            continue
        return Found(number, reach, plain, journal)
    return Found(0, 0, None, journal)


async def read(kafka: Access, topic: str, tasks: Mapping[str, int]) -> AsyncIterator[tuple[str, Found]]:
    """Yield each task's name with its newest whole snapshot and its journal.

    Parameters
    ----------
    tasks
        Partition of each, by name. One partition's messages are in memory at a time.
    """
    by_place: dict[int, list[str]] = {}
    for task, partition in tasks.items():
        by_place.setdefault(partition % SNAPSHOTS.partitions, []).append(task)
    consumer = AIOKafkaConsumer(
        **await kafka.admitted(),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",  # a seek behind the assignment may come too late
    )
    await consumer.start()
    try:
        for place, names in by_place.items():
            own = tuple(f"{name}/".encode() for name in names)
            records = _records(consumer, TopicPartition(topic, place))
            found = [one async for one in records if one.key and one.key.startswith(own)]
            for name in names:
                yield name, newest(name, found)
    finally:
        await consumer.stop()


async def _records(consumer: AIOKafkaConsumer, at: TopicPartition) -> AsyncIterator[ConsumerRecord]:
    """Yield all messages of a partition, up to its end."""
    consumer.assign([at])
    end = (await consumer.end_offsets([at]))[at]
    while await consumer.position(at) < end:
        for records in (await consumer.getmany(at, timeout_ms=500)).values():
            for record in records:
                yield record
