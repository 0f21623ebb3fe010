"""What the pages alone ask for: the trend of the network, last hours, and how a series is judged."""

from __future__ import annotations

import msgspec
import pytest

from gnss.simulate import SimulatedSky, SimulatedStation
from sensors.detectors import detector_names
from sensors.model import Station
from sensors.quality import every_test
from streams.records import Change, Changes, RawChunk
from streams.sky_watch import LOOK_US, MOST_STATIONS, SkyWatch
from tests.dashboards import country as c
from tests.dashboards import nation as n
from tests.dashboards.serving import client_of

API = "/api/v1"


@pytest.fixture
def country(tmp_path):
    country, _ = n.found(tmp_path, 40)
    yield country
    country.store.close()


async def get(country, path, status=200):
    async with client_of(country.app()) as client:
        answer = await client.get(API + path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_the_trend_has_the_mean_of_each_hour(country):
    items = (await get(country, "/network/trend?hours=24"))["items"]
    assert len(items) == 24
    assert items[-1]["start"] == "2025-12-31T23:00:00Z"
    with country.store._reading() as connection:
        rows = connection.execute(
            "SELECT begin_us, sum(good_s) / 3600.0, sum(bad_s) / 3600.0 FROM station_hours "
            "WHERE begin_us >= ? GROUP BY 1 ORDER BY 1",
            (c.START_US - 24 * c.HOUR_US,),
        ).fetchall()
    assert [(i["stations"]["good"], i["stations"]["bad"]) for i in items] == [(g, b) for _, g, b in rows]
    assert (await get(country, "/network/trend?hours=1000"))["items"] == []  # no day is summed up
    await get(country, "/network/trend?hours=0", status=422)


async def test_the_last_hours_are_a_list_that_may_be_empty(country):
    (report,) = (await get(country, f"/stations/{n.STATION}/recent?hours=4"))["items"]
    assert report["station_id"] == n.STATION
    assert report["sky"]["satellite"]
    assert not {"position", "place"} & set(report["metadata"])
    assert (await get(country, f"/stations/{n.station_id(1)}/recent"))["items"] == []
    await get(country, "/stations/NONE/recent", status=404)


async def test_every_test_and_detector_can_be_chosen(country):
    parts = (await get(country, "/chain-parts"))["items"]
    names = {(one["kind"], one["name"]) for one in parts}
    assert names == {("test", t.name) for t in every_test()} | {("detector", d) for d in detector_names()}
    spike = next(one for one in parts if one["name"] == "spike")
    assert [(p["name"], p["type"], p["required"]) for p in spike["parameters"]] == [
        ("suspect", "number", True),
        ("fail", "number", False),
        ("method", "choice", False),
    ]
    assert spike["parameters"][2]["choices"] == ["average", "differential", "third_difference"]
    high = next(one for one in parts if one["name"] == "high_water")
    assert {p["type"] for p in high["parameters"]} == {"number"}


async def test_a_chain_is_what_is_in_force(country):
    path = "/datastreams/gauge-xiamen.water_level"
    chain = await get(country, f"{path}/chain")
    assert [one["name"] for one in chain["tests"]] == ["gross_range", "spike", "rate_of_change", "flat_line"]
    assert chain["tests"][0]["parameters"]["span"] == [-15.0, 25.0]
    (detector,) = chain["detectors"]
    assert (detector["name"], detector["given"], detector["is_ruled"]) == ("sea_level", {}, False)
    assert detector["parameters"]["red_m"] == 3.0

    async with client_of(country.app()) as client:
        for method, where, body in (
            ("PATCH", path, {"tests": {"spike": {"off": True}}, "paused": True}),
            ("PUT", "/rules/gauge-xiamen.water_level/sea_level", {"parameters": {"red_m": 2.0}}),
        ):
            answer = await client.request(method, f"{API}{where}?by=li", json=body)
            assert answer.status_code == 200, answer.text
    chain = await get(country, f"{path}/chain")
    assert (chain["off"], chain["paused"]) == (["spike"], True)
    (detector,) = chain["detectors"]
    assert (detector["configured"], detector["given"]) == ({}, {"red_m": 2.0})
    assert (detector["parameters"]["red_m"], detector["is_ruled"]) == (2.0, True)
    assert (await get(country, "/paused"))["items"] == [
        {"kind": "datastream", "id": "gauge-xiamen.water_level"}
    ]


async def test_a_deleted_rule_leaves_the_datastreams_own_parameters(country):
    key = {"kind": "rule", "id": "gauge-xiamen.water_level/sea_level", "by": "li", "at_us": c.START_US}
    made = Change(**key, version=1, verb="put", before=None, after={"off": True}, command_id="1")
    country.keep(Changes(changes=[made]))
    (detector,) = (await get(country, "/datastreams/gauge-xiamen.water_level/chain"))["detectors"]
    assert detector["is_off"]
    gone = msgspec.structs.replace(made, version=2, verb="delete", after=None, command_id="2")
    country.keep(Changes(changes=[gone]))
    (detector,) = (await get(country, "/datastreams/gauge-xiamen.water_level/chain"))["detectors"]
    assert (detector["is_off"], detector["is_ruled"]) == (False, False)


async def test_the_sky_of_a_station_is_followed_while_somebody_asks(country):
    watch, sky = SkyWatch(), SimulatedSky()
    sender = SimulatedStation(1, 121.2, 31.1, 20.0, seed=1, sky=sky)
    app, path = country.app(sky_watch=watch), f"{API}/stations/{n.STATION}/sky"
    async with client_of(app) as client:
        first = (await client.get(path)).json()
        assert first == {"state": "waiting", "time": None, "satellites": [], "trouble": ""}
        for second in range(40):
            at_us = c.START_US + second * c.SECOND_US
            payload = b"".join(sender.emit(at_us).frames)
            watch.hear([RawChunk(station_id=n.STATION, payload=payload, received_at_us=at_us + 100_000)])
        told = (await client.get(path)).json()
        assert told["state"] == "live"
        assert told["time"].startswith("2026-01-01T00:00:3")
        truth = {f"{one.system.letter}{one.satellite:02d}": one for one in sender.truth(at_us).satellites}
        for one in told["satellites"]:
            assert abs(one["elevation_deg"] - truth[one["name"]].elevation_deg) < 0.2
        assert "1C" in next(one for one in told["satellites"] if one["name"][0] == "G")["cn0_dbhz"]
        watch.trouble = "Kafka does not answer."
        assert (await client.get(path)).json()["trouble"] == "Kafka does not answer."
        assert (await client.get(f"{API}/stations/NONE/sky")).status_code == 404
        country.now_us += LOOK_US + 1
        assert watch.looked_at(country.now_us) == []
        for number in range(MOST_STATIONS):
            watch.begin(f"S{number}", None, country.now_us)
        assert (await client.get(path)).json()["state"] == "full"
    assert (await get(country, f"/stations/{n.STATION}/sky"))["state"] == "none"


async def test_directions_are_seen_from_the_place_that_everybody_is_told(country, monkeypatch):
    watch, places = SkyWatch(), []
    monkeypatch.setattr(watch, "begin", lambda name, place, now_us: places.append(place) or True)
    country.store.put_registry(
        stations=[Station(id=n.STATION, name="x", longitude=121.2087, latitude=31.0961)],
        things=[], properties=[], datastreams=[],
    )  # fmt: skip
    async with client_of(country.app(sky_watch=watch, station_decimals=1)) as client:
        await client.get(f"{API}/stations/{n.STATION}/sky")
    assert places == [(121.2, 31.1)]
