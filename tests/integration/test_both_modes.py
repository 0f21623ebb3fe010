"""The same input gives the same verdicts and alerts in one process and over Kafka, with two workers.

Two hours of epochs each 30 s and of tides each minute; with GROUNDSWELL_BOTH_STEP_S=1 the stations send each
second, which takes a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.partitioning import pipeline, site_of
from deploy.registry import Registry
from deploy.settings_file import load
from gnss.simulate import Fault, FaultKind, SimulatedSky, SimulatedStation
from sensors.simulate import TideGauge, Tsunami
from storage.keeper import StoreKeeper
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from storage.store import Store
from streams import codec
from streams.embedded import EmbeddedRuntime
from streams.kafka import admin
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.partitions import pieces, split
from streams.records import (
    AlertTransitions,
    Command,
    Commands,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
    Tick,
)
from streams.sample_extras import Places, Waves
from streams.topics import ALERTS, DETECTIONS, RAW, SAMPLES, STATION_REPORTS, topics_of
from tests.integration.processes import eventually, started
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
T0_US = 1_790_000_100 * SECOND_US
WAIT_S = 120.0
STEP_S = int(os.environ.get("GROUNDSWELL_BOTH_STEP_S", "30"))
STEPS = 7200 // STEP_S
STATIONS = tuple(f"WH{k:02d}" for k in range(8))
GAUGES = tuple(f"gauge{k}" for k in range(5))
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"
[database]
url = "{url}"
"""
STATION = """
[[station]]
id = "{name}"
source = "tcp://127.0.0.1:9"
interval_s = {step_s}
"""
GAUGE = """
[[thing]]
id = "{name}"
longitude = 121.0
latitude = 31.0
{fusion}
  [[thing.datastream]]
  property = "water_level"
  detectors = {{ sea_level = {{ {limits} }} }}
  tests = {{ location = {{ range_max_m = 500 }} }}
"""
FUSION = 'fusion = { families = { sea = ["sea_level"] }, triggers = [], hold_s = 300.0 }'
"""At one gauge: what its network lets go on is put together there."""
NETWORKS = """
[[network]]
id = "coast"
kind = "confirmation"
members = [{members}]
[[network]]
id = "levels"
kind = "neighbor"
members = [{members}]
parameters = {{ suspect = 0.5, fail = 3.0, wait_s = 30.0, tolerance_s = 5.0 }}
"""
LIMITS = "window_s = 1200.0, end_quiet_s = 900.0"
"""Of the detector: an event begins and ends in these two hours."""
FAULTS: dict[int, tuple[FaultKind, int, int, float]] = {
    1: ("slips", 3000, 1500, 3.0),
    2: ("jamming", 2400, 600, 10.0),
    3: ("loss", 4000, 900, 0.2),
    4: ("latency", 1800, 900, 3.0),
    5: ("slips", 3100, 1500, 3.0),
    6: ("corruption", 5000, 600, 0.1),
}
"""By station: kind, begin and length in s, how strong."""


@dataclass
class Step:
    """What arrives at one time."""

    end_us: int
    """What arrives, arrives before."""
    chunks: list[RawChunk] = field(default_factory=list)
    samples: SampleBatch | None = None


