"""Routes about alerts."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.alert_memory import AlertMemory
from dashboards.api import schemas
from dashboards.api.commanding import by_of
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
from dashboards.api.writes import read_body
from dashboards.fallback import HEADERS, AwayError, Fallback, away_problem, from_store
from dashboards.problems import ProblemError
from storage.store import AlertHistory, Store
from streams.records import AlertStateName, AlertTransition, Command

ANSWERED_S = 5.0
MAX_COMMENT = 2_000


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Alerts"], dependencies=[Depends(known_parameters_only)])
    store, fallback = context.store, context.fallback

    @routes.get("/alerts", responses=schemas.many(answers.AlertAnswer), dependencies=[needs(Action.READ)])
    async def alerts(
        state: Annotated[AlertStateName | None, Query(description="Only those in this state.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    ) -> Response:
        """Alerts as they are now, the newest opening first.

        While the database is away, those that are not closed and the last closed ones; a header says
        `answered-from: memory`.
        """

        def stored() -> ListAnswer:
            page = ask(lambda: store.alerts(state=state, after=after, limit=limit))
            return ListAnswer(items=[shown(store, row) for row in page.items], next=page.next)

        try:
            return json_response(await from_store(fallback, stored))
        except AwayError:
            memory = _memory(fallback)
            page = ask(lambda: memory.alerts(state=state, after=after, limit=limit))
            items = [present.alert_history(one, with_transitions=False) for one in page.items]
            return json_response(ListAnswer(items=items, next=page.next), headers=HEADERS)

    @routes.get(
        "/alerts/{alert_id}", responses=schemas.one(answers.AlertAnswer), dependencies=[needs(Action.READ)]
    )
    async def alert(alert_id: str) -> Response:
        """One alert with its evidence and every step of its life."""
        try:
            history = await from_store(fallback, lambda: store.alert(alert_id))
        except AwayError:
            return _remembered(_memory(fallback).alert(alert_id))
        return _whole(found(history, "alert", alert_id))

    @routes.post(
        "/alerts/{alert_id}/acknowledge",
        responses=schemas.one(answers.AlertAnswer),
        openapi_extra={**schemas.body(answers.Acknowledgement), "security": [{"token": []}, {}]},
        dependencies=[needs(Action.ANSWER, "Taking note of an alert")],
    )
    async def acknowledge(alert_id: str, request: Request) -> Response:
        """Take note of an alert, with a name. The answer is the alert after it, stored.

        While the database is away the answer comes from memory, and is stored when it is back.
        """
        wanted = _checked(await read_body(request, answers.Acknowledgement))
        if fallback is None or fallback.memory.alert(alert_id) is None:
            try:
                found(await from_store(fallback, lambda: store.alert(alert_id)), "alert", alert_id)
            except AwayError:
                _remembered(None)
        command = Command(
            id=uuid.uuid4().hex,
            kind="acknowledge_alert",
            target=alert_id,
            by=by_of(context, request, wanted.by),
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
        try:
            history = await from_store(fallback, lambda: store.alert(alert_id))
        except AwayError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWERED_S):  # it comes on a topic of its own
                    await _memory(fallback).answered(alert_id)
            return _remembered(_memory(fallback).alert(alert_id))
        return _whole(found(history, "alert", alert_id))

    return routes


def _memory(fallback: Fallback | None) -> AlertMemory:
    assert fallback is not None, "only a fallback lets the database be away"
    if not fallback.memory.complete:
        raise away_problem()
    return fallback.memory


def _remembered(history: AlertHistory | None) -> Response:
    if history is None:
        raise ProblemError(
            503,
            "The database does not answer, and this alert is not among those that are open or were closed "
            "lately: try again in a while.",
            {"Retry-After": "5"},
        )
    return _whole(history, HEADERS)


def _whole(history: AlertHistory, headers: Mapping[str, str] | None = None) -> Response:
    return json_response(present.alert_history(history, with_transitions=True), headers=headers)


def shown(store: Store, row: AlertTransition) -> answers.AlertAnswer:
    """Return an alert of a list; who took note of it stands in an earlier transition."""
    if row.state in {"open", "consultation"} or row.change == "acknowledged":
        return present.alert(row)
    history = store.alert(row.alert_id)
    return present.alert(row) if history is None else present.alert_history(history, with_transitions=False)


def _checked(wanted: answers.Acknowledgement) -> answers.Acknowledgement:
    comment = wanted.comment.strip()
    if len(comment) > MAX_COMMENT:
        raise ProblemError(422, f"comment: write at most {MAX_COMMENT} characters.")
    return msgspec.structs.replace(wanted, comment=comment)
