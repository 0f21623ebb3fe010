"""The monthly report: its figures against plain ones from the same rows, its forms, and who may have it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import statistics
import xml.etree.ElementTree as ET
import zipfile
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.api import service_report
from dashboards.service import making
from dashboards.service.months import last_month, month_of, months_before
from sensors.model import Datastream, ObservedProperty, Station
from storage.sqlite import SqliteStore
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.definitions import PrivacyDefinition
from streams.records import (
    AlertTransitions,
    Change,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    KeptSession,
    KeptSessions,
    StationReports,
)
from tests.dashboards import country as c
from tests.dashboards.people import everybody, signed_in
from tests.dashboards.serving import client_of
from tests.storage.test_rollups import roll
from tests.streams.calls import answer, order

PATH = "/api/v1/reports/service"
S, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
MONTH = month_of("2025-12", "utc")
BEIJING = month_of("2025-12", "beijing")
KEPT = PrivacyDefinition(days=400)
CLOSED = {"open_writes": False, "write_token": "the write token", "privacy": KEPT, "regional": ("hubei:",)}
BEARER = {"authorization": "Bearer the write token"}
INTERVAL_S = 600
"""Stations with few epochs, so that a month is small."""
DOWN = [(MONTH.begin_us + 9 * DAY, MONTH.begin_us + 9 * DAY + 7 * HOUR)]
"""When the program did not run."""


def epochs_of(name, rng):
    """Return a station's reports of the month and of a day before and behind."""
    made = []
    for at_us in range(MONTH.begin_us - DAY, MONTH.end_us + DAY, INTERVAL_S * S):
        if any(low <= at_us < high for low, high in DOWN):
            continue
        came = rng.random() < {"AAAA00CHN": 0.99, "BBBB00CHN": 0.6}.get(name, 1.0)
        state = "good" if came else "bad"
        made.append(
            c.report(
                (name, "", 0, 0, state, 90, ()), at_us, epochs=int(came), frames=7, bad_frames=int(not came)
            )
        )
    return made


def sessions_of(rng):
    made = []
    for number in range(200):
        begun_us = MONTH.begin_us + rng.randrange(-DAY, 31 * DAY)
        made.append(
            KeptSession(
                caster=rng.choice(["here", "hubei:wuhan"]), number=number,
                account=rng.choice(["li", "wang", ""]),
                mountpoint=rng.choice(["NEAREST", "AAAA00CHN"]), agent="", version=2, begun_us=begun_us,
                at_us=begun_us + rng.randrange(1, 2 * DAY), is_over=True, n_bytes=rng.randrange(10**9),
                n_epochs=5, sentences=10, fixed=rng.randrange(11), floating=0, decimals=-1,
            )
        )  # fmt: skip
    return made


def alerts_of(rng):
    """Return steps by alert: some acknowledged, some worse, declined, silenced, closed, found late."""
    made = []
    for number in range(60):
        at_us = MONTH.begin_us + rng.randrange(-DAY, 32 * DAY)
        silenced, historic = ("works" if number % 11 == 0 else ""), number % 13 == 0
        usual = {
            "alert_id": f"x{number}", "opened_at_us": at_us,
            "subject_id": rng.choice([c.GAUGE, "hubei:g.tilt"]),
            "rule": rng.choice(["sea_level", "tilt"]), "silenced": silenced, "historic": historic,
        }  # fmt: skip
        steps = [("opened", "yellow"), ("level", rng.choice(["yellow", "red"]))]
        steps += [("acknowledged", "yellow")] * (number % 3 == 0) + [("declined", "yellow")] * (
            number % 7 == 0
        )
        steps += [("ended", "blue"), ("closed", "blue")] * (number % 2)
        made.append(
            [
                c.alert(k, change, level=level, at_us=at_us + k * 60 * S, **usual)
                for k, (change, level) in enumerate(steps, 1)
            ]
        )
    return made


