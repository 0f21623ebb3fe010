"""TimescaleDB, as far as a stand-in for it goes: what is asked of it, when, and what is said about it."""

from __future__ import annotations

from contextlib import closing

import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from deploy.db_command import db
from storage.postgres import PostgresStore, adopt_timescale, hypertables, partitions, timescale
from storage.postgres import timescale_status as status
from streams.records import EARLIEST_US, StationReports
from tests.storage.test_rollups import roll
from tests.storage.timescaledb import licensed, with_timescaledb

pytestmark = pytest.mark.integration

S = 1_000_000
DAY = 86_400 * S
DAY_S = 86_400
END = 2**62
TABLES = [table.table for table in partitions.TABLES]


@pytest.fixture(scope="module")
def original(postgres_server):
    url = with_timescaledb(postgres_server)
    yield url
    postgres_server.drop(url)


@pytest.fixture
def url(postgres_server, original):
    url = postgres_server.copy(original)
    licensed(postgres_server, url)  # it is not copied
    yield url
    postgres_server.drop(url)


@pytest.fixture
def ask(postgres_server, url):
    return lambda statement: postgres_server.sql(statement, url)


def say(*words):
    result = CliRunner().invoke(db, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def chunks(ask, table):
    of = f"relation = '{table}'::regclass"
    return ask(f"SELECT begin_us, end_us FROM stand_in.chunks WHERE {of} ORDER BY 1")


def looks(ask, table):
    """Return all that is to stay the same of a table."""
    return ask(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, "
        "col_description(c.oid, a.attnum), pg_get_userbyid(c.relowner), "
        "has_table_privilege('reader_of_tests', c.oid, 'SELECT'), "
        "(SELECT array_agg(pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = c.oid) "
        f"FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.oid = '{table}'::regclass "
        "AND a.attnum > 0 ORDER BY a.attnum"
    )


def test_empty_tables_become_hypertables_that_look_as_before(url, ask, postgres_server):
    roles = ("reader_of_tests", "owner_of_tests")
    for role in roles:
        postgres_server.sql(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role}")
    ask("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_tests")
    ask("ALTER TABLE station_periods OWNER TO owner_of_tests")
    ask("COMMENT ON COLUMN samples.value IS 'as it came'")
    before = {table: looks(ask, table) for table in TABLES}
    assert "empty: station_epochs, samples" in say("status", "--database", url)
    assert f"made hypertables of {', '.join(TABLES)}" in say("migrate", "--database", url)
    after = {table: looks(ask, table) for table in TABLES}
    assert str(after) == str(before).replace("ON ONLY public.", "ON public.")
    assert ask("SELECT count(*) FROM pg_class WHERE relkind = 'p'") == [(0,)]
    assert ask("SELECT DISTINCT length_us FROM stand_in.hypertables ORDER BY 1") == [(DAY,), (30 * DAY,)]
    told = say("status", "--database", url)
    assert "TimescaleDB 2.11.0 (licence mode apache, which does not allow compression)" in told
    assert "station_epochs: hypertable, chunks: 3, not compressing" in told
    assert "hypertables" not in say("migrate", "--database", url), "all is done"
    ask("DROP OWNED BY reader_of_tests; REASSIGN OWNED BY owner_of_tests TO postgres")
    postgres_server.sql(f"DROP ROLE {roles[0]}; DROP ROLE {roles[1]}")


def test_off_is_off(url, ask):
    assert "hypertables" not in say("migrate", "--database", url, "--timescaledb", "off")
    assert ask("SELECT count(*) FROM stand_in.hypertables") == [(0,)]


def test_tables_with_rows_stay_until_they_are_moved(url, ask, make):
    times = [make.t0 + k * DAY for k in (-3000, -2, 0)]
    with closing(PostgresStore(url)) as store:
        store.commit([StationReports(reports=[make.report("A", t) for t in times])], None, now_us=make.t0)
        before = store.station_reports("A", 0, END).items
    made = ", ".join(TABLES[1:])
    assert adopt_timescale(url, make.t0) == [f"made hypertables of {made}"]
    told = say("status", "--database", url)
    assert "with rows: station_epochs; to move them, stop groundswell store and run groundswell db" in told
    with closing(PostgresStore(url)) as store:
        late = [make.report("A", make.t0 + 1), make.report("A", make.t0 - 5 * DAY)]
        store.commit(
            [StationReports(reports=late), make.samples("d", [make.t0], [1.0])], None, now_us=make.t0
        )
        roll(store)
        store.hold()
        (said,) = adopt_timescale(url, make.t0, move=True)
        assert said.startswith("a writer is at work: stop groundswell store")
    assert adopt_timescale(url, make.t0, move=True) == ["made hypertables of station_epochs"]
    assert status(url).filled == []
    day_us = make.t0 - make.t0 % DAY
    assert chunks(ask, "station_epochs")[-4:] == [
        (0, day_us - 92 * DAY),
        *[(day_us + k * DAY, day_us + (k + 1) * DAY) for k in (-5, -2, 0)],
    ]
    with closing(PostgresStore(url)) as store:
        assert store.station_reports("A", 0, END).items == sorted(
            before + late, key=lambda report: report.epoch_us
        )


def test_what_comes_from_wrong_clocks_shares_a_few_chunks_until_it_expires(url, ask, make):
    adopt_timescale(url, make.t0)
    far = [make.t0 - k * DAY for k in range(100, 3000, 100)] + [EARLIEST_US, -DAY, -1]
    near = [make.t0 - k * DAY for k in range(5)]
    with closing(PostgresStore(url)) as store:
        store.commit([make.samples("d", far + near, range(len(far + near)))], None, now_us=make.t0)
        assert len(chunks(ask, "samples")) == 3 + len(near)
        assert store.rows_apart == {"samples": len(far)}
        store.commit([make.samples("d", [far[0]], [7.0], revision=1)], None, now_us=make.t0)
        assert [o.value for o in store.observations("d", far[0], far[0] + 1).items] == [7.0]
        roll(store)
        dropped = store.drop_expired(make.t0, {"samples": 3 * DAY_S})
        assert dropped == {"samples": len(far) + 1}
        assert [o.time_us for o in store.observations("d", EARLIEST_US, END).items] == sorted(near[:4])
        # the wide one goes when its time has come, and there is another one
        store.commit([make.samples("d", [make.t0 + 200 * DAY], [1.0])], None, now_us=make.t0 + 200 * DAY)
        roll(store)
        store.drop_expired(make.t0 + 200 * DAY, {"samples": DAY_S})
        day_us = make.t0 - make.t0 % DAY + 200 * DAY
        assert chunks(ask, "samples")[2:] == [(0, day_us), (day_us, day_us + DAY)]
        store.commit([make.samples("d", far, range(len(far)))], None, now_us=make.t0 + 200 * DAY)
        assert len(chunks(ask, "samples")) == 4


def test_late_rows_are_taken_without_a_limit(url, ask, make):
    name = "timescaledb.max_tuples_decompressed_per_dml_transaction"
    adopt_timescale(url, make.t0)
    with closing(PostgresStore(url)) as store:
        assert store._writer.execute(f"SHOW {name}").fetchone() == ("0",)
    assert ask(f"SHOW {name}") == [("100000",)]


def test_only_what_licence_and_version_allow_is_compressed(url, ask, postgres_server, monkeypatch):
    # this one statement needs the library itself
    monkeypatch.setattr(timescale, "_COMPRESS", "SELECT stand_in.compress({name}::regclass, {key}, {order})")
    for licence, version in (("apache", "2.23.0-dev"), ("timescale", "2.10.3")):
        licensed(postgres_server, url, licence, version)
        assert not any("compress" in sentence for sentence in adopt_timescale(url, 10**15))
        assert not any(one.is_compressing for one in status(url).hypertables)
    licensed(postgres_server, url, "timescale", "2.11.0")
    (said,) = adopt_timescale(url, 10**15)
    assert said.startswith("what is older than 7 days is compressed in station_epochs, samples")
    after = ("groundswell_now_us", 7 * DAY)
    assert ask(
        "SELECT relation::text, segment_by, order_by, now_function::text, compress_after_us "
        "FROM stand_in.hypertables WHERE segment_by IS NOT NULL ORDER BY 1"
    ) == [
        ("sample_minutes", "datastream_key", "begin_us DESC", *after),
        ("samples", "datastream_key", "time_us DESC", *after),
        ("station_epochs", "station_key", "epoch_us DESC", *after),
        ("station_figures", "station_key", "time_us DESC", *after),
        ("station_minutes", "station_key", "begin_us DESC", *after),
    ]
    told = say("status", "--database", url)
    assert "which allows compression" in told
    assert "samples: hypertable, chunks: 3, 0 compressed" in told
    assert adopt_timescale(url, 10**15) == []


def test_what_cannot_be_done_is_said_and_changes_nothing(url, ask, postgres_server):
    ask("CREATE VIEW mine AS SELECT * FROM samples")
    made, said = adopt_timescale(url, 10**15)
    assert made == f"made hypertables of {', '.join(name for name in TABLES if name != 'samples')}"
    assert said.startswith("samples stays as it is, since a view or something else of yours needs it")
    assert status(url).empty == ["samples"]
    assert ask("SELECT count(*) FROM mine") == [(0,)]
    licensed(postgres_server, url, "timescale")
    ask("DROP VIEW mine")
    made, said = adopt_timescale(url, 10**15)
    assert made == "made hypertables of samples"
    assert said.startswith("station_epochs is not compressed: unrecognized parameter namespace"), "no library"
    assert not any(one.is_compressing for one in status(url).hypertables)


def test_an_extension_that_is_not_there_yet_is_asked_for(postgres_server, postgres_url, monkeypatch):
    """Another one of the same server stands for it: it is offered, needs a superuser, and is not loaded."""
    for room in (timescale, hypertables):
        monkeypatch.setattr(room, "EXTENSION", "pageinspect")
    (said,) = adopt_timescale(postgres_url, 10**15)
    assert "has not loaded it: to make use of it, add pageinspect to shared_preload_libraries" in said
    assert "the server offers TimescaleDB 1." in say("status", "--database", postgres_url)
    postgres_server.sql("DROP ROLE IF EXISTS somebody; CREATE ROLE somebody LOGIN")
    postgres_server.sql("GRANT pg_read_all_data TO somebody")
    try:
        (said,) = adopt_timescale(make_conninfo(postgres_url, user="somebody"), 10**15)
        assert "does not let this user install it (permission denied to create extension" in said
        assert "let a superuser run CREATE EXTENSION pageinspect" in said
    finally:
        postgres_server.sql("DROP ROLE somebody")
    for room in (timescale, hypertables):
        monkeypatch.setattr(room, "EXTENSION", "plpgsql")
    (said,) = adopt_timescale(postgres_url, 10**15)
    assert said.startswith("TimescaleDB 1.0 is too old to be made use of: update it to 2.11 or newer")
    assert "TimescaleDB 1.0 (too old)" in say("status", "--database", postgres_url)
