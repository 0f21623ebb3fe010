"""A centre and three regions on this machine, each with a Kafka and a database of its own; one is cut off.

`python -m tests.benchmarks.bench_regions [--minutes 10] [--stations 5] [--samples 10] [--cut HOW]`: `network`
(needs root), `stop` (its bridge stands still) or `kill`. Each region has stations at 1 Hz and sensors, a
worker, a writer and a bridge; the centre a writer and a server. One region's line to the centre is cut for
some minutes, in which the region raises an alert. Then it comes back: how long until all that the region had
stored by then is stored in the centre, how far the other regions were behind meanwhile, and whether in the
end each row of each region is in the centre, once and as it was. The last line is one JSON object; the exit
code is 1 when something is lost, doubled or late.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
from rich.console import Console

from gnss.simulate import simulated_network
from sensors.simulate import TideGauge, Tsunami
from streams.kafka import admin
from streams.kafka.access import Access
from streams.kafka.sink import KafkaSink
from streams.partitions import partition_of
from streams.records import RawChunk, SampleBatch
from streams.topics import SAMPLES, topics_with
from tests.benchmarks.line import Line, line
from tests.benchmarks.processes import family, started
from tests.postgres import Server, postgres
from tests.program import GROUNDSWELL, free_port
from tests.servers import KafkaServer, kafka_server

REGIONS = ("beijing", "zhejiang", "sichuan")
CUT = "zhejiang"
WARM_S = 30.0
AFTER_S = 20.0
WAIT_S = 600.0
COMPLETE_S = 60.0
"""What is promised."""
MINUTE_US = 60_000_000
HEAP = "160m"
SITES = [
    name for k in range(100) if partition_of(name := f"site{k}", SAMPLES) != partition_of("gauge", SAMPLES)
]
"""Sensors that share no partition with the gauge, whose hours of history come at once."""
CENTRE = """
[kafka]
servers = "{kafka}"

[database]
url = "{url}"
"""
BELOW = """
[regions]
here = "china"

[[regions.node]]
name = "china"
level = "ministry"

[[regions.node]]
name = "beijing"
level = "province"
parent = "china"

[[regions.node]]
name = "zhejiang"
level = "province"
parent = "china"

[[regions.node]]
name = "sichuan"
level = "province"
parent = "china"
"""
REGION = """
[regions]
here = "{name}"

[[regions.node]]
name = "china"
level = "ministry"
kafka = "{above}"

[[regions.node]]
name = "{name}"
level = "province"
parent = "china"

