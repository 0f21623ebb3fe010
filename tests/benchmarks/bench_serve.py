"""What is served in a second: windows, the latest of all, exports, and live updates to many viewers.

`python -m tests.benchmarks.bench_serve` fills a PostgreSQL by SQL (`serve_fill.py`) and asks a server over
it, which is a process of its own, by HTTP. Beside the export stands a bare COPY of the same rows to CSV by
psycopg, which costs the database and the driver alone; beside the viewers Starlette alone, which sends as
many bytes.

A server of its own is started, or GROUNDSWELL_TEST_POSTGRES names one. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
from rich.console import Console

from storage.sql.levels import DAY_US
from tests.benchmarks.bench_serve_sta import QUESTIONS, ROOT
from tests.benchmarks.bench_store import server_of
from tests.benchmarks.processes import cpu_s
from tests.benchmarks.serve_fill import SAMPLE_S, T0, S, Size, datastream_id, fill, quick, station_id

VIEWERS, WATCHED_S = 1_000, 20.0


@contextlib.contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server; yield it and its port."""
    command = [sys.executable, "-m", "tests.benchmarks.serve_process", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def iso(time_us: int) -> str:
    """Return a time as a query has it."""
    return datetime.fromtimestamp(time_us // S, UTC).isoformat().replace("+00:00", "Z")


def timed(client: httpx.Client, paths: list[str]) -> list[float]:
    """Return ms of each answer, but for the first five."""
    found = []
    for path in paths:
        begin = time.perf_counter()
        client.get(path).raise_for_status()
        found.append((time.perf_counter() - begin) * 1e3)
    return found[5:]


def questions(client: httpx.Client, size: Size) -> dict[str, float]:
    """Ask for a day of a station by minutes, each time another one, and for the latest of all."""
    days = [T0 + k % size.days * DAY_US for k in range(205)]
    stations = [station_id(k * 17 % size.stations) for k in range(205)]
    quality = [
        f"/stations/{one}/quality?start={iso(day)}&end={iso(day + DAY_US)}&window=60s"
        for one, day in zip(stations, days, strict=True)
    ]
    every = [
        f"/station-windows?station={one}&start={iso(day)}&end={iso(day + DAY_US)}&window=60s"
        for one, day in zip(stations, days, strict=True)
    ]
    result = {}
    for name, paths in (("window", quality), ("station_windows", every)):
        some = timed(client, paths)
        result[f"{name}_median_ms"] = round(statistics.median(some), 1)
        result[f"{name}_p95_ms"] = round(statistics.quantiles(some, n=20)[-1], 1)
    for name, path in (
        ("latest", f"/stations?limit={size.stations}"),
        ("latest_datastreams", f"/datastreams?limit={min(size.datastreams, 10_000)}"),
        ("sta_expand", str(client.base_url.copy_with(path=ROOT)) + QUESTIONS["sta_expand_ms"]),
    ):
        result[f"{name}_ms"] = round(statistics.median(timed(client, [path] * 25)), 1)
    return result


def export(client: httpx.Client, path: str) -> tuple[int, float]:
    """Return lines and seconds of an answer."""
    begin, lines = time.perf_counter(), 0
    with client.stream("GET", path) as answer:
        assert answer.status_code == 200, answer.read()
        for piece in answer.iter_raw():
            lines += piece.count(b"\n")
    return lines, time.perf_counter() - begin


def exports(client: httpx.Client, url: str, size: Size) -> dict[str, float]:
    """Take two million samples of all, and of few for long, as CSV; and the same rows by COPY."""
    minutes = max(10, 2_000_000 * SAMPLE_S // 60 // size.datastreams)
    end_us = T0 + size.samples * SAMPLE_S * S
    spans = {"": (T0, min(T0 + minutes * 60 * S, end_us)), "_few": (T0, end_us)}
    few = ",".join(datastream_id(k * 31) for k in range(min(200, size.datastreams // 31)))
    result = {}
    for name, (begin_us, until_us) in spans.items():
        query = f"start={iso(begin_us)}&end={iso(until_us)}"
        chosen = f"&datastream={few}" if name else ""
        best = 0.0
        for _ in range(3):
            lines, seconds = export(client, f"/observations?format=csv&{query}{chosen}")
            best = max(best, (lines - 1) / seconds)
        result[f"csv{name}_rows_per_s"] = round(best)
        result[f"csv{name}_rows"] = lines - 1
    begin_us, until_us = spans[""]
    statement = (
        "COPY (SELECT to_timestamp(s.time_us / 1e6), d.id, s.value, s.flag FROM samples AS s "
        "JOIN datastreams AS d USING (datastream_key) "
        f"WHERE s.time_us >= {begin_us} AND s.time_us < {until_us}) TO STDOUT (FORMAT CSV)"
    )
    best = 0.0
    with psycopg.connect(url) as connection:
        for _ in range(3):
            begin, rows = time.perf_counter(), 0
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for _row in copy:
                    rows += 1
            best = max(best, rows / (time.perf_counter() - begin))
    lines, seconds = export(client, f"/windows?format=csv&window=1h&start={iso(T0)}&end={iso(T0 + DAY_US)}")
    return result | {
        "bare_copy_rows_per_s": round(best),
        "csv_windows_rows_per_s": round((lines - 1) / seconds),
    }


def watched(
    process: subprocess.Popen[str], port: int, viewers: int, module: str = "serve_viewers", *more: str
) -> dict[str, float]:
    """Let viewers watch; return what they got, and the share of a core that the server took."""
    command = [
        sys.executable, "-m", f"tests.benchmarks.{module}", str(port), str(viewers), str(WATCHED_S), *more,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "watching\n"
        cpu, begin = cpu_s(process.pid), time.perf_counter()
        result: dict[str, float] = json.loads(watching.stdout.readline())
        share = (cpu_s(process.pid) - cpu) / (time.perf_counter() - begin)
    return {"cpu": round(share, 3), **result}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--small", action="store_true", help="a day of 400 stations, 1,000 datastreams")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    asked = parser.parse_args()
    size = Size(400, 1, 1_000, 720) if asked.small else Size()
    console = Console(highlight=False)
    result: dict[str, float] = {}
    with server_of() as server:
        if server.environment is not None:
            quick(server)
        url = server.database()
        result |= fill(url, size)
        console.print(f"filled: {result}")
        with serving("app", url, str(size.stations)) as (process, port):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=120) as client:
                result |= questions(client, size)
                result |= exports(client, url, size)
            seen = watched(process, port, asked.viewers)
        result |= {"viewers": asked.viewers, **{f"viewers_{name}": value for name, value in seen.items()}}
        each = round(seen["mb_s"] * 1e6 / seen["updates_s"] / asked.viewers)
        with serving("bare", str(each), str(seen["updates_s"])) as (process, port):
            bare = watched(process, port, asked.viewers)
        result |= {
            "update_bytes": each,
            "bare_viewers_cpu": bare["cpu"],
            "bare_viewers_missed": bare["missed"],
        }
    for name, value in result.items():
        console.print(f"{name:28} {value:,}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
