"""Changes by command over real servers: in force in every process, also when a worker is killed between."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
from streams.kafka.registry import standing_changes
from streams.partitions import partition_of, pieces
from streams.records import SampleBatch
from streams.topics import SAMPLES
from tests.integration.processes import eventually, started
from tests.program import free_port
from tests.servers import KafkaServer
from tests.webhook_receiver import receiver

pytestmark = pytest.mark.integration

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
NAMES = ("STAT00CHN", "OTHE00CHN")
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"

[relay]
secret = "0123456789abcdef0123456789abcdef"
listen = "127.0.0.1:{link}"
follow = ["127.0.0.1:{link}"]

[caster]
users = {{ rover = "plain", other = "plain" }}

[[station]]
id = "STAT00CHN"
source = "ntrip://127.0.0.1:{port}/STAT00CHN"

[[station]]
id = "OTHE00CHN"
source = "ntrip://127.0.0.1:{port}/OTHE00CHN"

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


class Country:
    """The processes, and what is asked of them."""

    def __init__(self, logs: Path, page: httpx.AsyncClient, ntrip: int) -> None:
        self.logs, self.page, self.ntrip = logs, page, ntrip
        self.took_s: dict[str, float] = {}

    async def get(self, path: str) -> Any:
        try:
            answer = await self.page.get(f"/api/v1{path}")
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == 200 else None

    async def ask(self, method: str, path: str, **body: object) -> dict[str, str]:
        answer = await self.page.request(method, f"/api/v1{path}", params={"by": "Li"}, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found

    async def until(self, condition: Callable[[], Awaitable[object]], what: str) -> Any:
        begin = time.monotonic()
        found = await eventually(condition, what, self.logs, timeout_s=300.0)
        self.took_s[what] = round(time.monotonic() - begin, 2)
        return found

    async def epoch(self, station: str) -> str:
        found = await self.get(f"/stations/{station}")
        return str(found["last_epoch"] if found else None)

    async def rover(
        self, name: str, station: str, port: int | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.ntrip)
        credentials = base64.b64encode(f"{name}:plain".encode()).decode()
        request = f"GET /{station} HTTP/1.0\r\nUser-Agent: NTRIP test\r\nAuthorization: Basic {credentials}"
        writer.write(f"{request}\r\n\r\n".encode())
        if (await asyncio.wait_for(reader.readline(), 60)).startswith(b"ICY 200"):
            return reader, writer
        writer.close()
        return None


async def test_changes_are_in_force_in_every_process(tmp_path: Path, kafka: KafkaServer, prefix: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await admin.apply(kafka.access, prefix=prefix)
        relay = Relay(asyncio.get_running_loop().time)
        upstream = Caster(relay, lambda: [Station(id=name, name=name) for name in NAMES], clock_us)
        await upstream.start("127.0.0.1", 0)
        stack.push_async_callback(upstream.stop)
        stations = {name: SimulatedStation(k, 121.2, 31.1, 20.0, seed=k) for k, name in enumerate(NAMES, 1)}
        sending = asyncio.create_task(send_stations(stations, relay, clock_us))
        stack.callback(sending.cancel)
        subscriber = stack.enter_context(receiver(tmp_path / "webhooks", SECRET, "204"))
        config = tmp_path / "groundswell.toml"
        config.write_text(
            CONFIG.format(
                servers=kafka.bootstrap,
                prefix=prefix,
                port=upstream.port,
                url=subscriber.url,
                secret=SECRET,
                link=free_port(),
            )
        )
        http, ntrip, apart = free_port(), free_port(), free_port()
        common, data = ("--config", str(config)), ("--data", str(tmp_path / "data"))
        worker = stack.enter_context(started(tmp_path, "worker", "worker", *common, "--name", "one"))
        stack.enter_context(started(tmp_path, "store", "store", *common, *data))
        stack.enter_context(started(tmp_path, "notify", "notify", *common))
        stack.enter_context(
            started(
                tmp_path, "gather", "gather", *common, "--ntrip", f"127.0.0.1:{ntrip}",
                "--data", str(tmp_path / "gather"),
            )
        )  # fmt: skip

        stack.enter_context(
            started(
                tmp_path, "caster", "caster", *common, "--ntrip", f"127.0.0.1:{apart}",
                "--data", str(tmp_path / "caster"),
            )
        )  # fmt: skip

        async def is_there() -> bool:
            return (tmp_path / "data" / "groundswell.sqlite").exists()

        await eventually(is_there, "the database", tmp_path)
        stack.enter_context(
            started(tmp_path, "serve", "serve", *common, *data, "--http", f"127.0.0.1:{http}")
        )
        page = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}"))
        country = Country(tmp_path, page, ntrip)

        async def both_judged() -> bool:
            return all([await country.epoch(name) not in {"None", ""} for name in NAMES])

        await country.until(both_judged, "both stations judged")

        # an account: its rover is cut, the other's is not
        first, other = await country.rover("rover", NAMES[0]), await country.rover("other", NAMES[0])
        assert first is not None
        assert other is not None
        stack.callback(first[1].close)
        stack.callback(other[1].close)
        third = await country.until(
            lambda: country.rover("rover", NAMES[0], apart), "a stream of the caster of its own"
        )
        stack.callback(third[1].close)
        begin = time.monotonic()
        await country.ask("PATCH", "/accounts/rover", enabled=False)
        async with asyncio.timeout(120):
            for reader in (first[0], third[0]):
                while await reader.read(65_536):
                    pass
        country.took_s["both casters cut the rover"] = round(time.monotonic() - begin, 2)
        assert await country.rover("rover", NAMES[0]) is None
        assert await asyncio.wait_for(other[0].read(1), 60)

        # an account with one place: the newest session has it, whichever caster it is of
        await country.ask("PATCH", "/accounts/other", most_sessions=1)
        async with asyncio.timeout(120):
            while await other[0].read(65_536):  # what is kept of its password is new
                pass
        here = await country.until(lambda: country.rover("other", NAMES[0]), "its first session")
        stack.callback(here[1].close)

        async def told() -> Any:
            found = await country.get("/sessions?account=other")
            return found and [one["address"] for one in found["items"]] == ["127.0.0.0/24"]

        await country.until(told, "the session told")
        begin = time.monotonic()
        there = await country.rover("other", NAMES[0], apart)
        assert there is not None
        stack.callback(there[1].close)
        async with asyncio.timeout(120):
            while await here[0].read(65_536):
                pass
        country.took_s["the older session of the other caster is cut"] = round(time.monotonic() - begin, 2)
        assert await asyncio.wait_for(there[0].read(1), 60)

        # a silence: the alert is there, and nobody is called until it is ended
        end = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        silence = (await country.ask("POST", "/silences", site="gauge", end=end))["id"]
        output = Output(kafka.access, "devices")
        stack.push_async_callback(output.close)
        made = pieces(tsunami(clock_us()))
        partition = partition_of("gauge", SAMPLES)
        await output.send([Message(prefix + SAMPLES.name, partition, one) for one in made])

        async def alerts() -> Any:
            found = await country.get("/alerts?state=open")
            return found and found["items"]

        (alert,) = await country.until(alerts, "the alert raised")
        assert alert["silenced"]
        assert subscriber.requests() == []

        # a station: paused, a worker killed, resumed
        await country.ask("PATCH", f"/stations/{NAMES[0]}", paused=True)

        async def no_connection() -> bool:
            return upstream.counters.connections == 1

        await country.until(no_connection, "the source left")
        worker.kill()
        worker.start()
        before = await country.epoch(NAMES[1])

        async def other_goes_on() -> bool:
            return await country.epoch(NAMES[1]) > before

        await country.until(other_goes_on, "the other station judged by the next worker")

        async def answers() -> bool:
            path = "/api/v1/changes/silence/none/revert"
            asked = await page.post(path, params={"by": "Li"}, timeout=60)
            return asked.status_code not in {200, 503}

        await country.until(answers, "the next worker answers commands")
        paused = await country.get(f"/stations/{NAMES[0]}")
        assert paused["paused"]
        last = paused["last_epoch"]
        await country.ask("PATCH", f"/stations/{NAMES[0]}", paused=False)

        async def goes_on() -> bool:
            return await country.epoch(NAMES[0]) > last

        await country.until(goes_on, "the station judged again")

        # the silence ends: they are called, once
        await country.ask("DELETE", f"/silences/{silence}")

        async def called() -> bool:
            return bool(subscriber.requests())

        await country.until(called, "the call")
        (request,) = subscriber.requests()
        assert request["event"]["type"] == "alert.unsilenced"

        # who did what; the file's station as it was; what all processes read at their start
        await country.ask("POST", f"/changes/station/{NAMES[0]}/revert")

        async def all_told() -> Any:
            found = await country.get("/changes")
            return found["items"] if found and len(found["items"]) == 7 else None

        told = await country.until(all_told, "the audit")
        assert [(one["kind"], one["verb"], one["version"], one["by"]) for one in told] == [
            ("station", "revert", 7, "Li"),
            ("silence", "delete", 6, "Li"),
            ("station", "patch", 5, "Li"),
            ("station", "patch", 4, "Li"),
            ("silence", "put", 3, "Li"),
            ("account", "patch", 2, "Li"),
            ("account", "patch", 1, "Li"),
        ]
        assert (told[3]["before"]["paused"], told[3]["after"]["paused"]) == (False, True)
        standing = await standing_changes(kafka.access, prefix)
        assert [change.version for change in standing.changes] == [1, 2, 6, 7]
        refused = await page.patch("/api/v1/stations/NONE", json={"paused": True}, timeout=60)
        assert refused.status_code == 409
        await people_and_tokens(country)
        print(json.dumps(country.took_s))


async def people_and_tokens(country: Country) -> None:
    """Let an administrator sign in, and see sessions and tokens end everywhere."""
    page, person = country.page, {"name": "root", "password": "correct horse"}

    async def asked(method: str, path: str, **more: Any) -> Any:
        headers = {"x-groundswell": "test"}
        answer = await page.request(method, f"/api/v1{path}", headers=headers, timeout=60, **more)
        return answer.json() if answer.status_code == 200 else None

    async def how() -> Any:
        return (await asked("GET", "/session") or {"how": ""})["how"]

    assert await asked(
        "PUT", "/accounts/root", json={"password": person["password"], "roles": ["administrator"]}
    )
    await country.until(lambda: asked("POST", "/session", json=person), "an account that may sign in")
    assert await how() == "session"
    made = await asked("POST", "/tokens", json={"name": "backup", "scopes": ["read"]})

    async def status() -> int:
        bearer = {"authorization": f"Bearer {made['token']}"}
        return (await page.get("/api/v1/stations", headers=bearer, timeout=60)).status_code

    async def serves() -> bool:
        return await status() == 200

    async def is_revoked() -> bool:
        return await status() == 401

    async def is_signed_out() -> bool:
        return await how() == "nobody"

    await country.until(serves, "a token in force")
    assert await asked("DELETE", f"/tokens/{made['id']}")
    await country.until(is_revoked, "a token revoked")
    assert await asked("PATCH", "/accounts/root", json={"enabled": False})
    await country.until(is_signed_out, "a disabled account signed out")
    assert (await page.delete("/api/v1/stations/NONE")).status_code == 401
