"""Rows of large commits come into their tables later; all questions are answered as if they were there."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.model import Datastream
from storage.sql.levels import STATIONS as STATION_KIND
from storage.sql.levels import Mark
from storage.sqlite import SqliteReader, SqliteStore, arrivals
from storage.sqlite.arrivals import NEVER_US, Arrivals, Newest
from storage.sqlite.tables import TABLES
from storage.sta_query import Column, Order, Question
from storage.store import StorageFullError
from streams import codec
from streams.records import FlaggedSamples, StationPeriodRecord, StationPeriods, StationReports

SERIES = ("d0", "d1", "d2")
STATIONS = ("S0", "S1", "S2")
SECONDS = 6
TIME, SERIES_OF, WHAT = Column("time_us", "time"), Column("number", "number"), Column("indicator", "number")
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, SECONDS - 1), st.integers(0, 2)), max_size=9)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), ROWS),
        st.tuples(st.sampled_from(["tidy", "turn", "wait", "kill", "close", "break"]), st.just([])),
    ),
    max_size=14,
)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("storage.sqlite.arrivals.LARGE_ROWS", 4)
    monkeypatch.setattr("storage.sqlite.bringing.STEP_ROWS", 3)
    monkeypatch.setattr("storage.sqlite.bringing.MOST_ROWS", 40)
    monkeypatch.setattr("storage.sqlite.bringing.BREATH_S", 0)


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
    for table in ("station_epochs", "station_figures", "station_latest", "station_figures_latest", "samples"):
        found[table] = store._writer.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
    latest = "SELECT datastream_key, time_us FROM datastream_latest ORDER BY 1"
    found["datastream_latest"] = store._writer.execute(latest).fetchall()
    for kind in ("station", "datastream", "name"):
        what = "names" if kind == "name" else "id"
        found[kind] = store._writer.execute(f"SELECT {kind}_key, {what} FROM {kind}s ORDER BY 1").fetchall()
    for table in ("arrivals", "arrived_epochs", "arrived_figures", "arrived_samples"):
        assert store._writer.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    return found


def answers(store, make):
    """Return what questions about these rows are answered."""
    begin_us, end_us = make.t0, make.t0 + 1_000_000 * SECONDS
    keys = [key for (key,) in store._writer.execute("SELECT datastream_key FROM datastreams ORDER BY 1")]
    found = [store.stations(limit=10), store.station_places(), store.datastreams(limit=10)]
    found += [
        store.datastreams(thing_id="T", limit=10),
        store.counts().stations_by_state,
        store.stored_times(),
    ]
    found += [store.station_extents(table) for table in ("reports", "figures")]
    found += [store.series_extents(keys), store.revised_spans(keys, begin_us, end_us, 2_000_000, limit=9)]
    for one in STATIONS:
        found += [store.station(one), store.station_reports(one, begin_us, end_us, limit=4)]
        found += [store.station_figures(one, 0, 2 * make.t0), store.station_quality(one, begin_us, end_us, 2)]
    times = [begin_us + 1_000_000 * t for t in range(SECONDS)]
    for one in SERIES:
        found += [store.datastream(one), store.observations(one, begin_us, end_us, limit=4)]
        found += [
            store.values_at({one: times}),
            store.observation_windows(one, begin_us, end_us, 2, ("mean", "last")),
        ]
    found.append(store.count_samples(keys, begin_us, end_us, limit=100))
    columns = store.sample_columns(keys, begin_us, end_us, limit=100)
    found.append([columns.series.tolist(), columns.time_us.tolist(), columns.value.tolist()])
    until = {"received_from_us": 0, "received_before_us": 2 * make.t0}
    received = store.received_samples(SERIES, begin_us, end_us, **until, limit=100)
    rows = (received.series.tolist(), received.time_us.tolist(), received.value.tolist())
    found.append(sorted(zip(*rows, strict=True)))
    found.append(store.quality_windows(STATIONS, begin_us, end_us, 2))
    for order in (Order(TIME, descending=True), Order(Column("result", "number"))):
        for source in ("samples", "reports", "figures"):
            question = Question("Observations", source=source, order=(order, Order(SERIES_OF), Order(WHAT)))
            found.append(store.sta_page(replace(question, limit=5)))
            found.append(store.sta_count(question))
            one = replace(question, order=(order,), limit=1, one_series=True)
            found.append(store.sta_series(one, [(key, -1 if source == "samples" else 3) for key in keys]))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_every_question_is_answered_as_without(make, tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("arrivals")
    now_s = 0.0
    left = []

    def opened():
        store = SqliteStore(folder / "waiting.db", behind=True)
        store._arrivals.clock_s = lambda: now_s
        return store

    plain, store = SqliteStore(folder / "plain.db"), opened()
    for one in (plain, store):
        series = [Datastream(id=d, name=d, thing_id="T", property_id="p", unit="m") for d in SERIES]
        one.put_registry(datastreams=series)
    try:
        for number, (what, rows) in enumerate(steps, 1):
            if what == "commit":
                for one in (plain, store):
                    one.commit(batches(make, rows, number), None, now_us=make.t0 + 9_000_000)
            elif what == "tidy":
                store.tidy()
            elif what == "turn":
                with one_step_each():
                    store.tidy()
            elif what == "wait":
                now_s += arrivals.HOLD_S
            elif what == "kill":
                left.append(store)
                store = opened()
            elif what == "break":
                with pytest.raises(OSError, match="half way"):
                    bring_half(store)
            else:
                store.close()
                store = opened()
            assert answers(store, make) == answers(plain, make)
        store.close()
        store = opened()
        assert content(store) == content(plain)
    finally:
        for one in (plain, store, *left):
            one.close()


@contextmanager
def one_step_each():
    """Let each call bring a step of what is to be brought."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.sqlite.bringing.TURN_S", -1.0)
        yield


