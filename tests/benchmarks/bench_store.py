"""What the PostgreSQL store writes and reads in a second, with a bare COPY of psycopg beside it.

`python -m tests.benchmarks.bench_store` takes turns, batch by batch: a commit of the store; a bare COPY of
the same rows, as ready tuples given to psycopg's `write_row`, into the same table of another database; and a
COPY of ready bytes, which costs the server alone. The commit makes rows of records, finds rows that exist,
and marks what is to be summed up; the store's upkeep runs beside it as it does in the writer, and brings the
newest reports into their table once a second. The others do none of that. All begin with empty tables of the
same partitions, and each batch is one synchronous transaction. In the end the store sums up the minutes.

Then questions over a network: stations with a row each `--interval` seconds for `--days`, and a hundred of
them each second of the last day, all made by SQL in the order in which they would have come; their sums by
minute are made by SQL, too, but for those of the hundred, which the store makes.

A server of its own is started, or GROUNDSWELL_TEST_POSTGRES names one. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

from deploy import heap
from deploy.start import SWITCH_S
from storage.postgres import PostgresStore, partitions
from storage.postgres.copying import HEADER, TRAILER
from storage.postgres.sample_columns import Samples
from storage.postgres.station_columns import Reports
from storage.sql import packing
from storage.store import StorageError
from storage.upkeep import Upkeep
from streams.records import FlaggedSamples, Record, StationFigures, StationReport, StationReports
from tests.postgres import Server, postgres

T0 = 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000
S = 1_000_000
DAY_S = 86_400
STATIONS, SAMPLES, SERIES = 4_000, 20_000, 2_000
AT_1_HZ = 100
"""Stations of which each second of the last day is stored: more than there are rows in a block, so that no
two rows of a station share one, as with a whole network."""
REPORT_COLUMNS = (
    "station_key, epoch_us, received_at_us, state, score, reason_codes, reasons, epochs, epochs_expected, "
    "observations, observations_expected, satellites, latency_100us, jitter_100us, cn0_cdbhz, slips, "
    "multipath_100um, frames, bad_frames"
)
PACKED_REPORT_COLUMNS = (
    "epoch_us, received_at_us, station_key, reason_codes, observations, observations_expected, "
    "latency_100us, jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score, "
    "epochs, "
    "epochs_expected, satellites, reasons"
)
REPORT_TYPES = (
    "int4 int8 int8 int2 int2 int4 bytea int2 int2 int4 int4 int2 int4 int4 int2 int4 int4 int4 int4"
)
SAMPLE_COLUMNS = "time_us, received_at_us, value, datastream_key, tests, revision, flag, test_flags"
SAMPLE_TYPES = "int8 int8 float8 int4 int4 int2 int2 bytea"


SUM_COLUMNS = (
    "observations, observations_expected, latency_sum_100us, jitter_sum_100us, cn0_sum_cdbhz, slips, "
    "multipath_squares, frames, bad_frames, score_sum, reports, epochs, epochs_expected, latency_n, "
    "latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n, cn0_n, multipath_n, score_n, "
    "good_s, unknown_s, degraded_s, bad_s, score_min, state, latencies"
)


def reports_of(second: int) -> list[StationReport]:
    """Return a report of each station."""
    rng = np.random.default_rng(second + 1)
    us = T0 + second * S
    noise = rng.random((STATIONS, 4))
    return [
        StationReport(
            station_id=f"S{k:04d}", epoch_us=us, received_at_us=us + 230_000, state="good", score=97,
            reasons=[], epochs=1, epochs_expected=1, observations=143, observations_expected=150,
            satellites=31, latency_s=0.2 + a, jitter_s=0.01 * b, cn0_dbhz=40 + 5 * c, slips=1,
            multipath_m=0.3 * d, frames=6, bad_frames=0,
        )
        for k, (a, b, c, d) in enumerate(noise.tolist())
    ]  # fmt: skip


def figures_of(second: int) -> list[StationFigures]:
    """Return figures of each station."""
    return [
        StationFigures(
            station_id=f"S{k:04d}",
            time_us=T0 + second * S,
            horizon_expected=150 + k % 20,
            horizon_have=140,
            mask_expected=120,
            mask_have=118,
            expected_share=0.98,
            usable_share=1.0,
            usable_systems="GREC",
            slips_a_thousand=0.125,
            cn0_loss_db=0.25,
            roti_tecu_min=0.05,
            offset_m=(0.1, 0.2, 0.3),
            offset_sd_m=(0.1, 0.2, 0.3),
        )
        for k in range(STATIONS)
    ]


def samples_of(second: int, revision: int = 0) -> FlaggedSamples:
    """Return ten samples of each series, a tenth of a second apart."""
    rng = np.random.default_rng(second + 1)
    steps = SAMPLES // SERIES
    times = np.tile(T0 + second * S + np.arange(steps) * (S // steps), SERIES)
    return FlaggedSamples(
        datastream_ids=[f"site/{k}" for k in range(SERIES)],
        series=np.repeat(np.arange(SERIES, dtype=np.int32), steps),
        time_us=times,
        value=rng.normal(0, 1, SAMPLES),
        received_at_us=times + 400_000,
        revision=np.full(SAMPLES, revision, np.int32),
        tests=["gross_range", "climatology", "spike", "rate_of_change", "flat_line"],
        flags=np.ones((SAMPLES, 5), np.uint8),
        flag=np.ones(SAMPLES, np.uint8),
    )


class Bare:
    """COPYs without anything around them, one transaction for all."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)

    def rows(self, tables: list[Rows]) -> None:
        for one in tables:
            with self._connection.cursor() as cursor, cursor.copy(one.statement(one.columns)) as copy:
                copy.set_types(one.types.split())
                for row in one.tuples:
                    copy.write_row(row)
        self._connection.commit()

    def ready(self, tables: list[Rows]) -> None:
        for one in tables:
            with self._connection.cursor() as cursor, cursor.copy(one.statement(one.packed_columns)) as copy:
                copy.write(one.packed)
        self._connection.commit()


