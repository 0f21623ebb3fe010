"""Grafana's dashboards: as its own models know them, and their questions asked of a real database."""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from storage.postgres import PostgresStore
from storage.sql.packing import pack
from streams.answer_statistics import figures
from streams.call_records import Calls
from streams.records import (
    AlertTransitions,
    Deliveries,
    DeliveryStep,
    Detection,
    Detections,
    StationReports,
)
from tests.dashboards import country as c
from tests.grafana import POSTGRES, PROMETHEUS, Query, Span, boards, queries, written_sql
from tests.operations import GRAFANA
from tests.storage.test_rollups import roll
from tests.streams.calls import answer

BELOW = ("zhejiang:HANG00CHN", "Hangzhou", None, None, "good", 90, ())
STATES, LEVELS = {"good", "degraded", "bad", "unknown"}, {"blue", "yellow", "orange", "red"}
VALUES = {
    "region": ["here", "zhejiang", "it's"],
    "station": ["SHAO00CHN"],
    "property": ["water_level"],
    "datastream": [c.GAUGE],
}
END = datetime.fromtimestamp(c.START_US / 1e6, UTC) + timedelta(seconds=30)
SPANS = {
    "minutes": Span(END - timedelta(minutes=9), END, 1_000),
    "hours": Span(END - timedelta(hours=6), END, 60_000),
    "days": Span(END - timedelta(days=7), END, 3_600_000),
    "years": Span(END - timedelta(days=700), END, 86_400_000),
}
SQL = [query for query in queries() if query.source == POSTGRES]


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", boards())
def test_a_dashboard_has_nothing_that_grafanas_models_do_not_know(name):
    with warnings.catch_warnings():  # of the newer form of dashboards, which not every Grafana reads yet
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.models.dashboard import Dashboard

        register_default_plugins()
    board = boards()[name]
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(board)))

    def compare(ours, theirs, path):
        if isinstance(ours, dict):
            assert isinstance(theirs, dict), path
            for key, value in ours.items():
                assert key in theirs, f"{path}/{key} is not known"
                compare(value, theirs[key], f"{path}/{key}")
        elif isinstance(ours, list):
            assert len(ours) == len(theirs), path
            for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
                compare(one, other, f"{path}/{i}")
        else:
            assert ours == theirs, path

    compare(board, known, name)


def test_dashboards_are_provisioned_and_lead_to_each_other():
    (source,) = (GRAFANA / "provisioning" / "datasources").iterdir()
    kinds = {one["uid"]: one["type"] for one in yaml.safe_load(source.read_text())["datasources"]}
    assert kinds == {POSTGRES: "postgres", PROMETHEUS: "prometheus"}
    uids = {board["uid"] for board in boards().values()}
    assert len(uids) == len(boards())
    for name, board in boards().items():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids)), name
        assert {query.source for query in queries()} <= set(kinds)
        for link in json.dumps(board).split('"/d/')[1:]:
            assert link.partition("?")[0] in uids
        for panel in board["panels"]:
            grid = panel["gridPos"]
            assert grid["x"] + grid["w"] <= 24
            others = [other["gridPos"] for other in board["panels"] if other is not panel]
            assert not any(_overlap(grid, other) for other in others), (name, panel["title"])


def _overlap(a, b):
    return (
        a["x"] < b["x"] + b["w"]
        and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"]
        and b["y"] < a["y"] + a["h"]
    )


# --- the database -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(postgres_server, tmp_path_factory):
    """A country of its own; yields its URL for Grafana's role, and its store."""
    url = postgres_server.database()
    store = PostgresStore(url)
    country = c.found(tmp_path_factory.mktemp("country"), store=store)
    country.keep(
        StationReports(reports=[c.report(BELOW, c.START_US - t * c.SECOND_US) for t in range(300)]),
        AlertTransitions(
            transitions=[
                c.alert(2, "acknowledged", by="li", comment="a \x00 in it"),
                c.alert(1, alert_id="zhejiang:a2", level="red", historic=True),
                c.alert(2, "closed", alert_id="zhejiang:a2", level="red", ended_at_us=c.START_US),
            ]
        ),
        Detections(detections=[_detection()]),
        Calls(answers=list(_answers())),
        Deliveries(
            steps=[
                DeliveryStep(
                    webhook_id="duty", alert_id="a1", number=1, state="pending", next_attempt_us=c.START_US
                )
            ]
        ),
    )
    store.bring_latest()
    roll(store)
    _read_by_grafana(url)
    reader = make_conninfo(url, user="grafana", password="it's a secret")
    yield reader, store
    store.close()
    postgres_server.sql("DROP OWNED BY grafana", url)
    postgres_server.drop(url)
    postgres_server.sql("DROP ROLE grafana")


