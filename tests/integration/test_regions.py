"""A region and its centre, each with a Kafka of its own: cut, killed, and complete afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest

from storage.postgres import PostgresStore
from streams import codec
from streams.kafka import admin
from streams.kafka.access import Access
from streams.kafka.commands import KafkaCommands
from streams.kafka.origin import Origin, Origins, origin_of
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.kafka.tasks import ALERT
from streams.kafka.worker import Worker
from streams.partitions import keyed, partition_of, pieces
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.records import (
    AlertTransitions,
    Change,
    Changes,
    Command,
    Descriptions,
    Detection,
    Detections,
    FlaggedSamples,
    Gone,
    Record,
    StationReport,
    StationReports,
)
from streams.regions import qualified
from streams.topics import (
    ALERTS,
    COMMAND_OUTCOMES,
    COMMANDS,
    DEAD_LETTERS,
    DETECTIONS,
    FLAGGED_SAMPLES,
    REGISTRY,
    STATION_REPORTS,
    Topic,
    descriptions_of,
    topics_with,
)
from tests.integration.processes import Process, eventually, started
from tests.program import free_port
from tests.servers import KafkaServer, kafka_server

pytestmark = pytest.mark.integration

T0_US = 1_790_000_000_000_000
SECOND_US = 1_000_000
STATIONS = tuple(f"S{k}" for k in range(6))
PREFIX = "region."
CENTRE = """
[kafka]
servers = "{centre}"

[database]
url = "{url}"

[regions]
here = "zhejiang"
node = [
    {{ name = "zhejiang", level = "province" }},
    {{ name = "hangzhou", level = "city", parent = "zhejiang" }},
]
"""
REGION = """
[kafka]
servers = "{region}"
prefix = "{prefix}"

[regions]
here = "hangzhou"

[[regions.node]]
name = "zhejiang"
level = "province"
kafka = "{centre}"

[[regions.node]]
name = "hangzhou"
level = "city"
parent = "zhejiang"
up = {{ reports = "exact" }}
down = {{ accounts = false }}

[[station]]
id = "S0"
source = "ntrip://user:secret@caster:2101/S0"
name = "First"
longitude = 120.1
latitude = 30.2

[[thing]]
id = "gauge"
name = "Gauge"
longitude = 121.5
latitude = 29.5
height_m = 2.5
datastream = [{{ property = "water_level" }}]

[[thing]]
id = "old"
longitude = 121.6
latitude = 29.5
"""


def clock_us() -> int:
    return T0_US


def second(k: int) -> list[tuple[Topic, int, Record]]:
    """Return what the region's workers say in a second: verdicts, samples, at times a finding."""
    made: list[tuple[Topic, int, Record]] = []
    for name in STATIONS:
        report = StationReport(
            station_id=name, epoch_us=T0_US + k * SECOND_US, received_at_us=T0_US + k * SECOND_US + 1,
            state="good", score=90 + k % 10, reasons=[], epochs=1, epochs_expected=1, observations=k,
            observations_expected=None, satellites=8, latency_s=0.1, jitter_s=None, cn0_dbhz=None, slips=0,
            multipath_m=None, frames=1, bad_frames=0,
        )  # fmt: skip
        made.append((STATION_REPORTS, partition_of(name, STATION_REPORTS), StationReports(reports=[report])))
    samples = FlaggedSamples(
        datastream_ids=["gauge.water_level"], series=np.zeros(5, np.int32),
        time_us=T0_US + k * SECOND_US + np.arange(5) * 200_000, value=np.full(5, float(k)),
        received_at_us=np.full(5, T0_US), revision=np.zeros(5, np.int32), tests=["spike"],
        flags=np.ones((5, 1), np.uint8), flag=np.ones(5, np.uint8),
    )  # fmt: skip
    made.append((FLAGGED_SAMPLES, partition_of("gauge", FLAGGED_SAMPLES), samples))
    if k % 10 == 0:
        detection = Detection(
            detector="sea_level", version="1", subject_id="gauge.water_level", phase="begin", level="orange",
            onset_us=T0_US + k * SECOND_US, at_us=T0_US + k * SECOND_US, detected_at_us=T0_US + k * SECOND_US,
            title="Rising", value=1.0, threshold=0.5, unit="m", evidence={"residual": [0.5]},
        )  # fmt: skip
        made.append((DETECTIONS, 0, Detections(detections=[detection])))
    return made


def messages(seconds: Sequence[int]) -> list[Message]:
    return [
        Message(PREFIX + topic.name, partition, piece, Origin(f"maker {number}", k).headers())
        for k in seconds
        for number, (topic, partition, batch) in enumerate(second(k))
        for piece in pieces(batch)
    ]