def bring_half(store):
    """Bring what waits, and fail at the third transaction."""
    steps, wrote = 0, store._transaction

    def failing(*, synced=True):
        nonlocal steps
        steps += 1
        if steps == 3:
            raise OSError("half way")
        return wrote(synced=synced)

    store._transaction = failing
    try:
        store._bring_all()
        raise OSError("half way")  # there was nothing to bring
    finally:
        del store._transaction


@pytest.fixture
def store(tmp_path):
    with closing(SqliteStore(tmp_path / "store.db", behind=True)) as store:
        yield store


def many(make, number=0, begin=0):
    return batches(make, [(k, begin + t, 0) for k in range(3) for t in range(3)], number)


def waiting(store):
    return store._writer.execute("SELECT count(*) FROM arrived_samples").fetchone()[0]


def at(store, now_s):
    store._arrivals.clock_s = lambda: now_s


def test_rows_wait_some_seconds_while_many_come(store, make):
    at(store, 0.0)
    store.commit([make.samples("d0", [make.t0], [1.0])], None, now_us=0)
    assert (waiting(store), len(store.observations("d0", 0, 2 * make.t0).items)) == (0, 1)
    store.commit(many(make, 1), None, now_us=0)
    assert waiting(store) == 8  # the first row of d0 was known
    at(store, arrivals.RATE_S + 1)
    store.commit([make.samples("d9", [make.t0], [1.0])], None, now_us=0)
    assert waiting(store) == 8
    for k in range(20):  # each is small
        store.commit([make.samples("d9", [make.t0 + 1 + k], [1.0])], None, now_us=0)
    assert waiting(store) == 8 + 2  # four rows a second for five seconds are many
    assert len(store.observations("d9", 0, 2 * make.t0).items) == 21
    for now_s in (7.0, arrivals.HOLD_S, arrivals.REST_S + arrivals.HOLD_S):
        at(store, now_s)
        store.tidy()
        assert waiting(store) == (10 if now_s < arrivals.REST_S + arrivals.HOLD_S else 0)
    assert len(store.observations("d2", 0, 2 * make.t0).items) == 3