[[thing]]
id = "gauge"
longitude = 121.0
latitude = 31.0
datastream = [{{ property = "water_level", detectors = {{ sea_level = {{}} }} }}]
"""
ROWS = {
    "station_epochs": "SELECT s.id, t.epoch_us, t.observations, t.state, t.score FROM station_epochs AS t "
    "JOIN stations AS s USING (station_key) WHERE t.epoch_us <= %(until)s AND s.id LIKE %(like)s",
    "station_figures": "SELECT s.id, t.time_us, t.mask_expected, t.mask_have FROM station_figures AS t "
    "JOIN stations AS s USING (station_key) WHERE t.time_us <= %(until)s AND s.id LIKE %(like)s",
    "samples": "SELECT s.id, t.time_us, t.value, t.revision, t.flag FROM samples AS t "
    "JOIN datastreams AS s USING (datastream_key) WHERE t.time_us <= %(until)s AND s.id LIKE %(like)s",
    "detections": "SELECT subject_id, onset_us, at_us, phase, detector FROM detections "
    "WHERE detected_at_us <= %(until)s AND subject_id LIKE %(like)s",
    "alert_transitions": "SELECT alert_id, number, 0, 0 FROM alert_transitions "
    "WHERE %(until)s > 0 AND alert_id LIKE %(like)s",
}
"""What is compared: the first column is an id, which has its region before it in the centre."""


def clock_us() -> int:
    return time.time_ns() // 1000


@dataclass
class Region:
    """A region, and what it has sent."""

    name: str
    kafka: KafkaServer
    url: str
    spool: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    sink: KafkaSink = field(init=False)
    epochs: int = 0
    samples: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.sink = KafkaSink(
            self.kafka.access,
            folder=self.spool,
            site_of=lambda name: name.split(".")[0],
            clock_us=clock_us,
        )

    async def send(self, payloads: list[bytes], n_samples: int) -> None:
        """Do as a gatherer does with a second."""
        now_us = clock_us()
        for i, payload in enumerate(payloads):
            chunk = RawChunk(station_id=f"S{i}", payload=payload, received_at_us=now_us)
            self.refused += not self.sink.offer(chunk)
        series = np.arange(n_samples) % len(SITES)
        batch = SampleBatch(
            datastream_ids=[f"{name}.temperature" for name in SITES],
            series=series.astype(np.int32),
            time_us=now_us + np.arange(n_samples),
            value=np.random.default_rng(now_us).normal(size=n_samples),
            received_at_us=np.full(n_samples, now_us),
        )
        await self.sink.put_samples(batch)
        self.epochs += len(payloads)
        self.samples += n_samples

    async def tsunami(self) -> None:
        """Send six hours of a tide gauge, the last two with a tsunami."""
        time_us = clock_us() - (360 - np.arange(360)) * MINUTE_US
        gauge = TideGauge(1, Tsunami(clock_us() - 120 * MINUTE_US, 0.6, 1500, decay_s=3000))
        batch = SampleBatch(
            datastream_ids=["gauge.water_level"],
            series=np.zeros(360, np.int32),
            time_us=time_us,
            value=np.array([gauge.value(int(t)) for t in time_us]),
            received_at_us=time_us + 1_000_000,
        )
        await self.sink.put_samples(batch)
        self.samples += 360


def ask(url: str, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchall()


def rows(url: str, table: str, region: str, until_us: int) -> set[tuple[Any, ...]]:
    """Return a table's rows of a region; `region` empty: of the database's own."""
    like = f"{region}:%" if region else "%"
    found = ask(url, ROWS[table], until=until_us, like=like)
    return {(one[0].removeprefix(f"{region}:"), *one[1:]) for one in found}


def counts(url: str, region: str, until_us: int) -> dict[str, int]:
    like = f"{region}:%" if region else "%"
    return {
        table: ask(url, f"SELECT count(*) FROM ({query}) AS q", until=until_us, like=like)[0][0]
        for table, query in ROWS.items()
    }


def delay_s(centre: str, region: str) -> float:
    """Return how old a region's newest verdict is in the centre."""
    query = (
        "SELECT max(epoch_us) FROM station_latest JOIN stations USING (station_key) WHERE id LIKE %(like)s"
    )
    newest = ask(centre, query, like=f"{region}:%")[0][0]
    return (clock_us() - newest) / 1e6 if newest else float("inf")


