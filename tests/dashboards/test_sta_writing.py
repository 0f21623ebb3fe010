"""SensorThings written: by the public client against the running program, and by hand what it cannot send."""

from __future__ import annotations

import asyncio
import contextlib

import frost_sta_client as frost
import httpx
import jsonpatch
import pytest
from frost_sta_client.model.ext.data_array_document import DataArrayDocument
from frost_sta_client.model.ext.data_array_value import DataArrayValue
from frost_sta_client.model.ext.unitofmeasurement import UnitOfMeasurement
from geojson import Point

from deploy.addresses import Addresses
from deploy.service import opened
from deploy.settings import ServerSettings, Settings
from tests.program import free_port

PLACE = {"encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [118.1, 24.4]}}
THING = {"name": "Pier", "description": "A pier", "Locations": [{"name": "there", **PLACE}]}
LEVEL = {
    "name": "Level",
    "description": "",
    "unitOfMeasurement": {"name": "metre", "symbol": "m", "definition": ""},
    "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
    "ObservedProperty": {"@iot.id": "water_level"},
    "Sensor": {
        "name": "Radar",
        "encodingType": "application/pdf",
        "metadata": "https://example.org/radar.pdf",
    },
}


@contextlib.asynccontextmanager
async def program(folder, **settings):
    """Run the program and give the address of its SensorThings."""
    config, port = Settings(**settings), free_port()
    async with opened(config, folder, Addresses(("127.0.0.1", port), None)):
        yield f"http://127.0.0.1:{port}/sta/v1.1"


def client_at(url):
    return httpx.AsyncClient(base_url=url, timeout=60)


@pytest.mark.filterwarnings("ignore:furl.pathstr:DeprecationWarning")
async def test_the_public_client_creates_reads_changes_and_deletes(tmp_path):
    async with program(tmp_path) as url:
        await asyncio.to_thread(journey, url)


def journey(url):
    service = frost.SensorThingsService(url)
    where = frost.Location(
        name="pier", description="", location=Point((118.1, 24.4)), encoding_type="application/geo+json"
    )
    pier = frost.Thing(name="Pier", description="A pier", properties={"owner": "port", "depth": 7.5})
    pier.locations = [where]
    service.create(pier)
    assert service.things().find(pier.id).name == "Pier"

    level = frost.Datastream(
        name="Level at the pier",
        description="by radar",
        observation_type=LEVEL["observationType"],
        unit_of_measurement=UnitOfMeasurement(name="metre", symbol="m", definition="m"),
        observed_property=frost.ObservedProperty(name="Sea level", definition="x", description=""),
        sensor=frost.Sensor(name="Radar", description="", encoding_type="text/plain", metadata="model 5"),
        properties={"mounted": "north"},
    )
    properties = {one.name: one for one in service.observed_properties().query().list()}
    level.observed_property.name = next(name for name in properties if "level" in name)
    level.thing = frost.Thing(id=pier.id)
    service.create(level)

    for second in range(5):
        service.create(
            frost.Observation(
                result=2.0 + second / 10,
                phenomenon_time=f"2026-03-01T00:00:0{second}Z",
                datastream=frost.Datastream(id=level.id),
            )
        )
    document = DataArrayDocument()
    values = DataArrayValue()
    values.components = {values.Property.PHENOMENON_TIME, values.Property.RESULT}
    values.datastream = frost.Datastream(id=level.id)
    for second in range(5, 8):
        values.add_observation(
            frost.Observation(result=2.0 + second / 10, phenomenon_time=f"2026-03-01T00:00:0{second}Z")
        )
    document.add_data_array_value(values)
    assert len(service.observations().create(document)) == 3

    found = service.datastreams().find(level.id)
    assert found.properties == {"mounted": "north"}
    high = found.get_observations().query().filter("result ge 2.3").orderby("phenomenonTime", "desc").top(2)
    assert [one.result for one in high.list()] == [2.7, 2.6, 2.5, 2.4, 2.3]  # it follows the next links
    page = (
        service.things()
        .query()
        .filter("properties/owner eq 'port'")
        .expand("Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1),Sensor),Locations")
    )
    (thing,) = page.list().entities
    (series,) = thing.datastreams.entities
    assert series.sensor.metadata == "model 5"
    assert series.observations.entities[0].result == 2.7
    assert thing.locations.entities[0].location["coordinates"] == [118.1, 24.4]

    thing = service.things().find(pier.id)
    thing.description = "An old pier"
    service.update(thing)
    service.patch(thing, jsonpatch.JsonPatch([{"op": "replace", "path": "/properties/depth", "value": 8}]))
    again = service.things().find(pier.id)
    assert (again.description, again.properties) == (
        "An old pier", {"owner": "port", "depth": 8, "kind": "site"},
    )  # fmt: skip

    service.delete(service.datastreams().find(level.id))
    service.delete(again)
    assert service.things().query().list().entities == []


async def test_a_thing_that_moves_has_a_history(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        made = await client.post("/Things", json={"@iot.id": "pier", **THING, "Datastreams": [LEVEL]})
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"{url}/Things('pier')"
        moved = {"location": {"type": "Point", "coordinates": [118.2, 24.5, 3.25]}}
        assert (await client.patch("/Locations('pier')", json=moved)).status_code == 200
        places = (
            await client.get("/Things('pier')/HistoricalLocations?$expand=Locations&$orderby=time")
        ).json()
        coordinates = [one["Locations"][0]["location"]["coordinates"] for one in places["value"]]
        assert coordinates == [[118.1, 24.4], [118.2, 24.5]]
        now = (await client.get("/Things('pier')/Locations")).json()["value"][0]
        assert now["properties"] == {"height_m": 3.25, "height_datum": "ellipsoidal"}
        sensor = (await client.get("/Datastreams('pier.water_level')/Sensor")).json()
        assert (sensor["name"], sensor["encodingType"]) == ("Radar", "application/pdf")
        gone = await client.delete("/Things('pier')")
        assert gone.status_code == 200, gone.text
        assert (await client.get("/Datastreams('pier.water_level')")).status_code == 404


async def test_observations_are_judged_and_kept_with_their_place(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        series = {**LEVEL, "Observations": [{"result": 1.0, "phenomenonTime": "2026-03-01T00:00:00Z"}]}
        made = await client.post("/Things", json={"@iot.id": "pier", **THING, "Datastreams": [series]})
        assert made.status_code == 201, made.text
        here = "/Datastreams('pier.water_level')/Observations"
        body = {
            "result": 99.0,
            "phenomenonTime": "2026-03-01T08:01:00+08:00",
            "FeatureOfInterest": {"feature": {"type": "Point", "coordinates": [118.3, 24.6]}},
        }
        made = await client.post(here, json=body)
        assert made.status_code == 201, made.text
        stored = (await client.get(made.headers["location"] + "?$expand=FeatureOfInterest")).json()
        assert stored["phenomenonTime"] == "2026-03-01T00:01:00Z"
        assert stored["resultQuality"]["qartod"] == 4  # no sea is so high
        assert stored["FeatureOfInterest"]["feature"]["coordinates"] == [118.3, 24.6]
        assert (await client.get(f"{here}/$count")).text == "2"


SERIES = "/Datastreams('pier.water_level')/Observations"
REFUSED = (
    ("/Things", {"name": "x"}, 400, "with its place"),
    ("/Things", {**THING, "colour": "red"}, 400, "no 'colour'"),
    ("/Things", [], 400, "is an object"),
    ("/Things", {**THING, "@iot.id": "pier"}, 409, "already"),
    ("/Things", {**THING, "@iot.id": "a b'c"}, 422, "does not serve"),
    (
        "/Things",
        {"name": "x", "Locations": [{"location": {"type": "Point", "coordinates": [999, 0]}}]},
        400,
        "GeoJSON point",
    ),
    ("/Things", {**THING, "properties": {"x": "y" * 20_000}}, 409, "larger than"),
    (
        "/Things",
        {**THING, "name": "half", "Datastreams": [{**LEVEL, "ObservedProperty": {"name": "mood"}}]},
        400,
        "no property 'mood'",
    ),
    ("/Datastreams", {**LEVEL, "Thing": {"@iot.id": "nowhere"}}, 400, "no entity of Things"),
    (
        "/Datastreams",
        {**LEVEL, "Thing": {"@iot.id": "pier"}, "Sensor": {"@iot.id": "1"}},
        400,
        "no entity of Sensors",
    ),
    ("/Datastreams", [5], 400, "is an object"),
    ("/Things", {**THING, "Datastreams": [5]}, 400, "is an object"),
    ("/Things", {**THING, "description": "a\0b"}, 409, "U+0000"),
    ("/Sensors", {"metadata": "x"}, 400, "has a name"),
    ("/Sensors", {"name": "x", "colour": "red"}, 400, "no 'colour'"),
    ("/ObservedProperties", {"name": "Mood", "properties": {"span": [2, 1]}}, 409, "a lower and a higher"),
    ("/ObservedProperties", {"name": "Mood", "@iot.id": "water_level"}, 409, "already"),
    ("/ObservedProperties", {"name": "Mood", "@iot.id": "a.b"}, 422, "does not serve"),
    ("/FeaturesOfInterest", {"name": "x"}, 501, "come with things"),
    (SERIES, {"result": 1, "FeatureOfInterest": {"@iot.id": "elsewhere"}}, 400, "the thing's place"),
    ("/Observations", {"result": 1}, 400, "Datastream is a link"),
    ("/Observations", {"result": "high", "Datastream": {"@iot.id": "pier.water_level"}}, 400, "a number"),
    (SERIES, {"result": 1, "phenomenonTime": "2199-01-01T00:00:00Z"}, 400, "in the future"),
    (SERIES, {"result": 1, "resultQuality": 1}, 400, "can be kept"),
    ("/Things('pier')", {}, 405, "in a list"),
    (
        "/CreateObservations",
        [
            {
                "Datastream": {"@iot.id": "pier.water_level"},
                "components": ["result"],
                "dataArray": [[1], [1, 2]],
            }
        ],
        400,
        "1 values",
    ),
)


async def test_what_cannot_be_created_is_refused_in_words(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        made = await client.post("/Things", json={"@iot.id": "pier", **THING, "Datastreams": [LEVEL]})
        assert made.status_code == 201, made.text
        before = (await client.get("/Things?$expand=Datastreams")).json()
        for path, body, status, says in REFUSED:
            answer = await client.post(path, json=body)
            assert (answer.status_code, says in answer.text) == (status, True), (path, body, answer.text)
        assert (await client.get("/Things?$expand=Datastreams")).json() == before
        assert (await client.get(f"{SERIES}/$count")).text == "0"


async def test_who_may_not_write_changes_nothing(tmp_path):
    settings = ServerSettings(write_token="correct horse")
    async with program(tmp_path, server=settings) as url, client_at(url) as client:
        for method, path in (
            ("POST", "/Things"),
            ("PATCH", "/Things('x')"),
            ("PUT", "/Things('x')"),
            ("DELETE", "/Things('x')"),
            ("POST", "/CreateObservations"),
        ):
            answer = await client.request(method, path, json=THING)
            assert answer.status_code == 401, (method, path, answer.text)
        forged = await client.post("/Things", content="{}", headers={"content-type": "text/plain"})
        assert forged.status_code == 415
        assert (await client.get("/Things")).json()["value"] == []


async def test_a_batch_is_what_its_requests_are(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        batch = {
            "requests": [
                {"id": "a", "method": "post", "url": "Things", "body": {"@iot.id": "o-pier", **THING}},
                {
                    "id": "b",
                    "method": "post",
                    "url": "Datastreams",
                    "body": {**LEVEL, "Thing": {"@iot.id": "$a"}},
                },
                {"id": "c", "method": "get", "url": "$a/Datastreams?$select=name&$filter=name eq 'Level'"},
                {"id": "d", "method": "get", "url": "Nothing"},
                {"id": "e", "method": "get", "url": "Things('o-pier')/name/$value"},
            ]
        }
        answer = await client.post("/$batch", json=batch)
        assert answer.status_code == 200, answer.text
        told = {one["id"]: one for one in answer.json()["responses"]}
        assert [one["status"] for one in told.values()] == [201, 201, 200, 404, 200]
        assert told["b"]["location"] == f"{url}/Datastreams('o-pier.water_level')"
        assert told["c"]["body"]["value"] == [{"name": "Level"}]
        assert told["e"]["body"] == "Pier"
        for body, status in (
            ({"requests": [{"id": "a", "method": "post", "url": "$batch"}]}, 400),
            ({"requests": [{"id": "a", "method": "get", "url": "Things"}] * 101}, 413),
            ([], 400),
        ):
            assert (await client.post("/$batch", json=body)).status_code == status


async def test_a_batch_of_a_stranger_changes_nothing(tmp_path):
    settings = ServerSettings(write_token="correct horse")
    batch = {"requests": [{"id": "a", "method": "post", "url": "Things", "body": THING}]}
    async with program(tmp_path, server=settings) as url, client_at(url) as client:
        answer = await client.post("/$batch", json=batch)
        assert answer.json()["responses"][0]["status"] == 401
        assert (await client.get("/Things")).json()["value"] == []
        known = {"authorization": "Bearer correct horse"}
        answer = await client.post("/$batch", json=batch, headers=known)
        assert answer.json()["responses"][0]["status"] == 201
