"""Stations that push with what people have: RTKLIB's str2str and curl; both ways with str2str."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil

import pytest

from connectors import tcp_listen
from connectors.caster.push import PushConfig, PushDesk
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.gatherer import StationIntake
from sensors.model import Station
from streams.stream_state import StreamState
from tests.connectors.test_push import at_work
from tests.program import free_port
from tests.rtcm_frames import of_type, split, text_frame
from tests.scripted_server import Bench, Clock, Sink, running
from tests.waiting import until

pytestmark = pytest.mark.integration

EPOCHS = round(float(os.environ.get("GROUNDSWELL_CASTER_SECONDS", "6")) * 20)


def epoch(number: int) -> bytes:
    return of_type(1077, 300) + of_type(1127, 200) + text_frame(f"epoch {number}")


EVERYTHING = b"".join(map(epoch, range(EPOCHS)))


@contextlib.asynccontextmanager
async def caster():
    """Yield a caster whose station WUHN pushes, and the state of its stream."""
    relay, clock, sink = Relay(asyncio.get_running_loop().time), Clock(), Sink()
    server = Caster(relay, lambda: [Station(id="WUHN", name="Wuhan")], clock, users={"rover": "secret"})
    desk, state = PushDesk(clock), StreamState("WUHN", "push", "push:")
    server.desk = desk
    await server.start("127.0.0.1", 0)
    try:
        intake = StationIntake("WUHN", sink, relay.publish, state)
        async with at_work(desk.run(PushConfig(mountpoint="WUHN", password="pushed"), intake, state)):
            yield server, relay, sink, state
    finally:
        await desk.close()
        await server.stop()


@contextlib.asynccontextmanager
async def program(*command: str, takes_input: bool = False):
    """Run a program that is ended when the block is left."""
    running_ = await asyncio.create_subprocess_exec(
        shutil.which(command[0]) or command[0],
        *command[1:],
        stdin=asyncio.subprocess.PIPE if takes_input else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running_
    finally:
        if running_.returncode is None:
            running_.kill()
        await running_.wait()


async def send(writer: asyncio.StreamWriter | None) -> None:
    assert writer is not None
    for number in range(EPOCHS):
        writer.write(epoch(number))
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_str2str_pushes_and_another_one_pulls(tmp_path):
    out = tmp_path / "received.rtcm3"
    async with caster() as (server, relay, sink, state):
        url = f"127.0.0.1:{server.port}/WUHN"
        async with (
            program("str2str", "-in", f"ntrip://rover:secret@{url}", "-out", str(out)),
            program("str2str", "-out", f"ntrips://:pushed@{url}", takes_input=True) as source,
        ):
            await until(lambda: relay.counters.rovers == 1)
            await until(lambda: server.counters.requests == 2)
            await send(source.stdin)
            await until(lambda: len(sink.payload) == len(EVERYTHING))
            await until(lambda: out.exists() and out.stat().st_size >= len(EVERYTHING))
            assert state.phase == "streaming"
            assert state.bad_messages == 0
        await until(lambda: state.phase == "waiting")
        await until(lambda: server.counters.connections == 0)
    assert sink.payload == EVERYTHING
    # RTKLIB takes the head's blank line for data, which every decoder of RTCM skips.
    assert list(split(out.read_bytes().removeprefix(b"\r\n"))) == list(split(EVERYTHING))


async def test_str2str_with_a_wrong_password_is_kept_out():
    async with caster() as (server, _, sink, state):
        url = f"ntrips://:wrong@127.0.0.1:{server.port}/WUHN"
        async with program("str2str", "-out", url, takes_input=True) as source:
            assert source.stdin is not None
            source.stdin.write(EVERYTHING[:1000])
            await until(lambda: server.counters.refused["unauthorised"] > 0)
        assert not sink.chunks
        assert state.phase == "waiting"


@pytest.mark.parametrize("expects", [(), ("-H", "Expect: 100-continue")])
async def test_curl_pushes_in_chunks(expects, tmp_path):
    """HTTP as a library speaks it: POST in chunks, and `Expect` kept to the letter."""
    async with caster() as (server, _, sink, state):
        async with program(
            *("curl", "--silent", "--http1.1", "-X", "POST", "-T", "-", "--user", "WUHN:pushed"),
            *("-H", "Ntrip-Version: Ntrip/2.0", *expects, f"http://127.0.0.1:{server.port}/WUHN"),
            takes_input=True,
        ) as source:
            await send(source.stdin)
            await until(lambda: len(sink.payload) == len(EVERYTHING))
            assert source.stdin is not None
            source.stdin.close()
            assert await asyncio.wait_for(source.wait(), 20) == 0
        assert "the sender ended its stream" in state.last_error
    assert sink.payload == EVERYTHING


async def test_str2str_connects_to_a_port_of_its_own():
    port, bench = free_port(), Bench()
    config = tcp_listen.TcpListenConfig(host="127.0.0.1", port=port)
    async with running(tcp_listen.run(config, bench.intake, bench.state, clock_us=Clock())):
        await until(lambda: bench.state.phase == "waiting")
        async with program("str2str", "-out", f"tcpcli://127.0.0.1:{port}", takes_input=True) as source:
            await send(source.stdin)
            await until(lambda: bench.frames == EVERYTHING)
        await until(lambda: bench.state.phases[-1] == "waiting")
