"""`/metrics`, `/healthz` and `/readyz` of processes that serve nothing else over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboards.metrics import CONTENT_TYPE, Figure, exposition
from deploy.http_server import bind, serving
from deploy.settings import address
from streams.stream_state import StreamState


@contextlib.asynccontextmanager
async def watched(
    where: str | None,
    figures: Sequence[Figure],
    trouble: Callable[[], str],
    streams: Iterable[StreamState] = (),
    more: Sequence[Route] = (),
) -> AsyncIterator[None]:
    """Serve figures while the context lasts.

    Parameters
    ----------
    where
        HOST:PORT; None: nowhere.
    trouble
        What is wrong in one sentence, or an empty text.
    streams
        What comes in to this process.
    more
        Routes that this process serves besides.

    Raises
    ------
    Refusal
        The address is none, or taken.
    """
    if where is None:
        yield
        return

    def metrics(_: Request) -> Response:
        return Response(exposition(figures, streams), media_type=CONTENT_TYPE)

    def healthy(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(_: Request) -> Response:
        found = trouble()
        return PlainTextResponse(f"{found or 'ok'}\n", 503 if found else 200)

    own = [Route("/metrics", metrics), Route("/healthz", healthy), Route("/readyz", ready)]
    app = Starlette(routes=[*own, *more])
    with bind(*address(where, "--http"), "--http") as listener:
        async with serving(app, listener, lambda: None):
            yield
