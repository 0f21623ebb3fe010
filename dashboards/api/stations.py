"""Routes about stations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import (
    MAX_LIMIT,
    PREFIX,
    Context,
    ListAnswer,
    ask,
    found,
    json_response,
    known_parameters_only,
)
from dashboards.api.needs import needs
from dashboards.api.parameters import span_us, window_s
from dashboards.api.writes import may_write
from dashboards.sensitivity import coarse_station
from storage.rows import StationRow
from streams.records import StationStateName

HOUR_US = 3_600_000_000
FIGURES_SPAN_US = 6 * HOUR_US


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Stations"], dependencies=needed)
    store, epochs_us = context.store, context.feed.last_epochs_us

    def shown(request: Request, rows: Iterable[StationRow]) -> list[answers.StationAnswer]:
        now_us, decimals = context.clock_us(), context.station_decimals
        known = rows if may_write(request, context) else (coarse_station(row, decimals) for row in rows)
        return [present.station(row, now_us, epochs_us) for row in known]

    @routes.get("/stations", responses=schemas.many(answers.StationAnswer))
    def stations(
        request: Request,
        state: Annotated[StationStateName | None, Query(description="Only those with this verdict.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 1_000,
    ) -> Response:
        """Stations by id with their latest verdict. One that nothing was heard of is unknown.

        Places are exact for who may know them, and rounded for others.
        """
        page = ask(lambda: store.stations(after=after, limit=limit, state=state))
        items = [item for item in shown(request, page.items) if state is None or item.state == state]
        return json_response(ListAnswer(items=items, next=page.next))

    @routes.get("/stations/{station_id}", responses=schemas.one(answers.StationAnswer))
    def station(request: Request, station_id: str) -> Response:
        """One station: verdict, reasons with what to check, figures of the last second."""
        row = found(store.station(station_id), "station", station_id)
        return json_response(shown(request, [row])[0])

    @routes.get("/stations/{station_id}/figures", responses=schemas.many(answers.StationFigures))
    def station_figures(
        station_id: str,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; six hours before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; after the newest figures.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 1_000,
    ) -> Response:
        """What is made once a minute, oldest first: signals expected, slips, ionosphere, clock, position."""
        row = found(store.station(station_id), "station", station_id)
        newest_us = row.figures.time_us if row.figures else None
        from_us, until_us = span_us(start, end, newest_us, FIGURES_SPAN_US)
        page = ask(lambda: store.station_figures(station_id, from_us, until_us, limit=limit, after=after))
        return json_response(ListAnswer(items=[present.figures(one) for one in page.items], next=page.next))

    @routes.get("/stations/{station_id}/quality", responses=schemas.many(answers.QualityAnswer))
    def station_quality(
        station_id: str,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; an hour before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; after the newest report.")] = None,
        window: Annotated[str, Query(description="60s, 5min, 1h or PT60S")] = "60s",
    ) -> Response:
        """Quality by windows, oldest first. Windows without a report are absent."""
        row = found(store.station(station_id), "station", station_id)
        newest_us = row.report.epoch_us if row.report else None
        from_us, until_us = span_us(start, end, newest_us, HOUR_US)
        length_s = window_s(window)
        windows = ask(lambda: store.station_quality(station_id, from_us, until_us, length_s))
        return json_response(ListAnswer(items=[present.quality(w) for w in windows]))

    return routes