@dataclass
class Rows:
    """Rows of one table, ready to be sent in either way."""

    table: str
    columns: str
    types: str
    tuples: list[tuple[Any, ...]]
    packed_columns: str
    packed: bytes

    def statement(self, columns: str) -> bytes:
        return f"COPY {self.table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()


def report_rows(reports: list[StationReport]) -> Rows:
    keys = np.arange(1, STATIONS + 1, dtype=np.int32)
    tuples = packing.report_rows(reports, keys.tolist(), [None] * STATIONS)
    packed = b"".join([HEADER, *Reports(reports).sorted(keys, {}).table(), TRAILER])
    return Rows("station_epochs", REPORT_COLUMNS, REPORT_TYPES, tuples, PACKED_REPORT_COLUMNS, packed)


def sample_rows(batch: FlaggedSamples) -> Rows:
    columns = (batch.time_us, batch.received_at_us, batch.value, batch.series + 1)
    tuples = [
        (*row, 1, 0, 1, b"\x11\x11\x01") for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    some = Samples.of([batch])
    rows = some.sorted({name: i + 1 for i, name in enumerate(batch.datastream_ids)}, {some.tests()[0]: 1})
    packed = b"".join([HEADER, *rows.table(~rows.revised()), TRAILER])
    return Rows("samples", SAMPLE_COLUMNS, SAMPLE_TYPES, tuples, SAMPLE_COLUMNS, packed)


def in_turns(rounds: int, prepare: Callable[[int], dict[str, Callable[[], None]]]) -> dict[str, list[float]]:
    """Run what `prepare` gives for each round, the order turning; return seconds by name."""
    seconds: dict[str, list[float]] = {}
    for k in range(rounds):
        todo = list(prepare(k).items())
        for name, call in todo[k % len(todo) :] + todo[: k % len(todo)]:
            begin = time.perf_counter()
            call()
            seconds.setdefault(name, []).append(time.perf_counter() - begin)
    return {name: some[2:] for name, some in seconds.items()}  # the first ones find cold caches


def prepared_database(server: Server) -> str:
    url = server.database()
    with contextlib.closing(PostgresStore(url)) as store:
        store.commit([], None, now_us=T0)
    return url


def write(server: Server, rounds: int, *, reports: bool, samples: bool) -> dict[str, list[float]]:
    """Return seconds of each batch by who wrote it; the three databases hold the same in the end."""
    urls = [prepared_database(server) for _ in range(3)]
    store, rows, ready = PostgresStore(urls[0]), Bare(urls[1]), Bare(urls[2])

    def prepare(k: int) -> dict[str, Callable[[], None]]:
        batches: list[Record] = []
        tables = []
        if reports:
            made = reports_of(k)
            batches.append(StationReports(reports=made))
            tables.append(report_rows(made))
        if samples:
            batches.append(samples_of(k))
            tables.append(sample_rows(samples_of(k)))
        return {
            "store": lambda: store.commit(batches, None, now_us=T0 + k * S),
            "bare": lambda: rows.rows(tables),
            "bytes": lambda: ready.ready(tables),
        }

    upkeep = Upkeep(store, {}, lambda: T0)
    with beside(upkeep):
        seconds = in_turns(rounds, prepare)
    assert upkeep.failures == 0
    seconds["roll"] = [rolled(store)]
    count = "SELECT (SELECT count(*) FROM station_epochs), (SELECT count(*) FROM samples)"
    assert [server.sql(count, url) for url in urls] == [
        [(rounds * STATIONS * reports, rounds * SAMPLES * samples)]
    ] * 3
    store.close()
    return seconds


@contextlib.contextmanager
def beside(upkeep: Upkeep) -> Iterator[None]:
    """Run the upkeep once a second in a thread."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(1):
            try:
                upkeep.work()
            except StorageError:
                upkeep.failures += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def rolled(store: PostgresStore) -> float:
    """Sum up the minutes that wait; return seconds."""
    store.bring_latest()
    begin = time.perf_counter()
    while store.rollup_health().oldest_us is not None:
        store.roll_up(T0 + DAY_S * S // 24)
    return time.perf_counter() - begin


def write_revisions(server: Server, rounds: int) -> list[float]:
    """Return seconds of batches whose samples are all stored already."""
    seconds = []
    with contextlib.closing(PostgresStore(prepared_database(server))) as store:
        for k in range(2 * rounds):
            batch = samples_of(k % rounds, revision=k // rounds)
            begin = time.perf_counter()
            store.commit([batch], None, now_us=T0 + k * S)
            seconds.append(time.perf_counter() - begin)
    return seconds[rounds:]


def fill(url: str, days: int, interval_s: int) -> int:
    """Store a network; return how many rows there are."""
    store = PostgresStore(url)
    store.commit([StationReports(reports=reports_of(-1), figures=figures_of(-1))], None, now_us=T0)
    for day in range(days):
        store.commit([], None, now_us=T0 + day * DAY_S * S)
    table = partitions.STATION_MINUTES
    days_us = [T0 + day * DAY_S * S for day in range(days)]
    store._make_partitions({table: partitions.near(table, days_us, T0)}, beside=True)
    store.close()
    columns = (
        "epoch_us, received_at_us, station_key, observations, observations_expected, latency_100us, "
        "jitter_100us, slips, multipath_100um, frames, bad_frames, cn0_cdbhz, state, score, epochs, "
        "epochs_expected, satellites"
    )
    values = "143, 150, 2000 + (t * 7919 + key * 104729) %% 3000, 120, 1, 3000, 6, 0, 4400, 0, 97, 1, 1, 31"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off; SET work_mem = '64MB'")
        for day in range(days):
            last = day == days - 1
            step = f"(t %% {interval_s} = 0 OR key <= {AT_1_HZ})" if last else f"t %% {interval_s} = 0"
            connection.execute(
                f"INSERT INTO station_epochs ({columns}) "
                f"SELECT %s + t * 1000000::bigint, %s + t * 1000000::bigint + 230000, key, {values} "
                f"FROM generate_series(0, {DAY_S - 1}) AS t, generate_series(1, {STATIONS}) AS key "
                f"WHERE {step}".encode(),
                (T0 + day * DAY_S * S,) * 2,
            )
        sums = (
            f"INSERT INTO station_minutes (station_key, begin_us, {SUM_COLUMNS}) "
            "SELECT station_key, epoch_us / 60000000 * 60000000, 143, 150, latency_100us, 120, 4400, 1, 9e6, "
            "6, 0, 97, 1, 1, 1, 1, latency_100us, latency_100us, latency_100us, 1, 1, 1, 1, 1, 0, 0, 0, 97, "
            "0, decode('010000000000000000' || repeat('01', 59), 'hex') "
            f"FROM station_epochs WHERE epoch_us %% {interval_s * S} = 0 "
            "AND epoch_us >= %s AND epoch_us < %s AND (epoch_us < %s OR station_key > %s) ORDER BY epoch_us"
        )
        last_us = T0 + (days - 1) * DAY_S * S
        for day in range(days):
            day_us = T0 + day * DAY_S * S
            connection.execute(sums.encode(), (day_us, day_us + DAY_S * S, last_us, AT_1_HZ))
        connection.execute(
            "UPDATE stations SET registered = ST_SetSRID(ST_MakePoint("
            "73 + (station_key % 80) * 0.77, 18 + station_key / 80 * 0.7, 50), 4490), "
            "registered_datum = 'ellipsoidal'"
        )
        connection.execute("VACUUM ANALYZE")
        (rows,) = connection.execute("SELECT count(*) FROM station_epochs").fetchone() or (0,)
        connection.execute("DELETE FROM rollup_marks")
        connection.execute(
            "INSERT INTO rollup_marks (kind, level, begin_us, end_us, marked_at_us, keys) "
            "VALUES (0, 0, %s, %s, 0, %s)",
            (last_us, last_us + DAY_S * S, list(range(1, AT_1_HZ + 1))),
        )
        with contextlib.closing(PostgresStore(url)) as store:
            rolled(store)
            after = itertools.count()
            while store.roll_up(T0 + next(after) * 2 * DAY_S * S):
                pass
        connection.execute("VACUUM ANALYZE station_minutes")
    return int(rows)


def read(url: str, days: int) -> dict[str, list[float]]:
    """Ask, each time of another station; return ms by question."""
    begin_us = T0 + (days - 1) * DAY_S * S
    china = [(100.0, 20.0), (120.0, 25.0), (122.0, 40.0), (105.0, 42.0)]
    with contextlib.closing(PostgresStore(url)) as store, psycopg.connect(url) as connection:
        connection.execute("SET jit = off")
        inside = len(store.stations_within(china, limit=STATIONS).items)
        assert 200 < inside < STATIONS, inside

        def rows(sql: bytes) -> Callable[[int], object]:
            return lambda _: connection.execute(sql, binary=True).fetchall()

        wkt = ", ".join(f"{x} {y}" for x, y in [*china, china[0]])
        within = f"ST_Covers(ST_GeomFromText('POLYGON(({wkt}))', 4490), position)"
        questions: dict[str, Callable[[int], object]] = {
            "24 h of a station by minutes": lambda k: store.station_quality(
                f"S{k % AT_1_HZ:04d}", begin_us, begin_us + DAY_S * S, 60
            ),
            "24 h of a station by hours": lambda k: store.station_quality(
                f"S{k % AT_1_HZ:04d}", begin_us, begin_us + DAY_S * S, 3600
            ),
            "latest of all, rows": rows(b"SELECT * FROM station_latest"),
            "latest of all, records": lambda _: store.stations(limit=STATIONS),
            "within a polygon, ids": rows(f"SELECT id FROM stations WHERE {within}".encode()),
            "within a polygon, records": lambda _: store.stations_within(china, limit=STATIONS),
        }
        found: dict[str, list[float]] = {}
        for k in range(12):
            for name, question in questions.items():
                begin = time.perf_counter()
                question(k * 7)
                found.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
    return {name: some[2:] for name, some in found.items()}


@contextlib.contextmanager
def server_of() -> Iterator[Server]:
    if url := os.environ.get("GROUNDSWELL_TEST_POSTGRES"):
        yield Server(url)
        return
    with postgres() as server:
        yield server


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=120, help="batches of each kind")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--interval", type=int, default=1200, help="seconds between a station's rows")
    parser.add_argument("--no-reading", action="store_true")
    asked = parser.parse_args()
    console, result = Console(), dict[str, float]()
    heap.keep()  # as the writer does, and so with threads
    sys.setswitchinterval(SWITCH_S)
    with server_of() as server:
        table = Table(
            "batch", "store", "bare COPY of rows", "COPY of ready bytes", "share", title="rows/s (mean)"
        )
        for name, size, kinds in (
            ("reports", STATIONS, {"reports": True, "samples": False}),
            ("samples", SAMPLES, {"reports": False, "samples": True}),
            ("rows of both", STATIONS + SAMPLES, {"reports": True, "samples": True}),
        ):
            seconds = write(server, asked.rounds, **kinds)
            summed = size * asked.rounds / seconds.pop("roll")[0]
            speed = {kind: size / statistics.fmean(some) for kind, some in seconds.items()}
            shown = [f"{speed[kind]:,.0f}" for kind in ("store", "bare", "bytes")]
            table.add_row(f"{size:,} {name}", *shown, f"{speed['store'] / speed['bare']:.0%}")
            word = name.split()[-1]
            for kind, value in speed.items():
                result[f"{word}_{kind}_rows_s"] = round(value)
            lows = {kind: min(some) for kind, some in seconds.items()}
            result[f"{word}_of_bare_at_best"] = round(lows["bare"] / lows["store"], 3)
            result[f"{word}_summed_up_rows_s"] = round(summed)
            result[f"{word}_of_bare"] = round(speed["store"] / speed["bare"], 3)
        console.print(table)
        revisions = SAMPLES / statistics.fmean(write_revisions(server, asked.rounds))
        result["revisions_store_rows_s"] = round(revisions)
        console.print(f"samples that come again with a higher revision: {revisions:,.0f} rows/s")
        if not asked.no_reading:
            url = server.database()
            begin = time.perf_counter()
            rows = fill(url, asked.days, asked.interval)
            result["rows_stored"] = rows
            table = Table(
                "question",
                "best ms",
                "median ms",
                "worst ms",
                title=f"over {rows:,} rows of {STATIONS:,} stations",
            )
            for name, some in read(url, asked.days).items():
                times = (min(some), statistics.median(some), max(some))
                table.add_row(name, *(f"{one:.1f}" for one in times))
                result[f"{name.replace(', ', ' ').replace(' ', '_')}_ms"] = round(min(some), 1)
            console.print(table)
            console.print(f"(filled in {time.perf_counter() - begin:.0f} s)")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
