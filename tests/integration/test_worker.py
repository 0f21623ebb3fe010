"""Workers and the writer over a real broker: killed at any moment, nothing is lost, nothing counts twice."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.partitioning import pipeline, site_of
from deploy.registry import Registry
from deploy.settings_file import load
from gnss.simulate import simulated_network
from sensors.simulate import TideGauge, Tsunami
from storage.postgres import PostgresStore
from streams import codec
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.kafka.tasks import GROUPS, Group, Task
from streams.partitions import pieces, split
from streams.records import (
    AlertTransitions,
    Command,
    Commands,
    FlaggedSamples,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
)
from streams.topics import COMMANDS, RAW, SAMPLES, topics_of
from tests.integration.processes import started, until
from tests.program import groundswell
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

T0_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
STATIONS = tuple(f"S{k}" for k in range(8))
EPOCHS = 60
GAUGE = "gauge.water_level"
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[[thing]]
id = "gauge"
longitude = 121.0
latitude = 31.0
datastream = [{{ property = "water_level", detectors = {{ sea_level = {{}} }} }}]
"""


@pytest.fixture
def config(tmp_path: Path, kafka: KafkaServer, prefix: str) -> Path:
    """Return a configuration whose topics are there."""
    path = tmp_path / "groundswell.toml"
    path.write_text(CONFIG.format(servers=kafka.bootstrap, prefix=prefix))
    asyncio.run(admin.apply(kafka.access, prefix=prefix))
    return path


def seconds() -> Iterator[list[Record]]:
    """Give what arrives each second: bytes of stations, a water level that rises, an answer to its alert."""
    gauge = TideGauge(1, Tsunami(T0_US + 6 * HOUR_US, 0.6, 1500, decay_s=3000))
    times = [T0_US + k * SECOND_US for k in range(EPOCHS)]
    for k, sent in enumerate(simulated_network(len(STATIONS), times, 3, distinct=4)):
        received_us = times[k] + 300_000
        chunks = [
            RawChunk(station_id=name, payload=payload, received_at_us=received_us)
            for name, (_, payload) in zip(STATIONS, sent, strict=True)
        ]
        at_us = T0_US + (12 * k + np.arange(12)) * 60 * SECOND_US  # twelve minutes of tide a second
        samples = SampleBatch(
            datastream_ids=[GAUGE],
            series=np.zeros(12, np.int32),
            time_us=at_us,
            value=np.array([gauge.value(int(t)) for t in at_us]),
            received_at_us=at_us + SECOND_US,
        )
        yield [RawBatch(chunks=chunks), samples]


def messages(registry: Registry, batches: list[Record], prefix: str) -> list[Message]:
    return [
        Message(prefix + topic.name, partition, piece)
        for batch in batches
        for topic in topics_of(batch)
        for partition, part in split(batch, topic, site_of(registry)).items()
        for piece in pieces(part)
    ]


def undisturbed(registry: Registry, sent: list[Message], prefix: str) -> list[Record]:
    """Return what the same messages bring without any broker."""
    tasks: dict[tuple[str, int], Task] = {}
    groups: dict[str, Group] = {prefix + topic.name: group for group in GROUPS for topic in group.reads}
    offsets: dict[tuple[str, int], int] = {}
    made: list[Record] = []
    waiting = list(sent)
    while waiting:
        one = waiting.pop(0)
        group = groups.get(one.topic)
        if group is None:
            made.append(codec.decode(one.value))
            continue
        task = tasks.setdefault(
            (group.name, one.partition), Task(group, one.partition, pipeline(registry, [group]))
        )
        at = (one.topic, one.partition)
        offsets[at] = offsets.get(at, -1) + 1
        outputs = task.take(one.topic, offsets[at], one.value)
        assert not task.failures()
        waiting += messages(registry, outputs, prefix)
    return made


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """Return what ``query`` gives; nothing while the writer has not made its file and tables."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=10)
        ) as reading:
            return reading.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


async def unread(bootstrap: str, prefix: str) -> list[Record]:
    """Return what stations and sensors sent that the workers' group has not done with."""
    admin_client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await admin_client.start()
    await consumer.start()
    try:
        done = await admin_client.list_consumer_group_offsets(f"{prefix}groundswell")
        partitions = [
            TopicPartition(prefix + topic.name, p)
            for topic in (RAW, SAMPLES)
            for p in range(topic.partitions)
        ]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        left: list[Record] = []
        for at in partitions:
            consumer.seek(at, done[at].offset if at in done else 0)
        while behind := [at for at in partitions if await consumer.position(at) < ends[at]]:
            for messages in (await consumer.getmany(*behind, timeout_ms=200)).values():
                left += [codec.decode(one.value) for one in messages]
        # what one worker has to tell another may come when that one has stopped
        return [batch for batch in left if isinstance(batch, RawBatch | SampleBatch)]
    finally:
        await consumer.stop()
        await admin_client.close()


