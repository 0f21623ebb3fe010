"""The route of the live stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.api.alerts import shown
from dashboards.api.context import PREFIX, Context, known_parameters_only
from dashboards.api.event_stream import EventStream
from dashboards.api.needs import needs, until_refused
from dashboards.api.writes import may_write
from dashboards.fallback import AwayError, away_problem, from_store
from dashboards.live import frame
from dashboards.sensitivity import coarse_station
from sensors.model import Datastream, ObservedProperty, Station, Thing
from storage.pages import every
from storage.store import DatastreamRow, StationRow

SNAPSHOT_AGE_US = 1_000_000
PAGE_SIZE = 1_000
RECONNECT_MS = 2_000


def router(context: Context, snapshot: Snapshot) -> APIRouter:
    """Return the route."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Live"], dependencies=needed)

    @routes.get("/live", responses={200: {"content": {"text/event-stream": {}}}})
    async def live(request: Request) -> Response:
        """Server-sent events: `state` with everything, then each quarter second an `update` of it.

        It ends within two seconds when its reader may not read any more.
        """
        refused = None if context.access.rules.is_public else partial(until_refused, request, Action.READ)
        first = partial(snapshot.get, is_exact=may_write(request, context))
        return EventStream(context.hub.viewer, first, refused)

    return routes


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the store says."""

    stations: list[StationRow]
    things: list[Thing]
    properties: list[ObservedProperty]
    datastreams: list[DatastreamRow]
    alerts: list[answers.AlertAnswer]


class Snapshot:
    """Everything that the page shows, as one event; made at most once a second, whoever asks.

    While the database is away it is what that said last, with the verdicts and alerts of now.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: dict[bool, tuple[int, bytes]] = {}
        """When, and what: with exact places, and without."""
        self._lock = asyncio.Lock()
        self._rows: _Rows | None = None

    async def get(self, *, is_exact: bool = False) -> bytes:
        """Return the event, at most a second old.

        Parameters
        ----------
        is_exact
            With the exact places of stations, which not everybody may know.

        Raises
        ------
        ProblemError
            The database is away, and has never been there.
        """
        async with self._lock:
            now_us = self._context.clock_us()
            made_us, made = self._made.get(is_exact, (None, b""))
            if made_us is None or not 0 <= now_us - made_us < SNAPSHOT_AGE_US:
                rows = await self._newest_rows()
                payload = await run_in_threadpool(self._encode, rows, now_us, is_exact)
                made = f"retry: {RECONNECT_MS}\n".encode() + frame("state", payload)
                self._made[is_exact] = now_us, made
            return made

    def begin_with(
        self,
        stations: Iterable[Station],
        things: Iterable[Thing],
        properties: Iterable[ObservedProperty],
        datastreams: Iterable[Datastream],
    ) -> None:
        """Show this as long as the database has not been there."""
        self._rows = _Rows(
            stations=[StationRow(**msgspec.structs.asdict(one)) for one in stations],
            things=list(things),
            properties=list(properties),
            datastreams=[DatastreamRow(**msgspec.structs.asdict(one)) for one in datastreams],
            alerts=[],
        )

    async def remember(self) -> None:
        """Ask the database once, so that there is something to show when it goes away."""
        with contextlib.suppress(AwayError):
            self._rows = await from_store(self._context.fallback, self._read)

    async def _newest_rows(self) -> _Rows:
        fallback = self._context.fallback
        try:
            rows = await from_store(fallback, self._read)
        except AwayError:
            if self._rows is None or fallback is None:
                raise away_problem() from None
            newest = self._context.feed.newest
            return replace(
                self._rows,
                stations=[
                    row if (report := newest(row.id)) is None else msgspec.structs.replace(row, report=report)
                    for row in self._rows.stations
                ],
                alerts=[
                    present.alert_history(one, with_transitions=False)
                    for one in fallback.memory.open_alerts()
                ],
            )
        if fallback is not None:
            self._rows = rows
        return rows

    def _read(self) -> _Rows:
        store = self._context.store
        return _Rows(
            stations=list(every(lambda after: store.stations(after=after, limit=PAGE_SIZE))),
            things=list(every(lambda after: store.things(after=after, limit=PAGE_SIZE))),
            properties=store.observed_properties(),
            datastreams=list(every(lambda after: store.datastreams(after=after, limit=PAGE_SIZE))),
            alerts=[shown(store, row) for row in store.open_alerts()],
        )

    def _encode(self, rows: _Rows, now_us: int, is_exact: bool) -> bytes:
        context = self._context
        epochs_us = context.feed.last_epochs_us
        stations: Iterable[StationRow] = rows.stations
        if not is_exact:
            stations = (coarse_station(row, context.station_decimals) for row in stations)
        state: dict[str, Any] = {
            "at": present.time_of(now_us),
            "version": context.version,
            "writes": context.access.writes,
            "stations": [present.station(row, now_us, epochs_us) for row in stations],
            "things": [present.thing(one, context.region_of(one.id)) for one in rows.things],
            "properties": rows.properties,
            "datastreams": [present.datastream(row, context.region_of(row.id)) for row in rows.datastreams],
            "alerts": rows.alerts,
        }
        return msgspec.json.encode(state)
