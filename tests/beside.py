"""A web application in a thread of its own, for those who ask it without a loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from starlette.types import ASGIApp

from deploy.http_server import bind, serving


@contextlib.contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Serve until the block ends; give the address."""
    listener = bind("127.0.0.1", 0, "--http")
    ended, is_ready = asyncio.Event(), threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(app, listener, lambda: None):
            is_ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert is_ready.wait(30)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()
        listener.close()
