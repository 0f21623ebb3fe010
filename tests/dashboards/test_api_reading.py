import json
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from streams.records import (
    DatastreamDescription,
    Descriptions,
    StationFigures,
    StationReports,
    ThingDescription,
)
from streams.sample_extras import Places, Waves
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE, SECOND_US, START_US
from tests.dashboards.serving import client_of

API = "/api/v1"


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=2)
    yield country
    country.store.close()


async def get(country, path, status=200, **query):
    async with client_of(country.app()) as client:
        answer = await client.get(API + path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_stations_have_their_verdict(country):
    answer = await get(country, "/stations")
    assert answer["next"] is None
    by_id = {s["id"]: s for s in answer["items"]}
    assert {i: s["state"] for i, s in by_id.items()} == {
        "SHAO00CHN": "good",
        "XIAM00CHN": "degraded",
        "WENZ00CHN": "bad",
        "NEWW00CHN": "unknown",
    }
    good = by_id["SHAO00CHN"]
    assert (good["name"], good["score"], good["longitude"], good["latitude"]) == ("Shanghai", 97, 121.2, 31.1)
    assert good["last_epoch"] == "2026-01-01T00:00:00Z"
    assert good["latest"]["satellites"] == 31
    assert good["latest"]["cn0_dbhz"] == 44.6
    (reason,) = by_id["XIAM00CHN"]["reasons"]
    assert reason["code"] == "latency"
    assert reason["value"] == 6.2
    assert reason["threshold"] == 2.0
    assert reason["text"]
    assert reason["check"]


async def test_a_station_that_is_silent_has_no_last_epoch_of_its_own_report(own):
    assert (await get(own, "/stations/WENZ00CHN"))["last_epoch"] is None
    early = c.report(c.SITES[2], START_US - 90 * SECOND_US, epochs=1)
    own.keep(c.StationReports(reports=[early]))
    assert (await get(own, "/stations/WENZ00CHN"))["last_epoch"] == "2025-12-31T23:58:30Z"


async def test_a_station_never_heard_of_is_unknown_and_not_good(country):
    station = await get(country, "/stations/NEWW00CHN")
    assert (station["state"], station["score"], station["latest"], station["last_epoch"]) == (
        "unknown",
        None,
        None,
        None,
    )


async def test_a_live_verdict_that_nothing_renewed_is_unknown(own):
    own.now_us = START_US + 61 * SECOND_US
    station = await get(own, "/stations/SHAO00CHN")
    assert station["state"] == "unknown"
    assert station["score"] is None
    assert station["reasons"][0]["code"] == "not_judged"
    assert await get(own, "/stations", state="good") == {"items": [], "next": None}


async def test_a_replay_does_not_age(own):
    old = c.report(c.SITES[0], START_US + SECOND_US, received_at_us=None)
    own.keep(c.StationReports(reports=[old]))
    own.now_us = START_US + 10**15
    assert (await get(own, "/stations/SHAO00CHN"))["state"] == "good"


async def test_pages_and_filter(country):
    ids, after = [], {}
    for _ in range(4):
        page = await get(country, "/stations", limit=1, **after)
        ids += [s["id"] for s in page["items"]]
        after = {"after": page["next"]}
    assert ids == sorted(s[0] for s in c.SITES)
    assert after == {"after": None}
    bad = await get(country, "/stations", state="bad")
    assert [s["id"] for s in bad["items"]] == ["WENZ00CHN"]


async def test_quality_by_windows(country):
    quality = await get(
        country,
        "/stations/SHAO00CHN/quality",
        start="2026-01-01T07:59:00+08:00",
        end="2026-01-01T00:00:00Z",
        window="PT30S",
    )
    assert [w["start"] for w in quality["items"]] == ["2025-12-31T23:59:00Z", "2025-12-31T23:59:30Z"]
    assert [w["epochs"] for w in quality["items"]] == [30, 30]
    assert quality["items"][0]["state"] == "good"
    assert quality["items"][0]["latency_median_s"] == pytest.approx(0.31)
    newest = await get(country, "/stations/SHAO00CHN/quality")
    assert sum(w["epochs"] for w in newest["items"]) == 121


async def test_things_and_datastreams(country):
    (thing,) = (await get(country, "/things"))["items"]
    assert thing == await get(country, "/things/gauge-xiamen")
    assert (thing["name"], thing["longitude"]) == ("Tide gauge Xiamen", 118.3)
    (datastream,) = (await get(country, "/datastreams", thing="gauge-xiamen"))["items"]
    assert datastream == await get(country, f"/datastreams/{GAUGE}")
    assert datastream["unit"] == "m"
    assert datastream["detectors"] == ["sea_level"]
    assert datastream["latest"]["phenomenon_time"] == "2026-01-01T00:00:00Z"
    assert datastream["latest"]["value"] == pytest.approx(c.tide_m(START_US))
    assert (await get(country, "/datastreams", thing="elsewhere"))["items"] == []


async def test_sites_of_regions_are_named_with_their_region(own):
    described = [
        ThingDescription(id="fujian:xiamen:quay", name="Quay", longitude=118.1, latitude=24.5),
        DatastreamDescription(
            id="fujian:xiamen:quay.level", thing_id="fujian:xiamen:quay", property_id="water_level",
            name="Level", unit="m",
        ),
        ThingDescription(id="pier:1", name="A colon of its own", longitude=118.1, latitude=24.5),
    ]  # fmt: skip
    own.keep(Descriptions(descriptions=described))
    app = own.app(regional=("fujian:",))
    async with client_of(app) as client:
        things = (await client.get(API + "/things")).json()["items"]
        assert [(one["id"], one["region"]) for one in things] == [
            ("fujian:xiamen:quay", "fujian:xiamen"), ("gauge-xiamen", ""), ("pier:1", ""),
        ]  # fmt: skip
        series = (await client.get(API + "/datastreams/fujian:xiamen:quay.level")).json()
        assert (series["region"], series["name"], series["detectors"]) == ("fujian:xiamen", "Level", [])
    state = json.loads((await app.state.snapshot.get()).partition(b"data: ")[2])
    assert {one["id"]: one["region"] for one in (*state["things"], *state["datastreams"])} == {
        "fujian:xiamen:quay": "fujian:xiamen", "gauge-xiamen": "", "pier:1": "", GAUGE: "",
        "fujian:xiamen:quay.level": "fujian:xiamen",
    }  # fmt: skip


async def test_observations_one_by_one_and_paged(country):
    path = f"/datastreams/{GAUGE}/observations"
    whole = (await get(country, path, start="2025-12-31T22:00:00Z", end="2025-12-31T23:00:00Z"))["items"]
    assert len(whole) == 60
    times = [datetime.fromisoformat(o["phenomenon_time"]) for o in whole]
    assert all(b - a == timedelta(minutes=1) for a, b in pairwise(times))
    assert whole[0]["flags"] == {"gross_range": 1, "spike": 1}
    first = await get(country, path, start="2025-12-31T22:00:00Z", end="2025-12-31T23:00:00Z", limit=40)
    rest = await get(
        country, path, start="2025-12-31T22:00:00Z", end="2025-12-31T23:00:00Z", limit=40, after=first["next"]
    )
    assert first["items"] + rest["items"] == whole
    six_hours = await get(country, path)
    assert len(six_hours["items"]) == 360
    assert six_hours["items"][-1]["phenomenon_time"] == "2026-01-01T00:00:00Z"


async def test_samples_with_their_places_and_waveforms(own):
    start = START_US + 60 * SECOND_US
    made = c.samples([(start + k * SECOND_US, float(k), 1) for k in range(3)])
    places = Places(
        rows=np.array([0, 2]), longitude=np.array([118.1, 119.0]), latitude=np.array([24.5, 25.0]),
        height_m=np.array([-3.5, np.nan]),
    )  # fmt: skip
    waves = Waves(
        rows=np.array([1]), step_us=np.array([1e4]), ends=np.array([3]), value=np.array([1.0, np.nan, -2.5])
    )
    own.keep(msgspec.structs.replace(made, places=places, waves=waves))
    path, span = f"/datastreams/{GAUGE}/observations", {"start": "2026-01-01T00:01:00Z"}
    items = (await get(own, path, **span))["items"]
    told = [
        {key: one.get(key) for key in ("longitude", "latitude", "height_m") if key in one} for one in items
    ]
    assert told == [
        {"longitude": 118.1, "latitude": 24.5, "height_m": -3.5}, {}, {"longitude": 119.0, "latitude": 25.0},
    ]  # fmt: skip
    there = await get(own, path, **span, bbox="118.5,24,120,26")
    assert [one["value"] for one in there["items"]] == [2.0]
    packets = (await get(own, f"/datastreams/{GAUGE}/waveforms", **span))["items"]
    assert packets == [{"begin": "2026-01-01T00:01:01Z", "step_s": 0.01, "values": [1.0, None, -2.5]}]


async def test_aggregates_leave_out_what_failed_but_count_everything(own):
    path, hour = (
        f"/datastreams/{GAUGE}/observations",
        {"start": "2025-12-31T18:00:00Z", "end": "2026-01-01T00:00:00Z"},
    )
    spike = START_US - 30 * 60 * SECOND_US
    own.keep(c.samples([(spike + 1, 99.0, 4)]))
    good = (await get(own, path, **hour, window="1h", aggregate="max,count"))["items"]
    every = (await get(own, path, **hour, window="60min", aggregate="max,count", quality="all"))["items"]
    assert [w["count"] for w in good] == [60, 60, 60, 60, 60, 61]
    assert good[-1]["max"] < 5
    assert every[-1]["max"] == 99.0
    assert good[-1]["flags"]["4"] == 1
    assert set(good[0]) == {"start", "max", "count", "flags"}


async def test_alerts_with_evidence_and_life(own):
    (alert,) = (await get(own, "/alerts"))["items"]
    assert (alert["id"], alert["level"], alert["state"]) == ("a1", "orange", "open")
    assert alert["onset_at"] == "2025-12-31T23:50:00Z"
    assert alert["opened_at"] == "2025-12-31T23:52:00Z"
    assert alert["evidence"]["threshold_m"] == 0.3
    assert alert["evidence"]["samples"]["residual_m"] == [0.31, -0.05, 0.624]
    assert (alert["subject_id"], alert["rule"], alert["closed_at"]) == (GAUGE, "sea_level", None)
    own.keep(
        c.AlertTransitions(
            transitions=[
                c.alert(2, "acknowledged", by="Li", comment="seen"),
                c.alert(3, "level", level="red", state="acknowledged"),
                c.alert(4, "closed", level="red"),
            ]
        )
    )
    assert (await get(own, "/alerts", state="open"))["items"] == []
    (closed,) = (await get(own, "/alerts", state="closed"))["items"]
    assert closed["acknowledged_by"] == "Li"
    assert closed["closed_at"] == "2025-12-31T23:59:00Z"
    whole = await get(own, "/alerts/a1")
    assert [(t["number"], t["change"], t["level"]) for t in whole["transitions"]] == [
        (1, "opened", "orange"),
        (2, "acknowledged", "orange"),
        (3, "level", "red"),
        (4, "closed", "red"),
    ]
    assert whole["transitions"][1]["comment"] == "seen"


async def test_incoming_streams(country):
    (stream,) = (await get(country, "/streams"))["items"]
    assert (stream["id"], stream["phase"], stream["messages_received"]) == ("XIAM00CHN", "streaming", 42)
    assert stream["since"] == "2026-01-01T00:00:00Z"
    assert stream["last_received"] is None


async def test_figures_of_a_minute(country):
    station = await get(country, "/stations/SHAO00CHN")
    newest = station["figures"]
    assert newest == {
        "station_id": "SHAO00CHN",
        "at": "2026-01-01T00:00:00Z",
        "horizon_expected": 260,
        "horizon_have": 234,
        "mask_expected": 212,
        "mask_have": 208,
        "expected_share": 0.9812,
        "usable_share": 1.0,
        "usable_systems": "GREC",
        "slips_a_thousand": 0.125,
        "cn0_loss_db": 0.31,
        "roti_tecu_min": 0.0876,
        "clock_step_ms": -1.0,
        "clock_step_at": "2025-12-31T23:58:30Z",
        "east_m": 0.3,
        "north_m": -0.4,
        "up_m": 1.25,
        "east_sd_m": 0.6,
        "north_sd_m": 0.7,
        "up_sd_m": 1.4,
    }
    (listed,) = (one for one in (await get(country, "/stations"))["items"] if one["id"] == "SHAO00CHN")
    assert listed["figures"] == newest
    assert (await get(country, "/stations/WENZ00CHN"))["figures"] is None
    page = await get(country, "/stations/SHAO00CHN/figures")
    assert len(page["items"]) == 3
    assert page["items"][-1] == newest
    first = await get(country, "/stations/SHAO00CHN/figures", limit=1, end="2026-01-01T00:00:00Z")
    rest = await get(country, "/stations/SHAO00CHN/figures", after=first["next"])
    assert first["items"] + rest["items"] == page["items"]
    assert await get(country, "/stations/WENZ00CHN/figures") == {"items": [], "next": None}


async def test_figures_that_are_not_known_are_null(own):
    bare = StationFigures(station_id="WENZ00CHN", time_us=START_US)
    own.keep(StationReports(reports=[], figures=[bare]))
    figures = (await get(own, "/stations/WENZ00CHN"))["figures"]
    known = {name: value for name, value in figures.items() if value is not None}
    assert known == {"station_id": "WENZ00CHN", "at": "2026-01-01T00:00:00Z", "usable_systems": ""}


SENSORTHINGS = ("", "{resource}", "CreateObservations", "$batch")


async def test_the_description_resolves_and_names_every_route(country):
    async with client_of(country.app()) as client:
        api = (await client.get(API + "/openapi.json")).json()
    schemas = api["components"]["schemas"]
    assert schemas["StationLatest"]["properties"]["judged_at"]["format"] == "date-time"

    def references(node):
        if isinstance(node, dict):
            if "$ref" in node:
                yield node["$ref"]
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    assert {r.removeprefix("#/components/schemas/") for r in references(api)} <= set(schemas)
    assert set(api["paths"]) == {
        API + path
        for path in (
            "/observations",
            "/windows",
            "/station-windows",
            "/stations/{station_id}/raw",
            "/stations/{station_id}/rinex",
            "/stations",
            "/stations/{station_id}",
            "/stations/{station_id}/figures",
            "/stations/{station_id}/quality",
            "/stations/{station_id}/report",
            "/stations/{station_id}/sources",
            "/stations/{station_id}/sources/{name}",
            "/stations/{station_id}/source-changes",
            "/stations/{station_id}/recent",
            "/reports/service",
            "/catalogue",
            "/catalogue/{dataset_id}",
            "/catalogue/{dataset_id}/revisions",
            "/stac",
            "/stac/conformance",
            "/stac/collections",
            "/stac/collections/{dataset_id}",
            "/stac/collections/{dataset_id}/items",
            "/stac/collections/{dataset_id}/items/{item_id}",
            "/stations/{station_id}/sky",
            "/network/report",
            "/network/trend",
            "/paused",
            "/chain-parts",
            "/things",
            "/things/{thing_id}",
            "/things/{thing_id}/commands",
            "/datastreams",
            "/datastreams/{datastream_id}",
            "/datastreams/{datastream_id}/chain",
            "/datastreams/{datastream_id}/observations",
            "/datastreams/{datastream_id}/waveforms",
            "/alerts",
            "/alerts/{alert_id}",
            "/alerts/{alert_id}/acknowledge",
            "/alerts/{alert_id}/comments",
            "/alerts/{alert_id}/calls",
            "/alerts/{alert_id}/decide",
            "/alerts/{alert_id}/lower",
            "/calls/{call_id}/receipts",
            "/statistics/answers",
            "/rehearsals",
            "/rehearsals/{rehearsal_id}",
            "/rehearsals/{rehearsal_id}/cancel",
            "/persons",
            "/persons/{person_id}",
            "/rosters",
            "/rosters/{roster_id}",
            "/rosters/{roster_id}/duty",
            "/groups",
            "/groups/{group_id}",
            "/plans",
            "/plans/{plan_id}",
            "/networks",
            "/networks/{network_id}",
            "/sightings",
            "/sightings/{sighting_id}",
            "/properties",
            "/properties/{property_id}",
            "/sensors",
            "/sensors/{sensor_id}",
            "/alerts/{alert_id}.cap.xml",
            "/alerts.atom",
            "/alerts.geojson",
            "/webhooks",
            "/webhooks/{webhook_id}/deliveries",
            "/webhooks/{webhook_id}/resume",
            "/webhooks/{webhook_id}/replay",
            "/streams",
            "/sessions",
            "/sessions/counts",
            "/sessions/changes",
            "/sessions/past",
            "/privacy/rovers",
            "/privacy/{name}",
            "/live",
            "/push",
            "/changes",
            "/changes/{kind}/{identity}/revert",
            "/commands",
            "/rules",
            "/rules/{datastream_id}/{detector}",
            "/silences",
            "/silences/{silence_id}",
            "/accounts",
            "/accounts/{name}",
            "/session",
            "/tokens",
            "/tokens/{token_id}",
        )
    } | {"/healthz", "/readyz", "/metrics"} | {f"/sta/v1.1/{one}" for one in SENSORTHINGS}
