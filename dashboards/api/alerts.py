"""Routes about alerts."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from dashboards import answers, present
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
from dashboards.api.writes import check_writer, read_body
from dashboards.problems import ProblemError
from storage.store import Store
from streams.records import AlertStateName, AlertTransition, Command

MAX_NAME = 100
MAX_COMMENT = 2_000


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Alerts"], dependencies=[Depends(known_parameters_only)])
    store = context.store

    @routes.get("/alerts", responses=schemas.many(answers.AlertAnswer))
    def alerts(
        state: Annotated[AlertStateName | None, Query(description="Only those in this state.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    ) -> Response:
        """Alerts as they are now, the newest opening first."""
        page = ask(lambda: store.alerts(state=state, after=after, limit=limit))
        return json_response(ListAnswer(items=[shown(store, row) for row in page.items], next=page.next))

    @routes.get("/alerts/{alert_id}", responses=schemas.one(answers.AlertAnswer))
    def alert(alert_id: str) -> Response:
        """One alert with its evidence and every step of its life."""
        history = found(store.alert(alert_id), "alert", alert_id)
        return json_response(present.alert_history(history, with_transitions=True))

    @routes.post(
        "/alerts/{alert_id}/acknowledge",
        responses=schemas.one(answers.AlertAnswer),
        openapi_extra={**schemas.body(answers.Acknowledgement), "security": [{"token": []}, {}]},
    )
    async def acknowledge(alert_id: str, request: Request) -> Response:
        """Take note of an alert, with a name. The answer is the alert after it, stored."""
        check_writer(request, context)
        wanted = _checked(await read_body(request, answers.Acknowledgement))
        found(await run_in_threadpool(store.alert, alert_id), "alert", alert_id)
        command = Command(
            id=uuid.uuid4().hex,
            kind="acknowledge_alert",
            target=alert_id,
            by=wanted.by or f"unnamed, from {request.client.host if request.client else 'this machine'}",
            at_us=context.clock_us(),
            arguments={"comment": wanted.comment},
        )
        try:
            outcome = await context.commands.command(command)
        except TimeoutError:
            raise ProblemError(
                503,
                "The change was not confirmed in time and may still take effect: look at the alert again.",
                {"Retry-After": "5"},
            ) from None
        if not outcome.ok:
            raise ProblemError(409, outcome.message)
        history = found(await run_in_threadpool(store.alert, alert_id), "alert", alert_id)
        return json_response(present.alert_history(history, with_transitions=True))

    return routes


def shown(store: Store, row: AlertTransition) -> answers.AlertAnswer:
    """Return an alert of a list; who took note of it stands in an earlier transition."""
    if row.state == "open" or row.change == "acknowledged":
        return present.alert(row)
    history = store.alert(row.alert_id)
    return present.alert(row) if history is None else present.alert_history(history, with_transitions=False)


def _checked(wanted: answers.Acknowledgement) -> answers.Acknowledgement:
    name, comment = wanted.by.strip(), wanted.comment.strip()
    if len(name) > MAX_NAME:
        raise ProblemError(422, f"by: write a name of at most {MAX_NAME} characters.")
    if len(comment) > MAX_COMMENT:
        raise ProblemError(422, f"comment: write at most {MAX_COMMENT} characters.")
    return msgspec.structs.replace(wanted, by=name, comment=comment)