DEFINED = {
    "station": {"source": "push:", "name": "Never heard"},
    "datastream": {"thing": "t", "property": "water_level"},
}


def change(version, kind, name, at_us, *, is_new=True):
    return Change(
        kind=kind, id=name, version=version, verb="put" if is_new else "patch",
        before=None if is_new else DEFINED[kind], after=DEFINED[kind], by="li", at_us=at_us, command_id="",
    )  # fmt: skip


class World:
    """A store with two months in it, and the rows that were put there."""

    def __init__(self, folder) -> None:
        rng = random.Random(7)
        self.country = c.Country(SqliteStore(folder / "month.sqlite"), now_us=MONTH.end_us + 2 * DAY)
        store = self.country.store
        names = ["AAAA00CHN", "BBBB00CHN", "CCCC00CHN", "hubei:DDDD00CHN"]
        store.put_registry(
            stations=[
                *(Station(id=n, name=n, interval_s=INTERVAL_S) for n in names),
                Station(id="NEVR00CHN", name="Never heard"),
                Station(id="PAUS00CHN", name="Paused", paused=True),
                Station(id="LATE00CHN", name="Made known after the month"),
            ],
            properties=[
                ObservedProperty(id="water_level", name="Water level", name_zh="水位", domain="ocean",
                                 unit="m", span=(-5.0, 15.0), sampling_period_s=3600.0)
            ],
            datastreams=[
                Datastream(id=name, thing_id="t", property_id="water_level", name=name, unit="m")
                for name in (c.GAUGE, "hubei:g.level", "silent", "later")
            ],
        )  # fmt: skip
        self.reports = {name: epochs_of(name, rng) for name in names}
        self.samples = {
            name: [
                (at_us, 1.0, rng.choice([1, 1, 1, 3, 4]))
                for at_us in range(MONTH.begin_us - DAY, MONTH.end_us + DAY, HOUR)
                if rng.random() < share
            ]
            for name, share in ((c.GAUGE, 0.95), ("hubei:g.level", 0.5))
        }
        self.sessions, self.alerts = sessions_of(rng), alerts_of(rng)
        self.orders = [
            order(f"c{n}", at_us=MONTH.begin_us + n * HOUR, channel=rng.choice(["sms", "voice"]))
            for n in range(40)
        ]
        self.answers = [
            answer(alert_id=f"x{n}", level=rng.choice(["red", "yellow"]), called_us=MONTH.begin_us + n * HOUR,
                   at_us=MONTH.begin_us + n * HOUR + rng.randrange(1, 900) * S,
                   deadline_us=MONTH.begin_us + n * HOUR + 300 * S,
                   answer=rng.choice(["acknowledged", "refused", "unreachable"]))
            for n in range(40)
        ]  # fmt: skip
        commands = [
            Command(id=f"k{n}", kind="patch", target="station/A", by=rng.choice(["li", "wang"]),
                    at_us=MONTH.begin_us + n * 3 * DAY)
            for n in range(12)
        ]  # fmt: skip
        outcomes = [CommandOutcome(id=one.id, ok=n % 4 > 0, message="") for n, one in enumerate(commands)]
        self.commands = commands
        for some in self.reports.values():
            store.commit([StationReports(reports=some)], None, now_us=1)
        store.commit([c.samples(rows, name) for name, rows in self.samples.items()], None, now_us=1)
        store.commit(
            [
                KeptSessions(sessions=self.sessions),
                *(AlertTransitions(transitions=some) for some in self.alerts),
                Calls(orders=self.orders, answers=self.answers, withdrawn=["c3"]),
                CallReceipts(
                    receipts=[CallReceipt.of(one, "delivered", one.at_us) for one in self.orders[:30]]
                ),
                Commands(commands=commands),
                CommandOutcomes(outcomes=outcomes),
                Changes(
                    changes=[
                        change(1, "station", "NEVR00CHN", BEIJING.end_us - 1),
                        change(2, "station", "LATE00CHN", MONTH.end_us + HOUR),
                        change(3, "station", "NEVR00CHN", MONTH.end_us + 2 * HOUR, is_new=False),
                        change(4, "station", "LATE00CHN", MONTH.end_us + 3 * HOUR, is_new=False),
                        change(5, "datastream", "later", MONTH.end_us + 4 * HOUR),
                    ]
                ),
            ],
            None,
            now_us=1,
        )
        roll(store)
        self.country.keep(everybody())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("month"))
    yield world
    world.country.store.close()


