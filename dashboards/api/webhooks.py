"""Routes about subscribers of alerts: how they are doing, and telling them once more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards import answers
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.commanding import commanded
from dashboards.api.context import (
    MAX_LIMIT,
    PREFIX,
    Context,
    ListAnswer,
    ask,
    json_response,
    known_parameters_only,
)
from dashboards.api.needs import needs
from dashboards.api.writes import read_body
from dashboards.fallback import database_needed
from dashboards.present import time_of
from dashboards.problems import ProblemError
from storage.store import DeliveryRow, DeliveryStateName, WebhookRow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN: dict[str, Any] = {"security": [{"token": []}, {}]}
By = Annotated[str, Query(description="Who asks for it, for the audit.")]


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Webhooks"], dependencies=[Depends(known_parameters_only)])
    store, needed = context.store, [Depends(database_needed(context.fallback)), needs(Action.READ)]
    change = needs(Action.CHANGE, "An order to a webhook")

    def known() -> dict[str, WebhookRow]:
        """Return those that are configured, and those that were."""
        rows = {row.webhook_id: row for row in store.webhooks()}
        fresh = {name: WebhookRow(name, "active", 0, "", 0, 0, 0, None, None) for name in context.webhooks}
        return {**fresh, **rows}

    @routes.get("/webhooks", responses=schemas.many(answers.WebhookAnswer), dependencies=needed)
    def webhooks() -> Response:
        """Subscribers of alerts, and how they are doing."""
        return json_response(ListAnswer(items=[_webhook(row) for _, row in sorted(known().items())]))

    @routes.get(
        "/webhooks/{webhook_id}/deliveries",
        responses=schemas.many(answers.DeliveryAnswer),
        dependencies=needed,
    )
    def deliveries(
        webhook_id: str,
        state: Annotated[DeliveryStateName | None, Query(description="Only those in this state.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    ) -> Response:
        """Messages to a webhook, the newest first: delivered, pending or given up, and why."""
        _check_known(webhook_id, known())
        page = ask(lambda: store.deliveries(webhook_id, state=state, after=after, limit=limit))
        return json_response(ListAnswer(items=[_delivery(row) for row in page.items], next=page.next))

    @routes.post(
        "/webhooks/{webhook_id}/resume",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra=_TOKEN,
        dependencies=[change],
    )
    async def resume(webhook_id: str, request: Request, by: By = "") -> Response:
        """Send to a webhook again that was disabled; what waits for it goes out at once, in order."""
        return await order(request, "resume_webhook", webhook_id, {}, by)

    @routes.post(
        "/webhooks/{webhook_id}/replay",
        responses=schemas.one(answers.OutcomeAnswer),
        openapi_extra={**schemas.body(answers.ReplayBody), **_TOKEN},
        dependencies=[change],
    )
    async def replay(webhook_id: str, request: Request, by: By = "") -> Response:
        """Tell a webhook once more, with the same ids: an alert, a step of it, or what happened in a time."""
        body = await read_body(request, answers.ReplayBody)
        arguments: dict[str, Any] = {"alert_id": body.alert_id, "number": body.number}
        for name, time in (("start_us", body.start), ("end_us", body.end)):
            if time is not None:
                arguments[name] = (time - _EPOCH) // timedelta(microseconds=1)
        if not body.alert_id and not {"start_us", "end_us"} & arguments.keys():
            raise ProblemError(422, "Say what is to be told again: give alert_id, or start and end.")
        return await order(request, "replay_webhook", webhook_id, arguments, by)

    async def order(
        request: Request, kind: str, webhook_id: str, arguments: dict[str, Any], by: str
    ) -> Response:
        if webhook_id not in context.webhooks:
            raise ProblemError(404, _unknown(webhook_id, context.webhooks))
        look_at = f"{PREFIX}/webhooks"
        answer = await commanded(
            context, request, kind, webhook_id, arguments, by, identity=webhook_id, look_at=look_at
        )
        return json_response(answer)

    return routes


def _check_known(webhook_id: str, known: dict[str, WebhookRow]) -> None:
    if webhook_id not in known:
        raise ProblemError(404, _unknown(webhook_id, known))


def _unknown(webhook_id: str, known: Any) -> str:
    names = ", ".join(sorted(known)) or "none"
    return f"There is no webhook {webhook_id[:80]!r}: configured are {names}."


def _webhook(row: WebhookRow) -> answers.WebhookAnswer:
    return answers.WebhookAnswer(
        id=row.webhook_id,
        state=row.state,
        since=time_of(row.since_us) if row.since_us else None,
        reason=row.reason,
        pending=row.pending,
        delivered=row.delivered,
        given_up=row.given_up,
        oldest_pending_at=None if row.oldest_us is None else time_of(row.oldest_us),
        last_delivered_at=None if row.delivered_at_us is None else time_of(row.delivered_at_us),
    )


def _delivery(row: DeliveryRow) -> answers.DeliveryAnswer:
    return answers.DeliveryAnswer(
        id=f"{row.alert_id}.{row.number}",
        alert_id=row.alert_id,
        number=row.number,
        state=row.state,
        attempts=row.attempts,
        at=time_of(row.at_us),
        next_attempt_at=time_of(row.next_attempt_us) if row.state == "pending" else None,
        delivered_at=None if row.delivered_at_us is None else time_of(row.delivered_at_us),
        error=row.error,
    )
