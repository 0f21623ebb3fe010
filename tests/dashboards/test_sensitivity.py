"""Where a station is exactly is told to nobody who may not change it: in any answer there is."""

from __future__ import annotations

import re

import pytest

from dashboards.api.context import CapSource
from dashboards.places import Places
from dashboards.sensitivity import coarse_station
from sensors.model import Station
from streams.cap.config import CapConfig
from streams.records import AlertTransitions, Change, Changes
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

ID = "EXAC00CHN"
LONGITUDE, LATITUDE, HEIGHT_M = 121.2034567, 31.1045678, 23.4567
EXACT = re.compile(r"121\.203|31\.104|23\.4")
BEARER = {"Authorization": "Bearer correct horse"}
WHERE = {"station_id": ID, "thing_id": "gauge-xiamen", "datastream_id": c.GAUGE, "alert_id": "a9"}
HAS_PLACES = {
    "/api/v1/stations",
    "/api/v1/stations/{station_id}",
    "/api/v1/alerts.geojson",
    "/api/v1/alerts/{alert_id}.cap.xml",
    "/api/v1/changes",
    "/api/v1/live",
}
CLOSED = {"open_writes": False, "write_token": "correct horse", "cap": CapSource(CapConfig(sender="w.org"))}


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
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
    country.keep(Changes(changes=[change]), AlertTransitions(transitions=[moved]))
    yield country
    country.store.close()


async def every_answer(app, headers):
    """Yield path and text of each question that there is, and of the first event of the live stream."""
    async with client_of(app) as client:
        paths = (await client.get("/api/v1/openapi.json")).json()["paths"]
        for path in (path for path, verbs in paths.items() if "get" in verbs and path != "/api/v1/live"):
            answer = await client.get(path.format_map(Filled()), headers=headers)
            assert answer.status_code in {200, 401, 404, 422, 503}, (path, answer.text)
            yield path, answer.text
    yield "/api/v1/live", (await app.state.snapshot.get()).decode()


class Filled(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return WHERE.get(name, "none")


async def test_no_answer_tells_a_stranger_the_exact_place(country):
    seen = [path async for path, text in every_answer(country.app(**CLOSED), {}) if EXACT.search(text)]
    assert seen == []


async def test_who_may_change_it_is_told_it(country):
    seen = {path async for path, text in every_answer(country.app(**CLOSED), BEARER) if EXACT.search(text)}
    assert {"/api/v1/stations", "/api/v1/stations/{station_id}", "/api/v1/changes"} <= seen


async def test_where_everybody_may_all_is_told(country):
    answers = every_answer(country.app(cap=CLOSED["cap"]), {})
    assert {path async for path, text in answers if EXACT.search(text)} == HAS_PLACES


async def test_the_setting_says_how_much(country):
    async with client_of(country.app(**CLOSED, station_decimals=1)) as client:
        shown = (await client.get(f"/api/v1/stations/{ID}")).json()
    assert (shown["longitude"], shown["latitude"], shown["height_m"]) == (121.2, 31.1, None)


def test_a_place_nobody_knows_stays_unknown(country):
    row = coarse_station(country.store.station("NEWW00CHN"), 2)
    assert (row.longitude, row.latitude) == (None, None)
    assert Places(country.store, lambda: 0, 2).find(ID).longitude == 121.2
