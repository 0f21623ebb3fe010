"""The rovers of a station: whatever comes, goes or stands still, each gets whole epochs, once, in order."""

import asyncio
import contextlib
import os
import socket

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.caster import audience as audience_module
from connectors.caster import send_kernel
from connectors.caster.audience import Audience, RelayCounters
from connectors.caster.connection import CasterLimits, Connection
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from tests.connectors.test_caster import PAST, STATIONS, V1, caster
from tests.rtcm_frames import text_frame
from tests.waiting import until

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
LOOP_NAMES = ["asyncio", "uvloop"]


class Rover:
    """A subscriber with a pair of sockets and a queue that is sent when it is told."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)  # the least
        for one in (self.near, self.far):
            one.setblocking(False)
        self.queue = b""
        self.received = bytearray()

    def socket(self) -> int:
        return -1 if self.queue else self.near.fileno()

    def send(self, frames):
        assert self.queue, "a rover that has nothing queued is sent to at once"
        if len(self.queue) > 5000:
            return "left out"
        self.queue += frames
        return "sent"

    def send_rest(self, rest):
        assert not self.queue
        self.queue = bytes(rest)

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.queue = self.queue[self.near.send(self.queue) :] if self.queue else b""

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.received += self.far.recv(65_536)

    def close(self) -> None:
        self.near.close()
        self.far.close()


def epoch(n: int, size: int) -> bytes:
    return b"<%06d%s>" % (n, b"." * size)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.none()),
        st.tuples(st.just("remove"), st.integers(0, 20)),
        st.tuples(st.just("publish"), st.sampled_from([0, 100, 3000, 20_000])),
        st.tuples(st.just("read"), st.integers(0, 20)),
        st.tuples(st.just("turn"), st.none()),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(steps)
def test_every_rover_gets_whole_epochs_in_order(steps):
    async def go() -> None:
        counters = RelayCounters()
        everyone = Audience(counters)
        rovers: list[Rover] = []
        wanted: dict[Rover, list[bytes]] = {}
        gone: list[Rover] = []
        published = sent_before = 0
        try:
            for step, value in steps:
                if step == "add":
                    rovers.append(Rover())
                    wanted[rovers[-1]] = []
                    everyone.add(rovers[-1])
                elif step == "publish":
                    one = epoch(published, value)
                    published += 1
                    everyone.publish(one, 1)
                    for rover in rovers:
                        wanted[rover].append(one)
                elif step == "turn":
                    await asyncio.sleep(0)
                elif rovers:
                    rover = rovers[value % len(rovers)]
                    if step == "read":
                        for _ in range(20):
                            rover.read()
                            rover.flush()
                    else:
                        everyone.remove(rover)
                        rovers.remove(rover)
                        gone.append(rover)
                assert counters.rovers == len(rovers) == len(everyone)
                assert counters.epochs_out >= sent_before
                sent_before = counters.epochs_out
            for _ in range(20):
                await asyncio.sleep(0)  # slices
            for rover in rovers:
                while rover.queue:
                    rover.read()
                    rover.flush()
                rover.read()
            left_out = 0
            for rover in rovers:
                got = [part + b">" for part in bytes(rover.received).split(b">")[:-1]]
                assert b"".join(got) == rover.received
                assert [one for one in wanted[rover] if one in got] == got
                left_out += len(wanted[rover]) - len(got)
            if not gone:
                assert counters.left_out == left_out
                assert counters.epochs_out == sum(map(len, wanted.values())) - left_out
        finally:
            for rover in (*rovers, *gone):
                rover.close()

    before = audience_module.SLICE
    audience_module.SLICE = 3
    try:
        asyncio.run(go())
    finally:
        audience_module.SLICE = before


@pytest.mark.parametrize("n", [1, send_kernel.FEW, 3 * send_kernel.FEW])
def test_the_kernel_tells_who_did_not_take_all(n):
    pairs = [socket.socketpair() for _ in range(n)]
    try:
        full = pairs[n // 2][0]
        for near, _ in pairs:
            near.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                full.send(bytes(65_536))
        pairs[-1][1].close()  # to the last nothing can be sent at all
        sockets = send_kernel.np.array([near.fileno() for near, _ in pairs], send_kernel.np.int32)
        short = send_kernel.send_all(sockets, b"an epoch").tolist()
        assert short == [[i, 0] for i in sorted({n // 2, n - 1})]
        for i, (_, far) in enumerate(pairs):
            if i not in {n // 2, n - 1}:
                assert far.recv(100) == b"an epoch"
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


@pytest.mark.parametrize("loop", LOOPS, ids=LOOP_NAMES)
def test_thousands_of_rovers_get_all_while_some_come_and_go(loop):
    async def go() -> None:
        async with caster(limits=CasterLimits(connections_per_address=3000)) as at:
            epochs = [text_frame(f"epoch {n}") * 30 for n in range(20)]
            rovers = [await at.open(V1) for _ in range(1200)]
            for reader, _ in rovers:
                await reader.readuntil(b"\r\n\r\n")
            await until(lambda: at.relay.counters.rovers == 1200)
            for n, one in enumerate(epochs):
                at.relay.publish("WUHN", one)
                for _, writer in rovers[n * 10 : n * 10 + 10]:
                    writer.transport.abort()
                if n % 2:
                    await asyncio.sleep(0)
            for reader, _ in rovers[200:]:
                assert await reader.readexactly(sum(map(len, epochs))) == b"".join(epochs)
            assert at.relay.counters.cut == at.relay.counters.left_out == 0

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(go())


@pytest.mark.parametrize("loop", LOOPS, ids=LOOP_NAMES)
@pytest.mark.parametrize("end", ["abort", "close", "peer closes", "peer resets", "error of a write"])
def test_a_rover_is_forgotten_before_its_descriptor_is_closed(loop, end):
    """Else its number could belong to another file when the next epoch is sent."""
    was_open = []

    class Watched(Caster):
        def leave(self, connection: Connection, address: str) -> None:
            was_open.append(os.fstat(connection._fd).st_ino == inode)
            super().leave(connection, address)

    async def go() -> None:
        nonlocal inode
        relay = Relay(asyncio.get_running_loop().time)
        server = Watched(relay, lambda: STATIONS, lambda: PAST)
        await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(V1)
        await reader.readuntil(b"\r\n\r\n")
        connection = next(iter(server._connections))
        fd = connection._fd
        inode = os.fstat(fd).st_ino
        relay.publish("WUHN", text_frame("one"))
        assert await reader.readexactly(len(text_frame("one"))) == text_frame("one")
        if end == "abort":
            connection.transport.abort()
        elif end == "close":
            connection.transport.close()
        elif end == "peer closes":
            writer.close()
        else:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            writer.transport.abort()
            if end == "error of a write":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                relay.publish("WUHN", text_frame("two"))
                connection.transport.write(b"what cannot be sent")
        await until(lambda: relay.counters.rovers == 0)
        await until(lambda: not _is_file(fd, inode))
        stranger, other = socket.socketpair()
        held = [stranger]
        while held[-1].fileno() < fd:
            held.append(socket.socket())
        relay.publish("WUHN", text_frame("three"))
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)
        for one in (*held, other):
            one.close()
        writer.close()
        await server.stop()

    inode = 0
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(go())
    assert was_open == [True]


def _is_file(fd: int, inode: int) -> bool:
    try:
        return os.fstat(fd).st_ino == inode
    except OSError:
        return False
