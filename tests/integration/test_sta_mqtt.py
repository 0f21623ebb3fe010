"""SensorThings over MQTT, through a real broker: observations are created, and who subscribes is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import msgspec
import pytest

from connectors.mqtt_config import MqttConfig
from dashboards.sta.conformance import CREATED_BY_MQTT
from deploy.addresses import Addresses
from deploy.service import opened
from deploy.settings import Settings, StaMqttSettings, StaSettings
from sensors.payloads.sensorthings import SensorThingsMapping
from tests.dashboards.test_sta_writing import LEVEL, THING, client_at
from tests.mosquitto import mosquitto
from tests.program import free_port

pytestmark = pytest.mark.integration

HERE = "v1.1/Datastreams('pier.water_level')/Observations"
SELECT = f"{HERE}?$select=phenomenonTime,result"
MAPPINGS = [SensorThingsMapping(topic="v1.1/+/Observations"), SensorThingsMapping(topic="v1.1/Observations")]


class Subscriber:
    """What came, by topic, from the service and from others."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.told: dict[str, list[Any]] = {}

    async def until(self, topic: str, **values: Any) -> Any:
        """Return a message of a topic that the service told, and that has these values."""
        async with asyncio.timeout(30):
            while True:
                for body in self.told.get(topic, []):
                    if all(body.get(name) == value for name, value in values.items()):
                        return body
                message = await anext(aiter(self.client.messages))
                body = json.loads(bytes(message.payload))
                if "result" not in body or "@iot.selfLink" in body or "?" in message.topic.value:
                    self.told.setdefault(message.topic.value, []).append(body)


@contextlib.asynccontextmanager
async def house(tmp_path: Any) -> AsyncIterator[tuple[Any, Subscriber]]:
    """Run a broker, the program, and somebody who subscribes to everything."""
    with mosquitto(tmp_path / "broker") as broker:
        gathered = MqttConfig(host="127.0.0.1", port=broker.port, mappings=MAPPINGS)
        told = StaMqttSettings(host="127.0.0.1", port=broker.port, select=["phenomenonTime,result"])
        settings, port = Settings(mqtt=[gathered], sta=StaSettings(mqtt=told)), free_port()
        async with (
            aiomqtt.Client("127.0.0.1", broker.port) as client,
            opened(settings, tmp_path / "data", Addresses(("127.0.0.1", port), None)) as service,
            client_at(f"http://127.0.0.1:{port}/sta/v1.1") as http,
        ):
            service.edge.connect()
            await client.subscribe("v1.1/#", qos=1)
            yield http, Subscriber(client)


async def test_observations_are_created_by_publishing_and_subscribers_are_told(tmp_path):
    async with house(tmp_path) as (http, subscriber):
        made = await http.post("/Things", json={"@iot.id": "pier", **THING, "Datastreams": [LEVEL]})
        assert made.status_code == 201, made.text
        await subscriber.until("v1.1/Datastreams('pier.water_level')")
        for minute, topic in enumerate((HERE, HERE, "v1.1/Observations")):
            body = {"result": 1.0 + minute, "phenomenonTime": f"2026-03-01T00:0{minute}:00Z"}
            if topic != HERE:
                body["Datastream"] = {"@iot.id": "pier.water_level"}
            for _ in range(2):  # sent again, it counts once
                await subscriber.client.publish(topic, json.dumps(body), qos=1)
            told = await subscriber.until(HERE, result=1.0 + minute)
            assert await subscriber.until("v1.1/Observations", result=1.0 + minute) == told
            part = await subscriber.until(SELECT, result=1.0 + minute)
            assert part == {"phenomenonTime": f"2026-03-01T00:0{minute}:00Z", "result": 1.0 + minute}
            assert (await http.get(told["@iot.selfLink"])).json() == told
        assert (await http.get("/Observations/$count")).text == "3"  # what is told is not taken again
        told = (await http.get("")).json()["serverSettings"]
        assert CREATED_BY_MQTT in told["conformance"]
        (endpoint,) = told[CREATED_BY_MQTT]["endpoints"]
        assert endpoint.startswith("mqtt://127.0.0.1:")


async def test_who_subscribes_hears_of_changes(tmp_path):
    async with house(tmp_path) as (http, subscriber):
        made = await http.post("/Things", json={"@iot.id": "pier", **THING, "Datastreams": [LEVEL]})
        assert made.status_code == 201, made.text
        assert await subscriber.until("v1.1/Things") == (await http.get("/Things('pier')")).json()
        assert (await http.patch("/Things('pier')", json={"description": "Old"})).status_code == 200
        assert await subscriber.until("v1.1/Things('pier')/description", description="Old")
        assert await subscriber.until("v1.1/Things('pier')", name="Pier", description="Old")
        moved = {"location": {"type": "Point", "coordinates": [118.2, 24.5]}}
        assert (await http.patch("/Locations('pier')", json=moved)).status_code == 200
        for topic in ("v1.1/Things('pier')/Locations", "v1.1/Locations", "v1.1/Locations('pier')"):
            assert await subscriber.until(topic, location=moved["location"])
        sensor = await http.post("/Sensors", json={"name": "Radar"})
        told = await subscriber.until("v1.1/Sensors")
        assert (told["name"], told["@iot.id"]) == ("Radar", sensor.json()["@iot.id"])
        snow = {"name": "Snow depth", "definition": "https://example.org/snow"}
        await http.post("/ObservedProperties", json=snow)
        assert (await subscriber.until("v1.1/ObservedProperties"))["@iot.id"] == "snow_depth"


def test_a_select_that_no_observation_has_is_refused():
    with pytest.raises(msgspec.ValidationError, match="observations have no 'colour'"):
        msgspec.convert({"host": "x", "select": ["result,colour"]}, StaMqttSettings)
