"""Stations that push to the caster: dialects, refusals, one sender at a time, hostile ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import incoming, tcp
from connectors.caster.connection import CasterLimits
from connectors.caster.push import PushConfig, PushDesk
from gnss.ntrip import LAST_CHUNK, encode_chunk
from gnss.rtcm.framing import build_frame
from streams.passwords import hashed
from tests.connectors.test_caster import V1, Setup, caster
from tests.scripted_server import Bench, Clock
from tests.waiting import until

FRAMES = b"".join(build_frame(bytes([62, 208, n]) * 9) for n in range(30))
SOURCE = b"SOURCE %b /WUHN\r\nSource-Agent: NTRIP test/1\r\n\r\n"
POST = b"POST /WUHN HTTP/1.1\r\nHost: h\r\nNtrip-Version: Ntrip/2.0\r\nUser-Agent: NTRIP test/2\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PASSWORD = "päss"


def authorised(password: str = PASSWORD, user: str = "") -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()) + b"\r\n"


@contextlib.asynccontextmanager
async def at_work(work):
    """Run a desk's work for one station."""
    task = asyncio.create_task(work)
    try:
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        (ending,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ending, asyncio.CancelledError), repr(ending)


@contextlib.asynccontextmanager
async def pushing(limits: CasterLimits | None = None, **config):
    """Yield a caster where WUHN pushes, and the other end of its stream."""
    bench = Bench()
    config = {"mountpoint": "WUHN", "password": PASSWORD, **config}
    desk = PushDesk(Clock())
    async with caster(limits=limits) as at:
        at.caster.desk = desk
        async with at_work(desk.run(PushConfig(**config), bench.intake, bench.state)):
            yield at, bench
        await desk.close()
    assert len(asyncio.all_tasks()) <= 2, "of the test itself: everything else has ended"


async def pushed(at: Setup, request: bytes, answer: bytes):
    """Return the connection of a source that was let in."""
    reader, writer = await at.open(request)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(answer), head
    return reader, writer


REQUESTS = {
    "1": (SOURCE % PASSWORD.encode(), b"ICY 200 OK\r\n\r\n", [FRAMES]),
    "1 without a slash": (SOURCE.replace(b"/WUHN", b"WUHN") % PASSWORD.encode(), b"ICY 200 OK", [FRAMES]),
    "1 in latin-1": (SOURCE % PASSWORD.encode("latin-1"), b"ICY 200 OK", [FRAMES]),
    "2": (POST + authorised() + b"\r\n", b"HTTP/1.1 200 OK\r\n", [FRAMES]),
    "2 with a user": (POST + authorised(user="WUHN") + b"\r\n", b"HTTP/1.1 200 OK\r\n", [FRAMES]),
    "2 in chunks": (
        POST + CHUNKED + authorised() + b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        [encode_chunk(FRAMES[at : at + 77]) for at in range(0, len(FRAMES), 77)],
    ),
    "2 packed": (
        POST + b"Transfer-Encoding: gzip, chunked\r\n" + authorised() + b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        [encode_chunk(gzip.compress(FRAMES))],
    ),
    "2 without its field": (
        b"POST /WUHN HTTP/1.1\r\nHost: h\r\n" + authorised() + b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        [FRAMES],
    ),
}


async def every_dialect(request: bytes, answer: bytes, pieces: list[bytes]) -> None:
    async with pushing() as (at, bench):
        _, writer = await pushed(at, request, answer)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        await until(lambda: len(bench.frames) == len(FRAMES))
        assert bench.state.phase == "streaming"
        writer.close()
        await until(lambda: bench.state.phase == "waiting")
        assert "closed the connection" in bench.state.last_error
        assert bench.state.bad_messages == 0
    assert bench.frames == FRAMES
    assert bench.sink.payload == FRAMES
    assert bench.state.phases == ["waiting", "streaming", "waiting", "stopped"]


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_stream_arrives_in_every_dialect(name):
    await every_dialect(*REQUESTS[name])


