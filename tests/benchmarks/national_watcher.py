"""How old a verdict is when it comes out, until SIGTERM; each way out in a process of its own.

`python -m tests.benchmarks.national_watcher topic SHIFT_S SERVERS PREFIX`: at a reader of one partition of
Kafka. `... rows SHIFT_S URL`: as a row of PostgreSQL, or of a file of SQLite. `... page SHIFT_S URL`: in the
live stream that pages show. The stations' clock is SHIFT_S ahead of this machine's. Prints one JSON
object of percentiles, s, from when the station's bytes were read to when the verdict was here; `by_minute`
are the 99th percentiles of each minute, to see whether a few moments or the whole time made the figures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from storage.sqlite.tables import with_arrivals
from streams import codec
from streams.records import StationReports
from streams.topics import STATION_REPORTS

WATCHED = 40
"""Stations whose rows are looked for: to look for all would be a load of its own."""
LOOK_S = 0.1


@dataclass
class Ages:
    """Ages of verdicts and when they were seen, s."""

    shift_s: float = 0.0
    ages_s: list[float] = field(default_factory=list)
    seen_s: list[float] = field(default_factory=list)

    def add(self, now_s: float, received_s: float) -> None:
        self.seen_s.append(now_s)
        self.ages_s.append(now_s + self.shift_s - received_s)

    def figures(self) -> dict[str, object]:
        if not self.ages_s:
            return {"verdicts": 0}
        ages, seen = np.array(self.ages_s), np.array(self.seen_s)
        minute = ((seen - seen[0]) // 60).astype(int)
        shares = {"p50_s": 0.5, "p99_s": 0.99, "p999_s": 0.999, "max_s": 1.0}
        told: dict[str, object] = {k: round(float(np.quantile(ages, q)), 3) for k, q in shares.items()}
        by_minute = [round(float(np.quantile(ages[minute == m], 0.99)), 2) for m in np.unique(minute)]
        return told | {"by_minute": by_minute, "verdicts": len(ages)}


async def topic(ages: Ages, bootstrap: str, prefix: str) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await consumer.start()
    consumer.assign([TopicPartition(prefix + STATION_REPORTS.name, 0)])
    try:
        async for record in consumer:
            batch, now_s = codec.decode(record.value), time.time()
            assert isinstance(batch, StationReports)
            for report in batch.reports:
                if report.received_at_us:
                    ages.add(now_s, report.received_at_us / 1e6)
    finally:
        await consumer.stop()


async def page(ages: Ages, url: str) -> None:
    async with httpx.AsyncClient(timeout=None) as client, client.stream("GET", url) as answer:
        is_update = False
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                is_update = line == "event: update"
            elif is_update and line.startswith("data: "):
                now_s = time.time()
                for station in json.loads(line[6:])["stations"]:
                    told = (station["latest"] or {}).get("received_at")
                    if told:
                        ages.add(now_s, datetime.fromisoformat(told).timestamp())


def rows(ages: Ages, place: str, stop: threading.Event) -> None:
    """Look ten times a second which epochs of some stations have come: a row is at most 0.1 s old."""
    seen: dict[int, int] = {}
    with contextlib.ExitStack() as stack:
        look = in_file(place, stack) if place.endswith(".sqlite") else in_server(place, stack)
        since_us, keys = time.time_ns() // 1000, list[int]()
        while not stop.wait(LOOK_S):
            if not keys:
                keys = look.stations()
                continue
            found = look.epochs(keys, since_us)
            now_us = time.time_ns() // 1000
            for key, epoch_us, received_us in found:
                if epoch_us > seen.get(key, 0) and received_us:
                    ages.add(now_us / 1e6, received_us / 1e6)
            for key, epoch_us, _ in found:
                seen[key] = max(seen.get(key, 0), epoch_us)
            since_us = max(since_us, now_us + int(ages.shift_s * 1e6) - 10_000_000)


class Looking(NamedTuple):
    """How a database is asked."""

    stations: Callable[[], list[int]]
    """Returns keys of some stations."""
    epochs: Callable[[list[int], int], list[Any]]
    """Returns key, time and receipt of epochs of such stations after a time."""


def in_server(url: str, stack: contextlib.ExitStack) -> Looking:
    connection = stack.enter_context(psycopg.connect(url, autocommit=True))
    some = "SELECT station_key FROM stations ORDER BY md5(id) LIMIT %s"
    query = (
        "SELECT station_key, epoch_us, received_at_us FROM station_epochs "
        "WHERE station_key = ANY(%s) AND epoch_us > %s"
    )
    return Looking(
        lambda: [key for (key,) in connection.execute(some, (WATCHED,))],
        lambda keys, since_us: connection.execute(query, (keys, since_us)).fetchall(),
    )


def in_file(path: str, stack: contextlib.ExitStack) -> Looking:
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    connection = stack.enter_context(
        contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False))
    )
    some = "SELECT station_key FROM stations ORDER BY station_key * 2654435761 % 1000003 LIMIT ?"
    query = with_arrivals(
        "SELECT * FROM {SELECT station_key, epoch_us, received_at_us FROM EVERY station_epochs "
        "WHERE station_key IN (SELECT value FROM json_each(:keys)) AND epoch_us > :since_us}"
    )

    def epochs(keys: list[int], since_us: int) -> list[Any]:
        return connection.execute(query, {"keys": json.dumps(keys), "since_us": since_us}).fetchall()

    return Looking(lambda: [key for (key,) in connection.execute(some, (WATCHED,))], epochs)


async def until_told(ages: Ages, way: str, arguments: list[str]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    halt = threading.Event()
    if way == "rows":
        work = asyncio.ensure_future(asyncio.to_thread(rows, ages, arguments[0], halt))
    else:
        work = asyncio.ensure_future(topic(ages, *arguments) if way == "topic" else page(ages, *arguments))
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    halt.set()
    if not work.done() and way != "rows":
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def main() -> None:
    way, shift_s, *arguments = sys.argv[1:]
    ages = Ages(float(shift_s))
    asyncio.run(until_told(ages, way, arguments))
    print(json.dumps(ages.figures() | {"cpu_s": time.process_time()}))


if __name__ == "__main__":
    main()
