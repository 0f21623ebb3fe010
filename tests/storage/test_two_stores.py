"""What one store answers, the other answers as well, whatever was committed and in whatever order."""

from __future__ import annotations

import random
from contextlib import closing

import msgspec
import numpy as np
import pytest

from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from streams.records import FlaggedSamples, StationReports

pytestmark = pytest.mark.integration

S = 1_000_000
END = 2**62
STATIONS = ("A", "B", "C")
SERIES = ("x", "y")


def some_reports(make, rng):
    reports = []
    for _ in range(rng.randrange(12)):
        unknown = rng.random() < 0.3
        reports.append(
            make.report(
                rng.choice(STATIONS),
                make.t0 + rng.randrange(15) * S,
                state=rng.choice(["good", "unknown", "degraded", "bad"]),
                score=None if unknown else rng.randrange(101),
                reasons=[make.reason(code) for code in ("a", "b") if rng.random() < 0.3],
                latency_s=None if unknown else rng.randrange(50) / 10,
                received_at_us=None if unknown else make.t0 + rng.randrange(10**9),
                slips=rng.randrange(4),
                ecef_m=(6_378_137.0 + rng.randrange(100), 0.0, 0.0) if rng.random() < 0.2 else None,
            )
        )
    figures = [
        make.figures(
            rng.choice(STATIONS), make.t0 + rng.randrange(5) * 60 * S, cn0_loss_db=rng.randrange(9) / 4
        )
        for _ in range(rng.randrange(3))
    ]
    return StationReports(reports=reports, figures=figures)


def some_samples(make, rng):
    n = rng.randrange(15)
    tests = rng.choice([["gross_range"], ["gross_range", "spike", "rate"]])
    values = [float("nan") if rng.random() < 0.1 else rng.randrange(100) / 4 for _ in range(n)]
    flags = [[rng.choice([1, 2, 3, 4, 9]) for _ in tests] for _ in range(n)]
    return FlaggedSamples(
        datastream_ids=list(SERIES),
        series=np.array([rng.randrange(2) for _ in range(n)], np.int32),
        time_us=np.array([make.t0 + rng.randrange(20) * S for _ in range(n)], np.int64),
        value=np.array(values),
        received_at_us=np.array([make.t0 + rng.randrange(10**9) for _ in range(n)], np.int64),
        revision=np.array([rng.choice([-1, 0, 0, 1, 2]) for _ in range(n)], np.int32),
        tests=tests,
        flags=np.array(flags, np.uint8).reshape(n, len(tests)),
        flag=np.array([rng.choice([1, 1, 3, 4]) for _ in range(n)], np.uint8),
    )


def answers(store, t0):
    def latest(row):  # a report in a list of stations is told with its position or without, rounded or not
        report = row.report and msgspec.structs.replace(row.report, ecef_m=None)
        return msgspec.structs.replace(row, report=report)

    window = (t0, t0 + 60 * S)
    return {
        "stations": [latest(row) for row in store.stations().items],
        "reports": [store.station_reports(one, 0, END).items for one in STATIONS],
        "figures": [store.station_figures(one, 0, END).items for one in STATIONS],
        "quality": [store.station_quality(one, *window, 7) for one in STATIONS],
        "samples": [store.observations(one, 0, END).items for one in SERIES],
        "windows": [
            store.observation_windows(one, *window, 7, ["count", "min", "max", "last"]) for one in SERIES
        ],
        "values": store.values_at({one: [t0 + k * S for k in range(30)] for one in SERIES}),
    }


@pytest.mark.parametrize("seed", range(4))
def test_both_stores_answer_the_same(make, tmp_path, postgres_url, seed):
    rng = random.Random(seed)
    with closing(SqliteStore(tmp_path / "store.db")) as one, closing(PostgresStore(postgres_url)) as other:
        for k in range(12):
            batches = [rng.choice([some_reports, some_samples])(make, rng) for _ in range(rng.randrange(4))]
            now_us = rng.choice([1, make.t0, make.t0 + k * S])
            for store in (one, other):
                store.commit(batches, None, now_us=now_us)
            if k % 4 == 3:
                assert answers(other, make.t0) == answers(one, make.t0)