def test_killed_workers_and_a_killed_writer_lose_nothing(
    tmp_path: Path, kafka: KafkaServer, config: Path, prefix: str, postgres_url: str
) -> None:
    with config.open("a") as more:
        more.write(f'[database]\nurl = "{postgres_url}"\n')
    registry = Registry.of(load(config))
    sent: list[Message] = []

    async def send(part: list[list[Record]]) -> None:
        output = Output(kafka.access, "generator")
        for batches in part:
            made = messages(registry, batches, prefix)
            await output.send(made)
            sent.extend(made)
        await output.close()

    def stored(table: str) -> int:
        try:
            with psycopg.connect(postgres_url) as connection:
                (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
        except psycopg.errors.UndefinedTable:  # the writer has not made it yet
            return 0
        return int(count)

    everything = list(seconds())
    worker = "worker", "--config", str(config), "--name", "one"
    other = "worker", "--config", str(config), "--name", "two"
    with (
        started(tmp_path, "one", *worker) as one,
        started(tmp_path, "two", *other) as two,
        started(tmp_path, "store", "store", "--config", str(config)) as store,
    ):
        asyncio.run(send(everything[:20]))
        until(lambda: stored("station_epochs") > 20, "the first reports", tmp_path)
        one.kill()
        asyncio.run(send(everything[20:30]))
        one.start()
        store.kill()
        asyncio.run(send(everything[30:45]))
        store.start()
        two.kill()
        asyncio.run(send(everything[45:]))
        two.start()
        expected = undisturbed(registry, list(sent), prefix)
        reports = [r for batch in expected if isinstance(batch, StationReports) for r in batch.reports]
        samples = [b for b in expected if isinstance(b, FlaggedSamples)]
        transitions = [t for b in expected if isinstance(b, AlertTransitions) for t in b.transitions]
        assert len(reports) >= len(STATIONS) * (EPOCHS - 1)
        assert transitions
        times = {
            (s.datastream_ids[i], t)
            for s in samples
            for i, t in zip(s.series, s.time_us.tolist(), strict=True)
        }
        until(lambda: stored("station_epochs") >= len(reports), "all reports", tmp_path)
        until(lambda: stored("samples") >= len(times), "all samples", tmp_path)
        until(lambda: stored("alert_transitions") >= len(transitions), "all transitions", tmp_path)
        assert one.stop() == 0
        assert two.stop() == 0
        assert store.stop() == 0
    # what was sent counts as read, and nobody reads it again
    assert asyncio.run(unread(kafka.bootstrap, prefix)) == []

    opened = PostgresStore(postgres_url)
    try:
        for name in STATIONS:
            own = [r for r in reports if r.station_id == name]
            kept = opened.station_reports(name, 0, 2**62, limit=1000).items
            assert [(r.epoch_us, r.state, r.score, r.observations, r.slips) for r in kept] == [
                (r.epoch_us, r.state, r.score, r.observations, r.slips) for r in own
            ]
            assert [r.multipath_m for r in kept] == pytest.approx([r.multipath_m for r in own], abs=1e-4)
        assert stored("station_epochs") == len(reports)
        assert stored("samples") == len(times)
        kept_transitions = [
            t
            for alert in opened.alerts().items
            for t in opened.alert(alert.alert_id).transitions  # type: ignore[union-attr]
        ]
        key = [(t.alert_id, t.number, t.change, t.at_us) for t in transitions]
        assert sorted((t.alert_id, t.number, t.change, t.at_us) for t in kept_transitions) == sorted(key)
        assert stored("deliveries") == 0
    finally:
        opened.close()


def test_what_cannot_be_read_is_parked_and_can_be_sent_again(
    tmp_path: Path, kafka: KafkaServer, config: Path, prefix: str
) -> None:
    registry = Registry.of(load(config))
    database = tmp_path / "data" / "groundswell.sqlite"
    (first, _), *_ = list(seconds())
    good = messages(registry, [first], prefix)
    bad = [
        Message(good[0].topic, good[0].partition, b"\x07from the future"),
        Message(good[0].topic, good[0].partition, b"\x01\xc1 damaged"),
        Message(prefix + SAMPLES.name, 3, b""),
    ]
    command = Command(id="c1", kind="acknowledge_alert", target="none", by="me", at_us=T0_US)
    asked = messages(registry, [Commands(commands=[command])], prefix)

    async def send(some: list[Message]) -> None:
        output = Output(kafka.access, "generator")
        await output.send(some)
        await output.close()

    def parked() -> str:
        return groundswell("deadletter", "list", "--kafka", kafka.bootstrap, "--prefix", prefix).stdout

    asyncio.run(send([*bad, *asked]))
    with (
        started(tmp_path, "worker", "worker", "--config", str(config)),
        started(tmp_path, "store", "store", "--config", str(config), "--data", str(tmp_path / "data")),
    ):
        answered = "SELECT ok, message FROM commands WHERE ok IS NOT NULL"
        until(lambda: rows(database, answered), "an answer", tmp_path)
        assert rows(database, answered)[0][0] == 0
        until(lambda: parked().count(prefix) == 3, "three parked messages", tmp_path)
        shown = parked()
        assert shown.count(prefix + RAW.name) == 2
        assert shown.count("UnknownVersionError: message version 7") == 1
        again = groundswell("deadletter", "replay", "0", "--kafka", kafka.bootstrap, "--prefix", prefix)
        assert "1 of 3" in again.stdout
        until(lambda: parked().count(prefix) == 4, "the message that came again", tmp_path)
    refused = groundswell(
        "deadletter", "replay", "77", "--kafka", kafka.bootstrap, "--prefix", prefix, check=False
    )
    assert refused.returncode == 2
    assert "no parked message 77" in refused.stderr
    assert COMMANDS.partitions == 1
