"""Records for tests of stores."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from storage.postgres import PostgresStore, adopt_timescale
from storage.sqlite import SqliteStore
from storage.store import Store
from streams.records import LATEST_US, AlertTransition, FlaggedSamples, Reason, StationFigures, StationReport
from tests.storage.timescaledb import with_timescaledb

T0 = 1_700_000_000_000_000


class Make:
    """Makes records with plausible values; keyword arguments replace them."""

    t0 = T0

    def report(self, station_id="STR17", epoch_us=T0, **changes):
        values = {
            "station_id": station_id,
            "epoch_us": epoch_us,
            "received_at_us": epoch_us + 230_000,
            "state": "good",
            "score": 97,
            "reasons": [],
            "epochs": 1,
            "epochs_expected": 1,
            "observations": 143,
            "observations_expected": 150,
            "satellites": 31,
            "latency_s": 0.23,
            "jitter_s": 0.0125,
            "cn0_dbhz": 44.25,
            "slips": 1,
            "multipath_m": 0.3125,
            "frames": 6,
            "bad_frames": 0,
        }
        return StationReport(**(values | changes))

    def figures(self, station_id="STR17", time_us=T0, **changes):
        values = {
            "station_id": station_id,
            "time_us": time_us,
            "horizon_expected": 260,
            "horizon_have": 241,
            "mask_expected": 212,
            "mask_have": 208,
            "expected_share": 0.9811,
            "usable_share": 1.0,
            "usable_systems": "GREC",
            "slips_a_thousand": 0.125,
            "cn0_loss_db": -0.25,
            "roti_tecu_min": 0.0875,
            "clock_step_ms": -1.0,
            "clock_step_at_us": time_us - 90_000_000,
            "offset_m": (0.312, -0.4, 1.25),
            "offset_sd_m": (0.6, 0.75, 1.5),
        }
        return StationFigures(**(values | changes))

    def reason(self, code="latency", value=3.5):
        return Reason(
            code=code, text=f"{code} is {value}.", value=value, threshold=2.0, check="Look at the link."
        )

    def samples(
        self, datastream_id, times_us, values, *, flag=None, revision=0, tests=("gross_range", "spike")
    ):
        n = len(times_us)
        flag = np.ones(n, np.uint8) if flag is None else np.asarray(flag, np.uint8)
        return FlaggedSamples(
            datastream_ids=[datastream_id],
            series=np.zeros(n, np.int32),
            time_us=np.asarray(times_us, np.int64),
            value=np.asarray(values, np.float64),
            received_at_us=np.minimum(np.asarray(times_us, np.int64) + 1_000_000, LATEST_US),
            revision=np.full(n, revision, np.int32),
            tests=list(tests),
            flags=np.repeat(flag[:, None], len(tests), axis=1),
            flag=flag,
        )

    def transition(self, number=1, alert_id="a1", **changes):
        values = {
            "alert_id": alert_id,
            "number": number,
            "state": "open" if number == 1 else "acknowledged",
            "level": "orange",
            "rule": "tsunami",
            "subject_id": "gauge/level",
            "title": "Sea level residual over 5 cm",
            "onset_us": T0,
            "opened_at_us": T0 + 1,
            "at_us": T0 + number,
            "change": "opened" if number == 1 else "acknowledged",
            "evidence": {"residual_m": 0.07},
        }
        return AlertTransition(**(values | changes))


@pytest.fixture(scope="session")
def make():
    return Make()


@pytest.fixture(scope="session")
def postgres_database(postgres_server):
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def postgres_url(postgres_server, postgres_database):
    """A database with the schema and nothing in it."""
    yield postgres_database
    postgres_server.forget(postgres_database)


@pytest.fixture(scope="session")
def hypertable_database(postgres_server):
    url = with_timescaledb(postgres_server)
    adopt_timescale(url, 0)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def hypertable_url(postgres_server, hypertable_database):
    """A database whose large tables are hypertables, and nothing in it."""
    yield hypertable_database
    postgres_server.forget(hypertable_database)


@pytest.fixture(params=["sqlite", "waiting", pytest.param("postgres", marks=pytest.mark.integration)])
def open_store(request, tmp_path: Path):
    """Open the same database again at each call: what a restart does.

    `waiting` is a file in which no row comes into its table before it is closed (`storage.sqlite.arrivals`).
    """
    if request.param in {"postgres", "hypertable"}:
        make = partial(PostgresStore, request.getfixturevalue(f"{request.param}_url"))
    else:
        if request.param == "waiting":
            request.getfixturevalue("monkeypatch").setattr("storage.sqlite.arrivals.LARGE_ROWS", 0)
        make = partial(SqliteStore, tmp_path / "store.db", behind=request.param == "waiting")
    stores = []

    def open_() -> Store:
        while stores:
            stores.pop().close()
        stores.append(make())
        return stores[-1]

    yield open_
    while stores:
        stores.pop().close()


@pytest.fixture
def store(open_store):
    return open_store()