def test_rows_are_brought_by_turns_and_commits_go_on_between(store, make):
    at(store, 0.0)
    store.commit(many(make), None, now_us=0)
    at(store, 100.0)
    left = [waiting(store)]
    with one_step_each():
        while left[-1] and len(left) < 20:
            store.tidy()
            left.append(waiting(store))
            value = 50.0 + len(left)
            corrected = make.samples("d2", [make.t0], [value], revision=len(left))
            store.commit([corrected], None, now_us=0)
            (one,) = store.observations("d2", 0, make.t0 + 1).items
            assert one.value == value
    assert left == sorted(left, reverse=True)
    assert len(set(left)) > 2
    assert left[-1] == 0


def test_of_very_many_commits_that_wait_the_older_ones_are_brought(store, make, monkeypatch):
    monkeypatch.setattr(arrivals, "MOST_COMMITS", 3)
    monkeypatch.setattr("storage.sqlite.bringing.MOST_ROWS", 1000)
    for k in range(4):
        at(store, 8.0 * k)
        store.commit(many(make, begin=10 * k), None, now_us=0)
    store.tidy()
    assert waiting(store) == 18  # two are younger than ten seconds


def test_what_came_last_stays_until_the_next_sample_has_come(store, make):
    for now_s in (0.0, 35.0, 45.0):
        at(store, now_s)
        store.commit(many(make, int(now_s)), None, now_us=0)
        later = [make.samples("d0", [make.t0 + 1_000_000 * int(10 + now_s)], [1.0])] * 4
        store.commit(later, None, now_us=0)
    at(store, 50.0)
    store.tidy()
    assert waiting(store) == 1  # of 45.0; all others came before 40.0, and came again where they stand


def test_what_else_a_commit_has_is_there_at_once(store, make):
    period = StationPeriodRecord(station_id="S0", begin_us=1, end_us=2, period=b"abc")
    store.commit([*many(make), StationPeriods(periods=[period])], {"p": [b"x"]}, now_us=0, journal=())
    assert waiting(store) == 9
    assert store.load_snapshots() == {"p": [b"x"]}
    assert store._writer.execute("SELECT count(*) FROM station_periods").fetchone() == (1,)


