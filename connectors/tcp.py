"""Raw TCP: a receiver or converter that sends plain RTCM; and the socket that NTRIP shares."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

import msgspec

from connectors.doors import Door
from connectors.gatherer import StationIntake
from connectors.gathering.hall import Hall
from connectors.gathering.sockets_kernel import BURST_BYTES, MOST_BYTES_PER_S
from connectors.reconnect import BackOff, StreamError, keep_connected
from streams.stream_state import StreamState

CONNECT_TIMEOUT_S = 15.0
READ_BYTES = 65_536
LATE_S, GRACE_S = 1.0, 5.0
"""A wait that ends so much too late: this program stood still. The sender gets so much more."""
_sleep = asyncio.sleep
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class TcpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a plain stream is."""

    host: str
    port: int
    stall_s: float = 30.0
    """Without a byte for so long, the connection is taken for dead."""

    def __post_init__(self) -> None:
        check_address(self.host, self.port, self.stall_s)

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return f"tcp://{format_address(self.host, self.port)}"


def check_address(host: str, port: int, stall_s: float) -> None:
    """Raise ValueError with a sentence when a configured peer cannot be."""
    if not host or any(character.isspace() for character in host):
        raise ValueError(f"host {host!r} is not a host name; write a name or an address")
    if not 0 < port < 65_536:
        raise ValueError(f"port {port} does not exist; write a number from 1 to 65535")
    if not 0 < stall_s <= 86_400:
        raise ValueError(f"stall_s {stall_s} is out of range; write seconds, more than 0 and up to 86400")


def format_address(host: str, port: int) -> str:
    """Return HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def run(
    config: TcpConfig,
    intake: StationIntake,
    state: StreamState,
    *,
    hall: Hall,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
    door: Door | None = None,
) -> NoReturn:
    """Stream until cancelled.

    Parameters
    ----------
    config
        Where.
    intake
        Takes the bytes.
    state
        The one that `intake` counts in; it says what goes on.
    hall
        Reads the socket.
    clock_us
        Wall clock, UTC.
    back_off
        Between attempts.
    door
        Of the server, where many streams go there.
    """
    door = door or Door()

    async def session() -> NoReturn:
        async with connected_socket(config.host, config.port) as sock:
            door.opened()
            try:
                await hall.attend(sock, intake, stall_s=config.stall_s, whose="sender")
            finally:
                intake.finish()

    patience = back_off or BackOff()
    await keep_connected(session, state, clock_us=clock_us, back_off=patience, door=door)


class Readable(Protocol):
    """What a watchdog can read."""

    async def read(self, n: int, /) -> bytes:
        """Return at most `n` bytes, as soon as there are some; none at the end."""
        ...


class Line(Readable, Protocol):
    """A connection."""

    @property
    def sock(self) -> socket.socket | None:
        """Its socket, when what is read of it is what was sent."""
        ...

    async def write(self, data: bytes) -> None:
        """Send."""
        ...


class Watchdog:
    """Reads a socket at a bounded pace; gives up when no useful data came for `stall_s`."""

    def __init__(self, stall_s: float, state: StreamState) -> None:
        self._stall_s = stall_s
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._read_bytes = 0.0
        self._read_at_s = self._loop.time()
        self.fed()

    def fed(self) -> None:
        """Useful data came: wait anew."""
        self._deadline_s = self._loop.time() + self._stall_s

    def unpacked(self, n_bytes: int) -> None:
        """What a compressed stream holds more than was read counts for the pace as well."""
        self._read_bytes += max(n_bytes, 0)

    async def read(self, reader: Readable) -> bytes:
        """Return what comes next; empty at the end.

        Raises
        ------
        StreamError
            The time is over, or the connection broke.
        """
        await self._pace()
        try:
            while True:
                try:
                    async with asyncio.timeout_at(self._deadline_s):
                        data = await reader.read(READ_BYTES)
                        self._read_bytes += len(data)
                        return data
                except TimeoutError:
                    now_s = self._loop.time()
                    if now_s - self._deadline_s < LATE_S:
                        raise
                    self._deadline_s = now_s + GRACE_S  # what came meanwhile waits in the socket
        except TimeoutError as error:
            text = f"no data for {self._stall_s:g} s; check that the station sends"
            raise StreamError(text, stalled=True) from error
        except OSError as error:
            raise StreamError(f"the connection broke ({error.strerror or error}); trying again") from error

    async def _pace(self) -> None:
        now_s = self._loop.time()
        self._read_bytes = max(0.0, self._read_bytes - (now_s - self._read_at_s) * MOST_BYTES_PER_S)
        self._read_at_s = now_s
        if self._read_bytes > BURST_BYTES:
            self._state.last_error = (
                f"it sends more than {MOST_BYTES_PER_S // 1000} kB/s and is read no faster; "
                "check that it is one station's stream"
            )
            wait_s = (self._read_bytes - BURST_BYTES) / MOST_BYTES_PER_S
            self._deadline_s += wait_s
            await _sleep(wait_s)


@asynccontextmanager
async def connected_socket(host: str, port: int) -> AsyncIterator[socket.socket]:
    """Connect as `connected` does, for whoever reads the socket itself.

    Raises
    ------
    StreamError
        There is no connection to be had; the sentence says why.
    """
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for i, (family, kind, protocol, _, address) in enumerate(found):
                sock = socket.socket(family, kind, protocol)
                sock.setblocking(False)
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S / len(found)):
                        await loop.sock_connect(sock, address)
                    break
                except OSError:  # TimeoutError too
                    sock.close()
                    if i + 1 == len(found):
                        raise
    except OSError as error:
        raise StreamError(_in_words(error, host, port), unreachable=True) from error
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    assert sock is not None, "a name without an address is an error"
    try:
        _set_options(sock)
        yield sock
    finally:
        sock.close()


@asynccontextmanager
async def connected(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect, with keepalive and without Nagle's delay, and close at the end.

    Raises
    ------
    StreamError
        There is no connection to be had; the sentence says why.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors too
        raise StreamError(_in_words(error, host, port), unreachable=True) from error
    try:
        _set_options(writer.get_extra_info("socket"))
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass(slots=True)
class _PlainLine:
    sock: socket.socket

    async def read(self, n: int, /) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.sock, n)

    async def write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)


@dataclass(slots=True)
class _EncryptedLine:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sock: None = None

    async def read(self, n: int, /) -> bytes:
        return await self.reader.read(n)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@asynccontextmanager
async def connected_line(host: str, port: int, tls: ssl.SSLContext | None) -> AsyncIterator[Line]:
    """Connect, encrypted or not; errors as those of `connected`."""
    if tls is None:
        async with connected_socket(host, port) as sock:
            yield _PlainLine(sock)
    else:
        async with connected(host, port, tls) as (reader, writer):
            yield _EncryptedLine(reader, writer)


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _in_words(error: OSError, host: str, port: int) -> str:
    place = format_address(host, port)
    if isinstance(error, socket.gaierror):
        return f"the host {host} is not found; check its name and the network"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not valid ({error.verify_message}); check host and clock"
    if isinstance(error, ssl.SSLError):
        return f"{place} does not speak TLS ({error.reason or 'handshake failed'}); check the port"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer; check host, port and firewall"
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses connections; check the port, or start the server there"
    return f"cannot connect to {place}: {error.strerror or error}"