async def get(world, status=200, headers=BEARER, app=None, **query):
    async with client_of(app or world.country.app(**CLOSED)) as client:
        answer = await client.get(PATH, params=query, headers=headers)
    assert answer.status_code == status, answer.text
    return answer


@pytest.fixture(params=[MONTH, BEIJING], ids=lambda month: month.zone)
def month(request):
    return request.param


async def told(world, month):
    return (await get(world, month=month.name, tz=month.zone)).json()


async def test_availability_is_that_of_the_reports(world, month):
    report = await told(world, month)
    rows = {one["station_id"]: one for one in report["stations"]}
    worst = [one["station_id"] for one in report["stations"]]
    assert worst[:3] == ["NEVR00CHN", "BBBB00CHN", "AAAA00CHN"]
    assert (len(worst), report["availability"]["unheard"]) == (5, 1)
    total = 0
    for name, every in world.reports.items():
        within = [r for r in every if month.begin_us <= r.epoch_us < month.end_us]
        came = sum(r.epochs for r in within)
        total += came
        row = rows[name]
        assert (row["epochs"], row["epochs_expected"]) == (came, len(within))
        assert row["epochs_share"] == pytest.approx(came / len(within))
        assert row["good_share"] == pytest.approx(came / len(within))
        assert row["bad_frames_share"] == pytest.approx((len(within) - came) / 7 / len(within))
        assert row["judged_share"] == pytest.approx(1 - 7 / 31 / 24)
        assert row["region"] == ("hubei" if ":" in name else "")
    availability = report["availability"]
    assert availability["epochs"] == total == sum(one["epochs"] for one in availability["days"])
    assert availability["service_share"] == pytest.approx(1 - 7 / 31 / 24)
    (outage,) = availability["outages"]
    begin, end = (datetime.fromisoformat(outage[name]) for name in ("begin", "end"))
    assert (begin.timestamp() * 1e6, end.timestamp() * 1e6) == DOWN[0]
    assert begin.utcoffset() == timedelta(hours=8 if month is BEIJING else 0)
    assert [one["month"] for one in availability["months"]] == ["2025-11", "2025-12"]
    assert availability["months"][-1]["epochs"] == total


async def test_sensors_are_those_of_the_samples(world, month):
    report = await told(world, month)
    length_s = (month.end_us - month.begin_us) / S
    expected = int(length_s / 3600)
    counts = {
        name: [flag for at_us, _, flag in rows if month.begin_us <= at_us < month.end_us]
        for name, rows in world.samples.items()
    }
    (row,) = report["sensors"]["properties"]
    assert (row["series"], row["silent"], row["expected"]) == (3, 1, 3 * expected)
    flags = [flag for some in counts.values() for flag in some]
    assert row["samples"] == len(flags) == report["sensors"]["samples"]
    assert row["completeness"] == pytest.approx(len(flags) / 3 / expected)
    assert row["suspect_share"] == pytest.approx(flags.count(3) / len(flags))
    assert row["failed_share"] == pytest.approx(flags.count(4) / len(flags))
    assert [one["datastream_id"] for one in report["series"]] == ["silent", "hubei:g.level", c.GAUGE]
    assert report["series"][1]["good_share"] == pytest.approx(
        counts["hubei:g.level"].count(1) / len(counts["hubei:g.level"])
    )