def _read_by_grafana(url):
    for password in ("another", "it's a secret"):  # it can be run again
        done = _reader_sql(url, password)
        assert done.returncode == 0, done.stderr


def _reader_sql(url, password):
    return subprocess.run(
        ["psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(GRAFANA / "reader.sql")],
        env={**os.environ, "GRAFANA_PASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
    )


def _detection():
    return Detection(
        detector="sea_level",
        version="1",
        subject_id=c.GAUGE,
        phase="begin",
        level="orange",
        onset_us=c.START_US - 130 * c.SECOND_US,
        at_us=c.START_US - 120 * c.SECOND_US,
        detected_at_us=c.START_US - 119 * c.SECOND_US,
        title="rises",
        value=0.6,
        threshold=0.3,
        unit="m",
        evidence={},
    )


def _answers():
    kinds = (("acknowledged", 12), ("refused", 40), ("unreachable", 180), ("acknowledged", 95))
    for i, (kind, took_s) in enumerate(kinds * 3):
        called_us = c.START_US - (i + 10) * c.SECOND_US
        yield answer(
            answer=kind,
            person=f"p{i}",
            level=("red", "orange")[i % 2],
            called_us=called_us,
            at_us=called_us + took_s * c.SECOND_US,
            deadline_us=1 if i % 3 else c.START_US + c.HOUR_US,
        )


@pytest.fixture
def ask(database):
    with psycopg.connect(database[0], autocommit=True) as connection:
        yield lambda text, *values: connection.execute(text, values or None)


@pytest.mark.integration
@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("query", SQL, ids=str)
def test_a_query_gives_what_its_panel_shows(ask, query: Query, span):
    cursor = ask(written_sql(query.text, SPANS[span], VALUES))
    names, rows = [column.name for column in cursor.description], cursor.fetchall()
    assert rows, "nothing to be shown"
    assert len(set(names)) == len(names)
    assert set(query.fields) <= {*names, *STATES, *LEVELS}, "a panel says something of a column that is not"
    if query.format == "time_series":
        assert names[0] == "time"
        times = [row[0] for row in rows]
        assert all(at is not None for at in times)
        assert times == sorted(times)
        kinds = {name: {type(row[i]) for row in rows} - {type(None)} for i, name in enumerate(names)}
        texts = {name for name, found in kinds.items() if found == {str}}
        assert texts <= {"metric"}, "a text in a time series is a name of series"
        assert any(found for name, found in kinds.items() if name not in {"time", "metric"})


@pytest.mark.integration
def test_grafanas_role_reads_what_is_shown_and_nothing_else(database, ask, postgres_server):
    owner = make_conninfo(database[0], user="postgres")
    tables = postgres_server.sql(
        "SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace "
        "WHERE nspname IN ('public', 'shown') AND relkind IN ('r', 'p', 'v', 'm') "
        "AND relname NOT IN ('spatial_ref_sys', 'geometry_columns', 'geography_columns')",
        owner,
    )
    assert len(tables) > 30
    for (table,) in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(f"SELECT * FROM {table}")
    for forbidden in (
        "CREATE TABLE shown.mine (x integer)",
        "CREATE TABLE mine (x integer)",
        "UPDATE shown.settings SET station_decimals = 9",
        "CREATE OR REPLACE FUNCTION shown.region(id text) RETURNS text LANGUAGE sql AS 'SELECT id'",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            ask(forbidden)
    ask("SET default_transaction_read_only = off")
    for forbidden in ("CREATE TABLE mine (x integer)", "UPDATE shown.settings SET station_decimals = 9"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(forbidden)


@pytest.mark.integration
def test_where_anybody_may_make_functions_the_role_is_given_nothing(database, postgres_server):
    """As in a database that was made before PostgreSQL 15: what the functions call could be shadowed."""
    url = make_conninfo(database[0], user="postgres")
    postgres_server.sql("GRANT CREATE ON SCHEMA public TO PUBLIC", url)
    postgres_server.sql("REVOKE USAGE ON SCHEMA shown FROM grafana", url)
    try:
        done = _reader_sql(url, "it's a secret")
        assert done.returncode != 0
        assert "REVOKE CREATE ON SCHEMA public FROM PUBLIC" in done.stderr
        (may,) = postgres_server.sql("SELECT has_schema_privilege('grafana', 'shown', 'USAGE')", url)
        assert may == (False,)
    finally:
        postgres_server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC", url)
        _read_by_grafana(url)


@pytest.mark.integration
def test_who_has_no_right_on_the_schema_is_told_nothing(database, postgres_server):
    url = make_conninfo(database[0], user="postgres")
    postgres_server.sql("DROP ROLE IF EXISTS stranger_of_grafana; CREATE ROLE stranger_of_grafana", url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE stranger_of_grafana")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM shown.stations()")
    postgres_server.sql("DROP ROLE stranger_of_grafana", url)


@pytest.mark.integration
@pytest.mark.parametrize("decimals", [2, 0, 9])
def test_places_of_stations_are_as_coarse_as_is_said(database, ask, postgres_server, decimals):
    owner = make_conninfo(database[0], user="postgres")
    postgres_server.sql(f"UPDATE shown.settings SET station_decimals = {decimals}", owner)
    rows = ask("SELECT id, longitude, latitude FROM shown.stations()")
    told = {one: (longitude, latitude) for one, longitude, latitude in rows}
    postgres_server.sql("UPDATE shown.settings SET station_decimals = 2", owner)
    exact = {one.id: one for one in database[1].stations().items}
    assert told.keys() == exact.keys()
    for name, (longitude, latitude) in told.items():
        if exact[name].longitude is None:
            assert longitude is None
        else:
            assert (longitude, latitude) == (
                round(exact[name].longitude, decimals),
                round(exact[name].latitude, decimals),
            )


@pytest.mark.integration
def test_a_coarse_place_leaves_no_way_to_the_exact_one(ask, database, postgres_server):
    owner = make_conninfo(database[0], user="postgres")
    postgres_server.sql("UPDATE shown.settings SET station_decimals = 0", owner)
    found = [str(row) for row in ask("SELECT * FROM shown.stations() WHERE id = 'XIAM00CHN'")]
    near = ask("SELECT count(*) FROM shown.stations() WHERE longitude BETWEEN 118.08 AND 118.1").fetchone()
    postgres_server.sql("UPDATE shown.settings SET station_decimals = 2", owner)
    assert len(found) == 1
    assert "118.0" in found[0]
    assert "09" not in found[0].partition("118.")[2][:4]
    assert near == (0,)


# --- values, held against the program's own answers ---------------------------------------------------


@pytest.mark.integration
def test_stations_are_those_of_the_store(ask, database):
    columns = "id, region, state, score, reasons, completeness, latency_s, cn0_dbhz, multipath_m, satellites"
    told = {row[0]: row[1:] for row in ask(f"SELECT {columns} FROM shown.stations()")}
    rows = database[1].stations().items
    assert {row.report.state for row in rows if row.report} == {"good", "degraded", "bad"}
    for row in rows:
        report = row.report
        region = row.id.rpartition(":")[0] or "here"
        if report is None:
            assert told[row.id] == (region, "unknown", None, "", None, None, None, None, None)
            continue
        reasons = ", ".join(reason.code for reason in report.reasons)
        assert told[row.id] == pytest.approx(
            (
                region, report.state, report.score, reasons, report.epochs / report.epochs_expected,
                report.latency_s, report.cn0_dbhz, report.multipath_m, report.satellites,
            )
        )  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize(("step_s", "count"), [(1, 120), (60, 3), (3600, 1), (86_400, 1)])
def test_a_station_over_time_is_that_of_the_store(ask, database, step_s, count):
    step_us = step_s * c.SECOND_US
    begin_us = (c.START_US - 120 * c.SECOND_US) // step_us * step_us
    end_us = c.START_US if step_s == 1 else (c.START_US // step_us + 1) * step_us
    windows = [one for _, one in database[1].quality_windows(["SHAO00CHN"], begin_us, end_us, step_s)]
    rows = ask(
        'SELECT (extract(epoch FROM "time") * 1000000)::bigint, score, completeness, latency_s, jitter_s, '
        "cn0_dbhz, slips, multipath_m "
        "FROM shown.station('SHAO00CHN', to_timestamp(%s), to_timestamp(%s), %s)",
        begin_us / 1e6, end_us / 1e6, step_s * 1000,
    ).fetchall()  # fmt: skip
    assert len(rows) == len(windows)
    assert len(rows) >= count
    for row, one in zip(rows, windows, strict=True):
        expected = (
            one.start_us, one.score_mean, one.completeness, one.latency_mean_s, one.jitter_s, one.cn0_dbhz,
            one.slips, one.multipath_m,
        )  # fmt: skip
        assert row == pytest.approx(expected, rel=1e-6)


@pytest.mark.integration
def test_samples_stand_where_their_flags_put_them(ask, database):
    begin_us = c.START_US - 6 * c.HOUR_US
    stored = database[1].observations(c.GAUGE, begin_us, c.START_US + 1)
    rows = ask(
        'SELECT (extract(epoch FROM "time") * 1000000)::bigint, good, suspect FROM '
        "shown.samples(%s, to_timestamp(%s), to_timestamp(%s), 1000)",
        c.GAUGE, begin_us / 1e6, END.timestamp(),
    ).fetchall()  # fmt: skip
    assert len({row.flag for row in stored.items}) == 2
    expected = [
        (row.time_us, row.value if row.flag == 1 else None, row.value if row.flag == 3 else None)
        for row in stored.items
    ]
    assert rows[: len(expected)] == expected
    flags = ask(
        "SELECT sum(passed), sum(suspect) FROM shown.flags(%s, to_timestamp(%s), to_timestamp(%s), 60000)",
        c.GAUGE, begin_us / 1e6, END.timestamp(),
    ).fetchone()  # fmt: skip
    assert flags == (sum(r[1] is not None for r in rows), sum(r[2] is not None for r in rows))


@pytest.mark.integration
def test_alerts_and_answers_are_those_of_the_store(ask, database):
    columns = "alert_id, region, level, state, rule, subject_id, title, answer_s"
    told = ask(f"SELECT {columns} FROM shown.alerts(%s, %s)", END - timedelta(days=1), END).fetchall()
    for alert_id, region, *rest, answer_s in told:
        now = database[1].alert(alert_id).alert
        assert rest == [now.level, now.state, now.rule, now.subject_id, now.title]
        assert region == (alert_id.rpartition(":")[0] or "here")
        assert answer_s == pytest.approx(300.0) if alert_id == "a1" else answer_s is None
    assert {row[0] for row in told} == {"a1", "zhejiang:a2"}
    past = ask(
        f"SELECT {columns} FROM shown.alerts(%s, %s)", END - timedelta(days=9), END - timedelta(days=8)
    )
    assert [row[0] for row in past] == ["a1"], "what is not closed is always shown"
    query = next(one for one in SQL if one.where == "Answers by level")
    by_level = {row[0]: row[1:] for row in ask(written_sql(query.text, SPANS["days"], VALUES))}
    for one in figures(database[1].answers(0, c.START_US), "level"):
        assert by_level[one.of] == pytest.approx(
            (one.called, one.answered, one.in_time_share, one.median_s, one.p90_s), abs=1e-4
        )


FIELDS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.none(), st.booleans(), st.text(max_size=300),
    st.text(alphabet="é中\U0001f30a", min_size=30, max_size=80),
)  # fmt: skip


@pytest.mark.integration
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    record=st.dictionaries(st.text("abcdefg_", min_size=1, max_size=40), FIELDS, max_size=20),
    last=st.sampled_from([[], {"a": 1}, 0.5, b"bytes", "x" * 70_000]),
    cut=st.integers(0, 40),
)
def test_records_are_read_as_they_were_packed(ask, record, last, cut):
    packed = pack({**record, "zz": last, "zzz": 1})
    assert ask("SELECT shown.facts(%s)", packed).fetchone() == (
        {name: None if isinstance(v, str) and "\x00" in v else v for name, v in record.items()},
    )
    ask("SELECT shown.facts(%s)", packed[:cut])
