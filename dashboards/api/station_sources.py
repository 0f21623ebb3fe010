"""Routes about the sources of a station: what each is doing, which was gathered when, and changing them."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.changes import TOKEN, After, By, Limit, ask_for, some_of
from dashboards.api.context import PREFIX, Context, ListAnswer, ask, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.writes import read_body
from dashboards.fallback import database_needed
from streams.records import ObjectKind

_PATH = "/stations/{station_id}/sources/{name}"


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Stations"], dependencies=[Depends(known_parameters_only)])
    read, change = needs(Action.READ), needs(Action.CHANGE, "Changing a source")
    needed = [Depends(database_needed(context.fallback))]
    answer = schemas.one(answers.OutcomeAnswer)

    @routes.get(
        "/stations/{station_id}/sources", responses=schemas.many(answers.StreamAnswer), dependencies=[read]
    )
    async def sources(station_id: str) -> Response:
        """Sources of a station in their order: what each is doing, and which one goes on."""
        found = [state for state in context.every_stream() if state.station == station_id]
        found.sort(key=lambda state: (state.place, state.gatherer))
        return json_response(ListAnswer(items=[present.stream(state) for state in found]))

    @routes.get(
        "/stations/{station_id}/source-changes",
        responses=schemas.many(answers.SourceChangeAnswer),
        dependencies=[*needed, read],
    )
    def source_changes(station_id: str, after: After = None, limit: Limit = 100) -> Response:
        """When another source of a station took over, and why, the newest first."""
        page = ask(lambda: context.store.source_changes(station_id, after=after, limit=limit))
        return json_response(
            ListAnswer(items=[present.source_change(one) for one in page.items], next=page.next)
        )

    async def changed(
        request: Request, station_id: str, name: str, values: dict[str, Any] | None, by: str
    ) -> Response:
        key: tuple[ObjectKind, str] = ("station", station_id)
        return json_response(await ask_for(context, request, "patch", key, {"sources": {name: values}}, by))

    @routes.put(
        _PATH,
        responses=answer,
        openapi_extra={**schemas.body(answers.SourceBody), **TOKEN},
        dependencies=[change],
    )
    async def put_source(station_id: str, name: str, request: Request, by: By = "") -> Response:
        """Add a source, or put another in its place. The first one has the name `main`."""
        body = await read_body(request, answers.SourceBody)
        values: dict[str, Any] = msgspec.to_builtins(body)
        if body.place is None:
            del values["place"]
        return await changed(request, station_id, name, values, by)

    @routes.patch(
        _PATH,
        responses=answer,
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            **TOKEN,
        },
        dependencies=[change],
    )
    async def patch_source(station_id: str, name: str, request: Request, by: By = "") -> Response:
        """Change those values of a source that are given, for instance `paused`."""
        values = some_of(answers.SourceBody, await read_body(request, dict[str, Any]))
        return await changed(request, station_id, name, values, by)

    @routes.delete(_PATH, responses=answer, openapi_extra=TOKEN, dependencies=[change])
    async def delete_source(station_id: str, name: str, request: Request, by: By = "") -> Response:
        """Take a source away; the last one stays."""
        return await changed(request, station_id, name, None, by)

    return routes