def steps() -> Iterator[Step]:
    sky = SimulatedSky()
    stations = []
    for k, _ in enumerate(STATIONS):
        faults = []
        if k in FAULTS:
            kind, begin_s, length_s, strength = FAULTS[k]
            begin_us = T0_US + begin_s * SECOND_US
            faults.append(Fault(kind, begin_us, begin_us + length_s * SECOND_US, strength))
        stations.append(SimulatedStation(k, 114.0 + k / 10, 30.5, 40.0, k, faults, sky=sky))
    gauges = [
        TideGauge(k, Tsunami(T0_US + 2400 * SECOND_US, 0.9, 900, 600) if k < 2 else None) for k in range(5)
    ]
    under_way: list[RawChunk] = []
    for i in range(STEPS):
        epoch_us = T0_US + i * STEP_S * SECOND_US
        step = Step(epoch_us + (STEP_S * 10 - 1) * SECOND_US // 10)
        for name, station in zip(STATIONS, stations, strict=True):
            sent = station.emit(epoch_us)
            received_us = epoch_us + round(sent.delay_s * SECOND_US)
            if sent.frames and not (name == STATIONS[7] and 3600 <= i * STEP_S < 4200):  # one is away
                payload = b"".join(sent.frames)
                under_way.append(RawChunk(station_id=name, payload=payload, received_at_us=received_us))
        # what is late arrives in a later step: no partition's time runs ahead of the others' in either mode
        step.chunks = [chunk for chunk in under_way if (chunk.received_at_us or 0) <= step.end_us]
        step.chunks.sort(key=lambda chunk: chunk.received_at_us or 0)
        under_way = [chunk for chunk in under_way if (chunk.received_at_us or 0) > step.end_us]
        # the last sample lets the time reach the end of the step, as ticks do over Kafka
        names, rows, values = [*(f"{gauge}.water_level" for gauge in GAUGES), "clock.time"], [5], [0.0]
        times_us, came_us = [step.end_us], [step.end_us]
        if i * STEP_S % 60 == 0:
            levels = [gauge.value(epoch_us) for gauge in gauges]
            levels[2] += 5.0 * (i * STEP_S == 3000)  # a spike
            levels[3] = np.nan if i * STEP_S == 3600 else levels[3]
            for _ in range(2 if i * STEP_S == 1800 else 1):  # a sender repeats itself
                rows[:0], values[:0] = range(5), levels
                times_us[:0], came_us[:0] = [epoch_us] * 5, [epoch_us + SECOND_US // 2] * 5
        series = np.array(rows, np.int32)
        floating = np.flatnonzero(series < 5)
        step.samples = SampleBatch(
            datastream_ids=names,
            series=series,
            time_us=np.array(times_us),
            value=np.array(values),
            received_at_us=np.array(came_us),
            places=Places(  # they drift, and one is torn off
                rows=floating,
                longitude=np.full(len(floating), 121.0 + 1e-5 * i + 0.1 * (i * STEP_S == 3000)),
                latitude=31.0 + 0.001 * series[floating],
                height_m=np.full(len(floating), np.nan),
            )
            if len(floating)
            else None,
            waves=Waves(
                rows=np.array([len(rows) - 1]), step_us=np.array([1e5]), ends=np.array([9]),
                value=np.sin(i + np.arange(9)),
            ),
        )  # fmt: skip
        yield step


def answer_to(alert_id: str, at_us: int) -> Command:
    return Command(id="c1", kind="acknowledge_alert", target=alert_id, by="duty", at_us=at_us)


@dataclass
class Run:
    """What was sent, and what one process made of it."""

    steps: list[Step]
    store: SqliteStore
    command: Command
    answered: int
    """The step at which the command came."""


async def embedded(registry: Registry, folder: Path, everything: list[Step]) -> Run:
    """Run all in one process, and answer the first alert."""
    store = SqliteStore(folder / "embedded.sqlite")
    runtime = EmbeddedRuntime(
        pipeline(registry), StoreKeeper(store, None), lambda: everything[-1].end_us, ticks=False
    )
    opened: list[str] = []

    def listen(batches: Sequence[Record]) -> None:
        for batch in batches:
            if isinstance(batch, AlertTransitions):
                opened.extend(one.alert_id for one in batch.transitions)

    runtime.listeners.append(listen)
    await runtime.start()
    command, answered = None, -1
    for i, step in enumerate(everything):
        for chunk in step.chunks:
            await runtime.put(chunk)
        if step.samples is not None:
            await runtime.put_samples(step.samples)
        await runtime.drained()
        if opened and command is None:
            command, answered = answer_to(opened[0], step.end_us), i
            assert (await runtime.command(command)).ok
    await runtime.stop()
    assert command is not None
    return Run(everything, store, command, answered)


def messages(registry: Registry, prefix: str, batches: list[Record], now_us: int) -> list[Message]:
    """Return what a gatherer sends: batches by partition, and behind them the time."""
    made = []
    for batch in batches:
        for topic in topics_of(batch):
            for partition, part in split(batch, topic, site_of(registry)).items():
                made += [Message(prefix + topic.name, partition, piece) for piece in pieces(part)]
    tick = codec.encode(Tick(now_us=now_us))
    for topic in (RAW, SAMPLES, DETECTIONS):
        made += [Message(prefix + topic.name, p, tick) for p in range(topic.partitions)]
    return made


@dataclass
class Follower:
    """What has come out of Kafka so far."""

    reader: Reader
    judged_us: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATIONS, 0))
    """The newest epoch of each station that was judged, or missed."""
    alerts: set[str] = field(default_factory=set)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                for one in await self.reader.next(1.0):
                    batch = codec.decode(one.value)
                    if isinstance(batch, StationReports):
                        for report in batch.reports:
                            before_us = self.judged_us[report.station_id]
                            self.judged_us[report.station_id] = max(before_us, report.epoch_us)
                    elif isinstance(batch, AlertTransitions):
                        self.alerts |= {one.alert_id for one in batch.transitions}


