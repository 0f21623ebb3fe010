"""How long SensorThings questions take over PostgreSQL, as a client of the API sees it.

`python -m tests.benchmarks.bench_serve_sta` makes `--things` sites with ten datastreams each and `--samples`
of one minute in each by SQL, in the order in which they would have come, and asks through the app, with no
network between. The first question is the one that others are slow at: the newest observation of each
datastream of a hundred things. A server of its own is started, or GROUNDSWELL_TEST_POSTGRES names one. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time

import psycopg
from fastapi import FastAPI

from deploy.garbage import Patience
from storage.postgres import PostgresStore, partitions
from tests.benchmarks.bench_store import T0, S
from tests.dashboards import country
from tests.dashboards.serving import client_of
from tests.postgres import Server, postgres

ROOT = "/sta/v1.1"
PER_THING = 10
MINUTE_US = 60 * S
NEWEST = "$expand=Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1))"
QUESTIONS = {
    "sta_expand_ms": f"/Things?$top=100&$filter=properties/kind eq 'site'&{NEWEST}",
    "sta_series_ms": "/Datastreams('s00042.3')/Observations?$top=1000&$orderby=phenomenonTime desc",
    "sta_deep_page_ms": "/Datastreams('s00042.3')/Observations?$top=100&$skip=4000",
    "sta_count_ms": "/Observations?$count=true&$top=1",
    "sta_list_ms": "/Datastreams?$top=100&$count=true",
    "sta_filter_ms": "/Things?$filter=Datastreams/ObservedProperty/name eq 'water level'&$top=100",
}
CEILINGS_MS = {"sta_expand_ms": 100.0}


def fill(url: str, things: int, samples: int) -> float:
    """Make sites, datastreams and samples by SQL; return the seconds that it took."""
    begun = time.perf_counter()
    first_us = T0 - samples * MINUTE_US
    with psycopg.connect(url, autocommit=True) as connection:
        for day_us in range(first_us // 86_400_000_000 * 86_400_000_000, T0 + 1, 86_400_000_000):
            partition = partitions.partition_of(partitions.SAMPLES, day_us)
            partitions.make(connection, partitions.SAMPLES, partition)
        for statement in STATEMENTS:
            connection.execute(
                statement,
                {
                    "things": things,
                    "per": PER_THING,
                    "samples": samples,
                    "first": first_us,
                    "step": MINUTE_US,
                },
            )
        connection.execute("VACUUM ANALYZE")
    return time.perf_counter() - begun


STATEMENTS = (
    b"""INSERT INTO observed_properties (id, definition) SELECT 'level',
    '{"id": "level", "name": "water level", "domain": "ocean", "unit": "m", "span": [-5, 15],
    "sampling_period_s": 60}'""",
    b"""INSERT INTO things (id, definition, position)
    SELECT 's' || to_char(n, 'FM00000'), jsonb_build_object(
        'id', 's' || to_char(n, 'FM00000'), 'name', 'Site ' || n,
        'longitude', 110 + mod(n, 100) / 10.0, 'latitude', 20 + n / 100 / 10.0,
        'height_datum', 'EPSG:5737', 'description', ''),
        ST_SetSRID(ST_MakePoint(110 + mod(n, 100) / 10.0, 20 + n / 100 / 10.0, 0), 4490)
    FROM generate_series(0, %(things)s - 1) AS n""",
    b"""INSERT INTO datastreams (id, thing_id, definition)
    SELECT t.id || '.' || k, t.id, jsonb_build_object('id', t.id || '.' || k, 'thing_id', t.id,
        'property_id', 'level', 'name', 'Level ' || k, 'unit', 'm')
    FROM things AS t, generate_series(0, %(per)s - 1) AS k ORDER BY t.id, k""",
    b"""INSERT INTO names (names) VALUES ('["gross_range","spike"]')""",
    b"""INSERT INTO samples
    (time_us, received_at_us, value, datastream_key, tests, revision, flag, test_flags)
    SELECT %(first)s + m * %(step)s::bigint, %(first)s + m * %(step)s::bigint + 400000,
        sin(m / 100.0 + d.datastream_key),
        d.datastream_key, 1, 0, 1, '\\x11'
    FROM generate_series(1, %(samples)s) AS m, datastreams AS d ORDER BY m, d.datastream_key""",
    b"""INSERT INTO datastream_latest (datastream_key, time_us)
    SELECT datastream_key, (%(first)s + %(samples)s * %(step)s::bigint) / 3600000000 * 3600000000
    FROM datastreams""",
)  # fmt: skip


def row_width(url: str) -> float:
    """Return the bytes of a sample on disk, its index included."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) / nullif(sum(c.reltuples), 0) "
            "FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'samples'::regclass"
        ).fetchone()
    return float(found[0]) if found else 0.0


async def asked(app: FastAPI, rounds: int) -> dict[str, float]:
    """Return the 95th percentile of each question in milliseconds, after one that warms up."""
    figures = {}
    async with client_of(app) as client:
        for name, question in QUESTIONS.items():
            took = []
            for number in range(rounds + 1):
                begun = time.perf_counter()
                answer = await client.get(ROOT + question)
                if number:
                    took.append((time.perf_counter() - begun) * 1000)
                assert answer.status_code == 200, answer.text
            figures[name] = round(statistics.quantiles(took, n=20)[-1], 1)
            print(f"{name}: {figures[name]} ms p95, {statistics.median(took):.1f} ms median, "
                  f"{len(answer.content) / 1000:.0f} kB")  # fmt: skip
    return figures


def measure(url: str, rounds: int = 40) -> dict[str, float]:
    """Return what the questions take over a filled database."""
    store = PostgresStore(url)
    patience = Patience()
    patience.begin()  # as the program has it
    try:
        return asyncio.run(asked(country.Country(store, now_us=T0).app(), rounds))
    finally:
        patience.end()
        store.close()


def main() -> None:
    """Fill a database and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--things", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    if url := os.environ.get("GROUNDSWELL_TEST_POSTGRES"):
        run(Server(url), options)
    else:
        with postgres() as server:
            run(server, options)


def run(server: Server, options: argparse.Namespace) -> None:
    """Measure on a server."""
    url = server.database()
    try:
        built_s = fill(url, options.things, options.samples)
        figures: dict[str, object] = {
            "things": options.things,
            "datastreams": options.things * PER_THING,
            "samples": options.samples,
            "build_s": round(built_s, 1),
            "sample_bytes": round(row_width(url), 1),
            **measure(url, options.rounds),
        }
        figures["met"] = all(float(str(figures[name])) <= most for name, most in CEILINGS_MS.items())
        print(json.dumps(figures))
    finally:
        server.drop(url)


if __name__ == "__main__":
    main()
