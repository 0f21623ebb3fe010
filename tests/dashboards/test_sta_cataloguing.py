"""SensorThings: sensors and observed properties by themselves, and linked to."""

from __future__ import annotations

import httpx

from tests.dashboards.test_sta_writing import LEVEL, THING, client_at, program

SNOW = {
    "name": "Snow depth",
    "definition": "https://example.org/snow",
    "description": "On the ground",
    "properties": {"unit": "cm", "span": [0, 600], "user_span": [0, 400], "source": "office"},
}
RADAR = {"name": "Radar", "encodingType": "text/plain", "metadata": "model 5", "properties": {"serial": 17}}


async def made(client: httpx.AsyncClient, path: str, body: object) -> str:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    identity: str = answer.json()["@iot.id"]
    return identity


async def test_a_sensor_by_itself_may_have_several_datastreams(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        radar = await made(client, "/Sensors", RADAR)
        await made(client, "/Things", {"@iot.id": "pier", **THING})
        for name in ("first", "second"):
            body = {**LEVEL, "@iot.id": f"pier.{name}", "Sensor": {"@iot.id": radar}}
            await made(client, "/Things('pier')/Datastreams", body)
        sensor = (await client.get(f"/Sensors('{radar}')?$expand=Datastreams($orderby=id)")).json()
        assert {name: sensor[name] for name in RADAR} == RADAR
        assert [one["@iot.id"] for one in sensor["Datastreams"]] == ["pier.first", "pier.second"]
        assert len((await client.get("/Sensors")).json()["value"]) == 1
        page = (await client.get("/Datastreams?$expand=Sensor&$filter=Sensor/metadata eq 'model 5'")).json()
        assert [one["Sensor"]["@iot.id"] for one in page["value"]] == [radar, radar]

        patched = await client.patch(f"/Sensors('{radar}')", json={"metadata": "model 6"})
        assert patched.status_code == 200, patched.text
        assert (await client.get("/Datastreams('pier.second')/Sensor/metadata/$value")).text == "model 6"
        put = await client.put(f"/Sensors('{radar}')", json={"name": "New radar", "metadata": "model 7"})
        assert put.status_code == 200, put.text
        sensor = (await client.get(f"/Sensors('{radar}')")).json()
        assert (sensor["name"], sensor["properties"]) == ("New radar", {})

        kept = await client.delete(f"/Sensors('{radar}')")
        assert (kept.status_code, "pier.first has it" in kept.text) == (409, True)
        other = await client.patch("/Datastreams('pier.first')", json={"Sensor": {"name": "Float"}})
        assert other.status_code == 200, other.text
        assert (await client.get("/Datastreams('pier.first')/Sensor/name/$value")).text == "Float"
        assert (await client.delete("/Datastreams('pier.second')")).status_code == 200
        assert (await client.delete(f"/Sensors('{radar}')")).status_code == 200
        assert (await client.get(f"/Sensors('{radar}')")).status_code == 404


async def test_a_sensor_that_a_datastream_describes_can_be_changed_and_shared(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        await made(client, "/Things", {"@iot.id": "pier", **THING, "Datastreams": [LEVEL]})
        own = "/Sensors('pier.water_level')"
        assert (await client.patch(own, json={"metadata": "model 5"})).status_code == 200
        assert (await client.get(f"{own}/name/$value")).text == "Radar"
        assert (await client.delete(own)).status_code == 405
        second = {**LEVEL, "Sensor": {"@iot.id": "pier.water_level"}}
        await made(client, "/Things('pier')/Datastreams", {**second, "@iot.id": "pier.second"})
        sensor = (await client.get(f"{own}?$expand=Datastreams($orderby=id)")).json()
        assert (sensor["name"], sensor["metadata"]) == ("Radar", "model 5")
        assert [one["@iot.id"] for one in sensor["Datastreams"]] == ["pier.second", "pier.water_level"]
        described = await client.patch("/Datastreams('pier.water_level')", json={"Sensor": {"name": "x"}})
        assert (described.status_code, "Others have its sensor" in described.text) == (400, True)
        assert (await client.patch(own, json={"metadata": "model 6"})).status_code == 200
        for name in ("second", "water_level"):
            text = await client.get(f"/Datastreams('pier.{name}')/Sensor/metadata/$value")
            assert text.text == "model 6"


async def judged(client: httpx.AsyncClient, series: str, result: float, at: str) -> int:
    where = f"/Datastreams('{series}')/Observations"
    answer = await client.post(where, json={"result": result, "phenomenonTime": f"2026-03-01T{at}Z"})
    assert answer.status_code == 201, answer.text
    flag: int = (await client.get(answer.json()["@iot.selfLink"])).json()["resultQuality"]["qartod"]
    return flag


async def test_a_property_that_is_added_is_measured_and_judged_at_once(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        await made(client, "/Things", {"@iot.id": "pier", **THING})
        snow = await made(client, "/ObservedProperties", SNOW)
        assert snow == "snow_depth"
        body = {"name": "Snow", "ObservedProperty": {"@iot.id": snow}}
        series = await made(client, "/Things('pier')/Datastreams", body)
        assert series == "pier.snow_depth"
        unit = (await client.get(f"/Datastreams('{series}')/unitOfMeasurement")).json()
        assert unit["unitOfMeasurement"]["symbol"] == "cm"
        assert await judged(client, series, 700, "00:00:00") == 4
        assert await judged(client, series, 500, "00:01:00") == 3
        here = f"/ObservedProperties('{snow}')"
        found = (await client.get(f"{here}?$expand=Datastreams")).json()
        assert found["definition"] == SNOW["definition"]
        assert found["description"] == SNOW["description"]
        assert found["properties"] == {
            **SNOW["properties"], "domain": "other", "sampling_period_s": 60.0, "tests": {},
        }  # fmt: skip
        assert [one["@iot.id"] for one in found["Datastreams"]] == [series]

        wider = {**found["properties"], "span": [0, 900], "user_span": [0, 800]}
        answer = await client.patch(here, json={"properties": wider})
        assert answer.status_code == 200, answer.text
        assert await judged(client, series, 700, "00:02:00") == 1
        patch = [{"op": "replace", "path": "/properties/span", "value": [0, 850]}]
        typed = {"content-type": "application/json-patch+json"}
        answer = await client.patch(here, json=patch, headers=typed)
        assert answer.status_code == 200, answer.text
        assert await judged(client, series, 870, "00:03:00") == 4

        kept = await client.delete(here)
        assert (kept.status_code, "pier.snow_depth has it" in kept.text) == (409, True)
        assert (await client.delete(f"/Datastreams('{series}')")).status_code == 200
        assert (await client.delete(here)).status_code == 200
        assert (await client.get(here)).status_code == 404
        assert (await client.delete("/ObservedProperties('water_level')")).status_code == 409
        assert (await client.delete("/ObservedProperties('station~latency')")).status_code == 405
        audit = await client.get(f"{url.removesuffix('/sta/v1.1')}/api/v1/changes?kind=property")
        assert [one["verb"] for one in audit.json()["items"]] == ["delete", "patch", "patch", "put"]


async def test_a_property_that_is_described_in_a_datastream_is_added_with_it(tmp_path):
    async with program(tmp_path) as url, client_at(url) as client:
        await made(client, "/Things", {"@iot.id": "pier", **THING})
        described = {name: SNOW[name] for name in ("name", "definition", "description")}
        metres = {"name": "metre", "symbol": "m", "definition": ""}
        body = {"name": "Snow", "ObservedProperty": described, "unitOfMeasurement": metres}
        where = "/Things('pier')/Datastreams"
        broken = await client.post(where, json={**body, "description": "a\0b"})
        assert broken.status_code == 409, broken.text
        assert (await client.get("/ObservedProperties('snow_depth')")).status_code == 404  # taken back
        series = await made(client, where, body)
        again = await made(client, where, {**body, "name": "More snow"})
        for one in (series, again):
            found = (await client.get(f"/Datastreams('{one}')/ObservedProperty")).json()
            assert (found["@iot.id"], found["properties"]["unit"]) == ("snow_depth", "m")