async def test_sessions_are_counted_as_far_as_they_lie_in_the_month(world, month):
    report = (await told(world, month))["sessions"]
    within = [
        (one, min(one.at_us, month.end_us) - max(one.begun_us, month.begin_us))
        for one in world.sessions
        if one.begun_us < month.end_us and one.at_us > month.begin_us
    ]

    def holds(usage, some):
        some = list(some)
        assert usage["sessions"] == len(some)
        assert usage["begun"] == sum(one.begun_us >= month.begin_us for one, _ in some)
        assert usage["hours"] == pytest.approx(sum(us for _, us in some) / HOUR, abs=0.001)
        volume = sum(one.n_bytes * us / (one.at_us - one.begun_us) for one, us in some)
        assert usage["bytes"] == pytest.approx(volume, abs=1)
        assert usage["accounts"] == len({one.account for one, _ in some} - {""})
        assert usage["positions"] == 10 * len(some)
        assert usage["fixed_share"] == pytest.approx(sum(one.fixed for one, _ in some) / 10 / len(some))

    holds(report["total"], within)
    for by, key in (
        ("by_account", lambda one: one.account),
        ("by_mountpoint", lambda one: one.mountpoint),
        ("by_kind", lambda one: "roaming" if one.mountpoint == "NEAREST" else "station"),
        ("by_region", lambda one: one.caster.rpartition(":")[0]),
    ):
        assert {one["name"] for one in report[by]} == {key(one) for one, _ in within}
        for named in report[by]:
            holds(named["usage"], (pair for pair in within if key(pair[0]) == named["name"]))


async def test_alerts_are_counted_by_what_became_of_them(world, month):
    report = (await told(world, month))["alerts"]
    opened = [some for some in world.alerts if month.begin_us <= some[0].opened_at_us < month.end_us]
    real = [some for some in opened if not some[0].historic]
    assert report["historic"] == len(opened) - len(real)

    def holds(row, some):
        changes = [{step.change for step in steps} for steps in some]
        assert row["alerts"] == len(some)
        for name, change in (("acknowledged", "acknowledged"), ("ended", "ended"), ("declined", "declined")):
            assert row[name] == sum(change in one for one in changes)
        assert row["silenced"] == sum(bool(steps[0].silenced) for steps in some)
        assert row["open"] == sum("closed" not in one for one in changes)
        assert row["median_acknowledge_s"] == (180.0 if row["acknowledged"] else None)

    holds(report["total"], real)
    for by, key in (
        ("by_level", lambda some: "red" if any(s.level == "red" for s in some) else "yellow"),
        ("by_rule", lambda some: some[0].rule),
        ("by_region", lambda some: "hubei" if some[0].subject_id.startswith("hubei") else ""),
    ):
        assert {row["name"] for row in report[by]} == {key(some) for some in real}
        for row in report[by]:
            holds(row, [some for some in real if key(some) == row["name"]])


async def test_calls_answers_and_changes(world, month):
    report = await told(world, month)
    within = [one for one in world.answers if month.begin_us <= one.called_us < month.end_us]
    of_all = report["calls"]["answers"][0]
    times = [(one.at_us - one.called_us) / S for one in within if one.answer != "unreachable"]
    assert (of_all["of"], of_all["called"], of_all["answered"]) == ("", len(within), len(times))
    assert of_all["median_s"] == pytest.approx(statistics.median(times))
    assert of_all["p90_s"] <= of_all["p95_s"] <= max(times)
    attempts = [one for one in world.orders if month.begin_us <= one.at_us < month.end_us]
    assert report["calls"]["attempts"] == len(attempts)
    reached = {one.call_id for one in world.orders[:30]}
    for row in report["calls"]["channels"]:
        some = [one for one in attempts if one.channel == row["channel"]]
        assert row["attempts"] == len(some)
        assert row["delivered"] == sum(one.call_id in reached for one in some)
        assert row["withdrawn"] == sum(one.call_id == "c3" for one in some)
    asked = [one for one in world.commands if month.begin_us <= one.at_us < month.end_us]
    users = report["users"]
    assert (users["changes"], users["people_with_changes"]) == (len(asked), 2)
    assert users["refused"] == sum(int(one.id[1:]) % 4 == 0 for one in asked)
    assert users["accounts_by_role"] == {
        "administrator": 1, "duty_officer": 1, "operator": 1, "rover": 1, "viewer": 1,
    }  # fmt: skip


