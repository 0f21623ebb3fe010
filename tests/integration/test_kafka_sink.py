"""The way into Kafka, and a real broker that comes and goes."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import codec
from streams.kafka.access import Access
from streams.kafka.admin import apply
from streams.kafka.origin import Origins, origin_of
from streams.kafka.sink import KafkaSink
from streams.records import RawBatch, RawChunk, SampleBatch, Tick
from streams.topics import DETECTIONS, RAW, SAMPLES, partition_of
from tests.servers import kafka_server, lasting_port
from tests.waiting import until

pytestmark = pytest.mark.integration

STATIONS = [f"STN{number:02d}" for number in range(30)]
ONE_SECOND_US = 1_000_000
ROOT = Path(__file__).parents[2]


def clock_us() -> int:
    return time.time_ns() // 1000


def site_of(datastream_id: str) -> str:
    return datastream_id.partition(".")[0]


@contextlib.asynccontextmanager
async def running(kafka: Access, folder: Path, prefix: str, **more: object):
    sink = KafkaSink(kafka, folder=folder, site_of=site_of, clock_us=clock_us, prefix=prefix, **more)
    await sink.start()
    try:
        yield sink
    finally:
        await sink.stop()


class Read:
    """All that two topics hold, per partition and in order, and what it says of each source."""

    def __init__(self) -> None:
        self.batches: dict[tuple[str, int], list] = defaultdict(list)
        self.repeated = 0

    @property
    def chunks(self) -> dict[str, list[int]]:
        """The numbers that each station's chunks carry."""
        found = defaultdict(list)
        for (topic, partition), batches in self.batches.items():
            for batch in batches:
                for chunk in batch.chunks if isinstance(batch, RawBatch) else ():
                    assert (topic, partition) == ("raw", partition_of(chunk.station_id, RAW))
                    found[chunk.station_id].append(int.from_bytes(chunk.payload[:8], "big"))
        return dict(found)

    @property
    def samples(self) -> dict[str, list[float]]:
        found = defaultdict(list)
        for (topic, partition), batches in self.batches.items():
            for batch in batches:
                if isinstance(batch, SampleBatch):
                    for series, value in zip(batch.series, batch.value, strict=True):
                        name = batch.datastream_ids[series]
                        assert (topic, partition) == ("samples", partition_of(site_of(name), SAMPLES))
                        found[name].append(float(value))
        return dict(found)

    @property
    def ticks(self) -> dict[tuple[str, int], list[int]]:
        found = {
            key: [batch.now_us for batch in batches if isinstance(batch, Tick)]
            for key, batches in self.batches.items()
        }
        return {key: times for key, times in found.items() if times}


