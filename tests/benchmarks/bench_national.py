"""A country on this machine: stations at 1 Hz and sensors through Kafka, two workers and PostgreSQL.

`python -m tests.benchmarks.bench_national [STATIONS [SAMPLES_A_SECOND [SECONDS]]]`. Everything runs here: the
generator (a gatherer without its sockets), Kafka, two workers, the writer, PostgreSQL. Every row is counted
against the generator's ledger. `live` is the time from a station's last byte to its verdict at a reader of
Kafka, `db` to its row. The last line is one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
from rich.console import Console

from streams import codec
from streams.kafka import admin
from streams.kafka.reader import Reader
from streams.records import StationReports
from streams.topics import STATION_REPORTS
from tests.postgres import postgres
from tests.program import GROUNDSWELL
from tests.servers import kafka_server

STATIONS, SAMPLES, SECONDS = 4_000, 20_000, 60
DRAIN_S = 120.0
WATCHED = 40
"""Stations whose rows are looked for: to look for all would be a load of its own."""
_HZ = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process and its children."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / _HZ


def family(pid: int) -> float:
    """Return the processor time of a process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if pid else []
    return cpu_s(pid) + sum(family(int(child)) for child in children)


@contextlib.contextmanager
def started(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


class Watcher:
    """Reads verdicts as a live page does, and looks for rows, until it is stopped."""

    def __init__(self, bootstrap: str, prefix: str, url: str) -> None:
        self.live_s: list[float] = []
        self.db_s: list[float] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=lambda: asyncio.run(self._live(bootstrap, prefix))),
            threading.Thread(target=self._rows, args=(url,)),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    async def _live(self, bootstrap: str, prefix: str) -> None:
        reader = Reader(bootstrap, [STATION_REPORTS], None, prefix)
        await reader.start()
        while not self._stopped.is_set():
            for one in await reader.next(0.2):
                if one.partition:
                    continue  # one of twelve tells enough
                batch = codec.decode(one.value)
                now_s = time.time()
                if isinstance(batch, StationReports):
                    self.live_s += [now_s - r.received_at_us / 1e6 for r in batch.reports if r.received_at_us]
        await reader.stop()

    def _rows(self, url: str) -> None:
        """Look ten times a second which epochs of some stations have come: a row is at most 0.1 s old."""
        seen: dict[int, int] = {}
        query = (
            "SELECT station_key, epoch_us, received_at_us FROM station_epochs "
            "WHERE station_key = ANY(%s) AND epoch_us > %s"
        )
        with psycopg.connect(url, autocommit=True) as connection:
            since_us, keys = time.time_ns() // 1000, list[int]()
            while not self._stopped.wait(0.1):
                if not keys:
                    some = "SELECT station_key FROM stations ORDER BY md5(id) LIMIT %s"
                    keys = [key for (key,) in connection.execute(some, (WATCHED,))]
                    continue
                rows = connection.execute(query, (keys, since_us)).fetchall()
                now_us = time.time_ns() // 1000
                for key, epoch_us, received_us in rows:
                    if epoch_us > seen.get(key, 0) and received_us:
                        self.db_s.append((now_us - received_us) / 1e6)
                for key, epoch_us, _ in rows:
                    seen[key] = max(seen.get(key, 0), epoch_us)
                since_us = max(since_us, now_us - 10_000_000)


def percentile(values: list[float], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 3) if values else None


def main() -> None:
    stations, samples, seconds = (
        int(sys.argv[i]) if len(sys.argv) > i else default
        for i, default in ((1, STATIONS), (2, SAMPLES), (3, SECONDS))
    )
    console = Console(stderr=True)
    prefix = "national."
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(kafka_server(folder / "kafka"))
        server = stack.enter_context(postgres())
        url = server.database()
        asyncio.run(admin.apply(kafka.bootstrap, prefix=prefix))
        config = folder / "groundswell.toml"
        config.write_text(
            f'[kafka]\nservers = "{kafka.bootstrap}"\nprefix = "{prefix}"\n[database]\nurl = "{url}"\n'
        )
        common = "--config", str(config)
        processes = {
            "worker one": stack.enter_context(
                started(folder, "one", str(GROUNDSWELL), "worker", *common, "--name", "one")
            ),
            "worker two": stack.enter_context(
                started(folder, "two", str(GROUNDSWELL), "worker", *common, "--name", "two")
            ),
            "store": stack.enter_context(started(folder, "store", str(GROUNDSWELL), "store", *common)),
        }
        while "working" not in (folder / "two.log").read_text() + (folder / "one.log").read_text():
            time.sleep(0.5)
        time.sleep(15)  # the workers divide the partitions
        watcher = Watcher(kafka.bootstrap, prefix, url)
        before = {name: family(process.pid) for name, process in processes.items()}
        before["kafka"] = family(kafka.pid)
        begin_s = time.monotonic()
        with console.status(f"{stations:,} stations and {samples:,} samples a second for {seconds} s"):
            generator = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.benchmarks.national_generator", kafka.bootstrap, prefix,
                    str(folder / "spool"), str(stations), str(samples), str(seconds),
                ],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            output, _ = generator.communicate()
        took_s = time.monotonic() - begin_s
        used = {name: family(process.pid) - before[name] for name, process in processes.items()}
        used["kafka"] = family(kafka.pid) - before["kafka"]
        ledger = json.loads(output.splitlines()[-1])
        rows = drained(url, ledger, console)
        watcher.stop()
        logs = "".join((folder / f"{name}.log").read_text() for name in ("one", "two", "store"))
        if "error" in logs:
            console.print(logs[-3000:])
    print(
        json.dumps(
            {
                "stations": stations,
                "samples_a_second": samples,
                "seconds": seconds,
                "lost": ledger["epochs"] + ledger["samples"] - rows,
                "dropped": ledger["dropped"],
                "generator_late_s": ledger["late_s"],
                "live_p50_s": percentile(watcher.live_s, 0.5),
                "live_p99_s": percentile(watcher.live_s, 0.99),
                "db_p50_s": percentile(watcher.db_s, 0.5),
                "db_p99_s": percentile(watcher.db_s, 0.99),
                "cpu_by_process": {name: round(cpu / took_s, 3) for name, cpu in used.items()},
            }
        )
    )


def drained(url: str, ledger: dict[str, int], console: Console) -> int:
    """Return how many rows there are, when all have come or no more do."""
    epochs = "SELECT count(*) FROM station_epochs WHERE epochs = 1 AND epoch_us BETWEEN %s AND %s"
    before, since = -1, time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection, console.status("the rest arrives"):
        while True:
            (reports,) = connection.execute(epochs, (ledger["first_us"], ledger["last_us"])).fetchone() or (
                0,
            )
            (samples,) = connection.execute("SELECT count(*) FROM samples").fetchone() or (0,)
            rows = int(reports) + int(samples)
            if rows >= ledger["epochs"] + ledger["samples"]:
                return rows
            if rows > before:
                before, since = rows, time.monotonic()
            elif time.monotonic() - since > DRAIN_S:
                return rows
            time.sleep(1)


if __name__ == "__main__":
    main()
