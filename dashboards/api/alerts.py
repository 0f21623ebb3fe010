"""Routes about alerts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards import answers, present
from dashboards.access.permissions import Action
from dashboards.alert_memory import AlertMemory
from dashboards.api import schemas
from dashboards.api.commanding import by_of, commanded
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
from streams.alerts import WAITING
from streams.records import AlertStateName, AlertTransition

ANSWERED_S = 5.0
MAX_COMMENT = 2_000
_Kind = Literal["acknowledge_alert", "comment_alert"]


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
        wanted = await read_body(request, answers.Acknowledgement)
        return await _said(
            context, request, "acknowledge_alert", alert_id, wanted.by, _text_of(wanted.comment)
        )

    @routes.post(
        "/alerts/{alert_id}/comments",
        responses=schemas.one(answers.AlertAnswer),
        openapi_extra={**schemas.body(answers.CommentBody), "security": [{"token": []}, {}]},
        dependencies=[needs(Action.ANSWER, "Commenting on an alert")],
    )
    async def comments(alert_id: str, request: Request) -> Response:
        """Say something about an alert that is not closed: it stands in its story, and nobody has answered.

        The answer is the alert after it, as that to an acknowledgement.
        """
        wanted = await read_body(request, answers.CommentBody)
        if not (text := _text_of(wanted.comment)):
            raise ProblemError(422, "comment: write something.")
        return await _said(context, request, "comment_alert", alert_id, wanted.by, text)

    return routes


async def _said(
    context: Context,
    request: Request,
    kind: _Kind,
    alert_id: str,
    by: str,
    comment: str,
) -> Response:
    """Send what somebody says about an alert, and answer with the alert after it."""
    store, fallback = context.store, context.fallback
    if fallback is None or fallback.memory.alert(alert_id) is None:
        try:
            found(await from_store(fallback, lambda: store.alert(alert_id)), "alert", alert_id)
        except AwayError:
            _remembered(None)
    who, arguments = by_of(context, request, by), {"comment": comment}
    await commanded(
        context, request, kind, alert_id, arguments, who, identity=alert_id, look_at="the alert again"
    )
    try:
        history = await from_store(fallback, lambda: store.alert(alert_id))
    except AwayError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_S):  # it comes on a topic of its own
                await _memory(fallback).reached(alert_id, lambda step: _is_effect(step, kind, who, comment))
        return _remembered(_memory(fallback).alert(alert_id))
    return _whole(found(history, "alert", alert_id))


def _is_effect(step: AlertTransition, kind: _Kind, by: str, comment: str) -> bool:
    """Return whether a step says that what somebody said took effect."""
    if kind == "acknowledge_alert":
        return step.state not in WAITING
    return (step.change, step.by, step.comment) == ("commented", by, comment)


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


def _text_of(comment: str) -> str:
    text = comment.strip()
    if len(text) > MAX_COMMENT:
        raise ProblemError(422, f"comment: write at most {MAX_COMMENT} characters.")
    return text
