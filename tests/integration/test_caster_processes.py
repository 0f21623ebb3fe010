"""`groundswell caster` in several processes: rovers are divided, and one that dies harms no others."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from connectors.caster.link.outlet import Outlet
from sensors.model import Station
from tests.integration.processes import eventually, started
from tests.program import free_port, groundswell
from tests.rtcm_frames import text_frame

pytestmark = pytest.mark.integration

SECRET = "a secret for nothing but tests"
ROVERS = 40
CONFIG = """
[caster]
users = {{ rover = "corrections" }}
processes = 2

[relay]
secret = "{secret}"
follow = ["127.0.0.1:{port}"]
"""
NAME = base64.b64encode(b"rover:corrections")
REQUEST = b"GET /WUHN HTTP/1.0\r\nUser-Agent: NTRIP t\r\nAuthorization: Basic " + NAME + b"\r\n\r\n"


def two_free_ports() -> int:
    while True:
        port = free_port()
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue


async def rovers_at(port: int) -> float:
    async with httpx.AsyncClient() as client:
        try:
            told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        except httpx.TransportError:
            return -1.0
    found = re.search(r"^groundswell_caster_rovers (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else -1.0


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_rovers_are_divided_and_a_process_that_dies_comes_back(tmp_path: Path) -> None:
    outlet = Outlet(lambda: [Station(id="WUHN", name="Wuhan")], SECRET, lambda: time.time_ns() // 1000)
    await outlet.start("127.0.0.1", 0)
    config, watch, ntrip = tmp_path / "caster.toml", two_free_ports(), free_port()
    config.write_text(CONFIG.format(secret=SECRET, port=outlet.port))

    async def is_ready(port: int) -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
            except httpx.TransportError:
                return False

    with started(
        tmp_path, "caster", "caster", "--config", str(config), "--ntrip", f"127.0.0.1:{ntrip}",
        "--http", f"127.0.0.1:{watch}", "--data", str(tmp_path / "data"),
    ) as program:  # fmt: skip
        for port in (watch, watch + 1):
            await eventually(lambda port=port: is_ready(port), "readiness", tmp_path)
        rovers = [await asyncio.open_connection("127.0.0.1", ntrip) for _ in range(ROVERS)]
        for reader, writer in rovers:
            writer.write(REQUEST)
            assert await reader.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
        divided = [await rovers_at(watch), await rovers_at(watch + 1)]
        assert sum(divided) == ROVERS
        assert min(divided) > 0

        outlet.publish("WUHN", text_frame("to all"))
        for reader, _ in rovers:
            assert await reader.readexactly(len(text_frame("to all"))) == text_frame("to all")

        assert program.process is not None
        both = children(program.process.pid)
        assert len(both) == 2
        os.kill(both[0], signal.SIGKILL)
        await eventually(lambda: _is(outlet.counters.casters == 1), "its end", tmp_path)
        outlet.publish("WUHN", text_frame("to those that are left"))
        received = [await reader.read(1000) for reader, _ in rovers]
        assert sorted(map(bool, received)).count(True) in divided
        assert set(received) == {b"", text_frame("to those that are left")}

        await eventually(lambda: _is(outlet.counters.casters == 2), "a new one", tmp_path)
        for port in (watch, watch + 1):
            await eventually(lambda port=port: is_ready(port), "readiness", tmp_path)
        other = groundswell("caster", "--config", config, "--ntrip", f"127.0.0.1:{ntrip}", check=False)
        assert other.returncode == 2
        assert "is taken" in other.stderr
        both = children(program.process.pid)
        assert program.stop() == 0
        assert not any(map(is_there, both))
    for _, writer in rovers:
        writer.transport.abort()
    await outlet.stop()


async def _is(value: bool) -> bool:
    return value