def test_the_stream_arrives_with_uvloop_too():
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(every_dialect(*REQUESTS["2 in chunks"]))


async def test_data_may_come_before_the_answer_and_with_the_request():
    async with pushing(password="", password_hash=hashed(PASSWORD, "salt")) as (at, bench):
        for n in (1, 2):  # the second time the password is remembered
            _, writer = await at.open(SOURCE % PASSWORD.encode() + FRAMES)
            await until(lambda n=n: bench.frames == FRAMES * n)
            writer.close()
            await until(lambda: bench.state.phase == "waiting")


async def test_a_sender_that_expects_to_go_on_is_told_to():
    async with pushing() as (at, bench):
        request = POST + CHUNKED + authorised() + b"Expect: 100-continue\r\n\r\n"
        reader, writer = await pushed(at, request, b"HTTP/1.1 100 Continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.write(encode_chunk(FRAMES) + LAST_CHUNK)
        assert await reader.read() == b""
        assert bench.frames == FRAMES


REFUSED = [
    (SOURCE % b"wrong", b"ERROR - Bad Password\r\n", "unauthorised"),
    (b"SOURCE /WUHN\r\n\r\n", b"ERROR - Bad Password\r\n", "unauthorised"),
    (SOURCE.replace(b"WUHN", b"NOWHERE") % b"x", b"ERROR - Mount Point Taken or Invalid\r\n", "unknown"),
    (SOURCE.replace(b"WUHN", b"SHAO") % b"x", b"ERROR - Mount Point Taken or Invalid\r\n", "unknown"),
    (POST + b"\r\n", b"HTTP/1.1 401 ", "unauthorised"),
    (POST + authorised("wrong") + b"\r\n", b"HTTP/1.1 401 ", "unauthorised"),
    (POST.replace(b"WUHN", b"NOWHERE") + authorised() + b"\r\n", b"HTTP/1.1 404 ", "unknown"),
    (POST + b"Transfer-Encoding: br\r\n" + authorised() + b"\r\n", b"HTTP/1.1 501 ", "malformed"),
]


@pytest.mark.parametrize("hash_", [False, True])
@pytest.mark.parametrize(("request_", "answer", "reason"), REFUSED)
async def test_a_refusal_is_told_though_the_source_goes_on_sending(request_, answer, reason, hash_):
    kept = {"password": "", "password_hash": hashed(PASSWORD, "salt")} if hash_ else {}
    async with pushing(CasterLimits(answer_s=0.5), **kept) as (at, bench):
        told = await at.ask(request_ + b"\0" * 300_000)
        assert told.startswith(answer)
        assert (b'realm="WUHN"' in told) == (b" 401 " in answer)
        assert at.caster.counters.refused == {reason: 1}
        await until(lambda: at.caster.counters.connections == 0)
    assert not bench.sink.chunks
    assert bench.state.phases == ["waiting", "stopped"]


async def test_a_caster_that_gathers_nothing_takes_no_streams():
    async with caster() as at:
        assert (await at.ask(SOURCE % b"x")).startswith(b"ERROR - streams cannot be pushed here;")
        assert (await at.ask(POST + b"\r\n")).startswith(b"HTTP/1.1 405 ")


async def test_a_second_source_is_refused_while_the_first_is_alive():
    async with pushing() as (at, bench):
        _, first = await pushed(at, *REQUESTS["1"][:2])
        first.write(FRAMES)
        await until(lambda: bench.state.phase == "streaming")
        for name, answer in (("1", b"ERROR - Mount Point Taken or Invalid\r\n"), ("2", b"HTTP/1.1 409 ")):
            assert (await at.ask(REQUESTS[name][0] + FRAMES)).startswith(answer)
        first.write(FRAMES)
        await until(lambda: len(bench.frames) >= 2 * len(FRAMES))
        assert at.caster.counters.refused == {"taken": 2}
        first.close()
        await until(lambda: bench.state.phase == "waiting")
        _, second = await pushed(at, *REQUESTS["2"][:2])
        second.write(FRAMES)
        await until(lambda: bench.frames == FRAMES * 3)


async def test_a_silent_source_gives_way(monkeypatch):
    monkeypatch.setattr(incoming, "SILENCE_S", 0.05)
    async with pushing(interval_s=0.01) as (at, bench):
        half_open, writer = await pushed(at, *REQUESTS["1"][:2])
        writer.write(FRAMES + FRAMES[:20])
        await until(lambda: bench.state.phase == "streaming")
        await asyncio.sleep(0.1)
        _, second = await pushed(at, *REQUESTS["2"][:2])
        with contextlib.suppress(ConnectionError):
            assert await half_open.read() == b""
        second.write(FRAMES)
        await until(lambda: bench.frames == FRAMES * 2)
        assert "another connection took its place" in bench.state.last_error
        await until(lambda: at.caster.counters.connections == 1)


async def test_single_bytes_and_other_data_do_not_hold_a_place(monkeypatch):
    monkeypatch.setattr(incoming, "SILENCE_S", 0.2)
    async with pushing(interval_s=0.01, stall_s=0.5) as (at, bench):
        reader, writer = await pushed(at, *REQUESTS["1"][:2])

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"\xd3")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        task = asyncio.create_task(trickle())
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await task
        await until(lambda: bench.state.phase == "stalled")
        assert "no message in" in bench.state.last_error
        assert "check what the station sends" in bench.state.last_error
        await until(lambda: at.caster.counters.connections == 0)


