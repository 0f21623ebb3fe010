"""How the streams of stations that somebody looks at come to a `SkyWatch`: past the judges, or over Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

import structlog

from deploy.clock import wall_clock_us
from streams import codec
from streams.bus import RawSink
from streams.kafka.access import Access
from streams.kafka.reader import Read, Reader, following
from streams.records import EphemerisMessages, RawBatch, RawChunk
from streams.regions import region_of
from streams.sky_watch import SkyWatch
from streams.topics import RAW, REGIONAL_RAW, Topic, partition_of

log = structlog.get_logger()

LOOK_S = 0.25
WAIT_S = 0.2
GATHER_S = 0.1
BACK_US = 60_000_000
"""What other stations sent before somebody looked: most of the ephemerides are in it."""

Partitions = frozenset[int]
Places = dict[int, int]
"""The next offset by partition."""


@dataclass(frozen=True, slots=True)
class WatchedSink:
    """A `RawSink` before another one, which lets a watch have what comes."""

    sink: RawSink
    watch: SkyWatch

    def offer(self, chunk: RawChunk) -> bool:
        """Take a chunk without waiting."""
        self.watch.offer(chunk)
        return self.sink.offer(chunk)

    async def put(self, chunk: RawChunk) -> None:
        """Take a chunk, waiting for room."""
        self.watch.offer(chunk)
        await self.sink.put(chunk)


@contextlib.asynccontextmanager
async def following_skies(watch: SkyWatch, kafka: Access, prefix: str) -> AsyncIterator[None]:
    """Read those partitions in which stations are that somebody looks at, and none while nobody does."""
    tasks = [
        asyncio.create_task(_follow(watch, kafka, prefix, topic), name=f"skies from {topic.name}")
        for topic in (RAW, REGIONAL_RAW)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def partitions_of(stations: Collection[str], topic: Topic) -> Partitions:
    """Return where a topic has the bytes of stations; those of a region are where they are at home."""
    is_regional = topic is REGIONAL_RAW
    local = [name.rpartition(":")[2] for name in stations if bool(region_of(name)) == is_regional]
    return frozenset(partition_of(name, RAW) for name in local)


async def _follow(watch: SkyWatch, kafka: Access, prefix: str, topic: Topic) -> None:
    places: Places = {}
    while True:
        partitions = partitions_of(watch.looked_at(wall_clock_us()), topic)
        places = {one: place for one, place in places.items() if one in partitions}
        if not partitions:
            await asyncio.sleep(LOOK_S)
            continue
        reader = Reader(kafka, [topic], None, prefix, only=partitions, gather_s=GATHER_S)
        task = asyncio.create_task(_read(watch, reader, topic, places), name="a reader of streams")
        try:
            while not task.done() and partitions_of(watch.looked_at(wall_clock_us()), topic) == partitions:
                await asyncio.wait([task], timeout=LOOK_S)
                watch.trouble = reader.error
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await reader.stop()
        watch.trouble = ""
        if not watch.looked_at(wall_clock_us()):
            await asyncio.to_thread(watch.rest)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("the streams of stations cannot be followed", error=repr(error))
            await asyncio.sleep(LOOK_S)


async def _read(watch: SkyWatch, reader: Reader, topic: Topic, places: Places) -> None:
    """Read on from where it was read to, else from a minute ago; until it is cancelled."""
    await reader.start()
    offsets = await reader.since(wall_clock_us() - BACK_US)
    reader.seek({topic.name: offsets.get(topic.name, {}) | places})
    while True:
        found = await reader.next(WAIT_S)
        await asyncio.to_thread(_hear, watch, found)
        places |= following(found).get(topic.name, {})


def _hear(watch: SkyWatch, found: Sequence[Read]) -> None:
    for one in found:
        try:
            batch = codec.decode(one.value)
        except codec.CodecError:
            continue  # who judges it parks it
        if isinstance(batch, RawBatch):
            watch.hear(batch.chunks)
        elif isinstance(batch, EphemerisMessages):
            watch.listen([batch])
