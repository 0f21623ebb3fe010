"""The web server inside the program's own event loop, on a socket that was bound beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from deploy.refusal import Refusal

BACKLOG = 1024
REQUEST_S = 15.0
"""How long the head of a request may take."""
MOST_CONNECTIONS = 4_000
MESSAGE_BYTES = 4_096
"""Of a message that comes over a WebSocket: nobody has anything to say there."""


def bind(host: str, port: int, option: str) -> socket.socket:
    """Return a TCP socket that listens; a taken or foreign address is refused in words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = "is taken; stop the program that uses it or choose another address"
        else:
            reason = (error.strerror or str(error)).lower()
            text = f"cannot be listened on ({reason}); choose an address of this machine"
        raise Refusal(f"{host}:{port} {text} with {option} HOST:PORT") from error
    return listener


class Bounded(H11Protocol):
    """HTTP of one connection: half a request is not waited for without end, and there are not too many."""

    request_s = REQUEST_S
    most_connections = MOST_CONNECTIONS
    _deadline: asyncio.TimerHandle | None = None
    _known: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect()
        if len(self.connections) > self.most_connections:
            transport.abort()

    def handle_events(self) -> None:
        """A request whose head is whole stops the clock."""
        super().handle_events()
        if self.cycle is not self._known:
            self._known = self.cycle
            self._stop_clock()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """A connection that becomes a WebSocket has made its last request."""
        self._stop_clock()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request of the connection."""
        self._expect()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_clock()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(self.request_s, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class Heard(WebSocketsSansIOProtocol):
    """A WebSocket of one connection: who does not take answers gets no more of them."""

    def handle_ping(self) -> None:
        """Answer a ping, unless the answers before it wait already."""
        output = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(output)


class _Server(uvicorn.Server):
    """Signals belong to the program, not to the web server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, before_stop: Callable[[], None], proxies: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Serve while the context lasts; `before_stop` ends the endless answers.

    Parameters
    ----------
    proxies
        Addresses or networks in front, which are believed who asks (X-Forwarded-For).
    """
    config = uvicorn.Config(
        app,
        http=Bounded,
        ws=Heard,
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # each viewer would hold a dictionary, and compress alone
        log_level="warning",
        access_log=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=3,
        lifespan="off",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield
    finally:
        before_stop()
        server.should_exit = True
        await task
