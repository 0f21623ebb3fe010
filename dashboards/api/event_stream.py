"""Answers without end: events to one viewer until it leaves, is dropped, or the program stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dashboards.live import ViewerLimitError
from dashboards.problems import ProblemError, problem_response

POLITE_END_S = 5.0
PIECE_BYTES = 65_536
"""So much is handed to the connection at once: it holds what its peer does not take."""


class Watching(Protocol):
    """A viewer: iterate over its events."""

    @property
    def ended(self) -> asyncio.Event:
        """Set: nothing more is sent."""
        ...

    def end(self) -> None:
        """Send nothing more."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield events."""
        ...


class EventStream(Response):
    """Server-sent events.

    Parameters
    ----------
    enter
        Takes part; it may raise ViewerLimitError.
    first
        Makes what is sent before all events.
    refused
        Returns when who asked may not read any more; None: that is never looked at.
    """

    def __init__(
        self,
        enter: Callable[[], AbstractContextManager[Watching]],
        first: Callable[[], Awaitable[bytes]],
        refused: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._enter = enter
        self._first = first
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI)."""
        try:
            with self._enter() as viewer:
                await serve(viewer, self._send(viewer, send), _disconnected(receive), self._refused)
        except ViewerLimitError as error:
            refusal = too_many(error)
            answer = problem_response(refusal.status, refusal.detail, headers=refusal.headers)
            await answer(scope, receive, send)

    async def _send(self, viewer: Watching, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        first = await self._first()
        await send(start)
        await _send_piece(send, first)
        async for event in viewer:
            for begin in range(0, len(event), PIECE_BYTES):
                await _send_piece(send, event[begin : begin + PIECE_BYTES])
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def serve(
    viewer: Watching,
    sending: Coroutine[Any, Any, None],
    leaving: Coroutine[Any, Any, None],
    refused: Callable[[], Coroutine[Any, Any, None]] | None,
) -> None:
    """Return when a viewer has left, or its events have ended; one that does not read is not waited for."""
    tasks = [asyncio.create_task(one) for one in (sending, leaving)]
    ending: asyncio.Task[Any] = asyncio.create_task(viewer.ended.wait())
    if refused is not None:
        looking = asyncio.create_task(refused())
        looking.add_done_callback(lambda _: viewer.end())
        tasks.append(looking)
    try:
        await asyncio.wait((*tasks[:2], ending), return_when=asyncio.FIRST_COMPLETED)
        if ending.done():  # one that reads will see the end of the stream; one that is stuck is cut off
            await asyncio.wait(tasks[:2], timeout=POLITE_END_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, ending):
            task.cancel()
        for task in (*tasks, ending):
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task


def too_many(error: ViewerLimitError) -> ProblemError:
    """Return the refusal of one viewer too many."""
    detail = f"There are no live updates now, {error}: try again later."
    return ProblemError(503, detail, {"Retry-After": "30"})


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
