"""One connection to the caster: a request, then a stream or a refusal."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Protocol, cast

from connectors.caster.audience import Outcome
from connectors.caster.proxy_header import ProxyHeaderError, ProxyHeaderParser
from connectors.caster.roaming.rover import Rover
from connectors.caster.upload import Upload
from connectors.incoming import READER_BYTES
from gnss.ntrip.answer import refusal
from gnss.ntrip.errors import HeadTooLargeError, MalformedError
from gnss.ntrip.request import Request, RequestParser

_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_PROBES = 30, 10, 3
_DEAD_PEER_MS = 60_000
_KERNEL_BUFFER_BYTES = 65_536
_UNSENT_BYTES = 16_384
"""What waits in the kernel grows old there: a rover that reads too slowly must show in our queue."""


@dataclass(frozen=True, slots=True)
class CasterLimits:
    """What the caster grants to strangers."""

    connections: int = 10_000
    connections_per_address: int = 500
    """Many rovers share the address of their mobile network."""
    request_s: float = 10.0
    """To send the whole request."""
    answer_s: float = 10.0
    """To take a refusal or a sourcetable."""
    queue_bytes: int = 32_768
    """That may wait for a rover, beside what the kernel holds for it: then whole epochs are left out ..."""
    behind_s: float = 30.0
    """... and a rover that has been behind for so long is cut."""
    upload_bytes: int = 65_536
    """That a rover may send at once behind its request (it should send GGA sentences) ..."""
    upload_bytes_per_s: float = 4096.0
    """... and for ever."""


class Host(Protocol):
    """What a connection needs of the caster."""

    limits: CasterLimits

    def admit(self, connection: Connection, address: str) -> bool:
        """Say whether there is room for one more."""
        ...

    def is_proxy(self, address: str) -> bool:
        """Say whether a peer is one that passes on the connections of others, and says whose."""
        ...

    def settle(self, connection: Connection, address: str) -> bool:
        """Say whether there is room for one more of an address; until now it was not known."""
        ...

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer a request: with `Connection.finish` or `Connection.begin_stream`."""
        ...

    def hear(self, connection: Connection, data: bytes) -> None:
        """Take what a rover sends behind its request."""
        ...

    def leave(self, connection: Connection, address: str) -> None:
        """Forget a connection that is gone."""
        ...

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        ...