def test_a_commit_that_fails_leaves_nothing_behind(store, make, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(store, "_add_journal", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.commit(many(make), None, now_us=0, journal=[b"x"])
    assert (waiting(store), store._arrivals.rows) == (0, 0)
    store.commit(many(make), None, now_us=0)
    assert waiting(store) == 9


def test_a_disk_that_is_full_while_rows_are_brought_loses_none(store, make, monkeypatch):
    at(store, 0.0)
    store.commit(many(make), None, now_us=0)
    at(store, 100.0)
    steps, wrote = 0, store._transaction

    @contextmanager
    def full(*, synced=True):
        nonlocal steps
        steps += 1
        with wrote(synced=synced) as connection:
            yield connection
            if steps > 4:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error

    with monkeypatch.context() as broken:
        broken.setattr(store, "_transaction", full)
        with pytest.raises(StorageFullError):
            store.tidy()
    rows = len(store.observations("d2", 0, 2 * make.t0).items)
    assert (rows, waiting(store)) == (3, 9)
    store.tidy()
    assert waiting(store) == 0
    assert len(store.observations("d2", 0, 2 * make.t0).items) == 3
    assert store.station("S0").figures is not None


def test_too_much_that_waits_makes_the_next_commit_wait(store, make):
    at(store, 0.0)
    for number in range(3):
        store.commit(many(make, number, begin=10 * number), None, now_us=0)
    assert store._arrivals.rows == 57
    store.commit(many(make, 3, begin=30), None, now_us=0)
    assert store._arrivals.rows == 19


def test_what_a_program_before_wrote_down_is_brought(make, tmp_path):
    with closing(SqliteStore(tmp_path / "store.db")) as store, store._transaction() as writer:
        for batch in many(make):
            writer.execute("INSERT INTO pending_rows (batch) VALUES (?)", (codec.encode(batch),))
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        assert len(store.observations("d2", 0, 2 * make.t0).items) == 3
        assert store.station("S1").report is not None
        assert store._writer.execute("SELECT count(*) FROM pending_rows").fetchone() == (0,)
        assert store._writer.execute("SELECT count(*) FROM rollup_marks").fetchone() != (0,)


def test_another_process_reads_what_waits(store, make):
    store.commit(many(make), None, now_us=0)
    assert waiting(store) == 9
    with closing(SqliteReader(store.path)) as reader:
        assert len(reader.observations("d2", 0, 2 * make.t0).items) == 3


@pytest.mark.parametrize("source", ["samples", "reports", "figures"])
@pytest.mark.parametrize("by", [Order(TIME, descending=True), Order(Column("result", "number"))])
def test_of_many_datastreams_no_table_is_read_whole(store, make, source, by, monkeypatch):
    store.commit(many(make), None, now_us=0)
    asked, asking = [], store._asking

    class Noting:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, sql, values):
            asked.extend(row[3] for row in self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
            return self.connection.execute(sql, values)

    @contextmanager
    def noting():
        with asking() as connection:
            yield Noting(connection)

    monkeypatch.setattr(store, "_asking", noting)
    question = Question("Observations", source=source, order=(by,), limit=1, one_series=True)
    rows = store.sta_series(question, [(key, -1 if source == "samples" else 3) for key in (1, 2, 3)])
    assert len(rows) == {"samples": 3, "reports": 3, "figures": 0}[source]
    assert [step for step in asked if step.startswith("SEARCH")]
    assert not [step for step in asked if re.match("SCAN (samples|station_|arrived_)", step)], asked


def test_sums_are_made_of_what_waits_and_of_what_was_brought(store, make):
    at(store, 0.0)
    store.commit(many(make), None, now_us=make.t0)
    minute = make.t0 // 60_000_000 * 60_000_000, make.t0 // 60_000_000 * 60_000_000 + 60_000_000
    plain, now_us = store.station_quality("S0", *minute, 60), make.t0
    assert plain[0].reports == 3
    for is_brought in (False, True):
        if is_brought:
            at(store, 100.0)
            store.tidy()
            with store._transaction() as writer:
                store._mark(writer, STATION_KIND, [Mark(*minute, None)], now_us)
        assert (waiting(store) == 0) == is_brought
        for _ in range(20):
            now_us += make.t0
            store.roll_up(now_us)
        assert store.rollup_health().marks == 0
        assert store.station_quality("S0", *minute, 60) == plain


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_have_the_columns_that_are_written(store, table):
    names = [
        name for (name,) in store._writer.execute("SELECT name FROM pragma_table_info(?)", (table.name,))
    ]
    assert table.columns == ", ".join(names)
    first = "SELECT name FROM pragma_table_info(?)"
    if table.latest:
        assert [name for (name,) in store._writer.execute(first, (table.latest,))] == names
    assert [name for (name,) in store._writer.execute(first, (table.arrived,))] == ["number", *names]


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 300)), max_size=20)


@given(st.lists(PAIRS, max_size=6), PAIRS, st.integers(0, 4), st.integers(0, 7))
def test_rows_are_found_in_the_commit_in_which_they_wait(commits, asked, high, last):
    held, stand = Arrivals(), {}
    for number, rows in enumerate(commits, 1):
        new = sorted({row for row in rows if row not in stand})
        held.add(number, {"t": columns_of(new), "other": columns_of([(9, 9)])})
        stand |= dict.fromkeys(new, number)
    held.brought("t", last, high)
    held.brought("t", last, high - 1)  # another try, from the begin
    still = {row: n for row, n in stand.items() if n > last or row[0] > high}
    found = held.find("t", *columns_of(asked))
    assert found.tolist() == [still.get(row, 0) for row in asked]
    held.forget(last)
    assert held.rows == sum(n > last for n in stand.values()) + max(len(commits) - last, 0)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(-5, 5)), max_size=30), st.integers(0, 5000))
def test_the_newest_time_of_each_key_is_known(rows, key):
    newest = Newest.of(rows[:10])
    newest.raise_to(*columns_of(rows[10:]))
    expected = max((at for k, at in rows if k == key), default=NEVER_US)
    assert newest.at(np.array([key])).tolist() == [expected]


def columns_of(rows):
    return tuple(np.array([row[i] for row in rows], np.int64) for i in (0, 1))