async def test_a_half_open_source_is_given_up():
    async with pushing(stall_s=0.2) as (at, bench):
        reader, _ = await pushed(at, *REQUESTS["2"][:2])
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await until(lambda: bench.state.phase == "stalled")
        assert "no data for 0.2 s" in bench.state.last_error
        await until(lambda: at.caster.counters.connections == 0)


async def test_broken_chunks_end_a_source_and_the_next_one_begins_anew():
    async with pushing() as (at, bench):
        reader, writer = await pushed(at, *REQUESTS["2 in chunks"][:2])
        writer.write(encode_chunk(FRAMES) + b"no chunk\r\n")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await until(lambda: bench.state.phase == "waiting")
        assert "not cut into chunks" in bench.state.last_error
        _, writer = await pushed(at, *REQUESTS["2"][:2])
        writer.write(FRAMES)
        await until(lambda: bench.frames == FRAMES * 2)


async def test_a_flood_is_read_at_a_bounded_pace_and_kept_out_of_memory(monkeypatch):
    monkeypatch.setattr(tcp, "BURST_BYTES", 100_000)
    monkeypatch.setattr(tcp, "MOST_BYTES_PER_S", 10_000)
    async with pushing() as (at, bench):
        _, writer = await pushed(at, *REQUESTS["1"][:2])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    writer.write(FRAMES * 100)
                    await writer.drain()
        assert "is read no faster" in bench.state.last_error
        assert bench.state.bytes_received < 500_000
        (connection,) = at.caster._connections
        assert len(connection._body._buffer) <= 2 * incoming.READER_BYTES + 262_144
        rover, _ = await at.listen(V1)  # nobody else notices
        at.relay.publish("WUHN", FRAMES)
        assert await rover.readexactly(len(FRAMES)) == FRAMES


async def test_a_station_that_is_taken_away_lets_go_of_its_source():
    desk, bench = PushDesk(Clock()), Bench()
    async with caster() as at:
        at.caster.desk = desk
        config = PushConfig(mountpoint="WUHN", password=PASSWORD)
        async with at_work(desk.run(config, bench.intake, bench.state)):
            reader, _ = await pushed(at, *REQUESTS["1"][:2])
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert (await at.ask(REQUESTS["2"][0])).startswith(b"HTTP/1.1 404 ")
        await desk.close()


