"""A country for `bench_serve`, made by SQL: stations with a row a minute, datastreams with their samples.

Each day is a table of its own that is filled in the order in which rows would have come, gets its key when
it is full, and becomes a partition then; two days are made at a time. Minutes of samples are said to have
expired, as they do after some months, so that windows of hours come from sums and shorter ones from samples.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.postgres import PostgresStore, partitions
from storage.postgres.partitions import Partition, Partitioned
from storage.sql.levels import DAY_US, HOUR_US, MINUTE_US
from streams.records import StationReport, StationReports
from tests.postgres import Server

T0 = 1_790_000_000_000_000 // DAY_US * DAY_US
S = 1_000_000
SAMPLE_S = 120
A_SITE = 4
"""Datastreams."""
PROPERTIES = ("water_level", "tilt", "rain", "pore_pressure")
SUM_COLUMNS = (
    "observations, observations_expected, latency_sum_100us, jitter_sum_100us, cn0_sum_cdbhz, slips, "
    "multipath_squares, frames, bad_frames, score_sum, reports, epochs, epochs_expected, latency_n, "
    "latency_max_100us, latency_median_100us, latency_p95_100us, jitter_n, cn0_n, multipath_n, score_n, "
    "good_s, unknown_s, degraded_s, bad_s, score_min, state, reasons, latencies"
)
SUMS = (
    "8580, 9000, 60 * (2000 + h), 7200, 264000, 2, 5.4e8, 360, 0, 5820, 60, 60, 60, 60, 2500 + h, 2000 + h, "
    "2400 + h, 60, 60, 60, 60, 60, 0, 0, 0, 97, 0, NULL, decode(repeat('01', 68), 'hex')"
)


@dataclass(frozen=True)
class Size:
    """How much there is."""

    stations: int = 4_000
    days: int = 7
    datastreams: int = 10_000
    samples: int = 5_000
    """Of each datastream, one each `SAMPLE_S`."""

    @property
    def end_us(self) -> int:
        """Return the end of what is stored."""
        return T0 + self.days * DAY_US


def station_id(number: int) -> str:
    """Return the id of a station, from 0."""
    return f"S{number:04d}"


def datastream_id(number: int) -> str:
    """Return the id of a datastream, from 0."""
    return f"site{number // A_SITE:05d}/{PROPERTIES[number % A_SITE]}"


def quick(server: Server) -> None:
    """Let a server of our own skip the log of tables that are made and filled in one transaction."""
    for setting in ("wal_level = minimal", "max_wal_senders = 0", "shared_buffers = '2GB'"):
        server.sql(f"ALTER SYSTEM SET {setting}")
    for verb in ("stop", "start"):
        server.do(verb)


def fill(url: str, size: Size) -> dict[str, float]:
    """Store it; return rows, bytes a row and seconds."""
    begin = time.perf_counter()
    with contextlib.closing(PostgresStore(url)) as store:
        _describe(store, size)
    todo: list[Callable[[], None]] = []
    for day in range(size.days):
        todo.append(_minutes(url, size, T0 + day * DAY_US))
        todo.append(_samples(url, size, T0 + day * DAY_US))
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(one) for one in todo]:
            done.result()
    result: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        _finish(connection, size)
        for table in ("station_minutes", "samples"):
            asked = (
                "SELECT (SELECT count(*) FROM {0}), sum(pg_table_size(inhrelid)), "
                "sum(pg_indexes_size(inhrelid)) FROM pg_inherits WHERE inhparent = '{0}'::regclass"
            )
            found = connection.execute(asked.format(table).encode()).fetchone()
            assert found is not None
            rows, heap, index = (int(one) for one in found)
            result |= {
                f"{table}_rows": rows,
                f"{table}_row_bytes": round(heap / max(rows, 1), 1),
                f"{table}_key_bytes": round(index / max(rows, 1), 1),
            }
    return result | {"build_s": round(time.perf_counter() - begin, 1)}


def _describe(store: PostgresStore, size: Size) -> None:
    sites = -(-size.datastreams // A_SITE)
    store.put_registry(
        stations=[
            Station(
                id=station_id(k),
                name=f"Station {k}",
                longitude=74 + k % 80 * 0.75,
                latitude=18.5 + k // 80 * 0.68,
                height_m=50.0,
            )
            for k in range(size.stations)
        ],
        properties=[
            ObservedProperty(
                id=one, name=one, domain="slope", unit="m", span=(-1e6, 1e6), sampling_period_s=SAMPLE_S
            )
            for one in PROPERTIES
        ],
        things=[
            Thing(
                id=f"site{k:05d}", name=f"Site {k}", longitude=75 + k % 50 * 1.2, latitude=18 + k / sites * 35
            )
            for k in range(sites)
        ],
        datastreams=[
            Datastream(
                id=datastream_id(k),
                thing_id=f"site{k // A_SITE:05d}",
                property_id=PROPERTIES[k % A_SITE],
                name=datastream_id(k),
                unit="m",
            )
            for k in range(size.datastreams)
        ],
    )
    at_us = size.end_us - S
    reports = [
        StationReport(
            station_id=station_id(k), epoch_us=at_us, received_at_us=at_us + 230_000, state="good", score=97,
            reasons=[], epochs=1, epochs_expected=1, observations=143, observations_expected=150,
            satellites=31, latency_s=0.23, jitter_s=0.01, cn0_dbhz=44.0, slips=0, multipath_m=0.3, frames=6,
            bad_frames=0,
        )
        for k in range(size.stations)
    ]  # fmt: skip
    store.commit([StationReports(reports=reports)], None, now_us=at_us)
    store.bring_latest()


def _minutes(url: str, size: Size, day_us: int) -> Callable[[], None]:
    return _day(
        url,
        partitions.STATION_MINUTES,
        day_us,
        f"(station_key, begin_us, {SUM_COLUMNS}) SELECT s.station_key, at, {SUMS} "
        f"FROM generate_series({day_us}::bigint, {day_us + DAY_US - 1}, {MINUTE_US}) AS at, "
        "stations AS s, "
        "LATERAL (SELECT ((at / 60000000 * 7919 + s.station_key * 104729) % 3000)::int) AS x (h)",
        "station_key, begin_us",
    )


def _samples(url: str, size: Size, day_us: int) -> Callable[[], None]:
    last_us = min(day_us + DAY_US, T0 + size.samples * SAMPLE_S * S) - 1
    return _day(
        url,
        partitions.SAMPLES,
        day_us,
        "(time_us, received_at_us, value, datastream_key, tests, revision, flag, test_flags) "
        "SELECT at, at + 400000, d.datastream_key % 100 "
        "+ ((at / 120000000 * 7919 + d.datastream_key * 104729) % 10007) * 1e-4::float8, "
        "d.datastream_key, 1, 1, CASE WHEN (at / 120000000 + d.datastream_key) % 997 = 0 THEN 3 ELSE 1 END, "
        r"'\x111101'::bytea "
        f"FROM generate_series({day_us}::bigint, {last_us}, {SAMPLE_S * S}) AS at, datastreams AS d",
        "datastream_key, time_us",
    )


def _day(url: str, table: Partitioned, day_us: int, rows: str, key: str) -> Callable[[], None]:
    part: Partition = partitions.partition_of(table, day_us)
    words = {"part": part.name, "table": table.table, "key": key, "column": table.column}

    def work() -> None:
        with psycopg.connect(url) as connection:
            connection.execute("SET maintenance_work_mem = '512MB'; SET jit = off")
            for statement in (
                "DROP TABLE IF EXISTS {part}",
                "CREATE TABLE {part} (LIKE {table} INCLUDING STORAGE)",
                "INSERT INTO {part} " + rows.replace("{", "{{").replace("}", "}}"),
                "ALTER TABLE {part} ADD PRIMARY KEY ({key})",
            ):
                connection.execute(statement.format(**words).encode())
            connection.execute(
                f"ALTER TABLE {table.table} ATTACH PARTITION {part.name} "
                f"FOR VALUES FROM ({part.begin_us}) TO ({part.end_us})".encode()
            )

    return work


def _finish(connection: psycopg.Connection[tuple[object, ...]], size: Size) -> None:
    last_us = min(size.end_us, T0 + size.samples * SAMPLE_S * S) // HOUR_US * HOUR_US
    for statement in (
        """INSERT INTO names (names) VALUES ('["gross_range","spike","rate_of_change","flat_line"]')""",
        "INSERT INTO datastream_latest (time_us, datastream_key) "
        f"SELECT {last_us - SAMPLE_S * S}, datastream_key FROM datastreams ON CONFLICT DO NOTHING",
        "INSERT INTO sample_hours (datastream_key, begin_us, good_n, good_sum, good_min, good_max, "
        "good_last, any_n, any_sum, any_min, any_max, any_last, flags) "
        "SELECT datastream_key, time_us / 3600000000 * 3600000000, count(*) FILTER (WHERE flag = 1), "
        "sum(value) FILTER (WHERE flag = 1), min(value) FILTER (WHERE flag = 1), "
        "max(value) FILTER (WHERE flag = 1), min(value) FILTER (WHERE flag = 1), count(*), sum(value), "
        "min(value), max(value), min(value), "
        """CASE WHEN count(*) FILTER (WHERE flag = 3) > 0 THEN '{"1":29,"3":1}' ELSE '{"1":30}' END """
        f"FROM samples WHERE time_us < {last_us} GROUP BY 1, 2",
        "DELETE FROM rollup_marks",
        f"INSERT INTO rollup_floors (kind, level, before_us) VALUES (1, 0, {size.end_us})",
    ):
        connection.execute(statement.encode())
    connection.execute("VACUUM ANALYZE")
