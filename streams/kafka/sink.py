"""The way from connectors into Kafka: what a gatherer uses in place of the embedded runtime's doors.

Chunks and samples gather for a moment and go as one message for each partition, in the order of arrival.
Samples of a series that can raise an alert wait for nothing, and take those with them that have gathered.

What is promised
    `put_samples` returns when Kafka has confirmed the samples or the spool has them synced to disk. Chunks
    are promised nothing while they are in memory (up to `linger_s` and the way to Kafka, or to the spool
    when Kafka is away: seconds at most); a kill loses those, a stop does not.
What may come twice
    Nothing, as long as one producer lives: it repeats under the same sequence number, also when the broker
    answered after the time-out. What a new producer repeats, after an error that ended the old one or after
    a kill, may be in Kafka already. Each message says where it comes from (`streams.kafka.origin`), in
    rising order within a partition, so that a reader recognises those. Samples that a sender repeats because
    it was told nothing are other messages; their datastream, time and value tell.
What is refused
    A chunk that is larger than a message, a sample whose datastream has no usable id: counted, and nobody
    else suffers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import structlog

from streams.inbox import ITEM_BYTES, PENDING_LIMIT_BYTES, StoppedError
from streams.kafka.access import Access
from streams.kafka.link import Link
from streams.kafka.outbox import Outbox
from streams.kafka.spool import SPOOL_BYTES, Spool, SpoolError
from streams.kafka.spool_frames import Frame
from streams.kafka.under_way import Message, Promise, Room, SinkHealth
from streams.partition_time import UNKNOWN_US, time_of
from streams.partitions import RecordTooLargeError, pieces, rows_of, split_samples
from streams.records import RawBatch, RawChunk, Record, SampleBatch, Tick
from streams.sample_extras import extra_bytes
from streams.samples import merge
from streams.topics import DETECTIONS, MESSAGE_BYTES, RAW, SAMPLES, Topic, partition_of

__all__ = ["KafkaSink", "SinkHealth", "SpoolError"]

log = structlog.get_logger()

QUIET_S = 1.0
"""A partition that got nothing for so long gets a tick."""
_TICKED = (RAW, SAMPLES, DETECTIONS)
"""Where time goes on: what is detected comes seldom, and alerts end by the time."""
BEAT_S = 0.25
URGENT_S = 0.05
"""Where much is urgent it gathers for so long: a message costs those who read it as much as many samples."""
GATHER_BYTES = 4_000_000
"""Gathered in one partition, or of samples in all: it goes without waiting any longer."""
STOP_S = 10.0
ID_BYTES = 1024
"""No id of a datastream is longer."""
STATIONS_REMEMBERED = 100_000
DATASTREAMS_REMEMBERED = 100_000
_CHUNK_HEAD_BYTES = 256


class _UnusableIdError(ValueError):
    """No sample can be sent under this id."""


@dataclass(slots=True, eq=False)
class _Gathered:
    """Chunks of one partition."""

    chunks: list[RawChunk] = field(default_factory=list)
    size: int = 0
    """What they count in memory."""


@dataclass(slots=True, eq=False)
class KafkaSink:
    """Implements RawSink and SampleSink of `streams.bus`.

    Parameters
    ----------
    kafka
        HOST:PORT of a broker; several with commas between them.
    folder
        For the spool; its own.
    site_of
        Site of a datastream's id, also of one that nobody knows.
    clock_us
        Wall clock, UTC, of ticks and of messages.
    prefix
        Stands before the names of topics.
    linger_s
        How long chunks and samples gather.
    client_id
        Names this program at the broker and, with what is new at each start, in its messages.
    spool_bytes
        How much may wait on disk.
    ticks
        False for replays: time is that of the data alone.
    reserved
        How ids of regions below begin: no sample from here can come under one.
    is_urgent
        Whether one of some datastreams can raise an alert.
    """

    kafka: Access
    _: KW_ONLY
    folder: Path
    site_of: Callable[[str], str]
    clock_us: Callable[[], int]
    prefix: str = ""
    linger_s: float = 0.2
    client_id: str = "groundswell-gather"
    spool_bytes: int = SPOOL_BYTES
    ticks: bool = True
    reserved: tuple[str, ...] = ()
    is_urgent: Callable[[Iterable[str]], bool] = lambda _: False
    health: SinkHealth = field(default_factory=SinkHealth)
    maker: str = field(init=False)
    """The name under which its messages go, of this run alone."""
    _outbox: Outbox = field(init=False)
    _number: int = 0
    _gathered: dict[int, _Gathered] = field(default_factory=dict)
    _samples: list[tuple[SampleBatch, asyncio.Future[None]]] = field(default_factory=list)
    _sample_bytes: int = 0
    _partition_of: dict[str, int] = field(default_factory=dict)
    _partition_of_samples: Callable[[str], int] = field(init=False)
    """Of a datastream's id; `_UnusableIdError` for one that cannot be sent."""
    _newest_us: dict[tuple[str, int], int] = field(default_factory=dict)
    """Time of each partition, as this sink told it."""
    _sent_s: dict[tuple[str, int], float] = field(default_factory=dict)
    """When each partition got something, by the event loop's clock."""
    _timer: asyncio.TimerHandle | None = None
    """When what has gathered goes."""
    _samples_timer: asyncio.TimerHandle | None = None
    """When samples go before it."""
    _samples_sealed_s: float = 0.0
    _entry: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who waits for room is let in in the order of arrival."""
    _beat: asyncio.Task[None] | None = None
    _room: Room = field(init=False)
    _refusal: str = "the program has not started"

    def __post_init__(self) -> None:
        self.maker = f"{self.client_id}/{secrets.token_hex(4)}"
        self._room = Room(self.health, PENDING_LIMIT_BYTES)
        topics = {self.prefix + topic.name: topic.partitions for topic in _TICKED}
        link = Link(self.kafka, self.client_id, topics)
        self._partition_of_samples = lru_cache(DATASTREAMS_REMEMBERED)(self._find_partition)
        self._outbox = Outbox(link, Spool(self.folder, self.spool_bytes), self.health, self._room.free)

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin, whether Kafka is there or not: what an earlier run has left in the spool goes first.

        Raises
        ------
        SpoolError
            The spool's folder cannot be used.
        """
        await self._outbox.start()
        self._refusal = ""
        now_s = asyncio.get_running_loop().time()
        self._sent_s = {
            (topic.name, partition): now_s for topic in _TICKED for partition in range(topic.partitions)
        }
        self._beat = asyncio.create_task(self._make_ticks())

    async def stop(self) -> None:
        """Send everything, or keep it in the spool where Kafka is away; the next start goes on with it."""
        if self._beat is None:
            return
        self._refusal = "the program is stopping"
        self._beat.cancel()
        await asyncio.wait([self._beat])
        self._beat = None
        self._seal()
        await self._outbox.stop(STOP_S)
        self._room.wake()

    # --- doors --------------------------------------------------------------------------------------

    def offer(self, chunk: RawChunk) -> bool:
        """Take a live chunk without waiting (streams.bus.RawSink)."""
        if _message_bytes(chunk) > MESSAGE_BYTES:
            self.health.refused_chunks += 1
            return False
        if self._refusal or self._room.is_full:
            return False
        self._gather(chunk)
        return True

    async def put(self, chunk: RawChunk) -> None:
        """Take a chunk, waiting for room (streams.bus.RawSink).

        Raises
        ------
        RecordTooLargeError
            It is larger than a message.
        StoppedError
            Nothing is taken any more.
        """
        size = _message_bytes(chunk)
        if size > MESSAGE_BYTES:
            self.health.refused_chunks += 1
            raise RecordTooLargeError(chunk.station_id, size, MESSAGE_BYTES)
        await self._wait_for_room()
        self._gather(chunk)

    async def put_samples(self, batch: SampleBatch) -> None:
        """Return when the batch is durable: in Kafka, or synced in the spool (streams.bus.SampleSink).

        Raises
        ------
        StoppedError
            It was not stored in time: whoever sent it keeps it.
        OSError
            The disk failed while Kafka is away: the same.
        """
        # Looked up here, since a fault of one batch is its sender's, not of all that gather with it.
        try:
            for name in batch.datastream_ids:
                self._partition_of_samples(name)
        except _UnusableIdError:
            batch = self._usable(batch)
        if not len(batch):
            return
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._entry:
            await self._wait_for_room()
            self._samples.append((batch, durable))
            self._room.take(size := 64 * len(batch) + 256 * len(batch.datastream_ids) + extra_bytes(batch))
            self._sample_bytes += size
        if self.is_urgent(batch.datastream_ids):
            self._hasten()
        self._seal_soon(self._sample_bytes)
        await durable

    # --- gathering ----------------------------------------------------------------------------------

    def _gather(self, chunk: RawChunk) -> None:
        partition = self._partition_of.get(chunk.station_id)
        if partition is None:
            if len(self._partition_of) >= STATIONS_REMEMBERED:
                self._partition_of.clear()
            partition = self._partition_of[chunk.station_id] = partition_of(chunk.station_id, RAW)
        gathered = self._gathered.get(partition)
        if gathered is None:
            gathered = self._gathered[partition] = _Gathered()
        gathered.chunks.append(chunk)
        gathered.size += (size := ITEM_BYTES + len(chunk.payload))
        self._room.take(size)
        self._seal_soon(gathered.size)

    def _find_partition(self, datastream_id: str) -> int:
        if not self._is_usable(datastream_id):
            raise _UnusableIdError
        return partition_of(self.site_of(datastream_id), SAMPLES)

    def _is_usable(self, datastream_id: str) -> bool:
        try:
            short = len(datastream_id.encode()) <= ID_BYTES
        except UnicodeEncodeError:
            return False
        return short and not datastream_id.startswith(self.reserved)

    def _usable(self, batch: SampleBatch) -> SampleBatch:
        """Leave out samples whose datastream has an id that cannot be sent."""
        bad = [number for number, name in enumerate(batch.datastream_ids) if not self._is_usable(name)]
        usable = rows_of(batch, np.flatnonzero(~np.isin(batch.series, bad)))
        self.health.refused_samples += len(batch) - len(usable)
        log.warning("samples without a usable id are refused", count=len(batch) - len(usable))
        for name in usable.datastream_ids:
            self._partition_of_samples(name)
        return usable

    def _seal_soon(self, gathered_bytes: int) -> None:
        if gathered_bytes > GATHER_BYTES:
            self._seal()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.linger_s, self._seal)

    def _hasten(self) -> None:
        """Let samples go at once, or as soon as they may."""
        if self._samples_timer is None:
            loop = asyncio.get_running_loop()
            at_s = max(loop.time(), self._samples_sealed_s + URGENT_S)
            self._samples_timer = loop.call_at(at_s, self._seal_samples)

    def _seal(self) -> None:
        """Make messages of what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, {}
        for partition, part in gathered.items():
            try:
                messages = self._messages(RawBatch(chunks=part.chunks), RAW, partition)
            except Exception:
                log.exception("chunks cannot be sent")
                self.health.refused_chunks += len(part.chunks)
                messages = []
            self._send(messages, part.size)
        self._seal_samples()

    def _seal_samples(self) -> None:
        if self._samples_timer is not None:
            self._samples_timer.cancel()
            self._samples_timer = None
        samples, self._samples = self._samples, []
        size, self._sample_bytes = self._sample_bytes, 0
        if not samples:
            return
        self._samples_sealed_s = asyncio.get_running_loop().time()
        batches, waiting = [batch for batch, _ in samples], [durable for _, durable in samples]
        messages: list[Message] = []
        try:
            parts = split_samples(merge(batches), self._partition_of_samples)
            for partition, part in parts.items():
                messages += self._messages(part, SAMPLES, partition)
        except Exception as error:
            log.exception("samples cannot be sent")
            messages = []
            Promise(waiting, 0).fail(error)
        promise = Promise(waiting, len(messages))
        for message in messages:
            message.promise = promise
        self._send(messages, size)

    def _messages(self, batch: Record, topic: Topic, partition: int) -> list[Message]:
        key, now_s = (topic.name, partition), asyncio.get_running_loop().time()
        self._newest_us[key] = max(self._newest_us.get(key, UNKNOWN_US), time_of(batch))
        self._sent_s[key] = now_s
        made = []
        for payload in pieces(batch):
            self._number += 1
            name = self.prefix + topic.name
            frame = Frame(name, partition, self.clock_us(), self.maker, self._number, payload)
            made.append(Message(frame, now_s))
        return made

    def _send(self, messages: list[Message], gathered_bytes: int) -> None:
        self._room.take(sum(message.size for message in messages))
        self._room.free(gathered_bytes)
        self._outbox.add(messages)

    # --- time ---------------------------------------------------------------------------------------

    async def _make_ticks(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self.ticks and self._outbox.calm:
                self._tick()

    def _tick(self) -> None:
        """Move the time of quiet partitions on; never back, and never ahead of what has gathered."""
        if self._quiet():
            self._seal()
        for topic, partition in self._quiet():
            now_us = max(self.clock_us(), self._newest_us.get((topic.name, partition), UNKNOWN_US))
            messages = self._messages(Tick(now_us=now_us), topic, partition)
            messages[0].tick = True
            self._send(messages, 0)

    def _quiet(self) -> list[tuple[Topic, int]]:
        """Return partitions that nothing was sent to for a while."""
        before_s = asyncio.get_running_loop().time() - QUIET_S
        return [
            (topic, partition)
            for topic in _TICKED
            for partition in range(topic.partitions)
            if self._sent_s[topic.name, partition] <= before_s
        ]

    async def _wait_for_room(self) -> None:
        while not self._refusal and not await self._room.half_free():
            pass
        if self._refusal:
            raise StoppedError(self._refusal)


def _message_bytes(chunk: RawChunk) -> int:
    """Return how large a message with this chunk alone can be."""
    return len(chunk.payload) + 4 * len(chunk.station_id) + _CHUNK_HEAD_BYTES
