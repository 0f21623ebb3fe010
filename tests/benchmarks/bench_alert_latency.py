"""How long a warning takes: from the publishing of the sample that completes it to the webhook's arrival.

`python -m tests.benchmarks.bench_alert_latency [distributed|embedded|floor]... [--gauges N] [--seconds S]
[--samples R] [--watched]`. Gauges send over a real Mosquitto beside R other samples a second, ten in a
message, and a real HTTP receiver is told. `distributed`: gatherer, two workers, writer and notifier over
Kafka and PostgreSQL; `embedded`: one process; `floor`: what passes messages on and does nothing else.
--watched: all series have a detector, not only the gauges. The last line is one JSON object: by mode the
percentiles of the whole way and of its hops, ms.

Hops of `distributed`, as Kafka's topics have their times: `intake` until the gatherer has read the message,
`gather` until it hands it to Kafka, `judge` until its detection is handed to Kafka, `alert` until the alert's
step is, `tell` until the webhook has come.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from streams import codec
from streams.kafka import admin
from streams.records import AlertTransitions, Detections, SampleBatch
from streams.topics import ALERTS, DETECTIONS, SAMPLES
from tests.benchmarks.alert_prober import DETECTOR, HIGH_M, gauge
from tests.benchmarks.national_sensors import IN_A_MESSAGE, SERIES
from tests.benchmarks.processes import family, started, told
from tests.mosquitto import Broker, mosquitto
from tests.postgres import postgres
from tests.program import GROUNDSWELL, free_port
from tests.servers import kafka_server

GAUGES, SECONDS, SAMPLES_A_SECOND = 600, 180, 20_000
WARM_S = 15
"""Background before the first warning."""
PREFIX = "latency."
NOWHERE = "127.0.0.1:9"
"""One process asks no Kafka."""
CONFIG = """
[kafka]
servers = "{kafka}"
prefix = "latency."
[database]
url = "{url}"
[server]
http = "127.0.0.1:{http}"
[[webhook]]
id = "prober"
url = "http://127.0.0.1:{receiver}/"
secret = "whsec_{secret}"
allow_private = true
[[mqtt]]
host = "127.0.0.1"
port = {mqtt}
client_id = "latency"
  [[mqtt.mappings]]
  topic = "sensors/+"
  samples = "samples"
  datastream = "{{id}}"
  value = "v"
  time = "t"
  time_format = "epoch_ms"
