"""Gatherer, worker, writer and server as processes of their own, over a real broker."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy.demo_sources import send_stations
from gnss.simulate import SimulatedStation
from sensors.model import Station
from sensors.simulate import TideGauge, Tsunami
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.partitions import partition_of, pieces
from streams.records import SampleBatch
from streams.topics import SAMPLES
from tests.integration.processes import eventually, started
from tests.program import free_port, groundswell
from tests.servers import KafkaServer
from tests.webhook_receiver import receiver

pytestmark = pytest.mark.integration

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[[station]]
id = "STAT00CHN"
source = "ntrip://127.0.0.1:{port}/STAT00CHN"

[[webhook]]
id = "subscriber"
url = "{url}"
secret = "{secret}"
allow_private = true

[[thing]]
id = "gauge"
longitude = 121.0
latitude = 31.0
datastream = [{{ property = "water_level", detectors = {{ sea_level = {{}} }} }}]
"""


def watch_at(port: int) -> tuple[str, str]:
    return "--http", f"127.0.0.1:{port}"


def clock_us() -> int:
    return time.time_ns() // 1000


def tsunami(now_us: int) -> SampleBatch:
    """Return six hours of a tide gauge, the last two with a tsunami."""
    time_us = now_us - (360 - np.arange(360)) * MINUTE_US
    gauge = TideGauge(1, Tsunami(now_us - 120 * MINUTE_US, 0.6, 1500, decay_s=3000))
    return SampleBatch(
        datastream_ids=["gauge.water_level"],
        series=np.zeros(360, np.int32),
        time_us=time_us,
        value=np.array([gauge.value(int(t)) for t in time_us]),
        received_at_us=time_us + SECOND_US,
    )


async def test_from_a_caster_to_the_page_and_to_a_rover(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        relay = Relay(asyncio.get_running_loop().time)
        caster = Caster(relay, lambda: [Station(id="STAT00CHN", name="Station")], clock_us)
        await caster.start("127.0.0.1", 0)
        stack.push_async_callback(caster.stop)
        stations = {"STAT00CHN": SimulatedStation(1, 121.2, 31.1, 20.0, seed=1)}
        sending = asyncio.create_task(send_stations(stations, relay, clock_us))
        stack.callback(sending.cancel)

        subscriber = stack.enter_context(receiver(tmp_path / "webhooks", SECRET, "204"))
        config = tmp_path / "groundswell.toml"
        config.write_text(
            CONFIG.format(
                servers=kafka.bootstrap, prefix=prefix, port=caster.port, url=subscriber.url, secret=SECRET
            )
        )
        http, ntrip, *watch = (free_port() for _ in range(6))
        common = "--config", str(config)
        data = "--data", str(tmp_path / "data")
        stack.enter_context(started(tmp_path, "worker", "worker", *common, *watch_at(watch[0])))
        stack.enter_context(started(tmp_path, "store", "store", *common, *data, *watch_at(watch[1])))
        stack.enter_context(started(tmp_path, "notify", "notify", *common, *watch_at(watch[3])))
        gatherer = stack.enter_context(
            started(
                tmp_path, "gather", "gather", *common, "--ntrip", f"127.0.0.1:{ntrip}",
                "--data", str(tmp_path / "gather"), *watch_at(watch[2]),
            )
        )  # fmt: skip
        database = tmp_path / "data" / "groundswell.sqlite"

        async def is_there() -> bool:
            return database.exists()

        await eventually(is_there, "the database", tmp_path)
        stack.enter_context(
            started(tmp_path, "serve", "serve", *common, *data, "--http", f"127.0.0.1:{http}")
        )
        page = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}"))

        async def get(path: str) -> dict[str, object] | None:
            try:
                answer = await page.get(path)
            except httpx.TransportError:
                return None
            return answer.json() if answer.status_code == 200 else None

        async def judged() -> bool:
            station = await get("/api/v1/stations/STAT00CHN")
            return bool(station and station["latest"])

        await eventually(judged, "a verdict in the API", tmp_path)

        # a rover gets the station's frames from the gatherer itself
        reader, writer = await asyncio.open_connection("127.0.0.1", ntrip)
        writer.write(b"GET /STAT00CHN HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"ICY 200 OK")
        await asyncio.wait_for(reader.readuntil(b"\xd3"), 10)
        writer.close()

        # the live stream tells what the worker said, without the database
        async with page.stream("GET", "/api/v1/live", timeout=20) as live:
            event = ""
            async for line in live.aiter_lines():
                if line.startswith("event: "):
                    event = line
                elif event == "event: update" and '"STAT00CHN"' in line:
                    break

        output = Output(kafka.access, "devices")
        stack.push_async_callback(output.close)
        partition = partition_of("gauge", SAMPLES)
        made = pieces(tsunami(clock_us()))
        await output.send([Message(prefix + SAMPLES.name, partition, one) for one in made])

        async def open_alert() -> str | None:
            alerts = await get("/api/v1/alerts?state=open")
            items = alerts["items"] if alerts else []
            return items[0]["id"] if items else None  # type: ignore[index]

        alert = await eventually(open_alert, "an alert", tmp_path)
        answer = await page.post(
            f"/api/v1/alerts/{alert}/acknowledge", json={"by": "duty", "comment": "seen"}, timeout=20
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "acknowledged"

        async def told() -> bool:
            return any(request["event"]["type"].endswith("acknowledged") for request in subscriber.requests())

        await eventually(told, "a webhook of the answer", tmp_path)
        ids = [request["id"] for request in subscriber.requests()]
        assert len(set(ids)) == len(ids)

        figures = (
            "worker_messages_total", "store_messages_total", "kafka_messages_total", "notify_active",
        )  # fmt: skip
        for port, figure in zip(watch, figures, strict=True):
            told = (await page.get(f"http://127.0.0.1:{port}/metrics")).text
            (value,) = re.findall(rf"^groundswell_{figure} (\S+)$", told, re.MULTILINE)
            assert float(value) > 5 or (figure, value) == ("notify_active", "1.0")
            assert (await page.get(f"http://127.0.0.1:{port}/readyz")).text == "ok\n"
        # raw bytes are kept where they were gathered
        assert gatherer.stop() == 0
        archived = groundswell(
            "rinex", "--config", str(config), "--data", str(tmp_path / "gather"), "--station", "STAT00CHN",
            "--out", str(tmp_path / "rinex"), "--from", "2026-01-01", "--to", "2100-01-01",
        )  # fmt: skip
        assert list((tmp_path / "rinex").glob("STAT00CHN_*_MO.rnx")), archived.stdout
        again = await page.post("/api/v1/alerts/none/acknowledge", json={"by": "duty"}, timeout=20)
        assert again.status_code == 404
