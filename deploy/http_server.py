"""The web server inside the program's own event loop, on a socket that was bound beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from deploy.refusal import Refusal


def bind(host: str, port: int, option: str) -> socket.socket:
    """Bind and return a TCP socket; a taken or foreign address is refused in words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Refusal(
            f"cannot listen on {host}:{port} ({(error.strerror or str(error)).lower()}); "
            f"stop the program that uses it or choose another address with {option} HOST:PORT"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Signals belong to the program, not to the web server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, before_stop: Callable[[], None]
) -> AsyncIterator[None]:
    """Serve while the context lasts; `before_stop` ends the endless answers."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=3, lifespan="off"
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
