"""Stations at 1 Hz and sensors into one process without any server: `groundswell run`.

`python -m tests.benchmarks.bench_embedded [STATIONS [SAMPLES_A_SECOND [SECONDS]]]`. Stations come over NTRIP
from a caster, each by a connection of its own, samples over Mosquitto; who watches the page and the rows in
the database is beside. Every row is counted against the ledgers. The last line is one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from rich.console import Console

from storage.sqlite.tables import with_arrivals
from tests.benchmarks.processes import family, started, told
from tests.mosquitto import mosquitto
from tests.program import GROUNDSWELL, free_port

STATIONS, SAMPLES, SECONDS = 8_000, 20_000, 120
WARM_S = 10.0
"""The program starts; then its stations begin as it connects to them, so many a second."""
DRAIN_S = 120.0
CONFIG = """
[server]
http = "127.0.0.1:{http}"
[[mqtt]]
host = "127.0.0.1"
port = {mqtt}
client_id = "embedded"
  [[mqtt.mappings]]
  topic = "sensors/+"
  samples = "samples"
  datastream = "{{id}}"
  value = "v"
  time = "t"
  time_format = "epoch_ms"
"""
STATION = '[[station]]\nid = "S{k:04d}"\nsource = "ntrip://127.0.0.1:{port}/S{k}"\nversion = "1"\n'


def main() -> None:
    stations, samples, seconds = (
        int(sys.argv[i]) if len(sys.argv) > i else default
        for i, default in ((1, STATIONS), (2, SAMPLES), (3, SECONDS))
    )
    console, me = Console(stderr=True), (sys.executable, "-m")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(
            mosquitto(folder / "mqtt", "max_queued_messages 100000", "max_inflight_messages 0")
        )
        http, port, config = free_port(), free_port(), folder / "groundswell.toml"
        config.write_text(
            CONFIG.format(http=http, mqtt=broker.port)
            + "".join(STATION.format(k=k, port=port) for k in range(stations))
        )
        first_us = str(int(time.time() + WARM_S) * 1_000_000)
        caster = subprocess.Popen(
            (*me, "tests.benchmarks.national_caster", str(port), str(stations), first_us, str(seconds)),
            stdout=subprocess.PIPE,
        )
        command = (str(GROUNDSWELL), "run", "--config", str(config), "--data", str(folder / "data"))
        program = stack.enter_context(started(folder, "run", *command))
        sensors = subprocess.Popen(
            (
                *me,
                "tests.benchmarks.national_sensors",
                str(broker.port),
                str(samples),
                first_us,
                str(seconds),
            ),
            stdout=subprocess.PIPE,
        )
        with console.status("the program starts"):
            time.sleep(max(int(first_us) / 1e6 - time.time() - 1, 0))
        database = folder / "data" / "groundswell.sqlite"
        watching = (*me, "tests.benchmarks.national_watcher")
        page = (*watching, "page", "0", f"http://127.0.0.1:{http}/api/v1/live")
        watchers = {
            "live": subprocess.Popen(page, stdout=subprocess.PIPE),
            "db": subprocess.Popen((*watching, "rows", "0", str(database)), stdout=subprocess.PIPE),
        }
        before, begin_s = family(program.pid), time.monotonic()
        with console.status(f"{stations:,} stations and {samples:,} samples a second for {seconds} s"):
            published, ledger = told(sensors), told(caster)
        used, took_s = family(program.pid) - before, time.monotonic() - begin_s
        expected = ledger["epochs"] + published["samples"]
        epochs = kept = 0
        since = time.monotonic()
        while epochs + kept < expected and time.monotonic() - since < DRAIN_S:
            time.sleep(2)
            epochs, kept = stored(database, ledger)
        for watcher in watchers.values():
            watcher.terminate()
        seen = {way: told(watcher) for way, watcher in watchers.items()}
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics") as answer:
            figures = answer.read().decode()
        log = (folder / "run.log").read_text()
        if "error" in log:
            console.print(log[-3000:])
    dropped = [
        line.rpartition(" ")[2] for line in figures.splitlines() if "overload" in line and line[0] != "#"
    ]
    print(
        json.dumps(
            {
                "stations": stations,
                "samples_a_second": samples,
                "seconds": seconds,
                "lost": max(ledger["epochs"] - epochs, 0) + max(published["samples"] - kept, 0),
                "lost_epochs": max(ledger["epochs"] - epochs, 0),
                "duplicated": max(epochs - ledger["epochs"], 0) + max(kept - published["samples"], 0),
                "dropped_by_overload": sum(map(float, dropped)),
                "unfollowed": ledger["unfollowed"],
                "cut": ledger["cut"],
                "drained_s": round(time.monotonic() - since, 1),
                "caster_late_s": ledger["late_s"],
                **{
                    f"{way}_{share}": value
                    for way, shares in seen.items()
                    for share, value in shares.items()
                    if share != "cpu_s"
                },
                "cpu": round(used / took_s, 3),
            }
        )
    )


def stored(database: Path, ledger: dict[str, int]) -> tuple[int, int]:
    """Return how many rows of epochs there are, and of samples."""
    epochs = with_arrivals(
        "SELECT count(*) FROM {SELECT 1 FROM EVERY station_epochs "
        "WHERE epochs = 1 AND epoch_us BETWEEN :first_us AND :last_us}"
    )
    samples = with_arrivals("SELECT count(*) FROM {SELECT 1 FROM EVERY samples}")
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as reading:
        asked = {name: ledger[name] for name in ("first_us", "last_us")}
        (found,) = reading.execute(epochs, asked).fetchone()
        (kept,) = reading.execute(samples).fetchone()
    return int(found), int(kept)


if __name__ == "__main__":
    main()
