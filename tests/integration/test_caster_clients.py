"""The caster and the clients that people have: RTKLIB's str2str and pygnssutils."""

import asyncio
import contextlib
import os
import queue
import shutil
import threading

import pytest
from pygnssutils import GNSSNTRIPClient

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from sensors.model import Station
from tests.rtcm_frames import of_type, split, text_frame
from tests.waiting import until

pytestmark = pytest.mark.integration

SECONDS = float(os.environ.get("GROUNDSWELL_CASTER_SECONDS", "6"))
STATIONS = [Station(id="WUHN", name="Wuhan", longitude=114.357, latitude=30.532)]


@contextlib.asynccontextmanager
async def caster():
    relay = Relay(asyncio.get_running_loop().time)
    server = Caster(relay, lambda: STATIONS, lambda: 1_760_000_000_000_000, users={"rover": "secret"})
    await server.start("127.0.0.1", 0)
    try:
        yield server, relay
    finally:
        await server.stop()


def epoch(number: int) -> bytes:
    return of_type(1077, 300) + of_type(1127, 200) + text_frame(f"epoch {number}")


async def publish_for(relay: Relay, seconds: float) -> int:
    """Publish twenty epochs a second; return how many."""
    count = round(seconds * 20)
    for number in range(count):
        relay.publish("WUHN", epoch(number))
        await asyncio.sleep(0.05)
    return count


async def test_str2str_receives_every_frame(tmp_path):
    out = tmp_path / "received.rtcm3"
    async with caster() as (server, relay):
        client = await asyncio.create_subprocess_exec(
            shutil.which("str2str") or "str2str",
            *("-in", f"ntrip://rover:secret@127.0.0.1:{server.port}/WUHN", "-out", str(out)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await until(lambda: relay.counters.rovers == 1)
            count = await publish_for(relay, SECONDS)
            size = sum(len(epoch(number)) for number in range(count))
            await until(lambda: out.exists() and out.stat().st_size >= size)
        finally:
            client.terminate()
            await client.wait()
    # RTKLIB takes the head's blank line for data, which every decoder of RTCM skips.
    stream = out.read_bytes().removeprefix(b"\r\n")
    assert len(list(split(stream))) == 3 * count
    assert stream == b"".join(epoch(number) for number in range(count))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_pygnssutils_receives_every_frame(version):
    received: queue.Queue = queue.Queue()
    async with caster() as (server, relay):
        client = GNSSNTRIPClient()
        stop = threading.Event()
        asked = await asyncio.to_thread(
            client.run,
            server="127.0.0.1",
            port=server.port,
            https=0,
            mountpoint="WUHN",
            datatype="RTCM",
            version=version,
            ntripuser="rover",
            ntrippassword="secret",
            ggainterval=-1,
            output=received,
            stopevent=stop,
        )
        assert asked
        try:
            await until(lambda: relay.counters.rovers == 1)
            count = await publish_for(relay, SECONDS)
            last = list(split(epoch(count - 1)))[-1]
            await until(lambda: received.queue and received.queue[-1][0] == last)
        finally:
            stop.set()
            await asyncio.to_thread(client.stop)
    frames = list(split(b"".join(raw for raw, _ in received.queue)))
    everything = list(split(b"".join(epoch(number) for number in range(count))))
    # This client throws away what its first read behind the head brings.
    assert len(everything) - len(frames) <= 6
    assert frames == everything[-len(frames) :]


async def test_pygnssutils_reads_the_sourcetable():
    async with caster() as (server, relay):
        relay.publish("WUHN", epoch(0))
        client = GNSSNTRIPClient()
        stop = threading.Event()
        try:
            await asyncio.to_thread(
                client.run,
                server="127.0.0.1",
                port=server.port,
                https=0,
                mountpoint="",
                version="2.0",
                ggainterval=-1,
                output=queue.Queue(),
                stopevent=stop,
            )
            await until(lambda: client.settings["sourcetable"])
        finally:
            stop.set()
            await asyncio.to_thread(client.stop)
    assert client.settings["sourcetable"][0][:3] == ["WUHN", "Wuhan", "RTCM 3.2"]
