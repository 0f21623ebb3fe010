"""Answers that are made and sent piece by piece, in a thread beside the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from dashboards.api.context import ask
from dashboards.problems import ProblemError

MOST_STREAMS = 16
SENT_BYTES = 1 << 18
"""Handed to a connection at once; it keeps about as much when its reader does not read."""
STALL_S = 30.0
"""So long a reader may take for them; one that is slower keeps a place from others, and is cut."""
AT_ONCE = 2
"""Pieces that are made at one time: whoever has more to read than others waits for them in between."""


class Streams:
    """The long answers that are under way."""

    def __init__(self) -> None:
        self._under_way = anyio.CapacityLimiter(MOST_STREAMS)
        self.working = anyio.CapacityLimiter(AT_ONCE)

    async def answer(
        self, pieces: Generator[bytes], media_type: str, headers: Mapping[str, str]
    ) -> StreamingResponse:
        """Return the answer; what is wrong with the question is found with the first piece, before it begins.

        It ends, and so does `pieces`, when the one who asked has gone.

        Raises
        ------
        ProblemError
            503: too many are under way; or whatever `pieces` raises at first.
        """
        token = object()
        try:
            self._under_way.acquire_on_behalf_of_nowait(token)
        except anyio.WouldBlock:
            raise ProblemError(
                503, "Many long answers are under way: try again in a while.", {"Retry-After": "10"}
            ) from None
        try:
            first = await anyio.to_thread.run_sync(ask, lambda: next(pieces, None), limiter=self.working)
        except BaseException:
            self._under_way.release_on_behalf_of(token)
            pieces.close()
            raise

        async def body() -> AsyncGenerator[bytes]:
            piece = first
            while piece is not None:
                for begin in range(0, len(piece), SENT_BYTES):
                    yield piece[begin : begin + SENT_BYTES]
                piece = await self._next(pieces)

        def end() -> None:
            self._under_way.release_on_behalf_of(token)
            pieces.close()

        return _Answer(body(), end, media_type, headers)

    async def _next(self, pieces: Generator[bytes]) -> bytes | None:
        return await anyio.to_thread.run_sync(next, pieces, None, limiter=self.working)


def until_stopped(pieces: Iterable[bytes], is_stopping: Callable[[], bool]) -> Generator[bytes]:
    """Hand pieces on until the program stops."""
    for piece in pieces:
        if is_stopping():
            raise ProblemError(503, "The program is stopping: ask again when it runs.")
        yield piece


def as_file(name: str) -> dict[str, str]:
    """Return the header by which an answer is saved under a name."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


class _Answer(StreamingResponse):
    def __init__(
        self,
        body: AsyncGenerator[bytes],
        end: Callable[[], None],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(body, headers=dict(headers), media_type=media_type)
        self._body, self._end = body, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI)."""

        async def patient(message: Message) -> None:
            try:
                with anyio.fail_after(STALL_S):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        try:
            await super().__call__(scope, receive, patient)
        finally:
            with anyio.CancelScope(shield=True):
                await self._body.aclose()
            self._end()
