"""The ASGI app: the API under `/api/v1`, health, metrics, and the page."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI

from dashboards import problems
from dashboards.api import alerts, live, operations, pages, schemas, sensors, stations
from dashboards.api.context import PREFIX, Context
from dashboards.api.guard import Guard
from dashboards.live import LiveFeed, LiveHub
from dashboards.metrics import Metrics
from storage.store import Store
from streams.bus import CommandSink
from streams.stream_state import StreamStates


def wall_clock_us() -> int:
    """Return the time of this machine."""
    return time.time_ns() // 1_000


def _always_alive() -> str:
    return ""


def create_app(
    store: Store,
    *,
    commands: CommandSink,
    hub: LiveHub,
    feed: LiveFeed,
    streams: StreamStates,
    version: str,
    metrics: Metrics | None = None,
    alive: Callable[[], str] = _always_alive,
    write_token: str | None = None,
    open_writes: bool = True,
    clock_us: Callable[[], int] = wall_clock_us,
) -> FastAPI:
    """Return the app.

    Parameters
    ----------
    store
        Read in a thread pool.
    commands
        Where acknowledgements go.
    hub, feed
        The live stream; whoever runs the app also runs `dashboards.live.run_live(feed, hub, clock_us)`,
        adds `feed.listen` to the runtime's listeners, and calls `hub.close()` before the server stops.
    streams
        The incoming streams of this process.
    version
        Of the program.
    metrics
        Its `registry` may hold further figures.
    alive
        Returns what is wrong with the pipeline in one sentence, or an empty text.
    write_token
        Writes need it as a bearer token; empty: they need none.
    open_writes
        Whether writes without a token are taken: only where just this machine reaches the server.
    clock_us
        Microseconds of UTC since 1970.
    """
    app = FastAPI(
        title="Groundswell",
        version=version,
        description="GNSS reference stations and Earth sensors: verdicts, observations, alerts.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
        redirect_slashes=False,
    )
    context = Context(
        store=store,
        commands=commands,
        hub=hub,
        feed=feed,
        streams=streams,
        metrics=metrics or Metrics(store, streams, hub),
        alive=alive,
        clock_us=clock_us,
        write_token=write_token or None,
        open_writes=open_writes,
        version=version,
    )
    app.state.hub = hub
    problems.install(app)
    schemas.install(app)
    for routes in (
        stations.router(context),
        sensors.router(context),
        alerts.router(context),
        operations.streams_router(context),
        live.router(context),
        operations.health_router(context),
    ):
        app.include_router(routes)
    pages.install(app)
    app.add_middleware(Guard, requests=context.metrics.requests)
    return app
