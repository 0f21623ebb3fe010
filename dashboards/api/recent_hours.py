"""What the last whole hours of a station show. For pages: that there are none is an answer, too."""

from __future__ import annotations

from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, found, known_parameters_only
from dashboards.api.needs import needs
from dashboards.sensitivity import without_place
from gnss.reports import to_json
from storage.periods import station_period

HOUR_US = 3_600_000_000
MOST_HOURS = 24
AT_ONCE = 2
"""Such answers that are made at one time."""


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(
        prefix=PREFIX, tags=["Reports"], dependencies=[needs(Action.READ), Depends(known_parameters_only)]
    )
    limiter = anyio.CapacityLimiter(AT_ONCE)

    @routes.get("/stations/{station_id}/recent", responses=schemas.files("application/json"))
    async def recent(
        station_id: str,
        hours: Annotated[int, Query(ge=1, le=MOST_HOURS, description="Until the newest report.")] = 4,
    ) -> Response:
        """A station's report over its last hours as the only item of a list; none while no hour is over."""

        def make() -> bytes:
            row = found(context.store.station(station_id), "station", station_id)
            if row.report is None:
                return b""
            until_us = row.report.epoch_us + 1
            period = station_period(context.store, station_id, until_us - hours * HOUR_US, until_us)
            return b"" if period is None else to_json(without_place(period))

        body = await anyio.to_thread.run_sync(make, limiter=limiter)
        return Response(b'{"items":[%s],"next":null}' % body, media_type="application/json")

    return routes
