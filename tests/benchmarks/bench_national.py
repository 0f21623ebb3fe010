"""A country on this machine: stations at 1 Hz and sensors through Kafka, two workers and PostgreSQL.

`python -m tests.benchmarks.bench_national [STATIONS [SAMPLES_A_SECOND [SECONDS [HOUR_AFTER_S]]]]`.
Everything runs here:
stations (a gatherer without its sockets), sensors (over Mosquitto and a real gatherer), Kafka, two workers,
the writer, PostgreSQL, the server of the page, and who watches. Every row is counted against the ledgers.
`db` is the time from a station's last byte to its row, `topic` to a reader of Kafka, `live` to a page's live
stream; `others` what else the machine did meanwhile, cores. With HOUR_AFTER_S the stations' clock
is ahead of this machine's, so that their hour is full so many seconds after the beginning. The last line is
one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console

from streams.kafka import admin
from tests.benchmarks.processes import family, started, told
from tests.mosquitto import mosquitto
from tests.postgres import postgres
from tests.program import GROUNDSWELL, free_port
from tests.servers import kafka_server

STATIONS, SAMPLES, SECONDS = 4_000, 20_000, 600
HOUR_US = 3_600_000_000
DRAIN_S = 120.0
CONFIG = """
[kafka]
servers = "{kafka}"
prefix = "{prefix}"
[database]
url = "{url}"
[server]
http = "127.0.0.1:{http}"
[[mqtt]]
host = "127.0.0.1"
port = {mqtt}
client_id = "national"
  [[mqtt.mappings]]
  topic = "sensors/+"
  samples = "samples"
  datastream = "{{id}}"
  value = "v"
  time = "t"
  time_format = "epoch_ms"
"""


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def busy_s() -> float:
    """Return what all processors of this machine have worked since it started."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


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
        broker = stack.enter_context(
            mosquitto(folder / "mqtt", "max_queued_messages 100000", "max_inflight_messages 0")
        )
        url = stack.enter_context(postgres()).database()
        asyncio.run(admin.apply(kafka.access, prefix=prefix))
        http, config = free_port(), folder / "groundswell.toml"
        config.write_text(
            CONFIG.format(kafka=kafka.bootstrap, prefix=prefix, url=url, http=http, mqtt=broker.port)
        )
        with psycopg.connect(url) as connection:
            database_pid = parent(connection.info.backend_pid)
        assert broker.process is not None
        pids = {"kafka": kafka.pid, "database": database_pid, "mosquitto": broker.process.pid}
        commands = {
            "worker one": ("worker", "--name", "one"),
            "worker two": ("worker", "--name", "two"),
            "store": ("store",),
            "gather": ("gather", "--data", str(folder / "gather")),
            "serve": ("serve", "--data", str(folder / "serve")),
        }
        for name, (command, *options) in commands.items():
            arguments = (str(GROUNDSWELL), command, "--config", str(config), *options)
            pids[name] = stack.enter_context(started(folder, name, *arguments)).pid
        with console.status("the processes start"):
            while "working" not in (folder / "worker two.log").read_text():
                time.sleep(0.5)
            time.sleep(20)  # the workers divide the partitions
        me = (sys.executable, "-m")
        first_us = (int(time.time()) + 8) * 1_000_000
        shift_us = -(first_us + int(sys.argv[4]) * 1_000_000) % HOUR_US if len(sys.argv) > 4 else 0
        shift_s = str(shift_us / 1e6)
        watching = {
            "db": ("rows", shift_s, url),
            "topic": ("topic", shift_s, kafka.bootstrap, prefix),
            "live": ("page", shift_s, f"http://127.0.0.1:{http}/api/v1/live"),
        }
        watchers = {
            name: subprocess.Popen(
                (*me, "tests.benchmarks.national_watcher", *arguments), stdout=subprocess.PIPE
            )
            for name, arguments in watching.items()
        }
        machine_s = busy_s()
        begin_s, before = time.monotonic(), {name: family(pid) for name, pid in pids.items()}
        sensors = subprocess.Popen(
            (
                *me,
                "tests.benchmarks.national_sensors",
                str(broker.port),
                str(samples),
                str(first_us),
                str(seconds),
            ),
            stdout=subprocess.PIPE,
        )
        generator = subprocess.Popen(
            (
                *me, "tests.benchmarks.national_generator", kafka.bootstrap, prefix, str(folder / "spool"),
                str(stations), str(first_us), str(seconds), str(shift_us),
            ),
            stdout=subprocess.PIPE,
        )  # fmt: skip
        with console.status(f"{stations:,} stations and {samples:,} samples a second for {seconds} s"):
            ledger, published = told(generator), told(sensors)
        took_s = time.monotonic() - begin_s
        used = {name: family(pid) - before[name] for name, pid in pids.items()}
        machine_s = busy_s() - machine_s
        epochs, kept = drained(url, ledger, published["samples"], console)
        for watcher in watchers.values():
            watcher.terminate()
        ages = {name: told(watcher) for name, watcher in watchers.items()}
        used |= {"stations": ledger["cpu_s"], "sensors": published["cpu_s"]}
        used["who watches"] = sum(one.pop("cpu_s") for one in ages.values())
        logs = "".join((folder / f"{name}.log").read_text() for name in commands)
        if "error" in logs:
            console.print(logs[-3000:])
    rows, expected = epochs + kept, ledger["epochs"] + published["samples"]
    figures = {f"{name}_{share}": value for name, one in ages.items() for share, value in one.items()}
    print(
        json.dumps(
            {
                "stations": stations,
                "samples_a_second": samples,
                "seconds": seconds,
                "lost": max(expected - rows, 0),
                "duplicated": max(rows - expected, 0),
                "dropped": ledger["dropped"],
                "unconfirmed": published["samples"] - published["confirmed"],
                "generator_late_s": ledger["late_s"],
                "sensors_late_s": round(published["late_s"], 2),
                **figures,
                "others": round((machine_s - sum(used.values())) / took_s, 3),
                "cpu_by_process": {name: round(cpu / took_s, 3) for name, cpu in used.items()},
            }
        )
    )


def drained(url: str, ledger: dict[str, Any], samples: int, console: Console) -> tuple[int, int]:
    """Return how many rows of epochs and samples there are, when all have come or no more do."""
    epochs = "SELECT count(*) FROM station_epochs WHERE epochs = 1 AND epoch_us BETWEEN %s AND %s"
    before, since = -1, time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection, console.status("the rest arrives"):
        while True:
            (found,) = connection.execute(epochs, (ledger["first_us"], ledger["last_us"])).fetchone() or (0,)
            (kept,) = connection.execute("SELECT count(*) FROM samples").fetchone() or (0,)
            rows = int(found) + int(kept)
            if rows >= ledger["epochs"] + samples or time.monotonic() - since > DRAIN_S:
                return int(found), int(kept)
            if rows > before:
                before, since = rows, time.monotonic()
            time.sleep(2)


if __name__ == "__main__":
    main()
