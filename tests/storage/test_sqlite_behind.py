"""Rows of large commits come into their tables later: nothing is missing, doubled or out of order then."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.sqlite import SqliteStore, behind
from storage.store import StorageFullError
from streams.records import FlaggedSamples, StationPeriodRecord, StationPeriods, StationReports

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("commit"),
            st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 2)), max_size=9),
        ),
        st.tuples(st.sampled_from(["tidy", "wait", "kill", "close", "ask"]), st.just([])),
    ),
    max_size=14,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(behind, "LARGE_ROWS", 4)
    monkeypatch.setattr(behind, "STEP_ROWS", 3)
    monkeypatch.setattr("storage.sqlite.writing.MOST_ROWS", 40)
    monkeypatch.setattr("storage.sqlite.writing.BREATH_S", 0)


def batches(make, rows, number):
    """Return reports and samples: (which, second, revision); their values tell by what they were made."""
    if not rows:
        return []
    reports = [make.report(f"S{k}", make.t0 + 1_000_000 * t, slips=number) for k, t, _ in rows]
    figures = [make.figures(f"S{rows[0][0]}", make.t0 + 60_000_000 * number)]
    names = sorted({f"d{k}" for k, _, _ in rows})
    n = len(rows)
    samples = FlaggedSamples(
        datastream_ids=names,
        series=np.array([names.index(f"d{k}") for k, _, _ in rows], np.int32),
        time_us=np.array([make.t0 + 1_000_000 * t for _, t, _ in rows]),
        value=np.array([100.0 * number + i for i in range(n)]),
        received_at_us=np.full(n, make.t0 + 9_000_000),
        revision=np.array([r for _, _, r in rows], np.int32),
        tests=["gross_range"] if number % 2 else ["spike", "rate"],
        flags=np.full((n, 1 if number % 2 else 2), 1 + number % 3, np.uint8),
        flag=np.full(n, 1 + number % 3, np.uint8),
    )
    return [StationReports(reports=reports, figures=figures), samples]


def content(store):
    found = {}
    for table in ("station_epochs", "station_figures", "station_latest", "samples", "datastream_latest"):
        found[table] = store._writer.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
    for kind in ("station", "datastream", "name"):
        what = "names" if kind == "name" else "id"
        found[kind] = store._writer.execute(f"SELECT {kind}_key, {what} FROM {kind}s ORDER BY 1").fetchall()
    assert store._writer.execute("SELECT count(*) FROM pending_rows").fetchone() == (0,)
    return found


def named(found):
    """Return rows with names for their numbers, which depend on what came first."""
    station, stream, name = (dict(found.pop(kind)) for kind in ("station", "datastream", "name"))
    made = {}
    for table, rows in found.items():
        owner = stream if table in {"samples", "datastream_latest"} else station
        made[table] = sorted(
            [
                (owner[row[0]], *row[1:6], name[row[6]], *row[7:])
                if table == "samples"
                else (owner[row[0]], *row[1:])
                for row in rows
            ],
            key=str,
        )
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_at_the_end_the_tables_have_what_they_have_without(make, tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("behind")
    now_s = 0.0
    left = []

    def opened():
        store = SqliteStore(folder / "waiting.db", behind=True)
        store._behind.clock_s = lambda: now_s
        return store

    plain, store = SqliteStore(folder / "plain.db"), opened()
    try:
        for number, (what, rows) in enumerate(steps, 1):
            if what == "commit":
                for one in (plain, store):
                    one.commit(batches(make, rows, number), None, now_us=make.t0 + 9_000_000)
            elif what == "tidy":
                store.tidy()
            elif what == "wait":
                now_s += behind.HOLD_S
            elif what == "kill":
                left.append(store)
                store = opened()
            elif what == "close":
                store.close()
                store = opened()
            else:
                times = [make.t0 + 1_000_000 * t for t in range(6)]
                for k in range(3):
                    assert store.values_at(f"d{k}", times) == plain.values_at(f"d{k}", times)
        store.close()
        store = opened()
        assert named(content(store)) == named(content(plain))
    finally:
        for one in (plain, store, *left):
            one.close()


@pytest.fixture
def store(tmp_path):
    with closing(SqliteStore(tmp_path / "store.db", behind=True)) as store:
        yield store


def test_few_questions_bring_nothing_and_many_bring_all(make, store, monkeypatch):
    monkeypatch.setattr("storage.sqlite.MOST_ASKED", 3)
    store.commit(many(make), None, now_us=make.t0 + 9_000_000)
    asked = [make.t0, make.t0 + 2_000_000, make.t0 + 8_000_000]
    for number in range(1, 6):
        assert store.values_at("d1", asked) == {asked[0]: 3.0, asked[1]: 5.0}
        assert store.values_at("other", asked) == {}
        assert bool(waiting(store)) == (number <= 3)


def many(make, begin=0):
    return batches(make, [(k, t, 0) for k in range(3) for t in range(3)], begin)


def waiting(store):
    return store._writer.execute("SELECT count(*) FROM pending_rows").fetchone()[0]


def test_large_commits_wait_some_seconds_and_small_ones_only_behind_them(store, make):
    now_s = 0.0
    store._behind.clock_s = lambda: now_s
    small = [make.samples("d0", [make.t0], [1.0])]
    store.commit(small, None, now_us=0)
    assert (waiting(store), len(store.observations("d0", 0, 2 * make.t0).items)) == (0, 1)
    store.commit(many(make), None, now_us=0)
    store.commit([make.samples("d9", [make.t0], [1.0])], None, now_us=0)
    assert waiting(store) == 3
    assert store.observations("d9", 0, 2 * make.t0).items == []
    store.tidy()
    assert waiting(store) == 3
    now_s = behind.HOLD_S
    store.tidy()
    assert waiting(store) == 0
    assert len(store.observations("d9", 0, 2 * make.t0).items) == 1
    assert len(store.observations("d2", 0, 2 * make.t0).items) == 3


def test_what_else_a_commit_has_is_there_at_once(store, make):
    period = StationPeriodRecord(station_id="S0", begin_us=1, end_us=2, period=b"abc")
    store.commit([*many(make), StationPeriods(periods=[period])], {"p": [b"x"]}, now_us=0, journal=())
    assert waiting(store) == 2
    assert store.load_snapshots() == {"p": [b"x"]}
    assert store._writer.execute("SELECT count(*) FROM station_periods").fetchone() == (1,)


def test_a_commit_that_fails_leaves_nothing_behind(store, make, monkeypatch):
    monkeypatch.setattr(store, "_add_journal", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.commit(many(make), None, now_us=0, journal=[b"x"])
    assert (waiting(store), store._behind.rows) == (0, 0)
    store.commit([make.samples("d0", [make.t0], [1.0])], None, now_us=0)
    assert len(store.observations("d0", 0, 2 * make.t0).items) == 1


def test_a_disk_that_is_full_while_rows_are_brought_loses_none(store, make, monkeypatch):
    store._behind.clock_s = lambda: 0.0
    store.commit(many(make), None, now_us=0)
    store._behind.clock_s = lambda: behind.HOLD_S
    wrote = store._put_figures

    def full(*_, **__):
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(store, "_put_figures", full)
    with pytest.raises(StorageFullError):
        store.tidy()
    assert waiting(store) == 2
    monkeypatch.setattr(store, "_put_figures", wrote)
    store.tidy()
    assert waiting(store) == 0
    assert len(store.observations("d2", 0, 2 * make.t0).items) == 3
    assert store.station("S0").figures is not None


def test_too_much_that_waits_makes_the_next_commit_wait(store, make):
    store._behind.clock_s = lambda: 0.0
    for number in range(3):
        store.commit(many(make, number), None, now_us=0)
    assert store._behind.rows == 54
    store.commit(many(make, 3), None, now_us=0)
    assert store._behind.rows == 18


def test_sums_are_made_of_what_was_brought(store, make):
    store._behind.clock_s = lambda: 0.0
    store.commit(many(make), None, now_us=make.t0)
    assert not store.roll_up(2 * make.t0)
    store._behind.clock_s = lambda: behind.HOLD_S
    store.tidy()
    now_us = 2 * make.t0
    while store.roll_up(now_us):
        now_us += make.t0
    (sums,) = store.station_quality("S0", make.t0, make.t0 + 60_000_000, 60)
    assert sums.reports == 3
