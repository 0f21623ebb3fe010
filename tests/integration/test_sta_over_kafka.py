"""SensorThings written to a server that has no stations and sensors of its own: over Kafka, to PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest

from streams.kafka import admin
from tests.integration.processes import eventually, started
from tests.mosquitto import mosquitto
from tests.program import free_port
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[sta.mqtt]
host = "127.0.0.1"
port = {broker}

[database]
url = "{url}"

[[thing]]
id = "pier"
name = "Pier"
longitude = 118.1
latitude = 24.4
datastream = [{{ property = "water_level" }}]
"""
SERIES = "/Datastreams('pier.water_level')/Observations"


async def test_what_is_created_at_the_server_is_judged_and_stored(
    tmp_path: Path, kafka: KafkaServer, prefix: str, postgres_url: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        config = tmp_path / "groundswell.toml"
        broker = stack.enter_context(mosquitto(tmp_path / "broker"))
        subscriber = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", broker.port))
        await subscriber.subscribe("v1.1/Observations")
        await subscriber.subscribe("v1.1/Sensors")
        where = {"servers": kafka.bootstrap, "prefix": prefix, "url": postgres_url, "broker": broker.port}
        config.write_text(CONFIG.format(**where))
        common, http = ("--config", str(config)), free_port()
        stack.enter_context(started(tmp_path, "worker", "worker", *common))
        stack.enter_context(started(tmp_path, "store", "store", *common))
        stack.enter_context(started(tmp_path, "serve", "serve", *common, "--http", f"127.0.0.1:{http}"))
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/sta/v1.1", timeout=60)
        await stack.enter_async_context(client)

        async def get(path: str) -> Any:
            try:
                answer = await client.get(path)
            except httpx.TransportError:
                return None
            return answer.json() if answer.status_code == 200 else None

        await eventually(lambda: get("/Datastreams('pier.water_level')"), "the datastream", tmp_path)

        high = {
            "result": 99.0,
            "phenomenonTime": "2026-03-01T00:00:00Z",
            "FeatureOfInterest": {"feature": {"type": "Point", "coordinates": [118.3, 24.6]}},
        }

        async def posted() -> httpx.Response | None:
            answer = await client.post(SERIES, json=high)
            return None if answer.status_code == 503 else answer  # accounts are not known yet

        made: Any = await eventually(posted, "an answer", tmp_path)
        assert made.status_code == 201, made.text
        assert made.json()["@iot.id"] == "pier.water_level~1772323200000000"
        arrays = [
            {
                "Datastream": {"@iot.id": "pier.water_level"},
                "components": ["phenomenonTime", "result"],
                "dataArray": [[f"2026-03-01T00:0{minute}:00Z", 1.0 + minute / 10] for minute in (1, 2, 3)],
            }
        ]
        for _ in range(2):  # sent again, it counts once
            answer = await client.post("/CreateObservations", json=arrays)
            assert answer.status_code == 201, answer.text
        again = await client.post(SERIES, json=high)
        assert again.headers["location"] == made.headers["location"]

        async def stored() -> Any:
            found = await get(f"{SERIES}?$orderby=phenomenonTime&$expand=FeatureOfInterest")
            return found["value"] if found and len(found["value"]) >= 4 else None

        first, *rest = await eventually(stored, "the samples", tmp_path)
        assert made.headers["location"] == first["@iot.selfLink"]
        assert first["resultQuality"]["qartod"] == 4  # no sea is so high
        assert first["FeatureOfInterest"]["feature"]["coordinates"] == [118.3, 24.6]
        assert [one["result"] for one in rest] == [1.1, 1.2, 1.3]

        # what is measured, and by what, is data: in force in the worker when it is answered
        async def create(path: str, body: object) -> str:
            answer = await client.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["@iot.id"])

        limits = {"unit": "cm", "span": [0, 600]}
        snow = {"name": "Snow depth", "definition": "https://example.org/snow", "properties": limits}
        observed, sensor = (
            await create("/ObservedProperties", snow),
            await create("/Sensors", {"name": "Radar"}),
        )
        links = {"ObservedProperty": {"@iot.id": observed}, "Sensor": {"@iot.id": sensor}}
        series = await create("/Things('pier')/Datastreams", {"name": "Snow", **links})
        deep = await create(f"/Datastreams('{series}')/Observations", {"result": 700})

        async def judged() -> Any:
            return await get(f"/Observations('{deep}')?$expand=Datastream($expand=Sensor,ObservedProperty)")

        found = await eventually(judged, "the sample of a new kind", tmp_path)
        assert found["resultQuality"]["qartod"] == 4
        assert found["Datastream"]["Sensor"]["name"] == "Radar"
        assert found["Datastream"]["ObservedProperty"]["properties"]["span"] == [0, 600]

        # who subscribes at the broker is told of both
        async with asyncio.timeout(60):
            missing = {"v1.1/Sensors", deep}
            async for message in subscriber.messages:
                told = json.loads(bytes(message.payload))
                missing -= {message.topic.value, told["@iot.id"]}
                if not missing:
                    break