async def test_many_wrong_passwords_wait_in_a_bounded_queue_and_hold_up_nobody(monkeypatch):
    monkeypatch.setattr("connectors.caster.push._MOST_CHECKS", 5)
    monkeypatch.setattr("connectors.caster.guesses.FREE", 1000)
    async with pushing(password="", password_hash=hashed(PASSWORD, "salt")) as (at, bench):
        for _ in range(100):
            await at.open(SOURCE % b"wrong")
        await until(lambda: at.caster.counters.refused.total() == 100)
        assert at.caster.counters.refused["busy"] > 0
        assert at.caster.counters.refused["unauthorised"] >= 5
        _, writer = await pushed(at, *REQUESTS["1"][:2])
        writer.write(FRAMES)
        await until(lambda: bench.frames == FRAMES)


@pytest.mark.parametrize("hash_", [False, True])
async def test_who_guesses_waits_and_then_is_refused_at_once(hash_, monkeypatch):
    monkeypatch.setattr("connectors.caster.guesses.SHORTEST_S", 0.05)
    monkeypatch.setattr("connectors.caster.guesses.LONGEST_S", 0.05)
    monkeypatch.setattr("connectors.caster.guesses.MOST_WAIT_S", 0.12)
    kept = {"password": "", "password_hash": hashed(PASSWORD, "salt")} if hash_ else {}
    async with pushing(**kept) as (at, bench):
        for _ in range(6):
            assert await at.ask(SOURCE % b"wrong") == b"ERROR - Bad Password\r\n"
        for _ in range(10):
            await at.open(SOURCE % b"wrong")
        await until(lambda: at.caster.counters.refused.total() == 16)
        assert 2 <= at.caster.counters.refused["busy"] <= 9
        await asyncio.sleep(0.2)
        _, writer = await pushed(at, *REQUESTS["1"][:2])  # the right one is let in all the same
        writer.write(FRAMES)
        await until(lambda: bench.frames == FRAMES)


async def test_a_source_that_never_ends_its_request_is_ended():
    async with pushing(limits=CasterLimits(request_s=0.1)) as (at, _):
        reader, _ = await at.open(b"SOURCE secret /WU")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert at.caster.counters.refused == {"slow": 1}


HEADS = [value[0] for value in REQUESTS.values()]
PARTS = st.sampled_from(
    [FRAMES[:200], FRAMES[:33], b"\xd3\x00", b"5\r\n", b"0\r\n\r\n", b"\r\n", gzip.compress(FRAMES)[:50]]
)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(HEADS) | st.binary(max_size=40),
            st.lists(PARTS | st.binary(max_size=30), max_size=8).map(b"".join),
            st.lists(st.integers(1, 400), max_size=6),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_nothing_that_is_pushed_breaks_the_caster_or_stays_behind(visits):
    errors: list[dict[str, object]] = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with pushing() as (at, bench):
            for head, body, cuts in visits:
                _, writer = await at.open()
                with contextlib.suppress(ConnectionError):
                    data, begin = head + body, 0
                    for cut in (*sorted(cuts), len(data)):
                        writer.write(data[begin:cut])
                        await writer.drain()
                        begin = max(begin, cut)
                writer.transport.abort()
            await until(lambda: at.caster.counters.connections == 0)
            await until(lambda: bench.state.phase != "streaming")
            begin = len(bench.frames)
            _, writer = await pushed(at, *REQUESTS["2"][:2])
            writer.write(FRAMES)
            await until(lambda: bench.frames[begin:] == FRAMES)

    asyncio.run(go())
    assert not errors


CODINGS = {"none": b"", "chunked": CHUNKED, "chunkedgzip": b"Transfer-Encoding: gzip, chunked\r\n"}


async def test_captured_bodies_that_are_pushed_hold_the_same_frames(data):
    frames = {}
    for name, coding in CODINGS.items():
        async with pushing() as (at, bench):
            request = POST + coding + authorised() + b"\r\n"
            _, writer = await pushed(at, request, b"HTTP/1.1 200 OK\r\n")
            writer.write((data / f"ntrip/ntrip_encode_{name}.bin").read_bytes())
            await until(lambda bench=bench: bench.state.messages_received == 292)
            frames[name] = bench.frames
            assert bench.state.bad_messages == 0
    assert len(frames["none"]) == 62_960
    assert len(set(frames.values())) == 1
