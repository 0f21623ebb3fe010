"""What is particular to SQLite: versions of the file, readers beside the writer, a full disk."""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import closing

import msgspec
import pytest

from sensors.model import Station
from storage.named_sql import load_migrations
from storage.sql.packing import figures_row, pack, report_rows
from storage.sqlite import SqliteStore
from storage.sqlite.database import QUERIES, SqliteDatabase, split_statements
from storage.sqlite.sta import RELATIONS
from storage.sqlite.tables import EPOCHS, FIGURES
from storage.store import StorageFullError, StoreVersionError
from streams.records import Change, Changes, StationReports


@pytest.fixture
def store(tmp_path):
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        yield store


def versions(path):
    with closing(sqlite3.connect(path)) as connection:
        return [v for (v,) in connection.execute("SELECT version FROM schema_version ORDER BY version")]


def test_migrations_run_once_and_in_order(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "store.db"
    SqliteStore(path).close()
    known = load_migrations("sqlite")
    assert versions(path) == list(known) == list(range(1, len(known) + 1))
    more = known | {len(known) + 1: "CREATE TABLE later (x);\nINSERT INTO later VALUES ('a;b');\n"}
    monkeypatch.setattr("storage.sqlite.database.load_migrations", lambda dialect: more)
    for _ in range(2):
        SqliteStore(path).close()
    assert versions(path) == list(more)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM later").fetchall() == [("a;b",)]


def write_as_before(path, monkeypatch, version, rows):
    """Make a file of an older version; `rows` are (statement, values)."""
    older = {k: script for k, script in load_migrations("sqlite").items() if k <= version}
    with monkeypatch.context() as patch:
        patch.setattr("storage.sqlite.database.load_migrations", lambda dialect: older)
        with closing(SqliteDatabase(path)) as database, database._transaction() as writer:
            for statement, values in rows:
                writer.execute(statement, values)


def station_rows(report):
    latest = "INSERT INTO station_latest (station_key, epoch_us, state, report) VALUES (1, ?, 0, ?)"
    return [
        ("INSERT INTO stations (id) VALUES (?)", (report.station_id,)),
        (EPOCHS.put, report_rows([report], [1], [None])[0]),
        (latest, (report.epoch_us, pack(report))),
    ]


def test_what_an_older_version_has_of_the_newest_is_taken_over(tmp_path, monkeypatch, make):
    report = make.report("A", received_at_us=make.t0 - 5)
    figures = [make.figures("A", make.t0 + 60_000_000 * k) for k in range(3)]
    rows = [(FIGURES.put, figures_row(one, 1)) for one in figures]
    write_as_before(tmp_path / "store.db", monkeypatch, 14, station_rows(report) + rows)
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        assert store.station("A").figures == figures[-1]
        assert store.stored_times().newest_us == make.t0 - 5
        store.commit([StationReports(reports=[], figures=figures[:2])], None, now_us=0)
        assert store.station("A").figures == figures[-1]


def test_a_database_of_the_first_version_goes_on(tmp_path, monkeypatch, make):
    path = tmp_path / "store.db"
    write_as_before(path, monkeypatch, 1, station_rows(make.report("A")))
    with closing(SqliteStore(path)) as store:
        row = store.station("A")
        assert (row.report, row.figures) == (make.report("A"), None)
        again = StationReports(reports=[make.report("A")], figures=[make.figures("A")])
        store.commit([again], None, now_us=0)
        assert store.station("A").figures == make.figures("A")
        plain = store.station_quality("A", make.t0, make.t0 + 60_000_000, 60)
        assert [store.roll_up(k * make.t0) for k in range(1, 5)] == [True, True, True, False]
        assert plain == store.station_quality("A", make.t0, make.t0 + 60_000_000, 60)
        assert plain[0].reports == 1
        assert store._writer.execute("SELECT count(*) FROM station_days").fetchone() == (1,)


def test_a_migration_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    known = load_migrations("sqlite")
    broken = known | {len(known) + 1: "CREATE TABLE later (x);\nINSERT INTO nowhere VALUES (1);\n"}
    with monkeypatch.context() as patch:
        patch.setattr("storage.sqlite.database.load_migrations", lambda dialect: broken)
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            SqliteStore(path)
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM sqlite_master WHERE name = 'later'").fetchall() == []


def test_a_newer_database_is_refused(tmp_path):
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO schema_version VALUES (999)")
    with pytest.raises(StoreVersionError, match="has version 999, this program knows versions up to"):
        SqliteStore(path)


def test_settings_that_survive_a_power_cut(store):
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)


def explain(store, how, sql):
    """Return what SQLite says of a query; every parameter is 1."""
    table = "sample_minutes" if "datastream_key" in sql else "station_minutes"
    for word, name in (
        ("rollup", table),
        ("expiring", "samples"),
        ("owner", "datastream_key"),
        ("at", "time_us"),
    ):
        sql = re.sub(rf"\b{word}\b", name, sql)
    if "p.number" in sql:
        sql = f"SELECT ({sql}) FROM (SELECT 1 AS number, 1 AS indicator) AS p"
    named = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
    return store._writer.execute(f"{how} {sql}", named or [1] * sql.count("?")).fetchall()


def test_every_named_query_is_valid_sql(store):
    for name, sql in QUERIES.items():
        assert explain(store, "EXPLAIN", RELATIONS.get(name, sql)), name


