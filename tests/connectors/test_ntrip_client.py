from __future__ import annotations

import asyncio
import gzip

import msgspec
import pytest

from connectors import ntrip_client, tcp
from connectors.gathering.hall import Hall
from connectors.ntrip_client import NtripClientConfig, Position
from connectors.reconnect import BackOff
from connectors.tcp import Watchdog
from gnss import ntrip
from gnss.rtcm.framing import build_frame
from tests.scripted_server import Bench, Clock, Peer, running, scripted
from tests.waiting import until

FRAMES = b"".join(build_frame(bytes([62, 208, n]) * 9) for n in range(30))
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nNTRIP-version: Ntrip/2.0\r\ncontent-TYPE: gnss/data\r\n"
    b"transfer-ENCODING: Chunked\r\n\r\n"
)
PASSWORD = "se cret:" + "x" * 5


def connect(port: int, bench: Bench, back_off: BackOff | None = None, **options):
    options = {"mountpoint": "ABCD", "username": "me", "password": PASSWORD} | options
    config = NtripClientConfig(host="127.0.0.1", port=port, **options)
    back_off = back_off or BackOff(first_s=0.0, most_s=0.0)
    return running(
        ntrip_client.run(
            config, bench.intake, bench.state, hall=Hall(Clock()), clock_us=Clock(), back_off=back_off
        )
    )


def answer(data: bytes, *, cut: int = 0, stay: bool = True):
    """Return an act that hears the request, answers, and stays."""

    async def act(peer: Peer) -> None:
        await peer.head()
        await peer.say(data, cut)
        if stay:
            await peer.hold()

    return act


def chunks(data: bytes, size: int) -> bytes:
    return b"".join(ntrip.encode_chunk(data[at : at + size]) for at in range(0, len(data), size))


async def hang_up(peer: Peer) -> None:
    await peer.head()


STREAMS = {
    "icy": (answer(b"ICY 200 OK\r\n\r\n" + FRAMES), 1),
    "icy in the same breath, cut": (answer(b"ICY 200 OK\r\n" + FRAMES, cut=5), 1),
    "chunks across frames": (answer(CHUNKED + chunks(FRAMES, 17), cut=3), 2),
    "chunks of one byte": (answer(CHUNKED + chunks(FRAMES, 1), cut=7), 2),
    "one chunk": (answer(CHUNKED + chunks(FRAMES, 10**6)), 2),
    "gzip": (
        answer(CHUNKED.replace(b"Chunked", b"gzip, chunked") + chunks(gzip.compress(FRAMES), 9), cut=8),
        2,
    ),
    "as it is": (answer(b"HTTP/1.1 200 OK\r\n\r\n" + FRAMES), 2),
}


async def test_each_read_of_a_compressed_stream_feeds_the_watchdog(monkeypatch):
    fed = []
    feed = Watchdog.fed
    monkeypatch.setattr(Watchdog, "fed", lambda watchdog: fed.append(feed(watchdog)))
    bench = Bench()
    head = CHUNKED.replace(b"Chunked", b"gzip, chunked")
    packed = gzip.compress(FRAMES)

    async def in_two_pieces(peer: Peer) -> None:
        await peer.head()
        await peer.say(head + chunks(packed[:-20], 9))
        await until(lambda: bench.frames)
        await peer.say(chunks(packed[-20:], 9))
        await peer.hold()

    async with scripted(in_two_pieces) as server, connect(server.port, bench):
        await until(lambda: bench.frames == FRAMES)
    assert len(fed) >= 2  # and once when it begins