async def alerting(region: KafkaServer) -> None:
    """Do what a worker does for alerts, until cancelled."""
    worker = Worker(
        region.access, "alerting", lambda _: Pipeline([Alert()]), str, clock_us, PREFIX, groups=(ALERT,)
    )
    worker.own({(PREFIX + topic.name, 0) for topic in ALERT.reads})
    reader = Reader(region.access, ALERT.reads, {}, PREFIX)
    await reader.start()
    try:
        while True:
            for one in await reader.next(0.2):
                name = PREFIX + one.topic.name
                await worker.take(ALERT, name, one.partition, one.offset, one.value, one.headers, None)
    finally:
        await reader.stop()
        await worker.stop()
        for each in worker._open.values():
            await each.output.close()


async def log_of(kafka: Access, topic: Topic, prefix: str = "") -> dict[int, list[bytes]]:
    """Return each partition's messages as a reader takes them: what was sent twice once."""
    reader = Reader(kafka, (topic,), {}, prefix)
    await reader.start()
    found: dict[int, list[bytes]] = {}
    origins: dict[int, Origins] = {}
    try:
        while await reader.remaining():
            for one in await reader.next(0.5):
                if origins.setdefault(one.partition, Origins()).is_new(origin_of(one.headers)):
                    found.setdefault(one.partition, []).append(one.value)
    finally:
        await reader.stop()
    return found


@contextlib.contextmanager
def two_brokers(folder: Path) -> Iterator[list[KafkaServer]]:
    """Run the region's and the centre's, started side by side."""
    contexts = []
    for name in ("region", "centre"):
        (folder / name).mkdir()
        contexts.append(kafka_server(folder / name))
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as threads:
        servers = list(threads.map(lambda one: one.__enter__(), contexts))
        for one in contexts:
            stack.push(one)
        yield servers


class Centre:
    """What is stored there."""

    def __init__(self, url: str) -> None:
        self.url = url

    def count(self, table: str) -> int:
        with psycopg.connect(self.url) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
        return int(count)


