"""`groundswell caster` leads a rover on BEST by verdicts that come over a real Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.caster.link.outlet import Outlet
from gnss.ntrip import build_request, format_gga
from sensors.model import Station
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.topics import STATION_REPORTS
from tests.connectors.roaming.world import epoch, epochs_of
from tests.integration.processes import started
from tests.program import free_port
from tests.servers import KafkaServer
from tests.streams.kafka.test_verdicts import message, report

pytestmark = pytest.mark.integration

SECRET = "a secret for nothing but tests"
STATIONS = [
    Station(id="NEAR", name="Near", longitude=114.0, latitude=30.0),
    Station(id="NEXT", name="Next", longitude=114.2, latitude=30.0),
]
CONFIG = """
[kafka]
servers = "{servers}"
prefix = "{prefix}"
[caster]
users = {{ rover = "corrections" }}
[relay]
secret = "{secret}"
follow = ["127.0.0.1:{gatherer}"]
"""


async def test_a_rover_leaves_a_base_that_a_worker_calls_bad(
    tmp_path: Path, kafka: KafkaServer, prefix: str
) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    links, rovers, watch = free_port(), free_port(), free_port()
    outlet = Outlet(lambda: STATIONS, SECRET, lambda: time.time_ns() // 1000)
    await outlet.start("127.0.0.1", links, None)
    (tmp_path / "caster.toml").write_text(
        CONFIG.format(servers=kafka.bootstrap, prefix=prefix, secret=SECRET, gatherer=links)
    )
    output, states = Output(kafka.access, "test"), {"NEAR": ("good", 95), "NEXT": ("good", 90)}

    async def send() -> None:
        """Let both stations and their judges send each second."""
        while True:
            now_us = time.time_ns() // 1000
            for station in STATIONS:
                outlet.publish(station.id, epoch(station.id, now_us // 1_000_000))
            verdicts = message(*(report(name, *states[name], now_us) for name in states))
            await output.send([Message(prefix + STATION_REPORTS.name, 3, verdicts)])
            await asyncio.sleep(1.0)

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(outlet.stop)
        stack.push_async_callback(output.close)
        sending = asyncio.create_task(send())
        stack.callback(sending.cancel)
        stack.enter_context(
            started(
                tmp_path, "caster", "caster", "--config", str(tmp_path / "caster.toml"), "--ntrip",
                f"127.0.0.1:{rovers}", "--http", f"127.0.0.1:{watch}", "--data", str(tmp_path / "data"),
            )
        )  # fmt: skip
        reader, writer = await asked(rovers)
        stack.callback(writer.close)
        async with asyncio.timeout(120):
            assert await next_base(reader, {"NEAR", "NEXT"}) == "NEAR"
            await asyncio.sleep(5.0)  # the verdicts are followed by now
            states["NEAR"] = ("bad", 10)
            begin_s = time.monotonic()
            assert await next_base(reader, {"NEXT"}) == "NEXT"
            took_s = time.monotonic() - begin_s
    assert took_s < 10.0  # 5 s, and as much for a machine that is busy
    log = (tmp_path / "caster.log").read_text()
    assert "reason=bad" in log


async def asked(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to BEST, as soon as the caster has it."""
    gga = format_gga(0, 30.0, 114.01, 20.0).decode()
    request = build_request("BEST", host="h", version=2, username="rover", password="corrections", gga=gga)
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                if b" 200 OK" in await reader.readuntil(b"\r\n\r\n"):
                    return reader, writer
                writer.close()
            await asyncio.sleep(0.2)


async def next_base(reader: asyncio.StreamReader, wanted: set[str]) -> str:
    """Return the first of some stations whose epoch comes."""
    while True:
        found: Iterator[str] = (station for station, _ in epochs_of(await reader.read(100_000)))
        if (base := next((one for one in found if one in wanted), "")) != "":
            return base
