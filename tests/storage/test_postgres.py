"""What is particular to PostgreSQL: its schema's version, partitions, places, a server that goes away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing

import msgspec
import psycopg
import pytest

from sensors.model import Datastream, Station, Thing
from storage.named_sql import load_migrations
from storage.postgres import PostgresStore, migrate, partitions, status
from storage.postgres.errors import DatabaseAwayError, WriterBusyError
from storage.sql.levels import STATIONS
from storage.sql.rolling import _Span
from storage.store import RowsRefusedError, StorageError, StorageFullError, StoreVersionError
from streams.records import LATEST_US, AlertTransitions, StationReports
from tests.storage.test_rollups import roll

pytestmark = pytest.mark.integration

S = 1_000_000
HOUR, DAY = 3_600 * S, 86_400 * S
END = 2**62


@pytest.fixture
def store(postgres_url):
    with closing(PostgresStore(postgres_url)) as store:
        yield store


@pytest.fixture
def empty_url(postgres_server):
    url = postgres_server.empty()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def ask(postgres_server, postgres_url):
    return lambda statement: postgres_server.sql(statement, postgres_url)


# --- versions -------------------------------------------------------------------------------------------


def test_a_database_is_made_once_and_asked_for_by_name(empty_url, postgres_server):
    known = list(load_migrations("postgres"))
    with pytest.raises(StoreVersionError, match=r"has no tables yet.*run groundswell db migrate"):
        PostgresStore(empty_url)
    assert (status(empty_url).applied, status(empty_url).pending) == ([], known)
    done = []
    both = [threading.Thread(target=lambda: done.append(migrate(empty_url))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(done) == [[], known]
    assert (status(empty_url).applied, status(empty_url).pending) == (known, [])
    PostgresStore(empty_url).close()
    postgres_server.sql("INSERT INTO schema_version VALUES (999)", empty_url)
    for refused in (PostgresStore, migrate):
        with pytest.raises(StoreVersionError, match=r"has version 999, this program knows.*groundswell db"):
            refused(empty_url)


def test_a_migration_that_fails_changes_nothing(empty_url, monkeypatch):
    known = load_migrations("postgres")
    broken = known | {len(known) + 1: "CREATE TABLE later (x int);\nINSERT INTO nowhere VALUES (1);\n"}
    monkeypatch.setattr("storage.postgres.migrations.load_migrations", lambda dialect: broken)
    with pytest.raises(StorageError, match="nowhere"):
        migrate(empty_url)
    assert status(empty_url).applied == []
    monkeypatch.undo()
    PostgresStore(empty_url, migrate=True).close()


@pytest.mark.parametrize("wrong", [{"number": 2**63}, {"alert_id": random.Random(1).randbytes(9_000).hex()}])
def test_what_no_row_can_hold_is_told_from_a_server_in_trouble(store, make, wrong):
    batch = AlertTransitions(transitions=[make.transition(**wrong)])
    with pytest.raises(RowsRefusedError, match="refused"):
        store.commit([batch], None, now_us=make.t0)
    store.commit([AlertTransitions(transitions=[make.transition(1)])], None, now_us=make.t0)
    assert [one.alert_id for one in store.alerts().items] == ["a1"]


# --- partitions -----------------------------------------------------------------------------------------


def rows_of(ask, table):
    return ask(f"SELECT count(*) FROM {table}")[0][0]


def test_rows_stand_in_the_partition_of_their_day_and_far_ones_in_none(store, make, ask):
    now_us = make.t0  # 2023-11-14
    times = [now_us, now_us - DAY, now_us - 5000 * DAY, now_us + 5000 * DAY, -5, LATEST_US - DAY]
    batch = StationReports(reports=[make.report("A", t) for t in times], figures=[make.figures("A", now_us)])
    store.commit([batch, make.samples("d", times, range(6))], None, now_us=now_us)
    for table in ("station_epochs", "samples"):
        assert rows_of(ask, f"{table}_20231113") == rows_of(ask, f"{table}_20231114") == 1
        assert rows_of(ask, f"{table}_20231115") == 0, "made before it is needed"
        assert rows_of(ask, f"{table}_other") == 4
    assert rows_of(ask, "station_figures_202311") == 1
    assert store.rows_apart == {"station_epochs": 4, "samples": 4}
    assert [r.epoch_us for r in store.station_reports("A", -10, END + 1).items] == sorted(times)
    assert [o.time_us for o in store.observations("d", -10, END + 1).items] == sorted(times)


def test_wrong_clocks_make_no_partitions_without_end(store, make, ask):
    days = range(-3000, 3000, 7)
    store.commit([make.samples("d", [make.t0 + k * DAY for k in days], days)], None, now_us=make.t0)
    made = ask("SELECT count(*) FROM pg_inherits WHERE inhparent = 'samples'::regclass")[0][0]
    assert made < 2 * partitions.NEAR_US / DAY / 7 + 6
    assert rows_of(ask, "samples") == len(days)


def test_what_came_too_early_moves_when_its_day_comes(store, make, ask):
    day_us = make.t0 - make.t0 % DAY
    store.commit([make.samples("d", [day_us, day_us + 1], [1.0, 2.0])], None, now_us=day_us - 200 * DAY)
    assert rows_of(ask, "samples_other") == 2
    store.commit([make.samples("d", [day_us + 1], [3.0], revision=1)], None, now_us=day_us)
    assert (rows_of(ask, "samples_other"), rows_of(ask, "samples_20231114")) == (0, 2)
    assert [o.value for o in store.observations("d", 0, END).items] == [1.0, 3.0]


def test_a_reader_that_takes_long_holds_up_nobody(store, make, ask, postgres_url, monkeypatch):
    monkeypatch.setattr(partitions, "PATIENCE_MS", 50)
    with psycopg.connect(postgres_url) as reader:
        reader.execute("SELECT count(*) FROM samples")
        store.commit([make.samples("d", [make.t0], [1.0])], None, now_us=make.t0)
        assert rows_of(ask, "samples_other") == 1
    store.commit([], None, now_us=make.t0 + 59 * S)
    assert rows_of(ask, "samples_other") == 1, "it is not tried at each commit"
    store.commit([], None, now_us=make.t0 + 61 * S)
    assert (rows_of(ask, "samples_other"), rows_of(ask, "samples_20231114")) == (0, 1)


def test_a_partition_that_somebody_drops_is_made_anew_and_no_row_is_lost(store, make, ask):
    tables = ("station_epochs", "samples")
    for k in range(3):
        if k == 1:
            for table in tables:
                ask(f"DROP TABLE {table}_20231114")
        reports = StationReports(reports=[make.report("A", make.t0 + k * S)])
        store.commit([reports, make.samples("d", [make.t0 + k * S], [k])], None, now_us=make.t0)
    for table in tables:
        assert rows_of(ask, f"{table}_other") == 0
        assert rows_of(ask, f"{table}_20231114") == 2
    assert [o.value for o in store.observations("d", 0, END).items] == [1.0, 2.0]
    assert [r.epoch_us for r in store.station_reports("A", 0, END).items] == [make.t0 + S, make.t0 + 2 * S]


def test_what_somebody_detaches_gets_no_more_rows(store, make, ask):
    for k in range(4):
        if k == 1:
            for table in ("station_epochs", "samples"):
                ask(f"ALTER TABLE {table} DETACH PARTITION {table}_20231114")
        reports = StationReports(reports=[make.report("A", make.t0 + k * S)])
        store.commit([reports, make.samples("d", [make.t0 + k * S], [k])], None, now_us=make.t0)
    for table in ("station_epochs", "samples"):
        assert (rows_of(ask, f"{table}_20231114"), rows_of(ask, table)) == (1, 3)
        ask(f"DROP TABLE {table}_20231114")  # the next test has the same database
    assert [o.value for o in store.observations("d", 0, END).items] == [1.0, 2.0, 3.0]


def test_a_writer_begins_where_a_detached_partition_still_has_its_name(store, make, ask, postgres_url):
    store.commit([make.samples("d", [make.t0], [0.0])], None, now_us=make.t0)
    ask("ALTER TABLE samples DETACH PARTITION samples_20231114")
    with closing(PostgresStore(postgres_url)) as again:
        again.commit([make.samples("d", [make.t0 + S], [1.0])], None, now_us=make.t0)
        assert [o.value for o in again.observations("d", 0, END).items] == [1.0]
        ask("DROP TABLE samples_20231114")
        later_us = make.t0 + 61 * S
        again.commit([make.samples("d", [later_us], [2.0])], None, now_us=later_us)
        assert rows_of(ask, "samples_20231114") == 2
        assert [o.value for o in again.observations("d", 0, END).items] == [1.0, 2.0]


def test_what_is_too_old_is_dropped(store, make, ask):
    now_us = make.t0 - make.t0 % DAY + DAY // 2
    for k in range(5):
        reports = StationReports(reports=[make.report("A", now_us - k * DAY)])
        store.commit([reports, make.samples("d", [now_us - k * DAY], [k])], None, now_us=now_us - k * DAY)
    store.commit([make.samples("d", [5], [0.5])], None, now_us=now_us)
    store.drop_expired(now_us, {"samples": 2 * 86_400})
    assert len(store.observations("d", 0, END).items) == 6, "nothing is summed up yet"
    roll(store)
    ask("ANALYZE samples")
    assert store.drop_expired(now_us, {"samples": 2 * 86_400}) == {"samples": 3}
    left = ask(
        "SELECT c.oid::regclass::text FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid "
        "WHERE inhparent = 'samples'::regclass ORDER BY 1"
    )
    assert left[0] == ("samples_20231112",)
    assert [o.value for o in store.observations("d", 0, END).items] == [2.0, 1.0, 0.0]
    assert len(store.station_reports("A", 0, END).items) == 5
    store.commit([make.samples("d", [now_us - 4 * DAY], [9.0])], None, now_us=now_us)
    assert rows_of(ask, "samples") == 4, "what comes late is kept until the next time"


@pytest.mark.parametrize(
    ("span", "time_us", "name", "days"),
    [
        ("day", 0, "t_19700101", 1),
        ("day", 1_709_251_199_999_999, "t_20240229", 1),
        ("month", 1_709_251_199_999_999, "t_202402", 29),
        ("month", 1_735_689_599_999_999, "t_202412", 31),
    ],
)
def test_names_and_bounds_of_partitions(span, time_us, name, days):
    table = partitions.Partitioned("t", "c", span)
    found = partitions.partition_of(table, time_us)
    assert (found.name, found.end_us - found.begin_us) == (name, days * DAY)
    assert found.begin_us <= time_us < found.end_us
    assert partitions.partition_of(table, found.begin_us) == found
    assert partitions.partition_of(table, found.end_us).begin_us == found.end_us


# --- places ---------------------------------------------------------------------------------------------


def test_places_are_geometries_with_the_datum_of_their_height(store, make, ask):
    equator = (0.0, 6_378_137.0 + 100.0, 0.0)  # 90 degrees east
    store.commit([StationReports(reports=[make.report("S", ecef_m=equator)])], None, now_us=1)
    store.put_registry(
        stations=[
            Station(id="H", name="h", longitude=91.0, latitude=1.0, height_m=20.0),
            Station(id="N", name="n", longitude=92.0, latitude=1.0),
            Station(id="0", name="nowhere"),
        ],
        things=[Thing(id="t", name="t", longitude=120.5, latitude=30.25, height_m=3.5)],
    )
    places = "SELECT id, ST_AsEWKT(position, 3), height_datum FROM {} ORDER BY id"
    assert ask(places.format("stations")) == [
        ("0", None, None),
        ("H", "SRID=4490;POINT(91 1 20)", "ellipsoidal"),
        ("N", "SRID=4490;POINT(92 1 0)", None),
        ("S", "SRID=4490;POINT(90 0 100)", "ellipsoidal"),
    ]
    assert ask(places.format("things")) == [("t", "SRID=4490;POINT(120.5 30.25 3.5)", "EPSG:5737")]
    store.put_registry(stations=[Station(id="H", name="h")])
    assert ask("SELECT position IS NULL FROM stations WHERE id = 'H'") == [(True,)]


def test_stations_within_a_polygon(store, make):
    stations = [
        Station(id=f"{x}{y}", name="", longitude=100.0 + x, latitude=30.0 + y)
        for x in range(4)
        for y in range(4)
    ]
    store.put_registry(stations=stations)
    triangle = [(100.0, 30.0), (102.0, 30.0), (100.0, 32.0)]
    first = store.stations_within(triangle, limit=4)
    rest = store.stations_within(triangle, limit=4, after=first.next)
    assert [s.id for s in first.items + rest.items] == ["00", "01", "02", "10", "11", "20"]
    assert rest.next is None
    for bad in ([], triangle[:2], [*triangle, (float("nan"), 0.0)]):
        with pytest.raises(ValueError, match="at least three corners"):
            store.stations_within(bad)


# --- hostile names, trouble -----------------------------------------------------------------------------


def test_a_text_may_hold_anything(store, make):
    name = "a\0b'\"\\%s"
    reason = make.reason("c\0")
    store.commit(
        [
            StationReports(
                reports=[make.report(name, reasons=[reason])],
                figures=[make.figures(name, usable_systems="G\0E")],
            ),
            make.samples(name, [1], [1.0], tests=["t\0"]),
            AlertTransitions(transitions=[make.transition(1, alert_id=name, title=name)]),
        ],
        None,
        now_us=1,
        webhook_ids=[name],
    )
    assert store.station(name).report.reasons[0].text == reason.text
    assert len(store.station_reports(name, 0, END).items) == len(store.observations(name, 0, END).items) == 1
    assert store.alert(name).alert.title == name
    store.settle_delivery(name, f"{name}.1", delivered_at_us=None, error=name)
    assert store.counts().deliveries_given_up == 1


def test_numbers_beyond_their_columns_are_stored_as_the_largest(store, make):
    huge = make.report(
        "A", observations=2**40, satellites=10**6, score=-(10**9), jitter_s=-1e300, slips=2**62
    )
    late = msgspec.structs.replace(
        make.samples("d", [1], [float("inf")]),
        revision=make.samples("d", [1], [1], revision=2**31 - 1).revision,
    )
    store.commit([StationReports(reports=[huge]), late], None, now_us=1)
    (found,) = store.station_reports("A", 0, END).items
    assert (found.observations, found.satellites, found.slips) == (2**31 - 1, 2**15 - 1, 2**31 - 1)
    (sample,) = store.observations("d", 0, END).items
    assert (sample.value, sample.revision) == (float("inf"), 2**15 - 1)


def test_a_full_disk_is_said_and_passes(store, make, ask):
    ask(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
    )
    ask("CREATE TRIGGER full_disk BEFORE INSERT ON alerts FOR EACH ROW EXECUTE FUNCTION full_disk()")
    batches = [make.samples("d", [1], [1.0]), AlertTransitions(transitions=[make.transition(1)])]
    try:
        for _ in range(2):
            with pytest.raises(StorageFullError, match=r"no space is left for the database .*make room"):
                store.commit(batches, None, now_us=1, journal=[b"j"])
        assert (store.observations("d", 0, END).items, store.load_journal()) == ([], [])
    finally:
        ask("DROP FUNCTION full_disk CASCADE")
    store.commit(batches, None, now_us=1, journal=[b"j"])
    assert (len(store.open_alerts()), store.load_journal()) == (1, [b"j"])


def cut(ask, postgres_server, *, away=None):
    """Throw all clients out; with `away` nobody may come in before it is false."""
    (name,) = ask("SELECT current_database()")[0]
    if away is not None:
        postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {not away}")
    postgres_server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    return name


def test_broken_connections_are_made_anew(store, make, ask, postgres_server):
    for k in range(3):
        cut(ask, postgres_server)
        store.commit([make.samples("d", [k], [1.0])], None, now_us=1)
        cut(ask, postgres_server)
        assert len(store.observations("d", 0, END).items) == k + 1


def test_a_database_that_is_away_is_said_and_waited_for(store, make, ask, postgres_server, monkeypatch):
    monkeypatch.setattr(store._readers, "timeout", 0.3)
    name = cut(ask, postgres_server, away=True)
    try:
        for _ in range(2):
            with pytest.raises(DatabaseAwayError, match=rf"the database {name} at .* does not answer"):
                store.commit([make.samples("d", [1], [1.0])], None, now_us=1)
        with pytest.raises(DatabaseAwayError):
            store.observations("d", 0, END)
        with pytest.raises(StorageError):
            PostgresStore(store.url)
    finally:
        postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    store.commit([make.samples("d", [1], [1.0])], None, now_us=1)
    monkeypatch.setattr(store._readers, "timeout", 20)
    assert len(store.observations("d", 0, END).items) == 1


def test_a_password_is_not_told(postgres_url):
    with pytest.raises(StorageError) as caught:
        PostgresStore("postgresql://postgres:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)
    assert "nothing at 127.0.0.1:1" in str(caught.value)


class Lossy:
    """A connection whose server dies after a commit, or before it."""

    def __init__(self, real, *, keeps):
        self._real, self._keeps = real, keeps

    def __getattr__(self, name):
        return getattr(self._real, name)

    def execute(self, sql, *rest, **more):
        if not sql.endswith(b"COMMIT" if isinstance(sql, bytes) else "COMMIT"):
            return self._real.execute(sql, *rest, **more)
        if self._keeps:
            self._real.execute(sql)
        self._real.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_journal_is_not_doubled_when_the_answer_to_a_commit_is_lost(store, make, keeps):
    store.commit([], None, now_us=1, journal=[b"1"])
    for messages in ([b"2", b"3"], [b"2", b"3"]):  # the same messages may be meant twice
        store._writer = Lossy(store._writer, keeps=keeps)
        with pytest.raises(DatabaseAwayError):
            store.commit([make.samples("d", [1], [1.0])], None, now_us=1, journal=messages)
        store.commit([make.samples("d", [1], [1.0])], None, now_us=1, journal=messages)
    assert store.load_journal() == [b"1", b"2", b"3", b"2", b"3"]


def test_two_writers_of_the_same_rows_do_not_stop_each_other(store, make, postgres_url):
    errors = []

    def write(target, names):
        try:
            for k in range(30):
                reports = [make.report(name, make.t0 + k * S) for name in names]
                values = [make.samples(name, [make.t0 + k], [1.0]) for name in names]
                target.commit([StationReports(reports=reports), *values], None, now_us=make.t0)
        except StorageError as error:
            errors.append(error)

    names = [f"S{k:02}" for k in range(40)]
    with closing(PostgresStore(postgres_url)) as other:
        both = [
            threading.Thread(target=write, args=(store, names)),
            threading.Thread(target=write, args=(other, names[::-1])),
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
    assert errors == []
    assert [len(store.station_reports(name, 0, END).items) for name in names] == [30] * 40


def test_the_questions_of_one_answer_see_the_same_state(store, make, monkeypatch):
    """A commit between the two queries of `observation_windows` does not show in the second."""
    store.commit([make.samples("d", [1], [1.0])], None, now_us=0)
    queries = store._queries

    class Spy(dict):
        def __getitem__(self, name):
            if name == "observation_flags":
                store.commit([make.samples("d", [2, 5_000_000], [1.0, 1.0])], None, now_us=0)
            return queries[name]

    monkeypatch.setattr(store, "_queries", Spy())
    (window,) = store.observation_windows("d", 0, 10**7, 1, ["count"])
    assert (window.values, window.flags) == ({"count": 1}, {1: 1})


def test_commits_outlive_the_power(store):
    assert store._writer.execute("SHOW synchronous_commit").fetchone() == ("on",)


# --- beside the commits ---------------------------------------------------------------------------------


def patiently(work: Callable[[], None]) -> None:
    """Do what needs the turn, when the server has noticed that the connection before is gone."""
    end_s = time.monotonic() + 60.0
    while True:
        try:
            work()
        except WriterBusyError:
            assert time.monotonic() < end_s
            time.sleep(0.01)
        else:
            return


def test_one_writer_at_a_time_and_the_next_takes_over(store, make, postgres_url, ask, postgres_server):
    store.hold()
    store.hold()
    with closing(PostgresStore(postgres_url)) as other:
        assert other.stations().items == [], "who reads needs no turn"
        with pytest.raises(WriterBusyError, match="another groundswell store writes into the database"):
            other.hold()
        store.close()
        patiently(other.hold)
        other.commit([make.samples("d", [1], [1.0])], None, now_us=1)
        cut(ask, postgres_server)
        with closing(PostgresStore(postgres_url)) as third:
            patiently(third.hold)
            for _ in range(2):
                with pytest.raises(WriterBusyError):
                    other.commit([make.samples("d", [2], [1.0])], None, now_us=1)
        # a commit takes the turn by itself, once the server has noticed that it is free
        patiently(lambda: other.commit([make.samples("d", [2], [1.0])], None, now_us=1))
        assert len(other.observations("d", 0, END).items) == 2


def test_the_newest_reports_are_brought_beside_the_commits(store, make, postgres_url, ask):
    """Once for many commits, and by the next process when this one is killed."""
    for k in range(5):
        reason = [make.reason(f"c{k}")] if k % 2 == 0 else []
        reports = [make.report(name, make.t0 + k * S, reasons=reason) for name in ("A", "B")]
        store.commit([StationReports(reports=reports)], None, now_us=make.t0)
    store.commit([StationReports(reports=[make.report("A", make.t0)])], None, now_us=make.t0)
    assert rows_of(ask, "station_latest") == 0
    assert [row.report for row in store.stations().items] == reports
    assert rows_of(ask, "station_latest") == 2
    again = make.report("B", make.t0 + 4 * S, score=5)
    store.commit([StationReports(reports=[again])], None, now_us=make.t0)
    assert store.station("B").report == again
    lost = [make.report(name, make.t0 + 9 * S, reasons=[make.reason()]) for name in ("B", "C")]
    store.commit([StationReports(reports=lost)], None, now_us=make.t0)
    store._waiting.clear()  # killed
    with closing(PostgresStore(postgres_url)) as other:
        assert other.station("C").report is None
        other.commit([StationReports(reports=[make.report("D", make.t0)])], None, now_us=make.t0)
        assert [row.report for row in other.stations().items] == [
            reports[0],
            *lost,
            make.report("D", make.t0),
        ]


def test_newest_reports_that_another_version_packed_are_read_from_their_columns(store, make, ask):
    reports = [make.report(name, reasons=reasons) for name, reasons in (("A", [make.reason()]), ("B", []))]
    figures = [make.figures("C")]
    store.commit([StationReports(reports=reports, figures=figures)], None, now_us=make.t0)
    assert [row.report for row in store.stations().items] == [*reports, None]
    ask("UPDATE station_latest SET report = '\\x81a16101'")
    assert [row.report for row in store.stations().items] == [*reports, None]
    assert store.station("A").report == reports[0]


def test_newest_reports_wait_while_the_database_is_away(store, make, ask, postgres_server):
    store.commit([StationReports(reports=[make.report("A", make.t0)])], None, now_us=make.t0)
    cut(ask, postgres_server, away=True)
    try:
        with pytest.raises(StorageError):
            store.bring_latest()
        with pytest.raises(StorageError):
            store.roll_up(END)
    finally:
        name = psycopg.conninfo.conninfo_to_dict(store.url)["dbname"]
        postgres_server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    store.bring_latest()
    assert rows_of(ask, "station_latest") == 1
    roll(store)
    assert rows_of(ask, "station_days") == 1


def datastream(name):
    return Datastream(id=name, thing_id="thing", property_id="level", name=name, unit="m")


def test_the_newest_sample_is_found_though_few_commits_write_where(store, make, postgres_url, ask):
    """From a bound on, which commits renew when another hour has begun; the next process finds it, too."""
    begin = make.t0 - make.t0 % HOUR
    store.put_registry(datastreams=[datastream(name) for name in ("d", "e", "silent")])

    def bounds():
        found = ask("SELECT id, time_us FROM datastream_latest JOIN datastreams USING (datastream_key)")
        return {name: (time_us - begin) / S for name, time_us in found}

    def newest(some):
        latest = {row.id: row.latest for row in some.datastreams().items}
        return {name: one and (one.time_us - begin) / S for name, one in latest.items()}

    def commit(some, name, *seconds):
        some.commit([make.samples(name, [begin + k * S for k in seconds], seconds)], None, now_us=make.t0)

    commit(store, "d", 5, 3)
    commit(store, "d", 7)
    commit(store, "e", 9)
    assert bounds() == {"d": 5, "e": 9}
    assert newest(store) == {"d": 7, "e": 9, "silent": None}
    commit(store, "d", -4000)
    commit(store, "d", 3600, 3601, 8)
    assert bounds() == {"d": 3601, "e": 9}
    commit(store, "e", 100_000, 2)
    commit(store, "e", 100_001)
    assert (bounds(), newest(store)) == ({"d": 3601, "e": 100_000}, {"d": 3601, "e": 100_001, "silent": None})
    with closing(PostgresStore(postgres_url)) as other:
        commit(other, "e", 20)
        assert (bounds()["e"], newest(other)["e"]) == (100_000, 100_001)
        commit(other, "e", 100_002)
        assert newest(other)["e"] == 100_002
        assert (other.datastream("e").latest.value, other.datastream("silent").latest) == (100_002, None)


def test_what_a_failed_commit_wrote_of_the_newest_samples_is_written_again(store, make, ask, monkeypatch):
    store.put_registry(datastreams=[datastream("d")])
    one = make.samples("d", [make.t0], [1.0])
    with monkeypatch.context() as patch:
        patch.setattr(store, "_put_segments", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.commit([one], None, now_us=make.t0)
    assert rows_of(ask, "datastream_latest") == 0
    store.commit([one], None, now_us=make.t0)
    assert rows_of(ask, "datastream_latest") == 1
    assert store.datastream("d").latest.value == 1.0


def test_a_commit_does_not_wait_for_rolling_up(store, make, ask):
    now_us = make.t0
    store.commit([StationReports(reports=[make.report("A", now_us)])], None, now_us=now_us)
    with store._keeping() as connection:
        store._make_anew(
            connection,
            _Span(STATIONS, 0, now_us // 60 // S * 60 * S, now_us // 60 // S * 60 * S + 60 * S),
            now_us,
        )
        # the minute is summed up, and this is not told yet: a row of it comes in between
        store.commit([StationReports(reports=[make.report("A", now_us + S)])], None, now_us=now_us)
    assert rows_of(ask, "rollup_marks") == 2, "of the minute again, and of its hour"
    (window,) = store.station_quality("A", now_us, now_us + 60 * S, 86_400)
    assert window.reports == 2
    roll(store)
    assert ask("SELECT reports FROM station_days") == [(2,)]


def test_an_existing_database_is_summed_up_in_steps(empty_url, make, monkeypatch, postgres_server):
    known = load_migrations("postgres")
    monkeypatch.setattr("storage.postgres.migrations.load_migrations", lambda dialect: {1: known[1]})
    monkeypatch.setattr(partitions, "TABLES", partitions.TABLES[:4])
    migrate(empty_url)
    near, far = make.t0, make.t0 - 3000 * DAY
    with closing(PostgresStore(empty_url)) as store:
        store._mark = lambda *_: None
        store._newest_wait = lambda _: None
        for at_us in (near, near + DAY, far):
            reports = [make.report(name, at_us + k * S) for name in ("A", "B") for k in range(100)]
            store.commit(
                [StationReports(reports=reports), make.samples("d", [at_us], [1.0])], None, now_us=near
            )
    monkeypatch.undo()
    assert migrate(empty_url) == list(known)[1:]
    with closing(PostgresStore(empty_url)) as store:
        assert store.rollup_health().marks == 6
        asked = [(name, far - far % DAY, near + 2 * DAY, DAY // S) for name in ("A", "B")]
        before = [store.station_quality(*one) for one in asked]
        assert [[w.reports for w in some] for some in before] == [[100, 100, 100]] * 2
        store._step_buckets = 1440
        assert roll(store, most=10) == 10
        roll(store)
        assert [store.station_quality(*one) for one in asked] == before
        assert postgres_server.sql("SELECT sum(reports) FROM station_days", empty_url) == [(600,)]