async def test_a_region_that_is_cut_off_goes_on_and_is_complete_afterwards(
    tmp_path: Path, postgres_url: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        region, centre = stack.enter_context(two_brokers(tmp_path))
        await asyncio.gather(
            admin.apply(region.access, prefix=PREFIX),
            admin.apply(centre.access, topics=topics_with(["hangzhou"])),
        )
        names = {"region": region.bootstrap, "centre": centre.bootstrap, "url": postgres_url}
        for name, text in (("region.toml", REGION), ("centre.toml", CENTRE)):
            (tmp_path / name).write_text(text.format(prefix=PREFIX, **names))
        stored, watch = Centre(postgres_url), free_port()
        bridge: Process = stack.enter_context(
            started(
                tmp_path, "bridge", "bridge", "--config", str(tmp_path / "region.toml"),
                "--http", f"127.0.0.1:{watch}",
            )
        )  # fmt: skip
        stack.enter_context(started(tmp_path, "store", "store", "--config", str(tmp_path / "centre.toml")))
        page = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{watch}"))
        work = asyncio.create_task(alerting(region))
        stack.push_async_callback(asyncio.gather, work, return_exceptions=True)
        stack.callback(work.cancel)
        workers = Output(region.access, "workers")
        stack.push_async_callback(workers.close)

        async def ready(code: int) -> bool:
            try:
                return (await page.get("/readyz", timeout=5)).status_code == code
            except httpx.TransportError:
                return False

        async def arrived(seconds: int) -> bool:
            return await asyncio.to_thread(stored.count, "station_epochs") >= seconds * len(STATIONS)

        await workers.send(messages(range(20)))
        await eventually(lambda: arrived(20), "the first seconds", tmp_path)
        await eventually(lambda: described(stored, ["gauge", "old"]), "descriptions", tmp_path)
        await eventually(lambda: ready(200), "a bridge that is ready", tmp_path)
        bridge.kill()
        await workers.send([*messages(range(20, 30)), *changed()])
        (hostile,) = pieces(
            Descriptions(descriptions=[Gone(kind="thing", id="beijing:gauge", is_deleted=True)])
        )
        theirs = Output(centre.access, "hangzhou")
        await theirs.send([Message(descriptions_of("hangzhou").name, 0, hostile, key=b"thing/x")])
        await theirs.close()
        centre.kill()
        bridge.start()
        await workers.send(messages(range(30, 40)))  # the region goes on
        await eventually(lambda: ready(503), "a bridge that says what it lacks", tmp_path)
        centre.start()
        await eventually(lambda: arrived(40), "what had waited", tmp_path)
        region.kill()
        bridge.kill()
        bridge.start()
        region.start()
        await workers.send(messages(range(36, 50)))  # the workers say four seconds again
        await eventually(lambda: arrived(50), "everything", tmp_path)

        # an alert of the region is answered in the centre
        def alerts() -> list[tuple[str, str, int]]:
            store = PostgresStore(postgres_url)
            try:
                return sorted((a.alert_id, a.state, a.number) for a in store.alerts().items)
            finally:
                store.close()

        async def all_alerts() -> bool:
            return len(await asyncio.to_thread(alerts)) == 5

        await eventually(all_alerts, "five alerts", tmp_path)
        await eventually(lambda: described(stored, ["gauge", "new"]), "what was changed meanwhile", tmp_path)
        (first, *_) = alerts()
        assert first[0].startswith("hangzhou:")
        commands = KafkaCommands(Output(centre.access, "serve"))
        stack.push_async_callback(commands.output.close)
        answers = Reader(centre.access, (COMMAND_OUTCOMES,), None)
        await answers.start()
        stack.push_async_callback(answers.stop)
        asked = asyncio.create_task(
            commands.command(
                Command(id="c1", kind="acknowledge_alert", target=first[0], by="duty", at_us=T0_US)
            )
        )
        while not asked.done():
            commands.listen([codec.decode(one.value) for one in await answers.next(0.1)])
        assert (await asked).ok

        async def acknowledged() -> bool:
            return (first[0], "acknowledged", 2) in await asyncio.to_thread(alerts)

        await eventually(acknowledged, "the answer in the centre", tmp_path)
        await compare(region, centre, stored)

        async def at_rest() -> bool:
            text = (await page.get("/metrics")).text
            lags = re.findall(r"^groundswell_bridge_lag_messages\{.*\} (\S+)$", text, re.MULTILINE)
            return len(lags) == 9 and not any(map(float, lags))

        await eventually(at_rest, "a bridge with nothing to do", tmp_path)
        assert await ready(200)
        assert bridge.stop() == 0


def changed() -> list[Message]:
    """Return what people change in the region: a site comes, one goes."""
    new = {"longitude": 121.7, "latitude": 29.5, "name": "New"}
    some = [
        Change(kind="thing", id=name, version=version, verb="delete" if after is None else "put", before=None,
               after=after, by="Li", at_us=T0_US, command_id=name)
        for version, (name, after) in enumerate((("new", new), ("old", None)), 1)
    ]  # fmt: skip
    return [Message(PREFIX + REGISTRY.name, 0, value, key=key) for key, value in keyed(Changes(changes=some))]


async def described(stored: Centre, things: list[str]) -> bool:
    """Return whether the centre knows these sites of the region and no other, and what they are."""

    def ask() -> bool:
        store = PostgresStore(stored.url)
        try:
            sites = [one.id for one in store.things().items]
            gauge, station = store.thing("hangzhou:gauge"), store.station("hangzhou:S0")
            series = store.datastreams(thing_id="hangzhou:gauge").items
        finally:
            store.close()
        return (
            sites == [f"hangzhou:{name}" for name in things]
            and gauge is not None
            and (gauge.name, gauge.longitude, gauge.height_m, gauge.height_datum)
            == ("Gauge", 121.5, 2.5, "EPSG:5737")
            and [(d.id, d.unit, d.property_id) for d in series]
            == [("hangzhou:gauge.water_level", "m", "water_level")]
            and series[0].latest is not None
            and station is not None
            and (station.name, station.longitude) == ("First", 120.1)
        )

    return await asyncio.to_thread(ask)


async def compare(region: KafkaServer, centre: KafkaServer, stored: Centre) -> None:
    """Hold the centre's topics and rows against the region's: everything, once, in its order."""
    for topic in (STATION_REPORTS, FLAGGED_SAMPLES, ALERTS):
        there, here = await asyncio.gather(log_of(centre.access, topic), log_of(region.access, topic, PREFIX))
        assert {p: [bare(m) for m in some] for p, some in there.items()} == {
            p: [bare(m) for m in some] for p, some in here.items()
        }
    assert stored.count("station_epochs") == 50 * len(STATIONS)
    assert stored.count("samples") == 50 * 5
    assert stored.count("detections") == 5
    assert stored.count("alert_transitions") == 6
    store = PostgresStore(stored.url)
    try:
        kept = store.station_reports(qualified("hangzhou", "S0"), 0, 2**62, limit=1000).items
        assert [(r.epoch_us, r.observations) for r in kept] == [(T0_US + k * SECOND_US, k) for k in range(50)]
    finally:
        store.close()
    (letter,) = (await log_of(centre.access, DEAD_LETTERS))[0]
    assert b"beijing:gauge" in letter
    text = str(await log_of(centre.access, descriptions_of("hangzhou")))
    assert "First" in text
    assert "secret" not in text
    assert not await log_of(centre.access, DETECTIONS)  # nobody there makes alerts of them again
    assert len((await log_of(region.access, COMMANDS, PREFIX))[0]) == 1


def bare(message: bytes) -> object:
    """Return what tells a message, without the name of the region."""
    batch = codec.decode(message)
    if isinstance(batch, StationReports):
        return [(r.station_id.removeprefix("hangzhou:"), r.epoch_us) for r in batch.reports]
    if isinstance(batch, FlaggedSamples):
        return [name.removeprefix("hangzhou:") for name in batch.datastream_ids], batch.time_us.tolist()
    assert isinstance(batch, AlertTransitions)
    return [(t.alert_id.removeprefix("hangzhou:"), t.number, t.change) for t in batch.transitions]
