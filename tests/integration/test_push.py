"""Push at two `groundswell serve` over one broker: who is cut at one goes on at the other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import httpx
import msgspec
import pytest

from dashboards.client import Client, Gap, Update
from storage.sqlite import SqliteStore
from streams import codec
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.records import Record
from streams.topics import ALERTS, FLAGGED_SAMPLES, STATION_REPORTS, Topic, partition_of
from tests.dashboards.push.messages import alerts, reports, samples
from tests.integration.processes import eventually, started
from tests.program import free_port
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"
"""
CHANNELS = ["network", "station:A", "property:rain", "level:red"]


async def test_who_is_cut_at_one_server_goes_on_at_another(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    config, data = tmp_path / "groundswell.toml", tmp_path / "data"
    config.write_text(CONFIG.format(servers=kafka.bootstrap, prefix=prefix))
    data.mkdir()
    SqliteStore(data / "groundswell.sqlite").close()
    ports = [free_port(), free_port()]
    async with contextlib.AsyncExitStack() as stack:
        output = Output(kafka.access, "test-push")
        stack.push_async_callback(output.close)

        async def send(topic: Topic, identity: str, batch: Record) -> None:
            message = Message(prefix + topic.name, partition_of(identity, topic), codec.encode(batch))
            await output.send([message])

        async def second(number: int) -> None:
            """Send what comes in a second."""
            await send(STATION_REPORTS, "A", reports(("A", number, "good" if number % 2 else "bad")))
            await send(FLAGGED_SAMPLES, "gauge", samples(("gauge.rain", number, float(number))))
            await send(ALERTS, "a", alerts((f"a{number}", 1, "red")))

        await second(0)
        servers = [
            stack.enter_context(
                started(
                    tmp_path, f"serve-{port}", "serve", "--config", str(config), "--data", str(data),
                    "--http", f"127.0.0.1:{port}",
                )
            )
            for port in ports
        ]  # fmt: skip
        urls = [f"http://127.0.0.1:{port}" for port in ports]

        client = await stack.enter_async_context(httpx.AsyncClient())

        async def ready() -> bool:
            try:
                answers = [await client.get(f"{url}/readyz") for url in urls]
            except httpx.TransportError:
                return False
            return all(answer.status_code == 200 for answer in answers)

        await eventually(ready, "readiness", tmp_path)
        identity = await asyncio.to_thread(_beginning, urls[0])
        await second(1)
        found, identity = await asyncio.to_thread(_until, urls[0], identity, 1)
        await second(2)  # nobody is told
        servers[0].kill()
        await second(3)
        more, identity = await asyncio.to_thread(_until, urls[1], identity, 3)
        found += more
        servers[0].start()  # it knows what came before it began
        await second(4)
        await eventually(ready, "a server that was started again", tmp_path)
        more, identity = await asyncio.to_thread(_until, urls[0], identity, 4)
        found += more

        told = [one for one in found if isinstance(one, Update)]
        assert len(told) == len(found), found
        lists = [
            (channel, name, _number(item))
            for one in told
            for channel, pushed in one.channels.items()
            for name in ("stations", "observations", "alerts")
            for item in getattr(pushed, name)
        ]
        for channel, name in (
            ("network", "stations"), ("network", "alerts"), ("station:A", "stations"),
            ("property:rain", "observations"), ("level:red", "alerts"),
        ):  # fmt: skip
            assert [n for *where, n in lists if where == [channel, name]] == [1, 2, 3, 4], (channel, name)


def _beginning(url: str) -> str:
    """Return the id with which a stream begins."""
    identity = ""
    with httpx.stream("GET", f"{url}/api/v1/push", params={"channel": CHANNELS}, timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("id: "):
                identity = line.removeprefix("id: ")
            if line.startswith("data: "):
                assert json.loads(line.removeprefix("data: "))["channels"] == sorted(CHANNELS)
                return identity
    raise AssertionError("the stream has ended")


def _until(url: str, identity: str, last: int) -> tuple[list[Update | Gap], str]:
    """Follow until all channels have told a second; return what came."""
    found: list[Update | Gap] = []
    waiting = {("network", True), ("network", False), ("station:A", False), ("property:rain", False),
               ("level:red", True)}  # fmt: skip
    with Client(url) as client:
        for one in client.follow(CHANNELS, after=identity):
            found.append(one)
            if isinstance(one, Gap):
                break
            identity = one.id
            for channel, pushed in one.channels.items():
                others = [*pushed.stations, *pushed.observations]
                waiting -= {(channel, False) for item in others if _number(item) == last}
                waiting -= {(channel, True) for item in pushed.alerts if _number(item) == last}
            if not waiting:
                break
    return found, identity


def _number(item: object) -> int:
    """Return of which second something is."""
    told = msgspec.to_builtins(item)
    if "rule" in told:
        return int(told["id"][1:])
    at = told["phenomenon_time"] if "phenomenon_time" in told else told["latest"]["judged_at"]
    return int(at[17:19])
