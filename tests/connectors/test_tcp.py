from __future__ import annotations

import asyncio
import socket
import time

import msgspec
import pytest
import uvloop

from connectors import reconnect, tcp
from connectors.gathering import hall
from connectors.gathering.columns import REGION_BYTES
from connectors.gathering.hall import Hall
from connectors.gathering.sockets_kernel import BURST_BYTES, MOST_BYTES_PER_S
from connectors.reconnect import BackOff
from gnss.rtcm.framing import build_frame
from tests.scripted_server import Bench, Clock, Peer, running, scripted
from tests.waiting import until

FRAMES = b"".join(build_frame(bytes([62, 208, n]) * 9) for n in range(30))
AT_ONCE = BackOff(first_s=0.0, most_s=0.0)


def connect(port: int, bench: Bench, stall_s: float = 20.0, back_off: BackOff = AT_ONCE):
    config = tcp.TcpConfig(host="127.0.0.1", port=port, stall_s=stall_s)
    return running(
        tcp.run(config, bench.intake, bench.state, hall=Hall(Clock()), clock_us=Clock(), back_off=back_off)
    )


async def stream_and_stay(peer: Peer) -> None:
    await peer.say(FRAMES, cut=11)
    await peer.hold()


async def stream_and_go(peer: Peer) -> None:
    await peer.say(FRAMES[: len(FRAMES) // 2 + 10])  # in the middle of a frame


async def say_nothing(peer: Peer) -> None:
    await peer.hold()


async def the_stream_arrives():
    bench = Bench()
    async with scripted(stream_and_stay) as server, connect(server.port, bench):
        await until(lambda: len(bench.frames) == len(FRAMES))
        assert bench.state.phase == "streaming"
    assert bench.frames == FRAMES
    assert bench.sink.payload == FRAMES
    times = [chunk.received_at_us for chunk in bench.sink.chunks]
    assert times == sorted(set(times))
    assert bench.state.phases == ["connecting", "streaming", "stopped"]


async def test_the_stream_arrives():
    await the_stream_arrives()


def test_the_stream_arrives_with_uvloop_too():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(the_stream_arrives())


async def test_what_came_while_this_program_stood_still_is_read(monkeypatch):
    monkeypatch.setattr(hall, "LATE_US", 100_000)
    bench = Bench()

    async def stand_still(peer: Peer) -> None:
        await asyncio.sleep(0.1)  # the other side waits by now
        await peer.say(FRAMES)
        time.sleep(0.8)  # noqa: ASYNC251 - one event loop serves both
        await peer.hold()

    async with scripted(stand_still) as server, connect(server.port, bench, stall_s=0.4):
        await until(lambda: len(bench.frames) >= len(FRAMES))
        assert bench.state.phases[:2] == ["connecting", "streaming"]


async def test_it_comes_back_when_the_sender_closes():
    bench = Bench()
    async with scripted(stream_and_go, stream_and_stay) as server, connect(server.port, bench):
        await until(lambda: bench.frames.endswith(FRAMES))
        assert bench.frames == FRAMES[: len(FRAMES) // 2] + FRAMES
        assert bench.state.bad_messages == 0
        assert bench.state.reconnects == 1
        assert "closed the connection" in bench.state.last_error
        assert bench.state.phases[:5] == ["connecting", "streaming", "waiting", "connecting", "streaming"]


@pytest.mark.parametrize(("good_stream_s", "failures"), [(0.0, {1}), (60.0, {1, 2, 3})])
async def test_trouble_after_a_good_stream_is_new(good_stream_s, failures, monkeypatch):
    monkeypatch.setattr(reconnect, "GOOD_STREAM_S", good_stream_s)
    bench, back_off, seen = Bench(), BackOff(first_s=0.0, most_s=0.0, draw=lambda: 0.0), set()

    async def note_and_go(peer: Peer) -> None:
        seen.add(back_off.failures)
        await stream_and_go(peer)

    async with scripted(note_and_go) as server, connect(server.port, bench, back_off=back_off):
        await until(lambda: len(server.peers) > 3)
    assert seen >= failures
    assert max(seen) == 1 or good_stream_s


async def test_who_sends_slowly_is_no_silent_sender():
    async def drip(peer: Peer) -> None:
        for at in range(0, len(FRAMES), 33):
            await peer.say(FRAMES[at : at + 33])
            await asyncio.sleep(0.05)
        await peer.hold()

    bench = Bench()
    async with scripted(drip) as server, connect(server.port, bench, stall_s=0.4):
        await until(lambda: bench.frames == FRAMES)
        assert bench.state.phases == ["connecting", "streaming"]


async def test_a_silent_sender_is_given_up():
    bench = Bench()
    async with (
        scripted(say_nothing, stream_and_stay) as server,
        connect(server.port, bench, stall_s=0.2),
    ):
        await until(lambda: FRAMES in bench.frames)
        assert bench.state.phases[:4] == ["connecting", "stalled", "connecting", "streaming"]
        assert "no data for 0.2 s" in bench.state.errors[0]


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    bench = Bench()
    async with connect(port, bench, back_off=BackOff()):
        await until(lambda: bench.state.phase == "waiting")
        assert f"127.0.0.1:{port} refuses connections" in bench.state.last_error
    assert bench.state.phase == "stopped"


async def test_a_host_without_address():
    bench = Bench()
    config = tcp.TcpConfig(host="nowhere.invalid", port=1)
    work = tcp.run(
        config, bench.intake, bench.state, hall=Hall(Clock()), clock_us=Clock(), back_off=BackOff()
    )
    async with running(work):
        await until(lambda: bench.state.phase == "waiting")
        assert "nowhere.invalid" in bench.state.last_error


async def test_the_socket_finds_out_that_the_peer_is_dead():
    async with scripted(say_nothing) as server, tcp.connected("127.0.0.1", server.port) as (_, writer):
        sock = writer.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


@pytest.mark.parametrize(
    ("wrong", "word"), [({"host": ""}, "host"), ({"port": 0}, "port"), ({"stall_s": 0}, "stall_s")]
)
def test_a_configuration_that_cannot_be(wrong, word):
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert({"host": "h", "port": 1} | wrong, tcp.TcpConfig)


def test_sources_for_people():
    assert tcp.TcpConfig(host="::1", port=5).source == "tcp://[::1]:5"


async def test_who_sends_too_much_is_read_no_faster():
    async def flood(peer: Peer) -> None:
        await peer.say(bytes(3 * BURST_BYTES))
        await peer.hold()

    bench, loop = Bench(), asyncio.get_running_loop()
    async with scripted(flood) as server, connect(server.port, bench):
        begun_s = loop.time()
        await until(lambda: "sends more than" in bench.state.last_error)
        await asyncio.sleep(0.3)
        most = BURST_BYTES + MOST_BYTES_PER_S * (loop.time() - begun_s) + REGION_BYTES
        assert BURST_BYTES < bench.state.bytes_received <= most
        assert bench.state.phase == "streaming"
