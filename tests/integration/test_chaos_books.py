"""The books of `make chaos` notice what they are there for: rows that are lost, doubled or wrong."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import psycopg
import pytest

from storage.postgres import PostgresStore
from streams.records import FlaggedSamples, StationReport, StationReports
from tests.chaos.books import Books
from tests.chaos.ledger import LedgerWriter
from tests.chaos.sensors import datastream_id
from tests.chaos.stations import DISTINCT, station_id

pytestmark = pytest.mark.integration

T0_US = time.time_ns() // 1_000_000_000 * 1_000_000 - 60_000_000
SECOND_US = 1_000_000
ALIKE = (0, DISTINCT, 2 * DISTINCT)
"""Stations that observe the same."""


def report(number: int, epoch_us: int) -> StationReport:
    return StationReport(
        station_id=station_id(number), epoch_us=epoch_us, received_at_us=epoch_us, state="good", score=90,
        reasons=[], epochs=1, epochs_expected=1, observations=100, observations_expected=None, satellites=30,
        latency_s=None, jitter_s=None, cn0_dbhz=None, slips=0, multipath_m=None, frames=6, bad_frames=0,
    )  # fmt: skip


@pytest.fixture
def books(tmp_path: Path, postgres_url: str) -> Books:
    """Return books of five seconds that are balanced."""
    times_us = [T0_US + k * SECOND_US for k in range(5)]
    writer, store = LedgerWriter(tmp_path), PostgresStore(postgres_url)
    for i, t in enumerate(times_us):
        for number in ALIKE:
            writer.add("epochs", number, 1, t, t + 100, i)
        writer.add("samples", 3, 0, t, i / 3, t + 50)
    writer.flush()
    n = len(times_us)
    samples = FlaggedSamples(
        datastream_ids=[datastream_id(3)], series=np.zeros(n, np.int32), time_us=np.array(times_us),
        value=np.arange(n) / 3, received_at_us=np.array(times_us), revision=np.zeros(n, np.int32),
        tests=["spike"], flags=np.ones((n, 1), np.uint8), flag=np.ones(n, np.uint8),
    )  # fmt: skip
    reports = StationReports(reports=[report(number, t) for t in times_us for number in ALIKE])
    store.commit((reports, samples), None, now_us=T0_US)
    store.close()
    return Books(tmp_path, postgres_url, 0)


def test_rows_that_are_lost_doubled_or_wrong_are_noticed(books: Books) -> None:
    span = T0_US, T0_US + 60 * SECOND_US

    def do(statement: str, *values: object) -> None:
        with psycopg.connect(books.url) as connection:
            assert connection.execute(statement.encode(), values).rowcount == 1

    balance = books.balance(*span)
    assert (balance.expected, balance.stored, balance.lost) == (20, 20, 0)
    assert (balance.doubled, balance.wrong, balance.not_taken) == (0, 0, 0)

    second_us = T0_US + SECOND_US
    of_one = "station_key = (SELECT station_key FROM stations WHERE id = %s) AND epoch_us = %s"
    do(f"UPDATE station_epochs SET observations = 200 WHERE {of_one}", station_id(0), second_us)
    assert books.balance(*span).doubled == 1
    do(f"UPDATE station_epochs SET observations = 60 WHERE {of_one}", station_id(0), second_us)
    assert books.balance(*span).wrong == 1
    do(f"UPDATE station_epochs SET epoch_us = epoch_us + 1 WHERE {of_one}", station_id(0), second_us)
    balance = books.balance(*span)
    assert [name for name, *_ in balance.lost_epochs] == [station_id(0)]
    assert balance.doubled == 1

    do("UPDATE samples SET value = 17 WHERE time_us = %s", T0_US)
    assert books.balance(*span).wrong == 1
    do("DELETE FROM samples WHERE time_us = %s", second_us)
    assert books.balance(*span).lost_samples == [(datastream_id(3), second_us)]