class Connection(asyncio.Protocol):
    """Reads the request, is then a subscriber of the relay; asks its host what to do."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._parser: RequestParser | None = RequestParser()
        self._deadline: asyncio.TimerHandle | None = None
        self._uploaded = 0.0
        self._uploaded_at = self._loop.time()
        self._admitted = False
        self._proxy_parser: ProxyHeaderParser | None = None
        self._finishing = False
        self._behind_since: float | None = None
        self._fd = -1
        self._rest = b""
        self._body: asyncio.StreamReader | None = None
        self.transport: asyncio.Transport
        self.address = ""
        """Whose it is; empty while only its balancer is known."""
        self.station_id = ""
        """The mountpoint whose stream it gets; empty until then."""
        self.username = ""
        """Of its account."""
        self.since_us = 0
        """When the stream began."""
        self.upload: Upload | None = None
        """What it has said of itself; None: nothing."""
        self.rover: Rover | None = None
        """On a roaming mountpoint: where it is led."""

    # --- the relay's subscriber -----------------------------------------------------------------------

    def socket(self) -> int:
        """Return the descriptor that bytes may be sent to at once; -1: not now."""
        if self.transport.get_write_buffer_size() or self.transport.is_closing():
            return -1
        self._behind_since = None
        return self._fd

    def send(self, frames: bytes) -> Outcome:
        """Queue an epoch; leave it out where too much is queued; cut a rover that has long been behind."""
        if self.transport.is_closing():
            return "gone"
        waiting, now = self.transport.get_write_buffer_size(), self._loop.time()
        if not waiting:
            self._behind_since = None
        else:
            if self._behind_since is None:
                self._behind_since = now
            if now - self._behind_since > self._host.limits.behind_s:
                self.transport.abort()
                return "cut"
            if waiting + len(frames) > self._host.limits.queue_bytes:
                return "left out"
        self.transport.write(frames)
        return "sent"

    def send_rest(self, rest: memoryview) -> None:
        """Queue what is left of an epoch that has begun."""
        self._behind_since = self._loop.time()
        self.transport.write(rest)

    # --- answers --------------------------------------------------------------------------------------

    def begin_stream(self, head: bytes, station_id: str) -> None:
        """Send the head; what the relay sends follows."""
        self.station_id = station_id
        self._set_deadline(None)
        self.transport.write(head)

    @property
    def is_heard(self) -> bool:
        """Whether the rover has sent a sentence, perhaps without a position."""
        return self.upload is not None and self.upload.is_heard

    def hang_up(self) -> None:
        """Close the connection once what is queued is sent."""
        self.transport.close()

    def take_body(self) -> asyncio.StreamReader:
        """Keep what comes behind the request; while too much of it waits, the peer is not read."""
        self._body = asyncio.StreamReader(READER_BYTES, self._loop)
        self._body.set_transport(self.transport)
        self._body.feed_data(self._rest)
        self._rest = b""
        return self._body

    def begin_source(self, head: bytes) -> None:
        """Send the head; who has the body reads on."""
        self.transport.write(head)

    def finish(self, answer: bytes) -> None:
        """Send a whole answer and close once the peer has had time to read it."""
        self._finishing = True
        self._parser = None
        if self._body is not None:
            self._body = None
            self.transport.resume_reading()  # what is not read would throw the answer away
        self._set_deadline(self._host.limits.answer_s)
        self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # --- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer, or turn it away."""
        self.transport = cast("asyncio.Transport", transport)
        address = _peer(transport)
        if self._host.is_proxy(address):
            self._proxy_parser = ProxyHeaderParser()
        else:
            self.address = address
        self._admitted = self._host.admit(self, self.address)
        if not self._admitted:
            self._turn_away()
            return
        sock = transport.get_extra_info("socket")
        keep_alive(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        if transport.get_extra_info("sslcontext") is None:
            self._fd = sock.fileno()
        self._set_deadline(self._host.limits.request_s)

    def data_received(self, data: bytes) -> None:
        """Read the request; later, what a rover says of itself (GGA sentences), or what a source sends."""
        if self._body is not None:
            self._body.feed_data(data)
            return
        if not self._within_upload(len(data)):
            self._host.refuse("flood")
            self.transport.abort()
            return
        if self._proxy_parser is not None:
            data = self._learn_address(self._proxy_parser, data)
        if self._parser is None:
            if data and not self._finishing:
                self._host.hear(self, data)
            return
        if not data:
            return
        try:
            request = self._parser.feed(data)
        except HeadTooLargeError:
            self._host.refuse("large")
            self.finish(refusal(431, 1, "the request is longer than 8 kB"))
        except MalformedError as error:
            self._host.refuse("malformed")
            self.finish(refusal(400, 1, str(error)))
        else:
            if request is not None:
                rest, self._parser = self._parser.rest, None
                self._set_deadline(None)  # what the answer waits for is bounded by the host
                if request.method != "GET":
                    self._rest = rest
                elif rest:
                    self._host.hear(self, rest)
                self._host.answer(self, request)

    def connection_lost(self, error: Exception | None) -> None:
        """Clean up; the descriptor is closed next."""
        self._set_deadline(None)
        if self._body is not None:
            self._body.feed_eof() if error is None else self._body.set_exception(error)
        if self._admitted:
            self._host.leave(self, self.address)

    def cut(self) -> None:
        """End it at once; what is queued is lost."""
        self.transport.abort()

    # --- inside ---------------------------------------------------------------------------------------

    def _learn_address(self, parser: ProxyHeaderParser, data: bytes) -> bytes:
        """Read whose connection it is; return what came behind that."""
        try:
            header = parser.feed(data)
        except ProxyHeaderError:
            self._host.refuse("proxy")
            self.transport.abort()
            return b""
        if header is None:
            return b""
        self._proxy_parser = None
        address = header.address or _peer(self.transport)
        if not self._host.settle(self, address):
            self._turn_away()
            return b""
        self.address = address
        return header.rest

    def _turn_away(self) -> None:
        self._parser = None
        self.transport.write(refusal(503, 1, "the caster is full; come again later", retry_after_s=30))
        self.transport.close()

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if not self._finishing:
            self._host.refuse("slow")
        self.transport.abort()

    def _within_upload(self, size: int) -> bool:
        now, limits = self._loop.time(), self._host.limits
        forgiven = (now - self._uploaded_at) * limits.upload_bytes_per_s
        self._uploaded = max(0.0, self._uploaded - forgiven) + size
        self._uploaded_at = now
        return self._finishing or self._uploaded <= limits.upload_bytes or self._parser is not None


def _peer(transport: asyncio.BaseTransport) -> str:
    return str((transport.get_extra_info("peername") or ("",))[0])


def keep_alive(sock: socket.socket) -> None:
    """Let a connection tell when its peer is gone, and send without Nagle's delay."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", _DEAD_PEER_MS),  # keep-alive does not look while sent data are unanswered
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