async def until(condition: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> float:
    """Return after how many seconds `condition()` was truthy."""
    begin_s = time.monotonic()
    while not await asyncio.to_thread(condition):
        if time.monotonic() > begin_s + timeout_s:
            raise TimeoutError(f"{what} did not happen within {timeout_s:.0f} s")
        await asyncio.sleep(0.25)
    return time.monotonic() - begin_s


def rss_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


@contextlib.contextmanager
def brokers(folder: Path, hosts: Mapping[str, str]) -> Iterator[dict[str, KafkaServer]]:
    """Run the brokers of the centre and of all regions, started two at a time; some at other addresses."""
    os.environ["KAFKA_HEAP"] = HEAP
    names = ("centre", *REGIONS)
    contexts = [kafka_server(folder / f"kafka-{name}", hosts.get(name, "127.0.0.1")) for name in names]
    for name in names:
        (folder / f"kafka-{name}").mkdir()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(2) as threads:
        servers = list(threads.map(lambda one: one.__enter__(), contexts))
        for one in contexts:
            stack.push(one)
        yield dict(zip(names, servers, strict=True))


class Demonstration:
    """Everything that runs."""

    def __init__(self, arguments: argparse.Namespace, console: Console) -> None:
        self.arguments, self.console = arguments, console
        self.centre_url = ""
        self.centre_http = free_port()
        self.regions: list[Region] = []
        self.bridges: dict[str, tuple[str, ...]] = {}
        self.line: Line | None = None
        self._sending = True

    def say(self, text: str) -> None:
        self.console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}")

    def set_up(self, stack: contextlib.ExitStack, folder: Path) -> None:
        if self.arguments.cut == "network":
            self.line = stack.enter_context(line())
        hosts = {} if self.line is None else {"centre": self.line.far, CUT: self.line.near}
        kafkas = stack.enter_context(brokers(folder, hosts))
        server: Server = stack.enter_context(postgres())
        self.centre_url = server.database()
        above = kafkas["centre"].bootstrap
        asyncio.run(_apply([one.bootstrap for one in kafkas.values()]))
        self.say("four brokers and a database server run")

        def run(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            words = self.line.there if self.line is not None and name == f"{CUT}-bridge" else ()
            return stack.enter_context(started(folder, name, *words, str(GROUNDSWELL), *arguments))

        config = folder / "centre.toml"
        config.write_text(CENTRE.format(kafka=above, url=self.centre_url) + BELOW)
        run("centre-store", "store", "--config", str(config))
        run("centre-bridge", "bridge", "--config", str(config))
        run("centre-serve", "serve", "--config", str(config), "--http", f"127.0.0.1:{self.centre_http}")
        for name in REGIONS:
            url = server.database()
            region = Region(name, kafkas[name], url, folder / f"spool-{name}")
            config = folder / f"{name}.toml"
            config.write_text(
                CENTRE.format(kafka=region.kafka.bootstrap, url=url) + REGION.format(name=name, above=above)
            )
            for command in ("worker", "store", "bridge"):
                region.processes[command] = run(f"{name}-{command}", command, "--config", str(config))
            self.bridges[name] = ("bridge", "--config", str(config))
            self.regions.append(region)
            # the first compiles its kernels, if need be, and the others find them
            while "working" not in (folder / f"{name}-worker.log").read_text():
                time.sleep(0.5)
            self.say(f"the worker of {name} runs")

    async def send(self) -> None:
        """Send each second what each region's stations and sensors measure."""
        first_us = (clock_us() // 1_000_000 + 2) * 1_000_000
        times = (first_us + k * 1_000_000 for k in range(10**9))
        for k, sent in enumerate(simulated_network(self.arguments.stations, times, 1, distinct=2)):
            await asyncio.sleep(max((first_us + k * 1_000_000 + 100_000 - clock_us()) / 1e6, 0))
            if not self._sending:
                return
            payloads = [payload for _, payload in sent]
            await asyncio.gather(*(r.send(payloads, self.arguments.samples) for r in self.regions))

    async def run(self, stack: contextlib.ExitStack, folder: Path) -> dict[str, Any]:
        cut = next(region for region in self.regions if region.name == CUT)
        for region in self.regions:
            await region.sink.start()
        sending = asyncio.create_task(self.send())
        names = [region.name for region in self.regions]
        await until(lambda: all(delay_s(self.centre_url, n) < 60 for n in names), "a first verdict of each")
        self.say("verdicts of all regions are in the centre")
        await asyncio.sleep(WARM_S)
        before = [await asyncio.to_thread(delay_s, self.centre_url, name) for name in names for _ in range(5)]

        minutes = self.arguments.minutes
        self.say(f"{CUT} is cut off for {minutes:g} minutes ({self.arguments.cut})")
        bridge = cut.processes["bridge"]
        if self.line is not None:
            self.line.cut()
        else:
            bridge.send_signal(signal.SIGSTOP if self.arguments.cut == "stop" else signal.SIGKILL)
        cut_at = time.monotonic()
        await asyncio.sleep(minutes * 30)
        await asyncio.gather(*(region.tsunami() for region in self.regions))
        alerts = "SELECT alert_id FROM alerts"
        alert_s = await until(lambda: ask(cut.url, alerts), "an alert in the region that is cut off")
        await asyncio.sleep(max(minutes * 60 - (time.monotonic() - cut_at), 0))
        there = ask(self.centre_url, "SELECT count(*) FROM alerts WHERE alert_id LIKE 'zhejiang:%%'")[0][0]
        assert there == 0, "the region was not cut off"

        until_us = clock_us()
        expected = await asyncio.to_thread(counts, cut.url, "", until_us)
        missing = {
            table: expected[table] - n
            for table, n in (await asyncio.to_thread(counts, self.centre_url, CUT, until_us)).items()
        }
        self.say(f"it comes back; the centre lacks {missing}")
        others: list[float] = []
        if self.line is not None:
            self.line.mend()
        elif self.arguments.cut == "stop":
            bridge.send_signal(signal.SIGCONT)
        else:
            cut.processes["bridge"] = stack.enter_context(
                started(folder, f"{CUT}-bridge-again", str(GROUNDSWELL), *self.bridges[CUT])
            )

        def is_complete() -> bool:
            others.extend(delay_s(self.centre_url, name) for name in names if name != CUT)
            found = counts(self.centre_url, CUT, until_us)
            return all(found[table] >= n for table, n in expected.items())

        complete_s = await until(is_complete, "all that the region had stored")
        self.say(f"complete after {complete_s:.1f} s")
        acknowledged_s = await self.acknowledge(cut)
        self.say(f"its alert is acknowledged in the centre and in the region after {acknowledged_s:.1f} s")
        await asyncio.sleep(AFTER_S)
        self._sending = False
        await sending
        for region in self.regions:
            await region.sink.stop()
        compared = await self.compare()
        return {
            "cut": self.arguments.cut,
            "cut_minutes": minutes,
            "stations_a_region": self.arguments.stations,
            "samples_a_second_a_region": self.arguments.samples,
            "rows_missing_at_return": missing,
            "complete_s": round(complete_s, 1),
            "alert_in_the_region_s": round(alert_s, 1),
            "acknowledged_in_the_centre_s": round(acknowledged_s, 1),
            "delay_before_s": round(float(np.median(before)), 2),
            "delay_of_others_meanwhile_s": {
                "median": round(float(np.median(others)), 2), "max": round(max(others), 2),
            },
            "bridge_rss_mb": rss_mb(cut.processes["bridge"]),
            "bridge_cpu_s": round(family(cut.processes["bridge"].pid), 1),
            **compared,
        }  # fmt: skip

    async def acknowledge(self, region: Region) -> float:
        """Answer a region's alert in the centre; return after how long both have the answer stored."""
        ((alert,),) = ask(self.centre_url, "SELECT alert_id FROM alerts WHERE alert_id LIKE 'zhejiang:%%'")
        begin_s = time.monotonic()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.centre_http}", timeout=60) as page:
            answer = await page.post(f"/api/v1/alerts/{alert}/acknowledge", json={"by": "duty"})
            if answer.status_code == 503:  # a busy machine: it is not known yet, and still takes effect
                self.say(answer.json()["detail"])
            shown = (await page.get(f"/api/v1/alerts/{alert}")).json()
        assert answer.status_code in {200, 503}, answer.text
        assert shown["region"] == CUT
        state = "SELECT 1 FROM alerts WHERE state = 'acknowledged'"
        await until(lambda: ask(region.url, state), "the answer in the region")
        await until(lambda: ask(self.centre_url, state), "the answer in the centre")
        return time.monotonic() - begin_s

    async def compare(self) -> dict[str, Any]:
        """Wait until all has been stored that was sent, and hold every row against the region's own."""
        far = 2**62
        for region in self.regions:

            def is_stored(region: Region = region) -> bool:
                epochs = "SELECT count(*) FROM station_epochs WHERE epochs = 1"
                samples = "SELECT count(*) FROM samples"
                return (ask(region.url, epochs)[0][0], ask(region.url, samples)[0][0]) >= (
                    region.epochs,
                    region.samples,
                )

            await until(is_stored, f"all rows of {region.name} at home", 120)
            for process in ("worker", "store"):  # nothing is judged any more, so that both stand still
                region.processes[process].terminate()
                await asyncio.to_thread(region.processes[process].wait, 60)
        lost, doubled, total = 0, 0, 0
        for region in self.regions:
            expected = {table: await asyncio.to_thread(rows, region.url, table, "", far) for table in ROWS}

            def is_same(region: Region = region, expected: dict[str, set[Any]] = expected) -> bool:
                return all(
                    rows(self.centre_url, table, region.name, far) == found
                    for table, found in expected.items()
                )

            with contextlib.suppress(TimeoutError):
                await until(is_same, "the same rows", 60)
            for table, found in expected.items():
                stored = await asyncio.to_thread(rows, self.centre_url, table, region.name, far)
                lost += len(found - stored)
                doubled += len(stored - found)
                total += len(found)
        return {"rows": total, "lost_or_different": lost, "too_many_or_different": doubled}


async def _apply(servers: list[str]) -> None:
    for bootstrap in servers:
        await admin.apply(Access(bootstrap), topics=topics_with(REGIONS))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--stations", type=int, default=5)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--cut", choices=("network", "stop", "kill"), default="network")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    demonstration = Demonstration(arguments, console)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="groundswell-regions-")))
        try:
            demonstration.set_up(stack, folder)
            report = asyncio.run(demonstration.run(stack, folder))
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                console.print(f"--- {log.name}\n{log.read_text()[-1500:]}", markup=False)
            raise
    good = report["lost_or_different"] == report["too_many_or_different"] == 0
    print(json.dumps(report))
    return 0 if good and report["complete_s"] <= COMPLETE_S else 1


if __name__ == "__main__":
    sys.exit(main())
