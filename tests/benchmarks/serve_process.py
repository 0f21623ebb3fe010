"""Serves the API on a database, or bare updates, in a process of its own; prints its port when it is ready.

`python -m tests.benchmarks.serve_process app URL STATIONS` has a feed of as many stations as there are, each
judged once a second; `… bare BYTES UPDATES_S` is Starlette alone, which sends so many bytes to all that ask;
`… push public|closed STATIONS` has channels in which something happens twice a second (`push_load.py`).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from dashboards.access.access import Access, Rules
from dashboards.access.book import Book
from dashboards.api import create_app
from dashboards.live import LiveFeed, LiveHub, run_live
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source
from dashboards.push.hub import PushHub, run_push
from dashboards.push.window import Window
from deploy.http_server import bind, serving
from deploy.start import run_async
from storage.postgres import PostgresStore
from storage.sqlite import SqliteStore
from streams.records import Command, CommandOutcome, StationReport, StationReports
from streams.stream_state import StreamStates
from tests.benchmarks.push_load import TOKEN, load
from tests.benchmarks.serve_fill import station_id


def now_us() -> int:
    """Return the wall clock."""
    return time.time_ns() // 1000


class _Desk:
    async def command(self, command: Command) -> CommandOutcome:
        return CommandOutcome(id=command.id, ok=False, message="nothing is changed here")


async def _judge(feed: LiveFeed, stations: int) -> None:
    """Tell the feed a report of each station once a second, in ten parts."""
    at_us = now_us()
    reports = [
        StationReport(
            station_id=station_id(k), epoch_us=at_us, received_at_us=at_us, state="good", score=97,
            reasons=[], epochs=1, epochs_expected=1, observations=143, observations_expected=150,
            satellites=31, latency_s=0.23, jitter_s=0.01, cn0_dbhz=44.0, slips=0, multipath_m=0.3, frames=6,
            bad_frames=0,
        )
        for k in range(stations)
    ]  # fmt: skip
    part = max(1, stations // 10)
    while True:
        for begin in range(0, stations, part):
            at_us = now_us()
            some = [
                msgspec.structs.replace(one, epoch_us=at_us, received_at_us=at_us)
                for one in reports[begin : begin + part]
            ]
            feed.listen([StationReports(reports=some)])
            await asyncio.sleep(0.1)


def _app(url: str, stations: int) -> tuple[ASGIApp, list[Coroutine[None, None, None]]]:
    hub, feed = LiveHub(), LiveFeed()
    app = create_app(
        PostgresStore(url), commands=_Desk(), hub=hub, feed=feed, streams=StreamStates(), version="0",
        alive=lambda: "", clock_us=now_us, access=Access(Book(), now_us, time.monotonic, open_writes=True),
    )  # fmt: skip
    return app, [run_live(feed, hub, now_us), _judge(feed, stations)]


def _bare(size: int, updates_s: float) -> tuple[ASGIApp, list[Coroutine[None, None, None]]]:
    condition = asyncio.Condition()
    newest = [0, b""]

    async def updates() -> None:
        while True:
            await asyncio.sleep(1 / updates_s)
            newest[0] += 1
            newest[1] = b"id: %d\nevent: update\ndata: %s\n\n" % (newest[0], b"x" * size)
            async with condition:
                condition.notify_all()

    async def stream(_: Request) -> StreamingResponse:
        async def body():
            while True:
                async with condition:
                    await condition.wait()
                yield newest[1]

        return StreamingResponse(body(), media_type="text/event-stream")

    return Starlette(routes=[Route(f"/api/v1/{name}", stream) for name in ("live", "push")]), [updates()]


def _push(who: str, stations: int) -> tuple[ASGIApp, list[Coroutine[None, None, None]]]:
    hub, feed = LiveHub(), LiveFeed()
    push = PushHub(Window("bench", dict.fromkeys(Source, 1)), Catalogue())
    folder = tempfile.mkdtemp()
    rules = Rules(is_public=who == "public")
    app = create_app(
        SqliteStore(Path(folder) / "empty.sqlite"), commands=_Desk(), hub=hub, feed=feed,
        streams=StreamStates(), version="0", alive=lambda: "", clock_us=now_us,
        access=Access(Book(), now_us, time.monotonic, write_token=TOKEN, rules=rules), push_hub=push,
    )  # fmt: skip
    return app, [run_push(push, now_us), load(push, stations)]


async def main() -> None:
    """Serve until killed."""
    kind, what, number = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if kind == "bare":
        app, work = _bare(int(what), number)
    else:
        app, work = (_app if kind == "app" else _push)(what, int(number))
    listener = bind("127.0.0.1", 0, "--http")
    async with serving(app, listener, lambda: None):
        print(listener.getsockname()[1], flush=True)
        await asyncio.gather(*work)


if __name__ == "__main__":
    run_async(main())