async def test_tables_have_the_numbers_of_the_json(world):
    report = await told(world, MONTH)
    answer = await get(world, month="2025-12", format="csv")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        tables = {
            name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            for name in archive.namelist()
        }
    summary = {row["figure"]: row["value"] for row in tables["summary"]}
    assert float(summary["availability.epochs_share"]) == report["availability"]["epochs_share"]
    assert int(summary["alerts.alerts"]) == report["alerts"]["total"]["alerts"]
    assert [row["station_id"] for row in tables["stations"]] == [r["station_id"] for r in report["stations"]]
    assert int(tables["sessions"][0]["bytes"]) == report["sessions"]["total"]["bytes"]
    assert [row["by"] for row in tables["alerts"]][:2] == ["all", "level"]
    for name, rows in tables.items():
        alone = await get(world, month="2025-12", format="csv", part=name)
        assert list(csv.DictReader(io.StringIO(alone.text))) == rows
        assert name in {"outages", "webhooks"} or rows


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_page_is_whole_and_leads_to_the_worst_stations(world, language):
    answer = await get(world, month="2025-12", format="html", language=language)
    root = ET.fromstring(answer.text.partition("\n")[2])
    text = "".join(root.itertext())
    assert ("服务月报：2025-12" if language == "zh" else "Monthly service report: 2025-12") in text
    assert ("水位" if language == "zh" else "Water level") in text
    for table in root.iter("table"):
        heads = [one.get("class") == "text" for one in table.findall("thead/tr/th")]
        for row in table.findall("tbody/tr"):
            assert [one.get("class") == "text" for one in row] == heads
    links = [one.get("href") for one in root.iter("a")]
    assert links[1].startswith("/api/v1/stations/BBBB00CHN/report?from=2025-12-01T00%3A00%3A00%2B00%3A00&to=")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 2
    assert "sha256-" in answer.headers["content-security-policy"]


async def test_without_a_month_it_is_the_last_one_and_the_running_one_is_told_so_far(world):
    report = (await get(world)).json()
    assert (report["month"], report["notes"]) == ("2025-12", [{"code": "series_expected", "value": None}])
    running = (await get(world, month="2026-01")).json()
    assert [note["code"] for note in running["notes"]] == ["not_over", "series_expected"]
    until = datetime.fromisoformat(running["until"])
    assert until == datetime(2026, 1, 2, 23, 58, tzinfo=UTC)
    unheard = [one["station_id"] for one in running["stations"][:2]]
    assert unheard == ["LATE00CHN", "NEVR00CHN"], "made known within it"
    assert running["stations"][2]["judged_share"] == pytest.approx(DAY / S / (2 * DAY / S - 120), abs=1e-3)


async def test_notes_say_what_is_not_in_it(world, monkeypatch):
    async def notes(**changes):
        app = world.country.app(**{**CLOSED, **changes})
        report = (await get(world, app=app, month="2025-12")).json()
        return {note["code"]: note["value"] for note in report["notes"]}, report

    found, report = await notes(privacy=PrivacyDefinition(days=0))
    assert found == {"sessions_not_kept": None, "series_expected": None}
    assert (report["sessions"], report["users"]["accounts_with_sessions"]) == (None, None)
    found, _ = await notes(privacy=PrivacyDefinition(days=20))
    assert found["sessions_forgotten"] == 20
    for name in ("MOST_SESSION_ROWS", "MOST_ALERTS", "MOST_ANSWERS", "MOST_CALLS", "MOST_COMMANDS_A_DAY"):
        monkeypatch.setattr(making, name, 1)
    found, report = await notes()
    assert {"sessions_cut", "alerts_cut", "answers_cut", "calls_cut", "commands_cut"} <= set(found)
    assert report["calls"]["attempts"] == 1


