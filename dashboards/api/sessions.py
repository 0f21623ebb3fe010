"""Who gets streams of the casters now."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from dashboards import answers, present
from dashboards.api import schemas
from dashboards.api.context import (
    MAX_LIMIT,
    PREFIX,
    Context,
    ListAnswer,
    json_response,
    known_parameters_only,
)
from dashboards.api.writes import check_writer
from streams.regions import name_of


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Operations"], dependencies=[Depends(known_parameters_only)])

    @routes.get(
        "/sessions",
        responses=schemas.many(answers.SessionAnswer),
        openapi_extra={"security": [{"token": []}, {}]},
    )
    async def sessions(request: Request, mountpoint: str = "", account: str = "") -> Response:
        """Rovers that get a stream now, the oldest first. It needs the token: it tells who is where."""
        check_writer(request, context, "Seeing who gets streams")
        found = [
            present.session(one)
            for one in context.sessions()
            if (not mountpoint or one.mountpoint == mountpoint)
            and (not account or name_of(one.account) == account)
        ]
        return json_response(ListAnswer(items=found[:MAX_LIMIT]))

    return routes
