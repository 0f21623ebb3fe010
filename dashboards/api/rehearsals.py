"""Rehearsals from the page: begun by who may change rules, kept, and shown to who may read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.commanding import by_of, commanded
from dashboards.api.context import PREFIX, Context, ListAnswer, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.writes import read_body
from dashboards.problems import ProblemError
from dashboards.rehearsals import RefusedError, RehearsalAnswer, RehearsalBody, RehearsalDesk

_TOKEN: dict[str, Any] = {"security": [{"token": []}, {}]}
_NOT_MADE = "This rehearsal is not being made, or not any more."
_MISSING = "There is no such rehearsal, or nothing came of it: /api/v1/rehearsals lists those there are."


def router(context: Context, desk: RehearsalDesk | None) -> APIRouter:
    """Return the routes.

    Parameters
    ----------
    desk
        Makes and keeps them; None: this process does not.
    """
    routes = APIRouter(prefix=PREFIX, tags=["Rehearsals"], dependencies=[Depends(known_parameters_only)])
    read, change = needs(Action.READ), needs(Action.CHANGE, "A rehearsal")

    async def noted(request: Request, target: str, asked: dict[str, Any], by: str) -> None:
        """Have it in the audit before it is done."""
        where = f"{PREFIX}/rehearsals"
        await commanded(context, request, "rehearse", target, asked, by, identity=target, look_at=where)

    def has(rehearsal_id: str, state: str = "") -> bool:
        listed = desk.listed() if desk is not None else ()
        return any(one.id == rehearsal_id and state in {"", one.state} for one in listed)

    @routes.get("/rehearsals", responses=schemas.many(RehearsalAnswer), dependencies=[read])
    async def rehearsals() -> Response:
        """Rehearsals that this server makes or has made, the newest first."""
        return json_response(ListAnswer(items=list(desk.listed() if desk is not None else ())))

    @routes.get(
        "/rehearsals/{rehearsal_id}", responses=schemas.files("application/json"), dependencies=[read]
    )
    async def rehearsal(rehearsal_id: str) -> Response:
        """What came of a rehearsal: each alert with what came and what would have come."""
        found = None if desk is None else await run_in_threadpool(desk.result, rehearsal_id)
        if found is None:
            raise ProblemError(404, _MISSING)
        return Response(found, media_type="application/json")

    @routes.post(
        "/rehearsals",
        responses=schemas.one(RehearsalAnswer),
        openapi_extra={**schemas.body(RehearsalBody), **_TOKEN},
        dependencies=[change],
    )
    async def begin(request: Request) -> Response:
        """Run a stored time through the rules of today, or others, once more. One is made at a time.

        It is a process of its own that has what others leave over of the processor; nobody is called.
        """
        wanted = await read_body(request, RehearsalBody)
        if wanted.end <= wanted.start:
            raise ProblemError(422, "end: it is not behind the start.")
        by = by_of(context, request, wanted.by)
        if desk is None:
            raise ProblemError(409, "This server makes no rehearsals: use groundswell replay-event.")
        name = wanted.name.strip() or f"{wanted.start:%Y-%m-%d %H:%M} – {wanted.end:%Y-%m-%d %H:%M}"
        asked = {
            "name": name,
            "start": wanted.start.isoformat(),
            "end": wanted.end.isoformat(),
            "sites": list(wanted.sites),
            "as_measured": wanted.as_measured,
            "rules": "other" if wanted.rules.strip() else "of today",
        }
        await noted(request, "new", {"verb": "begin", **asked}, wanted.by)
        try:
            made = await desk.begin(wanted, name, by)
        except RefusedError as error:
            raise ProblemError(409, str(error)) from None
        return json_response(made)

    @routes.post(
        "/rehearsals/{rehearsal_id}/cancel",
        responses=schemas.one(RehearsalAnswer),
        openapi_extra=_TOKEN,
        dependencies=[change],
    )
    async def cancel(
        rehearsal_id: str, request: Request, by: str = Query("", description="Who asks; a name.")
    ) -> Response:
        """End a rehearsal that is being made."""
        if desk is None or not has(rehearsal_id, "running"):
            raise ProblemError(409, _NOT_MADE)
        await noted(request, rehearsal_id, {"verb": "cancel"}, by)
        if not await desk.cancel(rehearsal_id):
            raise ProblemError(409, _NOT_MADE)
        return json_response(next(one for one in desk.listed() if one.id == rehearsal_id))

    @routes.delete(
        "/rehearsals/{rehearsal_id}",
        responses=schemas.many(RehearsalAnswer),
        openapi_extra=_TOKEN,
        dependencies=[change],
    )
    async def forget(
        rehearsal_id: str, request: Request, by: str = Query("", description="Who asks; a name.")
    ) -> Response:
        """Keep a rehearsal no longer; the answer is the list of the others."""
        if desk is None or not has(rehearsal_id):
            raise ProblemError(404, _MISSING)
        await noted(request, rehearsal_id, {"verb": "delete"}, by)
        if not await desk.forget(rehearsal_id):
            raise ProblemError(404, _MISSING)
        return json_response(ListAnswer(items=list(desk.listed())))

    return routes