async def read_all(bootstrap: str, prefix: str) -> Read:
    read = Read()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        places = [
            TopicPartition(prefix + topic.name, partition)
            for topic in (RAW, SAMPLES, DETECTIONS)
            for partition in range(topic.partitions)
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        origins = {place: Origins() for place in places}
        for place in places:
            while await consumer.position(place) < ends[place]:
                for where, messages in (await consumer.getmany(timeout_ms=1000)).items():
                    for message in messages:
                        if origins[where].is_new(origin_of(message.headers)):
                            key = (where.topic.removeprefix(prefix), where.partition)
                            read.batches[key].append(codec.decode(message.value))
        read.repeated = sum(origin.repeated for origin in origins.values())
    finally:
        await consumer.stop()
    return read


def chunk(station_id: str, number: int, size: int = 100) -> RawChunk:
    payload = number.to_bytes(8, "big") + bytes(size)
    return RawChunk(station_id=station_id, payload=payload, received_at_us=clock_us())


def samples(number: int, site: str = "gauge") -> SampleBatch:
    """Return two samples of two series of a site, whose values are this number."""
    now = np.full(2, clock_us())
    return SampleBatch(
        datastream_ids=[f"{site}.level", f"{site}.rain"],
        series=np.array([0, 1], np.int32),
        time_us=now,
        value=np.full(2, float(number)),
        received_at_us=now,
    )


async def soon(condition: Callable[[], object]) -> None:
    """Return when it is so; a broker that starts on a busy machine takes its time."""
    await until(condition, timeout_s=60)


class Gatherer:
    """Offers chunks of all stations and puts samples, one round after the other, until it is told to stop."""

    def __init__(self, sink: KafkaSink) -> None:
        self.sink = sink
        self.rounds = 0
        self.confirmed: list[int] = []
        self.running = True

    async def work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while self.running:
                for station in STATIONS:
                    assert self.sink.offer(chunk(station, self.rounds))
                tasks.create_task(self.put(self.rounds))
                self.rounds += 1
                await asyncio.sleep(0.02)

    async def put(self, number: int) -> None:
        await self.sink.put_samples(samples(number))
        self.confirmed.append(number)


def assert_complete(read: Read, rounds: int) -> None:
    assert read.chunks == {station: list(range(rounds)) for station in STATIONS}
    expected = [float(number) for number in range(rounds)]
    assert read.samples == {"gauge.level": expected, "gauge.rain": expected}


async def test_everything_arrives_once_and_in_order(kafka, prefix, tmp_path):
    await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
    async with running(kafka.access, tmp_path, prefix) as sink:
        gatherer = Gatherer(sink)
        work = asyncio.create_task(gatherer.work())
        await soon(lambda: gatherer.rounds >= 60)
        gatherer.running = False
        await work
        for number in range(40):  # more than one message of a partition at a time
            await sink.put(chunk("BIG", number, 300_000))
        assert not sink.offer(chunk("HUGE", 0, 1_000_000))
        assert sink.offer(chunk("AFTER", 0))
    assert gatherer.confirmed == list(range(gatherer.rounds))
    health = sink.health
    assert (health.refused_chunks, health.lost_messages, health.pending_bytes) == (1, 0, 0)
    assert (health.spooled_messages, health.kafka_error) == (0, "")
    read = await read_all(kafka.bootstrap, prefix)
    numbers = read.chunks
    assert numbers.pop("BIG") == list(range(40))
    assert numbers.pop("AFTER") == [0]
    assert numbers == {station: list(range(gatherer.rounds)) for station in STATIONS}
    assert read.samples == {name: [*map(float, gatherer.confirmed)] for name in ("gauge.level", "gauge.rain")}
    assert read.repeated == 0


async def test_quiet_partitions_get_ticks_that_never_go_back(kafka, prefix, tmp_path):
    await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
    ahead_us = clock_us() + 3600 * ONE_SECOND_US
    async with running(kafka.access, tmp_path, prefix) as sink:
        sink.offer(RawChunk(station_id="AHEAD", payload=b"x", received_at_us=ahead_us))
        await soon(lambda: sink.health.ticks_sent >= 60)
    read = await read_all(kafka.bootstrap, prefix)
    ticks = read.ticks
    assert len(ticks) == RAW.partitions + SAMPLES.partitions + DETECTIONS.partitions
    assert all(times == sorted(times) for times in ticks.values())
    future = ticks.pop(("raw", partition_of("AHEAD", RAW)))
    assert set(future) == {ahead_us}
    assert all(
        0 <= clock_us() - time_us < 60 * ONE_SECOND_US for times in ticks.values() for time_us in times
    )


async def test_topics_that_are_missing_are_named_and_waited_for(kafka, prefix, tmp_path):
    async with running(kafka.access, tmp_path, prefix) as sink:
        await asyncio.wait_for(sink.put_samples(samples(0)), 30)  # the spool has them
        sink.offer(chunk("STN00", 0))
        await soon(lambda: "run groundswell topics apply" in sink.health.kafka_error)
        assert f"{prefix}raw" in sink.health.kafka_error
        assert sink.health.spooled_messages
        await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
        await soon(lambda: not sink.health.kafka_error and not sink.health.spooled_messages)
    read = await read_all(kafka.bootstrap, prefix)
    assert read.chunks == {"STN00": [0]}
    assert read.samples == {"gauge.level": [0.0], "gauge.rain": [0.0]}


async def test_a_broker_that_stands_still_and_one_that_is_killed_lose_nothing(tmp_path, prefix):
    with kafka_server(tmp_path / "server") as server:
        await apply(server.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
        async with running(server.access, tmp_path / "spool", prefix) as sink:
            gatherer = Gatherer(sink)
            work = asyncio.create_task(gatherer.work())
            await soon(lambda: len(gatherer.confirmed) >= 10)

            server.pause()
            begun = gatherer.rounds
            await soon(lambda: gatherer.confirmed[-1] > begun)  # with nothing but the spool
            assert sink.health.kafka_error == f"Kafka at {server.bootstrap} does not answer"
            assert sink.health.spooled_messages
            # told when the spool is looked at next
            await soon(lambda: sink.health.oldest_spooled_us is not None)
            assert clock_us() - sink.health.oldest_spooled_us < 60 * ONE_SECOND_US
            server.resume()
            await soon(lambda: not sink.health.spooled_messages and not sink.health.kafka_error)
            read = await read_all(server.bootstrap, prefix)
            assert read.repeated == 0  # one producer, which is recognised

            server.kill()
            begun = gatherer.rounds
            await soon(lambda: gatherer.confirmed[-1] > begun)
            spooled = sink.health.spooled_ever
            await asyncio.to_thread(server.start)
            await soon(lambda: not sink.health.spooled_messages and not sink.health.kafka_error)
            assert sink.health.spooled_ever > spooled
            gatherer.running = False
            await work
        assert sorted(gatherer.confirmed) == list(range(gatherer.rounds))
        assert sink.health.lost_messages == 0
        read = await read_all(server.bootstrap, prefix)
        assert_complete(read, gatherer.rounds)


FILLER = """
import asyncio, sys
from pathlib import Path
from streams.kafka.access import Access
from tests.integration.test_kafka_sink import chunk, running, samples

async def main(bootstrap, folder, prefix):
    async with running(Access(bootstrap), Path(folder), prefix, spool_bytes=3_000_000) as sink:
        number = 0
        while not sink.health.full:
            put = asyncio.create_task(sink.put_samples(samples(number)))
            for _ in range(15):
                sink.offer(chunk("FILL", number, 20_000))
                number += 1
            while not put.done() and not sink.health.full:
                await asyncio.sleep(0.01)
            if put.done():
                print("told", number - 15, flush=True)
        print("full", sink.health.spooled_messages, flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_process_had_in_its_spool_arrives_before_all_else(kafka, prefix, tmp_path):
    await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
    nobody = f"127.0.0.1:{lasting_port()}"
    command = [sys.executable, "-c", FILLER, nobody, tmp_path, prefix]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    lines = [""]
    while not lines[-1].startswith("full"):
        lines.append((await process.stdout.readline()).decode())
        assert lines[-1], "the process has ended"
    process.kill()
    await process.wait()
    told = [float(line.split()[1]) for line in lines if line.startswith("told")]
    assert told
    async with running(kafka.access, tmp_path, prefix) as sink:
        assert sink.offer(chunk("FILL", 10**6))
        await soon(lambda: sink.health.messages_sent >= int(lines[-1].split()[1]) + 1)
    read = await read_all(kafka.bootstrap, prefix)
    numbers = read.chunks["FILL"]
    assert numbers == [*range(len(numbers) - 1), 10**6]
    assert set(told) <= set(read.samples["gauge.level"])


async def test_a_stop_without_kafka_keeps_all_for_the_next_start(kafka, prefix, tmp_path):
    await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES, DETECTIONS])
    async with running(Access(f"127.0.0.1:{lasting_port()}"), tmp_path, prefix) as sink:
        put = asyncio.create_task(sink.put_samples(samples(1)))
        for number in range(50):
            sink.offer(chunk("STN00", number))
        await soon(lambda: sink.health.kafka_error)
    await put
    assert sink.health.spooled_messages
    assert sink.health.lost_messages == 0
    async with running(kafka.access, tmp_path, prefix) as sink:
        sink.offer(chunk("STN00", 50))
    assert sink.health.spooled_messages == 0
    read = await read_all(kafka.bootstrap, prefix)
    assert read.chunks == {"STN00": list(range(51))}
    assert read.samples == {"gauge.level": [1.0], "gauge.rain": [1.0]}
