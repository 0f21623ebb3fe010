"""Routes about the network as a whole."""

from __future__ import annotations

from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, ListAnswer, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.page_answers import StateCounts, TrendAnswer
from dashboards.present import time_of
from storage.rows import NetworkStates

HOUR_US = 3_600_000_000
LONGEST_HOURS = 24 * 366
BY_DAY_FROM_HOURS = 24 * 14
"""A longer trend has a point a day, so that no answer has more than some hundred points."""
AGE_US = 60_000_000
"""A trend is made anew after so long: it is one question over all stations."""
REMEMBERED = 16


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(
        prefix=PREFIX, tags=["Network"], dependencies=[needs(Action.READ), Depends(known_parameters_only)]
    )
    made: dict[int, tuple[int, list[TrendAnswer]]] = {}
    limiter = anyio.CapacityLimiter(1)  # who waits for it holds no other question up

    def trend_of(hours: int) -> list[TrendAnswer]:
        now_us = context.clock_us()
        made_us, items = made.get(hours, (0, []))
        if not items or not 0 <= now_us - made_us < AGE_US:
            by_day = hours > BY_DAY_FROM_HOURS
            rows = context.store.network_states(now_us - hours * HOUR_US, now_us, by_day=by_day)
            items = [_counted(row, 86_400 if by_day else 3_600) for row in rows]
            if len(made) >= REMEMBERED:
                made.clear()
            made[hours] = now_us, items
        return items

    @routes.get("/network/trend", responses=schemas.many(TrendAnswer))
    async def trend(
        hours: Annotated[int, Query(ge=1, le=LONGEST_HOURS, description="Until now.")] = 24,
    ) -> Response:
        """How many stations were in each state: by hour, or by day over more than two weeks, oldest first."""
        items = await anyio.to_thread.run_sync(trend_of, hours, limiter=limiter)
        return json_response(ListAnswer(items=items))

    return routes


def _counted(row: NetworkStates, window_s: int) -> TrendAnswer:
    seconds = {"good": row.good_s, "degraded": row.degraded_s, "bad": row.bad_s, "unknown": row.unknown_s}
    counts = {state: round(time_s / window_s, 2) for state, time_s in seconds.items()}
    return TrendAnswer(start=time_of(row.start_us), window_s=window_s, stations=StateCounts(**counts))