"""
THING = '[[thing]]\nid = "{id}"\nlongitude = 120.0\nlatitude = 30.0\n'
SERIES_OF = '[[thing.datastream]]\nid = "{id}"\nproperty = "water_level"\ndetectors = {{ {detector} }}\n'
Times = dict[str, dict[str, float]]
"""When something was where, µs, by series."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in."""

    gauges: int
    seconds: int
    samples_a_second: int
    is_watched: bool

    def things(self) -> str:
        """Return the sites for the configuration."""
        told = [
            THING.format(id=gauge(n)) + SERIES_OF.format(id=f"{gauge(n)}.level", detector=DETECTOR)
            for n in range(self.gauges)
        ]
        for n in range(SERIES // IN_A_MESSAGE if self.is_watched else 0):
            site = f"B{n:05d}"
            told.append(THING.format(id=site))
            told += [SERIES_OF.format(id=f"{site}.series{i}", detector=DETECTOR) for i in range(IN_A_MESSAGE)]
        return "".join(told)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the servers of one run are."""

    folder: Path
    broker: Broker
    receiver: int
    config: Path
    http: int
    kafka: str = NOWHERE

    def write(self, load: Load, url: str = "") -> None:
        """Write the configuration."""
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        text = CONFIG.format(
            kafka=self.kafka, url=url, http=self.http, receiver=self.receiver, secret=secret,
            mqtt=self.broker.port,
        )  # fmt: skip
        self.config.write_text(text + load.things())


@contextlib.contextmanager
def place(kafka: str = NOWHERE) -> Iterator[Place]:
    """Run a Mosquitto in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = ("max_queued_messages 100000", "max_inflight_messages 0")
        with mosquitto(folder / "mqtt", *lines) as broker:
            yield Place(folder, broker, free_port(), folder / "groundswell.toml", free_port(), kafka)


def measured(here: Place, load: Load, pids: dict[str, int]) -> tuple[dict[str, Any], Times]:
    """Let it all happen; return figures of the run, and when what was published and arrived."""
    me = (sys.executable, "-m")
    first_us = (int(time.time()) + 3 + load.gauges // 150) * 1_000_000
    begin_us = first_us + WARM_S * 1_000_000
    background = (
        *me, "tests.benchmarks.national_sensors", str(here.broker.port), str(load.samples_a_second),
        str(first_us), str(WARM_S + load.seconds + 2),
    )  # fmt: skip
    probing = (
        *me, "tests.benchmarks.alert_prober", str(here.broker.port), str(here.receiver), str(load.gauges),
        str(begin_us), str(load.seconds),
    )  # fmt: skip
    begin_s, before = time.monotonic(), {name: family(pid) for name, pid in pids.items()}
    sensors = subprocess.Popen(background, stdout=subprocess.PIPE)
    prober = subprocess.Popen(probing, stdout=subprocess.PIPE)
    found, published = told(prober), told(sensors)
    took_s = time.monotonic() - begin_s
    used = {name: round((family(pid) - before[name]) / took_s, 3) for name, pid in pids.items()}
    used |= {"prober": round(found["cpu_s"] / took_s, 3), "sensors": round(published["cpu_s"] / took_s, 3)}
    figures = {
        "prober_late_s": found["late_s"],
        "sensors_late_s": round(published["late_s"], 2),
        "unconfirmed": published["samples"] - published["confirmed"],
        "cpu_by_process": used,
    }
    return figures, {"published": found["published_us"], "arrived": found["arrived_us"]}


def distributed(load: Load, console: Console) -> dict[str, Any]:
    """Measure the program over Kafka."""
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(kafka_server(scratch / "kafka"))
        here = stack.enter_context(place(kafka.bootstrap))
        url = stack.enter_context(postgres()).database()
        asyncio.run(admin.apply(kafka.access, prefix=PREFIX))
        here.write(load, url)
        commands = {
            "worker one": ("worker", "--name", "one"),
            "worker two": ("worker", "--name", "two"),
            "store": ("store",),
            "notify": ("notify",),
            "gather": ("gather", "--data", str(here.folder / "gather")),
        }
        pids = {"kafka": kafka.pid}
        for name, (command, *options) in commands.items():
            arguments = (str(GROUNDSWELL), command, "--config", str(here.config), *options)
            pids[name] = stack.enter_context(started(here.folder, name, *arguments)).pid
        with console.status("the processes start"):
            while "working" not in (here.folder / "worker two.log").read_text():
                time.sleep(0.5)
            time.sleep(15)  # the workers divide the partitions
        with console.status(f"{load.gauges} warnings in {load.seconds} s"):
            figures, times = measured(here, load, pids)
        times |= asyncio.run(on_the_way(kafka.bootstrap, times["published"]))
        complain(console, here, commands)
    order = ("published", "intake", "gather", "judge", "alert", "tell")
    return hops(times | {"tell": times.pop("arrived")}, order) | figures


def embedded(load: Load, console: Console) -> dict[str, Any]:
    """Measure one process."""
    with place() as here:
        here.write(load)
        data = here.folder / "data"
        command = (str(GROUNDSWELL), "run", "--config", str(here.config), "--data", str(data))
        with started(here.folder, "run", *command) as program:
            with console.status("the program starts"):
                while not is_ready(here.http):
                    assert program.poll() is None, (here.folder / "run.log").read_text()
                    time.sleep(0.5)
            with console.status(f"{load.gauges} warnings in {load.seconds} s"):
                figures, times = measured(here, load, {"run": program.pid})
        complain(console, here, ("run",))
        query = "SELECT subject_id, min(detected_at_us) FROM detections GROUP BY 1"
        with contextlib.closing(sqlite3.connect(data / "groundswell.sqlite")) as reading:
            times["intake"] = dict(reading.execute(query).fetchall())
    return hops(times | {"tell": times.pop("arrived")}, ("published", "intake", "tell")) | figures


def is_ready(port: int) -> bool:
    """Tell whether the program has begun."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).is_success
    return False


def floor(load: Load, console: Console) -> dict[str, Any]:
    """Measure what passes messages on and does nothing else."""
    me = (sys.executable, "-m", "tests.benchmarks.alert_floor")
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(kafka_server(scratch / "kafka"))
        here = stack.enter_context(place(kafka.bootstrap))
        asyncio.run(admin.apply(kafka.access, prefix=PREFIX))
        url, topic = f"http://127.0.0.1:{here.receiver}/", PREFIX + SAMPLES.name
        commands = {
            "in": (*me, "in", str(here.broker.port), kafka.bootstrap, topic),
            "out": (*me, "out", kafka.bootstrap, topic, url),
        }
        pids = {"kafka": kafka.pid}
        for name, command in commands.items():
            pids[name] = stack.enter_context(started(here.folder, name, *command)).pid
        while not all("ready" in (here.folder / f"{name}.log").read_text() for name in commands):
            time.sleep(0.2)
        with console.status(f"{load.gauges} warnings in {load.seconds} s"):
            figures, times = measured(here, load, pids)
        complain(console, here, commands)
    return hops(times | {"tell": times.pop("arrived")}, ("published", "tell")) | figures


async def on_the_way(servers: str, published: dict[str, float]) -> Times:
    """Return when each sample was where, as topics of Kafka have it."""
    times: Times = {name: {} for name in ("intake", "gather", "judge", "alert")}
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed")
    await consumer.start()
    topics = (SAMPLES, DETECTIONS, ALERTS)
    places = [TopicPartition(PREFIX + topic.name, p) for topic in topics for p in range(topic.partitions)]
    consumer.assign(places)
    await consumer.seek_to_beginning()
    ends = await consumer.end_offsets(places)
    left = set(places)
    while left:
        for record in (r for records in (await consumer.getmany(timeout_ms=500)).values() for r in records):
            note(times, codec.decode(record.value), record.timestamp * 1000, published)
        left = {place for place in left if await consumer.position(place) < ends[place]}
    await consumer.stop()
    return times


def note(times: Times, batch: msgspec.Struct, handed_us: int, published: dict[str, float]) -> None:
    """Note what a message of Kafka tells."""
    if isinstance(batch, SampleBatch):
        for number, name in enumerate(batch.datastream_ids):
            if name not in published:
                continue
            rows = np.flatnonzero((batch.series == number) & (batch.value == HIGH_M))
            for row in rows[batch.time_us[rows] // 1000 == published[name] // 1000]:
                times["intake"][name] = int(batch.received_at_us[row])
                times["gather"][name] = handed_us
    elif isinstance(batch, Detections):
        for one in batch.detections:
            times["judge"].setdefault(one.subject_id, handed_us)
    elif isinstance(batch, AlertTransitions):
        for step in batch.transitions:
            times["alert"].setdefault(step.subject_id, handed_us)


def hops(times: Times, order: tuple[str, ...]) -> dict[str, Any]:
    """Return percentiles of the whole way and of its hops, ms."""
    names = [name for name in times[order[0]] if name in times[order[-1]]]
    at = np.array([[times[place].get(name, np.nan) for place in order] for name in names]).reshape(
        -1, len(order)
    )
    ms = np.diff(at, axis=1) / 1000
    whole = at[:, -1] / 1000 - at[:, 0] / 1000
    told = {"warnings": len(names), "missing": len(times[order[0]]) - len(names)}
    return told | percentiles(whole) | {place: percentiles(ms[:, i]) for i, place in enumerate(order[1:])}


def percentiles(ms: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return what is told of durations."""
    if not len(ms):
        return {}
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: round(float(np.nanquantile(ms, share)), 1) for name, share in shares.items()}


def complain(console: Console, here: Place, names: Any) -> None:
    """Show the end of logs that tell of errors."""
    for name in names:
        log = (here.folder / f"{name}.log").read_text()
        if "error" in log or "Traceback" in log:
            console.print(name, log[-3000:])


MODES = {"distributed": distributed, "embedded": embedded, "floor": floor}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modes", nargs="*", choices=(*MODES, []))
    parser.add_argument("--gauges", type=int, default=GAUGES)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--samples", type=int, default=SAMPLES_A_SECOND)
    parser.add_argument("--watched", action="store_true")
    given = parser.parse_args()
    load, console = Load(given.gauges, given.seconds, given.samples, given.watched), Console(stderr=True)
    figures: dict[str, Any] = {}
    for mode in given.modes or MODES:
        figures[mode] = MODES[mode](load, console)
        print(json.dumps({mode: figures[mode]}), file=sys.stderr, flush=True)
    print(json.dumps({"samples_a_second": load.samples_a_second, "watched": load.is_watched} | figures))


if __name__ == "__main__":
    main()