async def test_who_may_not_see_who_gets_streams_has_no_report(world):
    app = world.country.app(**CLOSED)
    for role, status in (("viewer", 403), ("duty_officer", 403), ("operator", 200), ("administrator", 200)):
        answer = await get(world, status, app=app, headers=signed_in(app, role), month="2025-12")
        if status == 200:
            roles = answer.json()["users"]["accounts_by_role"]
            assert (roles is None) == (role == "operator")
    await get(world, 401, app=app, headers={})


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"month": "2025-13"}, 400, "write for instance 2026-10"),
        ({"month": "december"}, 400, "write for instance 2026-10"),
        ({"month": "2026-02"}, 400, "has not begun"),
        ({"month": "2025-12", "part": "summary"}, 400, "add format=csv"),
        ({"month": "2025-12", "format": "csv", "part": "x"}, 400, "summary, stations"),
        ({"month": "2025-12", "tz": "mars"}, 422, "beijing"),
        ({"monat": "2025-12"}, 400, "not known here"),
    ],
)
async def test_what_cannot_be_told_is_said_with_what_to_do(world, query, status, words):
    assert words in (await get(world, status, **query)).json()["detail"]


async def test_a_report_that_takes_long_is_made_once_for_all_its_forms(world, monkeypatch):
    country, made = c.Country(world.country.store, now_us=world.country.now_us), []

    def slow(store, asked):
        made.append(asked.month.name)
        country.now_us += 2 * service_report.AGE_US
        return making.service_report(store, asked)

    monkeypatch.setattr(service_report, "service_report", slow)
    app = country.app(**CLOSED)
    first = (await get(world, app=app, month="2025-12")).json()
    assert (await get(world, app=app, month="2025-12", format="json")).json() == first
    country.now_us += service_report.AGE_US
    await get(world, app=app, month="2025-12")
    assert made == ["2025-12"] * 2


async def test_a_report_ends_when_the_program_stops(world):
    stopping = c.Country(world.country.store, now_us=world.country.now_us)
    stopping.hub.close()
    answer = await get(world, 503, app=stopping.app(**CLOSED), month="2025-12")
    assert "stopping" in answer.json()["detail"]


async def test_an_installation_without_anything_has_a_report(tmp_path):
    country = c.Country(SqliteStore(tmp_path / "empty.sqlite"), now_us=MONTH.end_us)
    for form in ("json", "html", "csv"):
        async with client_of(country.app()) as client:
            answer = await client.get(PATH, params={"format": form})
        assert answer.status_code == 200, answer.text
        if form == "json":
            report = json.loads(answer.content)
            assert report["availability"]["service_share"] is None
            assert msgspec.json.decode(answer.content)["sensors"]["completeness"] is None
    country.now_us = 5
    async with client_of(country.app()) as client:
        assert "No month is over yet" in (await client.get(PATH)).text
    country.store.close()


@given(st.integers(32 * DAY, 80_000 * DAY), st.sampled_from(["utc", "beijing"]))
def test_months_follow_each_other_without_a_gap(now_us, zone):
    found = months_before(last_month(now_us, zone), 14)
    assert all(a.end_us == b.begin_us for a, b in itertools.pairwise(found))
    assert found[-1].end_us <= now_us < found[-1].end_us + 31 * DAY
    assert all(month_of(one.name, one.zone) == one for one in found)
    local = found[-1].local(found[-1].begin_us)
    assert (local.day, local.hour, f"{local:%Y-%m}") == (1, 0, found[-1].name)
    assert local.tzinfo == (UTC if zone == "utc" else timezone(timedelta(hours=8)))
