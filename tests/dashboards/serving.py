"""A real server around the app, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import uvicorn

from tests.waiting import until


@contextlib.asynccontextmanager
async def served(app) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    """Serve on a free port; yields the server and its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="websockets-sansio"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started or running.done())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        app.state.hub.close()
        if app.state.push_hub is not None:
            app.state.push_hub.close()
        server.should_exit = True
        await asyncio.wait_for(running, 10)


def client_of(
    app, host: str = "127.0.0.1", client: tuple[str, int] = ("127.0.0.1", 123)
) -> httpx.AsyncClient:
    """Return a client that speaks to the app without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")
