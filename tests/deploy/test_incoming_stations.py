"""Stations that push or connect to a port, through the whole one-process program, as commands change them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from deploy.addresses import Addresses
from deploy.service import Service, opened
from deploy.settings import Settings, StationSettings
from tests.deploy.test_edge import ask, phase
from tests.program import free_port
from tests.rtcm_frames import text_frame
from tests.waiting import until

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]
EPOCH = text_frame("epoch")
SOURCE = "SOURCE {} {}\r\nSource-Agent: NTRIP test\r\n\r\n"


@contextlib.asynccontextmanager
async def running(config: Settings, folder: Path) -> AsyncIterator[Service]:
    async with opened(config, folder, Addresses(None, ("127.0.0.1", 0))) as service:
        service.edge.connect()
        yield service


@contextlib.asynccontextmanager
async def connected(port: int, first: bytes) -> AsyncIterator[Connected]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def answer(port: int, request: str) -> bytes:
    async with connected(port, request.encode()) as (reader, _), asyncio.timeout(60):
        return await reader.readline()


async def test_a_pushed_stream_reaches_rovers_and_follows_commands(tmp_path: Path) -> None:
    config = Settings(station=[StationSettings(id="P", source="push:", push_password="one")])
    async with running(config, tmp_path) as service:
        assert service.addresses.ntrip is not None
        port = service.addresses.ntrip[1]
        await phase(service, P="waiting")
        assert await answer(port, SOURCE.format("two", "P")) == b"ERROR - Bad Password\r\n"
        async with (
            connected(port, b"GET /P HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n") as (rover, _),
            connected(port, SOURCE.format("one", "/P").encode()) as (source, sending),
        ):
            async with asyncio.timeout(60):
                assert await rover.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
                assert await source.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
                sending.write(EPOCH)
                assert await rover.readexactly(len(EPOCH)) == EPOCH
            await phase(service, P="streaming")
            await ask(service, "patch", "station/P", name="Pushed")
            assert service.sources.streams.by_id["P"].phase == "streaming", "a name disturbs nobody"
            await ask(service, "patch", "station/P", push_password="two")
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60):
                    assert await source.read() == b""  # it was let in by the old one
        await phase(service, P="waiting")
        assert await answer(port, SOURCE.format("one", "P")) == b"ERROR - Bad Password\r\n"
        assert await answer(port, SOURCE.format("two", "P")) == b"ICY 200 OK\r\n"
        await ask(service, "patch", "station/P", paused=True)
        assert await answer(port, SOURCE.format("two", "P")) == b"ERROR - Mount Point Taken or Invalid\r\n"
    async with running(config, tmp_path) as service:
        await ask(service, "patch", "station/P", paused=False)
        await phase(service, P="waiting")
        assert service.addresses.ntrip is not None
        assert await answer(service.addresses.ntrip[1], SOURCE.format("two", "P")) == b"ICY 200 OK\r\n"


async def test_a_station_that_connects_to_a_port_moves_by_command(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    config = Settings(station=[StationSettings(id="L", source=f"tcp-listen://127.0.0.1:{ports[0]}")])
    async with running(config, tmp_path) as service:
        await phase(service, L="waiting")
        async with connected(ports[0], EPOCH) as (first, _):
            await phase(service, L="streaming")
            await ask(service, "patch", "station/L", source=f"tcp-listen://127.0.0.1:{ports[1]}")
            with contextlib.suppress(ConnectionError):
                assert await first.read() == b""
        await phase(service, L="waiting")
        with contextlib.suppress(ConnectionRefusedError):
            async with connected(ports[0], b""):
                raise AssertionError("the old port is still open")
        async with connected(ports[1], EPOCH):
            await until(lambda: service.sources.streams.by_id["L"].messages_received == 1)