def test_no_query_reads_the_whole_of_a_large_table(store):
    large = ("station_epochs", "samples", "detections", "alert_transitions", "raw_segments", "arrived_")
    assert explain(store, "EXPLAIN QUERY PLAN", "SELECT * FROM samples")[0][3].startswith("SCAN samples")
    for name, sql in QUERIES.items():
        if sql.startswith(("SELECT", "WITH")) and name not in RELATIONS:
            plan = [row[3] for row in explain(store, "EXPLAIN QUERY PLAN", sql)]
            assert not [step for step in plan if step.startswith(tuple(f"SCAN {t}" for t in large))], name


def test_commits_of_another_time_are_not_looked_into(store):
    limited = [name for name, sql in QUERIES.items() if "arrivals" in sql and "first_us" in sql]
    assert {"sample_sums", "report_sums", "values_at", "observations", "series_extents"} <= set(limited)
    for name in {*limited} - {"add_arrival"}:
        plan = [row[3] for row in explain(store, "EXPLAIN QUERY PLAN", QUERIES[name])]
        looks = [step for step in plan if re.search(r"\barrivals\b", step)]
        assert looks, name
        assert all("arrivals_by_" in step for step in looks), (name, plan)


def test_statements_are_cut_at_their_ends():
    script = "CREATE TABLE a (x -- not; here\n);\n\nINSERT INTO a\nVALUES (';');\n-- the end\n"
    assert [s.split()[0] for s in split_statements(script)] == ["CREATE", "INSERT"]


def test_readers_see_whole_commits_while_the_writer_works(store, make):
    """Each commit holds one report of each of 20 stations, so all stations have the same number of them."""
    names = [f"S{i:02}" for i in range(20)]
    done = threading.Event()
    wrong, seen = [], set()

    def read():
        while not done.is_set():
            reports = [row.report.epoch_us for row in store.stations().items]
            seen.add(len(reports))
            if reports and (len(reports) != 20 or len(set(reports)) != 1):
                wrong.append(reports)
            store.station_quality("S01", 0, make.t0 + 10**10, 10**7)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for k in range(150):
        batch = StationReports(reports=[make.report(name, make.t0 + k) for name in names])
        store.commit([batch], None, now_us=0)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert 20 in seen
    assert len(store.station_reports("S07", 0, 2**62).items) == 150


def test_a_reader_does_not_wait_for_a_long_commit(store, make):
    store.commit([make.samples("d", [1], [1.0])], None, now_us=0)
    found = []
    reader = threading.Thread(target=lambda: found.extend(store.observations("d", 0, 10).items))
    with store._transaction() as connection:
        connection.execute("DELETE FROM samples")
        reader.start()
        reader.join(30)
        assert len(found) == 1
        assert not reader.is_alive()


def test_the_log_comes_into_the_file_beside_the_commits(tmp_path, make):
    with closing(SqliteStore(tmp_path / "store.db")) as store:
        names = [f"S{k}" for k in range(500)]
        store.commit([StationReports(reports=[make.report(n) for n in names])], None, now_us=0)
        before = store.path.stat().st_size
        with store._transaction():  # a commit that goes on meanwhile
            store.tidy()
        store.tidy()
        assert store.path.stat().st_size > before
        assert len(store.stations(limit=1000).items) == 500


def test_the_questions_of_one_answer_see_the_same_state(store, make, monkeypatch):
    """A commit between the two queries of `observation_windows` does not show in the second."""
    store.commit([make.samples("d", [1], [1.0])], None, now_us=0)

    class Spy(dict):
        def __getitem__(self, name):
            if name == "observation_flags":
                store.commit([make.samples("d", [2, 5_000_000], [1.0, 1.0])], None, now_us=0)
            return QUERIES[name]

    monkeypatch.setattr(store, "_queries", Spy())
    (window,) = store.observation_windows("d", 0, 10**7, 1, ["count"])
    assert (window.values, window.flags) == ({"count": 1}, {1: 1})


def test_a_full_disk_is_said_and_passes(store, make):
    store.commit([make.samples("d", [1], [1.0])], None, now_us=0)
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 3}")
    large = make.samples("d", range(10_000), range(10_000))
    for _ in range(2):
        with pytest.raises(StorageFullError, match=r"no space is left in .*make room"):
            store.commit([large], None, now_us=0)
    assert len(store.observations("d", 0, 2**62).items) == 1
    store._writer.execute("PRAGMA max_page_count = 1000000")
    store.commit([large], None, now_us=0)
    assert len(store.observations("d", 0, 2**62, limit=20_000).items) == 10_000


def test_places_of_stations_are_those_that_stand_beside_their_verdicts(store, make):
    known = Station(id="K", name="Known", longitude=114.0, latitude=30.5, height_m=20.0)
    store.put_registry(stations=[known, Station(id="G", name="G")])
    at = make.report("STREAMED", ecef_m=(-2267749.0, 5009154.0, 3221290.0))
    gone = Change(
        kind="station", id="G", version=1, verb="delete", before=None, after=None, by="Li",
        at_us=1, command_id="c",
    )  # fmt: skip
    reports = StationReports(reports=[at, make.report("K")])
    store.commit([reports, Changes(changes=[gone])], None, now_us=0)
    plain = [msgspec.structs.replace(one, report=None, figures=None) for one in store.stations().items]
    assert store.station_places() == plain
    assert [one.id for one in plain] == ["K", "STREAMED"]
