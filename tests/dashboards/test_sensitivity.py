"""Where a station is exactly is told to nobody who may not change it: in any answer there is."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from dashboards.api.context import CapSource
from dashboards.places import Places
from dashboards.sensitivity import coarse_station
from sensors.model import Station
from streams.cap.config import CapConfig
from streams.records import AlertTransitions, Change, Changes, StationReports
from tests.dashboards import country as c
from tests.dashboards.people import ROLES, bearer, everybody, signed_in, token
from tests.dashboards.push.messages import told as events_of
from tests.dashboards.serving import client_of

ID = "EXAC00CHN"
LONGITUDE, LATITUDE, HEIGHT_M = 121.2034567, 31.1045678, 23.4567
EXACT = re.compile(r"121\.203|31\.104|23\.4")
BEARER = {"Authorization": "Bearer correct horse"}
WHERE = {
    "station_id": ID,
    "thing_id": "gauge-xiamen",
    "datastream_id": c.GAUGE,
    "alert_id": "a9",
    "dataset_id": "stations.quality",
    "item_id": ID,
}
HAS_PLACES = {
    "/api/v1/stations",
    "/api/v1/stations/{station_id}",
    "/api/v1/alerts.geojson",
    "/api/v1/alerts/{alert_id}.cap.xml",
    "/api/v1/changes",
    "/api/v1/live",
    "/api/v1/catalogue",
    "/api/v1/catalogue/{dataset_id}",
    "/api/v1/stac/collections",
    "/api/v1/stac/collections/{dataset_id}",
    "/api/v1/stac/collections/{dataset_id}/items",
    "/api/v1/stac/collections/{dataset_id}/items/{item_id}",
}
CLOSED = {"open_writes": False, "write_token": "correct horse", "cap": CapSource(CapConfig(sender="w.org"))}


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


@pytest.fixture(scope="module")
def peopled(tmp_path_factory):
    for country in found(tmp_path_factory.mktemp("peopled")):
        country.keep(everybody())
        yield country


def found(folder):
    country = c.found(folder, minutes=1)
    country.settings = CLOSED
    place = {"longitude": LONGITUDE, "latitude": LATITUDE, "height_m": HEIGHT_M}
    country.store.put_registry(stations=[Station(id=ID, name="Exactly", **place)])
    change = Change(
        kind="station",
        id=ID,
        version=1,
        verb="put",
        before={"source": "tcp://a:1", **place},
        after={"source": "tcp://b:1", **place},
        by="Li",
        at_us=c.START_US,
        command_id="c1",
    )
    moved = c.alert(1, alert_id="a9", subject_id=ID, rule="displacement", evidence={"offset_m": 0.02})
    heard = StationReports(reports=[c.report((ID, "", 0, 0, "good", 90, ()), c.START_US)])
    country.keep(Changes(changes=[change]), AlertTransitions(transitions=[moved]), heard)
    yield country
    country.store.close()


async def every_answer(app, headers):
    """Yield path and text of each question that there is, and of the first event of the live stream."""
    async with client_of(app) as client:
        paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
        endless = {"/api/v1/live", "/api/v1/push"}
        for path in (path for path, verbs in paths.items() if "get" in verbs and path not in endless):
            answer = await client.get(path.format_map(Filled()), headers=headers)
            assert answer.status_code in {200, 401, 403, 404, 422, 503}, (path, answer.text)
            yield path, answer.text
    yield "/api/v1/live", (await first_event(app, headers)).decode()


async def first_event(app, headers):
    """Return what the live stream begins with for whoever asks with these headers."""
    got = []
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/live", "raw_path": b"", "query_string": b"",
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def receive():
        while not any(one.get("body") for one in got):
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message):
        got.append(message)

    await app(scope, receive, send)
    return b"".join(one.get("body", b"") for one in got)


class Filled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return WHERE.get(name, "none")


async def test_no_answer_tells_a_stranger_the_exact_place(country):
    seen = [path async for path, text in every_answer(country.app(), {}) if EXACT.search(text)]
    assert seen == []


async def test_who_may_change_it_is_told_it(country):
    seen = {path async for path, text in every_answer(country.app(), BEARER) if EXACT.search(text)}
    assert {"/api/v1/stations", "/api/v1/stations/{station_id}", "/api/v1/changes"} <= seen


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_is_told_what_it_may_know_in_each_answer(peopled, role):
    app = peopled.app()
    answers = every_answer(app, signed_in(app, role))
    seen = {path async for path, text in answers if EXACT.search(text)}
    assert seen == (set() if role == "viewer" else HAS_PLACES)


async def test_a_token_is_told_them_by_its_scope(own):
    app = own.app()
    for scopes, places in ((("read",), set()), (("read", "sensitive"), HAS_PLACES)):
        text, made = token(*scopes)
        app.state.access.book.take(Changes(changes=[made]))
        seen = {path async for path, told in every_answer(app, bearer(text)) if EXACT.search(told)}
        assert seen == places


async def test_where_everybody_may_all_is_told(country):
    answers = every_answer(country.app(open_writes=True, write_token=""), {})
    assert {path async for path, text in answers if EXACT.search(text)} == HAS_PLACES


async def test_no_channel_tells_where_a_station_is(own):
    channels = ("level:orange", "network", f"station:{ID}")
    ecef_m = (-2831733.1234, 4675665.9876, 3275369.4321)
    with own.push.viewer(channels, "stream") as viewer:
        await own.push.step(c.START_US)
        report = c.report(c.SITES[0], c.START_US, station_id=ID, ecef_m=ecef_m)
        moved = c.alert(2, "level", alert_id="a9", subject_id=ID, evidence={"offset_m": 0.02})
        own.keep(StationReports(reports=[report]), AlertTransitions(transitions=[moved]))
        await own.push.step(c.START_US)
        told = json.dumps(await events_of(viewer))
    assert all(f'"{channel}"' in told for channel in channels)
    assert not EXACT.search(told)
    assert not re.search(r"2831733|4675665|3275369|longitude|ecef", told)


async def test_the_setting_says_how_much(country):
    async with client_of(country.app(station_decimals=1)) as client:
        shown = (await client.get(f"/api/v1/stations/{ID}")).json()
    assert (shown["longitude"], shown["latitude"], shown["height_m"]) == (121.2, 31.1, None)


def test_a_place_nobody_knows_stays_unknown(country):
    row = coarse_station(country.store.station("NEWW00CHN"), 2)
    assert (row.longitude, row.latitude) == (None, None)
    assert Places(country.store, lambda: 0, 2).find(ID).longitude == 121.2


STA_PLACES = (
    f"Things('station~{ID}')?$expand=Locations,HistoricalLocations($expand=Locations)",
    "Locations",
    f"Locations('station~{ID}~1')",
    f"FeaturesOfInterest('station~{ID}')",
    f"Things('station~{ID}')/Locations?$orderby=name",
)
FINDS = (
    f"Locations?$filter=geo.distance(location, geography'POINT({LONGITUDE} {LATITUDE})') lt 0.0001",
    f"Things?$filter=st_equals(Locations/location, geography'POINT({LONGITUDE} {LATITUDE})')",
)


@pytest.mark.parametrize("question", [*STA_PLACES, *FINDS])
async def test_sensorthings_tell_and_find_a_place_for_who_may_change_it_only(country, question):
    async with client_of(country.app()) as client:
        strange, known = [
            await client.get(f"/sta/v1.1/{question}", headers=headers) for headers in ({}, BEARER)
        ]
    assert strange.status_code == known.status_code == 200
    if question in FINDS:
        assert strange.json()["value"] == []
        assert [one["@iot.id"] for one in known.json()["value"]] == [f"station~{ID}"]
    else:
        assert not EXACT.search(strange.text)
        assert EXACT.search(known.text)
