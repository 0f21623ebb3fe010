"""A caster that knows what the other side has taken, and rovers that listen to ours."""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import termios
import time
from collections.abc import Iterable, Sequence

from gnss.ntrip import Request, RequestParser, build_request, stream_head
from gnss.simulate import simulated_network
from tests.chaos.ledger import LedgerWriter

PIECES = 20
"""Of a second: stations do not all send at once."""
MOST_QUEUED_BYTES = 4_000_000
STALL_S = 15.0
DISTINCT = 8
"""Stations that are simulated: station i sends what station i modulo this observes."""


def clock_us() -> int:
    return time.time_ns() // 1000


def station_id(number: int) -> str:
    return f"C{number:04d}00CHN"


class _Connection(asyncio.Protocol):
    """One listener of one station."""

    def __init__(self, caster: LedgerCaster) -> None:
        self.caster = caster
        self.parser = RequestParser()
        self.number = self.station = -1
        self.head_bytes = self.written = self.queued = 0
        self.opened_us = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        request = self.parser.feed(data) if self.station < 0 else None
        if isinstance(request, Request):
            self.caster.begin(self, request)

    def send(self, payload: bytes) -> int:
        """Send an epoch; return where it ends."""
        self.transport.write(payload)
        self.written += len(payload)
        self.queued = self.transport.get_write_buffer_size()
        if self.queued > MOST_QUEUED_BYTES:
            self.transport.abort()
        return self.written

    def connection_lost(self, exc: Exception | None) -> None:
        if self.number < 0:
            return
        left = array.array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, left)
        taken = max(self.written - self.queued - left[0], 0)
        self.caster.end(self, taken)


class LedgerCaster:
    """Serves simulated stations and writes down which epoch went to whom."""

    def __init__(self, count: int, ledger: LedgerWriter) -> None:
        self._numbers = {station_id(i): i for i in range(count)}
        self._listeners: dict[int, _Connection] = {}
        self._ledger = ledger
        self._connections = 0

    async def serve(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)

    def begin(self, connection: _Connection, request: Request) -> None:
        station = self._numbers[request.mountpoint]
        self._connections += 1
        connection.number, connection.station = self._connections, station
        connection.opened_us = clock_us()
        head = stream_head(request.version, chunked=False)
        connection.transport.write(head)
        connection.written = len(head)
        before, self._listeners[station] = self._listeners.get(station), connection
        if before is not None:
            before.transport.abort()  # a gatherer that was cut off and has come again

    def end(self, connection: _Connection, taken: int) -> None:
        self._ledger.add(
            "connections", connection.number, connection.station, connection.opened_us, clock_us(), taken
        )
        if self._listeners.get(connection.station) is connection:
            del self._listeners[connection.station]

    def publish(self, station: int, epoch_us: int, payload: bytes) -> None:
        listener = self._listeners.get(station)
        if listener is None:
            self._ledger.add("epochs", station, -1, epoch_us, clock_us(), 0)
        else:
            number, end = listener.number, listener.send(payload)
            self._ledger.add("epochs", station, number, epoch_us, clock_us(), end)

    async def run(self, count: int, seed: int) -> None:
        """Send an epoch of all stations each second, until cancelled."""
        first_us = (clock_us() // 1_000_000 + 3) * 1_000_000
        network = simulated_network(count, _seconds(first_us), seed, distinct=min(DISTINCT, count))
        epoch_us = first_us
        while True:
            sent = await asyncio.to_thread(next, network)
            size = -(-count // PIECES)
            for piece in range(PIECES):
                due_us = epoch_us + 100_000 + piece * 800_000 // PIECES
                await asyncio.sleep(max((due_us - clock_us()) / 1e6, 0))
                for station, payload in sent[piece * size : (piece + 1) * size]:
                    self.publish(station, epoch_us, payload)
            epoch_us += 1_000_000


def _seconds(first_us: int) -> Iterable[int]:
    while True:
        yield first_us
        first_us += 1_000_000


async def rover(number: int, address: Sequence[str], station: str, ledger: LedgerWriter) -> None:
    """Listen to a station at the gatherer's caster, again and again; write down when what came."""
    host, port = address
    while True:
        with contextlib.suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(STALL_S):
                reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(build_request(station, host=host, port=int(port), version=1))
                while data := await asyncio.wait_for(reader.read(65_536), STALL_S):
                    ledger.add("rovers", number, len(data), clock_us())
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.5)
