"""The caster through raw sockets: dialects, refusals, order, slow and hostile peers."""

import asyncio
import base64
import contextlib
import errno
import socket

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.caster.connection import CasterLimits
from connectors.caster.published import Published
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from sensors.model import Station
from tests.rtcm_frames import of_type, split, text_frame
from tests.waiting import until

STATIONS = [
    Station(id="WUHN", name="Wuhan", longitude=114.357, latitude=30.532),
    Station(id="SHAO", name="Shanghai; Sheshan"),
]
V1 = b"GET /WUHN HTTP/1.0\r\nUser-Agent: NTRIP test/1\r\n\r\n"
V2 = b"GET /WUHN HTTP/1.1\r\nHost: h\r\nUser-Agent: NTRIP test/2\r\nNtrip-Version: Ntrip/2.0\r\n\r\n"
PAST = 1_760_000_000_000_000


class Setup:
    """A caster on a free port."""

    def __init__(self, caster: Caster, relay: Relay) -> None:
        self.caster, self.relay = caster, relay
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self, request: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.caster.port)
        self._writers.append(writer)
        writer.write(request)
        await writer.drain()
        return reader, writer

    async def ask(self, request: bytes) -> bytes:
        """Return the whole answer to a request that gets no stream."""
        reader, _ = await self.open(request)
        async with asyncio.timeout(10):
            return await reader.read()

    async def hang_up(self) -> None:
        """Close all connections from this side."""
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def listen(self, request: bytes = V1) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection whose stream has begun."""
        before = self.relay.counters.rovers
        reader, writer = await self.open(request)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: self.relay.counters.rovers > before)
        return reader, writer


@contextlib.asynccontextmanager
async def caster(**more):
    limits = more.pop("limits", None)
    relay = Relay(asyncio.get_running_loop().time)
    server = Caster(relay, lambda: STATIONS, lambda: PAST, limits=limits, **more)
    await server.start("127.0.0.1", 0)
    setup = Setup(server, relay)
    try:
        yield setup
    finally:
        await setup.hang_up()
        await server.stop()
        assert server.counters.connections == 0
        assert relay.counters.rovers == 0


def basic(user: str, password: str) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()) + b"\r\n\r\n"


# --- streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "first"), [(V1, b"ICY 200 OK\r\n\r\n"), (V2, b"HTTP/1.1 200 OK\r\n")], ids=["v1", "v2"]
)
async def test_a_rover_gets_every_frame_in_order_unchanged(request_, first):
    async with caster() as at:
        reader, writer = await at.open(request_)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(first)
        assert b"chunked" not in head
        sent = [text_frame(f"message {n}") * (1 + n % 3) for n in range(300)]
        for frames in sent:
            at.relay.publish("WUHN", frames)
            at.relay.publish("SHAO", text_frame("another station"))
        assert await reader.readexactly(sum(map(len, sent))) == b"".join(sent)
        assert at.relay.counters.frames_out == sum(1 for _ in split(b"".join(sent)))
        assert at.relay.counters.bytes_out == sum(map(len, sent))
        writer.close()
        await until(lambda: at.relay.counters.rovers == 0)


async def test_a_request_may_come_in_pieces_and_with_a_position():
    async with caster() as at:
        reader, writer = await at.open()
        for byte in V1:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readuntil(b"\r\n\r\n") == b"ICY 200 OK\r\n\r\n"
        for _ in range(50):
            writer.write(b"$GPGGA,123519,3031.9,N,11421.4,E,4,08,0.9,45.4,M,46.9,M,,*47\r\n")
        await writer.drain()
        at.relay.publish("WUHN", text_frame("here"))
        assert await reader.readexactly(len(text_frame("here"))) == text_frame("here")
        writer.close()


async def stalled_rover(at: Setup) -> socket.socket:
    """Return a rover that gets a stream and reads nothing yet."""
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.setblocking(False)
    await asyncio.get_running_loop().sock_connect(stalled, ("127.0.0.1", at.caster.port))
    stalled.send(V1)
    await until(lambda: at.relay.counters.rovers == 1)
    return stalled


async def test_a_stalled_rover_is_cut_and_nobody_else_notices():
    async with caster(limits=CasterLimits(queue_bytes=50_000, behind_s=0.3)) as at:
        stalled = await stalled_rover(at)
        reader, writer = await at.listen()
        received = bytearray()
        frames = of_type(1077, 1000)
        n = 0
        async with asyncio.timeout(20):
            while not at.relay.counters.cut:
                at.relay.publish("WUHN", frames)
                received += await reader.readexactly(len(frames))
                n += 1
        assert at.relay.counters.left_out > 0
        assert at.relay.counters.cut == 1
        assert at.relay.counters.rovers == 1
        assert received == frames * n
        assert at.relay.counters.epochs_out + at.relay.counters.left_out == 2 * n - 1
        await until(lambda: at.caster.counters.connections == 1)
        stalled.close()
        writer.close()


async def test_a_rover_that_was_behind_gets_whole_epochs_and_then_all_again():
    async with caster(limits=CasterLimits(queue_bytes=10_000)) as at:
        slow = await stalled_rover(at)
        loop = asyncio.get_running_loop()
        epochs = [text_frame(f"epoch {n:04d} " + "x" * 80) * 10 for n in range(1000)]
        published = 0
        while at.relay.counters.left_out < 20:
            at.relay.publish("WUHN", epochs[published])
            published += 1
            await asyncio.sleep(0)
        received = bytearray()
        async with asyncio.timeout(20):
            while at.relay.counters.left_out and len(received) < at.relay.counters.bytes_out:
                received += await loop.sock_recv(slow, 65_536)
                if received.startswith(b"ICY"):
                    del received[: len(b"ICY 200 OK\r\n\r\n")]
            left_out = at.relay.counters.left_out
            for one in epochs[published : published + 50]:
                at.relay.publish("WUHN", one)
                while len(received) < at.relay.counters.bytes_out:
                    received += await loop.sock_recv(slow, 65_536)
        assert at.relay.counters.left_out == left_out
        size = len(epochs[0])
        got = [epochs.index(received[at_ : at_ + size]) for at_ in range(0, len(received), size)]
        assert got == sorted(set(got))
        assert got[-50:] == list(range(published, published + 50))
        assert len(got) == published + 50 - left_out
        slow.close()


async def test_a_burst_that_fits_the_queue_cuts_nobody():
    async with caster() as at:
        reader, writer = await at.listen()
        burst = of_type(1077, 1000) * 200
        at.relay.publish("WUHN", burst)
        assert await reader.readexactly(len(burst)) == burst
        assert at.relay.counters.cut == 0
        writer.close()


# --- answers ------------------------------------------------------------------------------------------


async def test_version_1_gets_the_sourcetable_for_the_root_and_for_what_is_unknown():
    async with caster() as at:
        for path in (b"/", b"/NOWHERE"):
            answer = await at.ask(b"GET " + path + b" HTTP/1.0\r\nUser-Agent: NTRIP x\r\n\r\n")
            head, _, table = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"SOURCETABLE 200 OK\r\n")
            assert f"Content-Length: {len(table)}".encode() in head
            assert table.endswith(b"ENDSOURCETABLE\r\n")
        assert at.caster.counters.refused == {"unknown": 1}


async def test_version_2_gets_a_table_and_404():
    async with caster() as at:
        table = await at.ask(V2.replace(b"/WUHN", b"/"))
        assert table.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: gnss/sourcetable" in table
        assert (await at.ask(V2.replace(b"WUHN", b"wuhn"))).startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize("version", [V1, V2])
async def test_a_table_can_be_asked_for_in_part(version):
    async with caster() as at:
        for query, found in ((b"STR;SH*", b"SHAO"), (b"STR;;;;;;;;;>30;>114", b"WUHN")):
            answer = await at.ask(version.replace(b"/WUHN", b"/?" + query))
            head, _, table = answer.partition(b"\r\n\r\n")
            assert b" 200 OK\r\n" in head
            assert [line[4:8] for line in table.split(b"\r\n") if line.startswith(b"STR;")] == [found]
            assert table.endswith(b"ENDSOURCETABLE\r\n")
        refused = await at.ask(version.replace(b"/WUHN", b"/?table"))
        assert b" 400 Bad Request\r\n" in refused
        assert b"write for instance /?STR;" in refused


async def test_a_browser_gets_the_table_as_text():
    async with caster() as at:
        request = b"GET %b HTTP/1.1\r\nHost: h\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
        answer = await at.ask(request % b"/")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/plain" in answer
        assert b"STR;WUHN;" in answer
        assert (await at.ask(request % b"/favicon.ico")).startswith(b"HTTP/1.1 404 ")


async def test_the_table_tells_what_the_streams_carry():
    async with caster() as at:
        now = 1000.0
        at.relay.clock_s = lambda: now
        for second in range(30):
            now = 1000.0 + second
            split_epoch = of_type(1077) + of_type(1087) + of_type(1127) + of_type(1127)
            at.relay.publish("WUHN", split_epoch + (of_type(1005) if second % 10 == 0 else b""))
        answer = await at.ask(V1.replace(b"/WUHN", b"/"))
    lines = answer.decode().partition("\r\n\r\n")[2].split("\r\n")
    fields = next(line for line in lines if line.startswith("STR;WUHN")).split(";")
    assert len(fields) == 19
    assert fields[1:7] == [
        "WUHN", "Wuhan", "RTCM 3.2", "1005(10),1077(1),1087(1),1127(1)", "2", "GPS+GLO+BDS",
    ]  # fmt: skip
    assert fields[9:11] == ["30.53", "114.36"]
    assert fields[15] == "N"
    silent = next(line for line in lines if line.startswith("STR;SHAO")).split(";")
    assert len(silent) == 19
    assert silent[4:7] == ["", "0", ""]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"SOURCE secret /WUHN\r\nSource-Agent: NTRIP x\r\n\r\n", b"ERROR - streams cannot be pushed here;"),
        (b"POST /WUHN HTTP/1.1\r\nHost: h\r\nNtrip-Version: Ntrip/2.0\r\n\r\n", b"HTTP/1.1 405 "),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"HTTP/1.0 400 "),
        (b"GET\r\n\r\n", b"HTTP/1.0 400 "),
    ],
)
async def test_what_is_not_possible_is_said(request_, answer):
    async with caster() as at:
        assert (await at.ask(request_)).startswith(answer)
        assert at.caster.counters.refused.total() == 1


# --- accounts -----------------------------------------------------------------------------------------


async def test_with_users_a_stream_needs_the_password_and_the_table_does_not():
    async with caster(users={"rover": "пароль"}) as at:
        for version, first in ((V1, b"HTTP/1.0 401 "), (V2, b"HTTP/1.1 401 ")):
            bare = version.removesuffix(b"\r\n")
            for line in (
                b"\r\n",
                basic("rover", "wrong"),
                basic("nobody", ""),
                basic("", ""),
                b"Authorization: Basic !!\r\n\r\n",
            ):
                answer = await at.ask(bare + line)
                assert answer.startswith(first)
                assert b'WWW-Authenticate: Basic realm="WUHN"' in answer
            _, writer = await at.listen(bare + basic("rover", "пароль"))
            writer.close()
        table = await at.ask(V1.replace(b"/WUHN", b"/"))
        assert b";B;N;" in table
        assert at.caster.counters.refused == {"unauthorised": 10}


# --- hostile peers ------------------------------------------------------------------------------------


async def test_a_header_of_a_megabyte_is_refused():
    async with caster() as at:
        reader, writer = await at.open(b"GET /WUHN HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(16):
                writer.write(b"a" * 65_536)
                await writer.drain()
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.0 431 ")
        writer.close()
        assert at.caster.counters.refused == {"large": 1}


async def test_a_request_that_trickles_in_is_ended():
    async with caster(limits=CasterLimits(request_s=0.1)) as at:
        reader, writer = await at.open()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                for _ in range(1000):
                    writer.write(b"G")
                    await writer.drain()
                    if reader.at_eof() or at.caster.counters.refused:
                        break
                    await asyncio.sleep(0.01)
        assert at.caster.counters.refused == {"slow": 1}
        await until(lambda: at.caster.counters.connections == 0)
        writer.close()


async def test_a_peer_that_does_not_take_its_answer_is_ended():
    async with caster(limits=CasterLimits(answer_s=0.1)) as at:
        _, writer = await at.open(V2.replace(b"WUHN", b"NOWHERE"))
        await until(lambda: at.caster.counters.requests == 1)
        await until(lambda: at.caster.counters.connections == 0)
        writer.close()


async def test_a_rover_that_floods_is_ended():
    async with caster(limits=CasterLimits(upload_bytes=1000)) as at:
        reader, writer = await at.listen()
        writer.write(b"$GPGGA" * 1000)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert at.caster.counters.refused == {"flood": 1}
        writer.close()


async def test_connections_are_limited_in_all_and_for_each_address():
    async with caster(limits=CasterLimits(connections=2)) as at:
        writers = [(await at.listen())[1] for _ in range(2)]
        answer = await at.ask(b"")
        assert answer.startswith(b"HTTP/1.0 503 ")
        assert at.caster.counters.refused == {"full": 1}
        writers[0].close()
        await until(lambda: at.caster.counters.connections == 1)
        writers.append((await at.listen())[1])
        for writer in writers:
            writer.close()
    async with caster(limits=CasterLimits(connections_per_address=1)) as at:
        _, writer = await at.listen()
        assert (await at.ask(b"")).startswith(b"HTTP/1.0 503 ")
        assert at.caster.counters.refused == {"address": 1}
        writer.close()


async def test_a_taken_port_is_said_in_words():
    async with caster() as at:
        other = Caster(at.relay, lambda: STATIONS, lambda: PAST)
        with pytest.raises(OSError, match="is taken; stop the other program") as caught:
            await other.start("127.0.0.1", at.caster.port)
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.strerror.startswith(f"port {at.caster.port} of 127.0.0.1 is taken")


async def test_stopping_sends_what_is_queued_and_closes():
    async with caster() as at:
        reader, writer = await at.listen()
        burst = of_type(1077, 1000) * 100
        at.relay.publish("WUHN", burst)
        stopping = asyncio.create_task(at.caster.stop())
        assert await reader.read() == burst
        await stopping
        writer.close()


def test_it_serves_under_uvloop_too():
    async def go() -> None:
        async with caster() as at:
            reader, writer = await at.listen()
            at.relay.publish("WUHN", text_frame("hello"))
            assert await reader.readexactly(len(text_frame("hello"))) == text_frame("hello")
            assert (await at.ask(V2.replace(b"WUHN", b"NO"))).startswith(b"HTTP/1.1 404 ")
            writer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(go())


# --- anything at all ----------------------------------------------------------------------------------

WORDS = [b"GET ", b"SOURCE ", b"/", b"/WUHN", b" HTTP/1.1", b"\r\n", b"\n", b"\r\n\r\n", b"?", b"%00", b";"]
WORDS += [b"Host:", b"Ntrip-Version: Ntrip/2.0", b"Authorization: Basic ", b":", b"\x00", b"\xff\xfe"]
requests = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=20)), max_size=20).map(b"".join)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests, min_size=1, max_size=10))
def test_no_request_breaks_the_caster(batch):
    errors = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        async with caster(users={"a": "b"}) as at:
            for request in batch:
                _, writer = await at.open()
                with contextlib.suppress(ConnectionError):
                    writer.write(request)
                    writer.write_eof()
                    await writer.drain()
                writer.close()
            assert (await at.ask(V1.replace(b"/WUHN", b"/"))).startswith(b"SOURCETABLE 200 OK")

    asyncio.run(go())
    assert not errors


@given(st.binary(max_size=400))
def test_no_bytes_break_the_look_at_contents(data):
    published = Published()
    published.add("A", data, 0.0)
    list(published.look())
    contents = published.of("A")
    assert len(contents.types) <= 64
    assert isinstance(contents.details, str)
