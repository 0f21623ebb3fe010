"""A station that connects to a port of its own: who may, who wins, and what is said."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from connectors import incoming, tcp_listen
from connectors.reconnect import BackOff
from gnss.rtcm.framing import build_frame
from tests.program import free_port
from tests.scripted_server import Bench, Clock, running
from tests.waiting import until

FRAMES = b"".join(build_frame(bytes([62, 208, n]) * 9) for n in range(30))


class Port:
    """A station's port, and the other end of its stream."""

    def __init__(self) -> None:
        self.number, self.bench = free_port(), Bench()
        self._writers: list[asyncio.StreamWriter] = []

    async def come(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number)
        self._writers.append(writer)
        writer.write(data)
        return reader, writer

    async def turned_away(self) -> None:
        """Connect, and see that the connection is ended."""
        reader, _ = await self.come(FRAMES)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                assert await reader.read() == b""

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def listening(**more):
    at = Port()
    config = tcp_listen.TcpListenConfig(host="127.0.0.1", port=at.number, **more)
    work = tcp_listen.run(config, at.bench.intake, at.bench.state, clock_us=Clock())
    async with running(work):
        await until(lambda: at.bench.state.phase == "waiting")
        yield at
        at.hang_up()
    with pytest.raises(ConnectionRefusedError):
        await at.come()
    assert at.bench.state.phase == "stopped"


async def the_stream_arrives() -> None:
    async with listening() as at:
        for n in (1, 2):
            _, writer = await at.come(FRAMES + FRAMES[:17])
            await until(lambda n=n: at.bench.frames == FRAMES * n)
            assert at.bench.state.phase == "streaming"
            writer.close()
            await until(lambda: at.bench.state.phase == "waiting")
        assert "closed the connection" in at.bench.state.last_error
        assert at.bench.state.reconnects == 2
    assert at.bench.sink.payload == (FRAMES + FRAMES[:17]) * 2


async def test_the_stream_arrives():
    await the_stream_arrives()


def test_the_stream_arrives_with_uvloop_too():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(the_stream_arrives())


async def test_only_allowed_addresses_are_let_in():
    async with listening(allow=["192.0.2.0/24", "2001:db8::/32"]) as at:
        await at.turned_away()
        assert at.bench.state.refused_connections == 1
        assert at.bench.state.last_error == (
            "127.0.0.1 wants to send and is not allowed to; add it to `allow`"
        )
        assert not at.bench.frames
    async with listening(allow=["192.0.2.1", "127.0.0.0/8"]) as at:
        await at.come(FRAMES)
        await until(lambda: at.bench.frames == FRAMES)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", True),
        ("10.2.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1%eth0", True),
        ("", False),
    ],
)
def test_addresses_of_all_kinds(address, allowed):
    networks = tcp_listen.TcpListenConfig(
        host="::", port=1, allow=["10.1.0.0/16", "2001:db8::/32"]
    ).networks()
    assert tcp_listen._is_allowed(address, networks) is allowed


async def test_a_second_sender_is_turned_away_while_the_first_is_alive(monkeypatch):
    async with listening() as at:
        await at.come(FRAMES)
        await until(lambda: at.bench.state.phase == "streaming")
        await at.turned_away()
        assert at.bench.state.refused_connections == 1
        assert "one station has a port to itself" in at.bench.state.last_error
        assert at.bench.state.phase == "streaming"
        assert at.bench.frames == FRAMES


async def test_the_newest_connection_wins_after_silence(monkeypatch):
    monkeypatch.setattr(incoming, "SILENCE_S", 0.05)
    async with listening(interval_s=0.01) as at:
        first, _ = await at.come(FRAMES)
        await until(lambda: at.bench.state.phase == "streaming")
        await asyncio.sleep(0.1)
        await at.come(FRAMES)
        with contextlib.suppress(ConnectionError):
            assert await first.read() == b""
        await until(lambda: at.bench.frames == FRAMES * 2)
        assert "another connection took its place" in at.bench.state.last_error


async def test_a_silent_sender_is_given_up():
    async with listening(stall_s=0.1) as at:
        reader, _ = await at.come()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await until(lambda: at.bench.state.phase == "stalled")
        assert "check that the station sends" in at.bench.state.last_error


async def test_a_taken_port_is_said_and_tried_again():
    bench = Bench()
    back_off = BackOff(first_s=0.01, most_s=0.02)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = tcp_listen.TcpListenConfig(host="127.0.0.1", port=port)
        work = tcp_listen.run(config, bench.intake, bench.state, clock_us=Clock(), back_off=back_off)
        async with running(work):
            await until(lambda: bench.state.errors)
            assert bench.state.errors[0] == (
                f"127.0.0.1:{port} is taken; stop the other program or give this station another port"
            )
            other.close()
            await until(lambda: bench.state.phases[-1] == "waiting" and bench.state.since_us)
            reader = None
            for _ in range(500):
                with contextlib.suppress(ConnectionError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(FRAMES)
                    break
                await asyncio.sleep(0.01)
            assert reader is not None
            await until(lambda: bench.frames == FRAMES)
            writer.close()


async def test_an_address_that_is_not_ours_is_said():
    bench = Bench()
    config = tcp_listen.TcpListenConfig(host="192.0.2.1", port=5000)
    async with running(tcp_listen.run(config, bench.intake, bench.state, clock_us=Clock())):
        await until(lambda: bench.state.last_error)
        assert bench.state.last_error.startswith("cannot listen on 192.0.2.1:5000 (")


@given(st.lists(st.binary(max_size=60) | st.sampled_from([FRAMES[:90], FRAMES[:31]]), max_size=8))
def test_nothing_that_is_sent_breaks_it(batch):
    errors: list[dict[str, object]] = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with listening() as at:
            for data in batch:
                _, writer = await at.come(data)
                writer.close()
            for _ in range(500):
                _, writer = await at.come(FRAMES)
                with contextlib.suppress(AssertionError):
                    await until(lambda: at.bench.frames.endswith(FRAMES), 0.2)
                    break
                writer.close()
            assert at.bench.frames.endswith(FRAMES)

    asyncio.run(go())
    assert not errors