@pytest.mark.parametrize(("act", "version"), STREAMS.values(), ids=STREAMS.keys())
async def test_every_frame_arrives(act, version):
    bench = Bench()
    async with scripted(act) as server, connect(server.port, bench, version=version):
        await until(lambda: len(bench.frames) >= len(FRAMES))
        request = ntrip.RequestParser().feed(bytes(server.peers[0].heard))
        assert (request.mountpoint, request.version) == ("ABCD", version)
        assert (request.username, request.password) == ("me", PASSWORD)
    assert bench.frames == FRAMES
    assert bench.sink.payload == FRAMES
    assert bench.state.phases == ["connecting", "streaming", "stopped"]
    assert bench.state.bad_messages == 0
    assert all(chunk.received_at_us for chunk in bench.sink.chunks)


REFUSALS = {
    "sourcetable": (b"SOURCETABLE 200 OK\r\n\r\nENDSOURCETABLE\r\n", "does not know this mountpoint", 0.5),
    "404": (b"HTTP/1.1 404 Not Found\r\n\r\n", "does not know this mountpoint", 0.5),
    "503": (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "busy", 0.5),
    "401": (b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", "user name or password", 60.0),
}


@pytest.mark.parametrize(("refusal", "words", "least_s"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_said_in_words_and_waited_out(refusal, words, least_s, monkeypatch):
    waits = []
    failed = BackOff.failed
    monkeypatch.setattr(BackOff, "failed", lambda *a, **k: waits.append(failed(*a, **k)) or waits[-1])
    bench = Bench()
    async with scripted(answer(refusal)) as server, connect(server.port, bench, BackOff(first_s=0.5)):
        await until(lambda: bench.state.phase == "waiting")
        assert words in bench.state.last_error
        assert len(server.peers) == 1
    assert waits[0] >= least_s
    assert PASSWORD not in repr(bench.state.errors)
    assert bench.sink.chunks == []


async def test_it_comes_back_when_the_caster_closes():
    bench = Bench()
    stream = CHUNKED + chunks(FRAMES, 40)
    acts = answer(stream, stay=False), answer(stream + ntrip.LAST_CHUNK), answer(stream)
    async with scripted(*acts) as server, connect(server.port, bench):
        await until(lambda: bench.frames == 3 * FRAMES)
        assert bench.state.reconnects == 2
        assert len(server.peers) == 3
        assert "closed the connection" in bench.state.last_error


async def test_a_caster_that_stalls_is_left():
    bench = Bench()
    half = len(FRAMES) // 2
    acts = answer(b"ICY 200 OK\r\n\r\n" + FRAMES[:half]), answer(b"ICY 200 OK\r\n\r\n" + FRAMES)
    async with scripted(*acts) as server, connect(server.port, bench, version=1, stall_s=0.3):
        await until(lambda: bench.frames.endswith(FRAMES))
        assert bench.state.phases[:5] == ["connecting", "streaming", "stalled", "connecting", "streaming"]
        assert "no data for 0.3 s" in bench.state.errors[0]


async def test_fields_without_end_do_not_feed_the_watchdog():
    async def drip(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"ICY 200 OK\r\n")
        while True:
            await peer.say(b"X: 1\r\n")
            await asyncio.sleep(0.05)

    bench = Bench()
    async with scripted(drip) as server, connect(server.port, bench, version=2, stall_s=0.3):
        await until(lambda: "stalled" in bench.state.phases)
    assert bench.state.bytes_received == 0


async def test_a_mountpoint_that_needs_a_position_says_so():
    bench = Bench()
    async with scripted(answer(b"ICY 200 OK\r\n\r\n")) as server, connect(server.port, bench, stall_s=0.2):
        await until(lambda: bench.state.errors)
        assert "position (gga)" in bench.state.errors[0]


@pytest.mark.parametrize("version", [1, 2])
async def test_the_position_is_told_at_once_and_again(version, monkeypatch):
    monkeypatch.setattr(ntrip_client, "GGA_PERIOD_S", 0.05)
    bench = Bench()
    options = {"version": version, "gga": Position(latitude=31.1, longitude=121.2, height_m=22.0)}
    async with scripted(answer(b"ICY 200 OK\r\n\r\n")) as server, connect(server.port, bench, **options):
        await until(lambda: server.peers and server.peers[0].heard.count(b"$GPGGA,") == 3)
        heard = bytes(server.peers[0].heard)
        assert (b"Ntrip-GGA: $GPGGA," in heard) == (version == 2)
        assert heard.endswith(b"\r\n")
        assert heard.count(b",3106.000000,N,12112.000000,E,1,") == 3


SUSPICIOUS = {
    "bad request": answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "not supported": answer(b"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n"),
    "not ntrip": answer(b"what?\r\n"),
    "hangs up": hang_up,
    "no chunks though it says so": answer(CHUNKED + b"\xd3" * 300),
}


@pytest.mark.parametrize("act", SUSPICIOUS.values(), ids=SUSPICIOUS.keys())
async def test_auto_falls_back_to_version_1(act):
    bench = Bench()
    acts = act, answer(b"ICY 200 OK\r\n\r\n" + FRAMES, stay=False), answer(b"ICY 200 OK\r\n\r\n" + FRAMES)
    async with scripted(*acts) as server, connect(server.port, bench):
        await until(lambda: bench.frames == 2 * FRAMES)
        versions = [ntrip.RequestParser().feed(bytes(peer.heard)).version for peer in server.peers]
        assert versions == [2, 1, 1]
        assert bench.state.reconnects == 1


async def test_auto_asks_in_both_versions_before_it_waits():
    bench = Bench()
    async with scripted(hang_up) as server, connect(server.port, bench):
        await until(lambda: len(server.peers) >= 7)
        versions = [ntrip.RequestParser().feed(bytes(peer.heard)).version for peer in server.peers[:6]]
        assert versions == [2, 1, 1, 2, 2, 1]
        assert bench.state.reconnects >= 3
        assert "without an answer" in bench.state.last_error


async def test_a_fixed_version_stays():
    bench = Bench()
    async with scripted(hang_up) as server, connect(server.port, bench, version=2):
        await until(lambda: len(server.peers) >= 4)
        assert {ntrip.RequestParser().feed(bytes(p.heard)).version for p in server.peers[:3]} == {2}


async def speak_plain(peer: Peer) -> None:
    await peer.say(b"220 hello\r\n")


async def test_a_peer_without_tls_is_named():
    bench = Bench()
    back_off = BackOff(first_s=9)
    async with scripted(speak_plain) as server, connect(server.port, bench, back_off, tls=True):
        await until(lambda: bench.state.errors)
        assert f"127.0.0.1:{server.port} does not speak TLS" in bench.state.last_error


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"mountpoint": "/"}, "mountpoint"),
        ({"username": "a:b"}, "colon"),
        ({"port": 70_000}, "port"),
        ({"stall_s": -1.0}, "stall_s"),
        ({"version": 3}, "version"),
        ({"gga": {"latitude": 91.0, "longitude": 0.0}}, "latitude"),
        ({"mount": "x"}, "mount"),
    ],
)
def test_a_configuration_that_cannot_be(wrong, word):
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert({"host": "h", "mountpoint": "M"} | wrong, NtripClientConfig)


def test_the_password_is_in_no_text():
    config = NtripClientConfig(host="h", mountpoint="M", username="me", password=PASSWORD, tls=True)
    assert config.source == "ntrips://h:2101/M"
    assert PASSWORD not in repr(config) + str(config)


async def test_what_a_compressed_stream_holds_counts_for_its_pace(monkeypatch):
    monkeypatch.setattr(tcp, "BURST_BYTES", 20_000)
    waits = []

    async def waited(seconds):
        waits.append(seconds)
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(tcp, "_sleep", waited)
    packed = gzip.compress(bytes(60_000))
    assert len(packed) < 1_000
    bench = Bench()
    head = CHUNKED.replace(b"Chunked", b"gzip, chunked")
    async with scripted(answer(head + chunks(packed, 9))) as server, connect(server.port, bench):
        await until(lambda: waits)
    assert bench.state.bytes_received == 60_000