async def distributed(registry: Registry, kafka: Access, prefix: str, run: Run) -> None:
    """Send all to Kafka, each step when the verdicts of the step before are there: none runs ahead."""
    reader, output = Reader(kafka, [STATION_REPORTS, ALERTS], {}, prefix), Output(kafka, "generator")
    await reader.start()
    follower = Follower(reader)
    for i, step in enumerate(run.steps):
        batches: list[Record] = [RawBatch(chunks=step.chunks)]
        if step.samples is not None:
            batches.append(step.samples)
        await output.send(messages(registry, prefix, batches, step.end_us))
        if i == run.answered:
            await follower.until(lambda: run.command.target in follower.alerts)
            await output.send(messages(registry, prefix, [Commands(commands=[run.command])], step.end_us))
        # each epoch is judged, or missed, by the end of the step; each second is too short for that
        reached_us = T0_US + (i * STEP_S - (0 if STEP_S >= 10 else 10)) * SECOND_US
        await follower.until(lambda: min(follower.judged_us.values()) >= reached_us or reached_us < T0_US)  # noqa: B023
    await reader.stop()
    await output.close()


def kept(store: Store) -> dict[str, list[Any]]:
    """Return what a store has of all this but the last minute, where one is stopped and the other not."""
    end_us, many = T0_US + 7140 * SECOND_US, 10**6
    hour_us = T0_US // HOUR_US * HOUR_US + 2 * HOUR_US
    found: dict[str, list[Any]] = {}
    for one in STATIONS:
        found[f"reports of {one}"] = list(store.station_reports(one, 0, end_us, limit=many).items)
        found[f"figures of {one}"] = list(store.station_figures(one, 0, end_us, limit=many).items)
        periods = store.station_periods(one, 0, end_us).items
        found[f"hours of {one}"] = [period for period in periods if period.end_us <= hour_us]
    for one in GAUGES:
        found[f"samples of {one}"] = list(
            store.observations(f"{one}.water_level", 0, end_us, limit=many).items
        )
    found["waveforms"] = list(store.waveforms("clock.time", 0, end_us, limit=1000).items)
    assert found["waveforms"]
    assert all(one.place is not None for one in found["samples of gauge0"])
    for alert in store.alerts().items:
        history = store.alert(alert.alert_id)
        assert history is not None
        found[f"alert {alert.alert_id}"] = list(history.transitions)
    found["commands"] = list(store.commands())
    return found


async def test_both_modes_keep_the_same(
    tmp_path: Path, kafka: KafkaServer, prefix: str, postgres_url: str
) -> None:
    config = tmp_path / "groundswell.toml"
    text = CONFIG.format(servers=kafka.bootstrap, prefix=prefix, url=postgres_url)
    text += "".join(STATION.format(name=name, step_s=STEP_S) for name in STATIONS)
    for name in GAUGES:
        text += GAUGE.format(name=name, limits=LIMITS, fusion=FUSION if name == GAUGES[1] else "")
    members = ", ".join(f'"{name}.water_level"' for name in GAUGES)
    config.write_text(text + NETWORKS.format(members=members))
    registry = Registry.of(load(config))
    await admin.apply(kafka.access, prefix=prefix)
    worker = "worker", "--config", str(config), "--name"
    with (
        started(tmp_path, "one", *worker, "one") as one,
        started(tmp_path, "two", *worker, "two") as two,
        started(tmp_path, "store", "store", "--config", str(config)) as writer,
    ):
        run = await embedded(registry, tmp_path, list(steps()))
        expected = kept(run.store)
        run.store.close()
        await distributed(registry, kafka.access, prefix, run)
        store = PostgresStore(postgres_url)

        found: dict[str, list[Any]] = {}

        async def all_is_there() -> bool:
            found.clear()
            found.update(await asyncio.to_thread(kept, store))
            return found == expected  # revisions come behind the rows

        try:
            with contextlib.suppress(AssertionError):  # what is missing is told below
                await eventually(all_is_there, "the last row", tmp_path)
        finally:
            store.close()
        assert [one.stop(), two.stop(), writer.stop()] == [0, 0, 0]
    differing = {
        name: [(a, b) for a, b in zip_longest(some, found.get(name, ())) if a != b][-1:]
        for name, some in expected.items()
        if some != found.get(name)
    }
    assert not differing
    assert found.keys() == expected.keys()
    states = {report.state for name in STATIONS for report in found[f"reports of {name}"]}
    assert {"good", "degraded", "bad"} <= states
    rules = {steps[0].rule for name, steps in found.items() if name.startswith("alert ")}
    assert rules == {"sea_level", "network_tsunami", "fusion"}
    assert any(row.revision >= 100 for name in GAUGES for row in found[f"samples of {name}"])
    assert all(found[f"hours of {name}"] for name in STATIONS)
