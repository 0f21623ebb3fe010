"""Routes about calls: the log of an alert, who is on duty, how quickly people answer, and answering."""

from __future__ import annotations

import html
import uuid
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from dashboards import call_answers
from dashboards.access.permissions import Action
from dashboards.answers import OutcomeAnswer
from dashboards.api import schemas
from dashboards.api.commanding import by_of
from dashboards.api.context import (
    PREFIX,
    Context,
    ListAnswer,
    found,
    json_response,
    known_parameters_only,
)
from dashboards.api.needs import needs
from dashboards.api.parameters import time_us
from dashboards.api.writes import may_write, read_body
from dashboards.fallback import database_needed
from dashboards.present import time_of
from dashboards.problems import ProblemError
from streams.answer_statistics import AnswerFigures, By, figures
from streams.call_definitions import RosterDefinition
from streams.call_links import PATH
from streams.call_records import CallOrder, CallReceipt, CallReceipts, ReceiptState
from streams.definitions import definition
from streams.records import Command
from streams.rosters import on_duty

MOST_ANSWERS = 100_000
_TOKEN: dict[str, Any] = {"security": [{"token": []}, {}]}
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>Alert</title><style>body{{font:18px sans-serif;margin:2em auto;max-width:30em;padding:0 1em}}
button{{font:inherit;padding:.8em 1.2em;margin:.5em 0;width:100%}}</style>
<h1>{head}</h1><p>{text}</p>{forms}"""
_FORM = """<form method="post" action="?answer={value}"><button>{label}</button></form>"""


def router(context: Context) -> APIRouter:
    """Return the routes of the API."""
    needed = [Depends(database_needed(context.fallback))]
    routes = APIRouter(prefix=PREFIX, tags=["Calls"], dependencies=[Depends(known_parameters_only), *needed])
    store, read = context.store, needs(Action.READ)

    @routes.get(
        "/alerts/{alert_id}/calls", responses=schemas.one(call_answers.AlertCalls), dependencies=[read]
    )
    def alert_calls(alert_id: str, request: Request) -> Response:
        """Every attempt to reach somebody about an alert, what was said of it, and how it ended."""
        found(store.alert(alert_id), "alert", alert_id)
        is_whole = may_write(request, context)
        return json_response(
            call_answers.AlertCalls(
                calls=[call_answers.call(one, is_whole=is_whole) for one in store.alert_calls(alert_id)],
                answers=[call_answers.person_answer(one) for one in store.alert_answers(alert_id)],
            )
        )

    @routes.get(
        "/rosters/{roster_id}/duty", responses=schemas.one(call_answers.DutyAnswer), dependencies=[read]
    )
    def duty(
        roster_id: str, at: Annotated[str | None, Query(description="A time; without it now.")] = None
    ) -> Response:
        """Who is on duty at a time."""
        change = found(store.object("roster", roster_id), "roster", roster_id)
        made = definition("roster", change.after) if change.after is not None else RosterDefinition()
        assert isinstance(made, RosterDefinition)
        at_us = context.clock_us() if at is None else time_us(at, "at")
        return json_response(call_answers.DutyAnswer(at=time_of(at_us), persons=on_duty(made, at_us)))

    @routes.get("/statistics/answers", responses=schemas.many(AnswerFigures), dependencies=[read])
    def statistics(
        start: Annotated[str, Query(description="Who was called from then on.")],
        end: Annotated[str | None, Query(description="And before then; without it now.")] = None,
        by: Annotated[By, Query(description="Divided by level, person or site.")] = "all",
    ) -> Response:
        """How quickly people answer: the newest 100,000 of a time at most."""
        end_us = context.clock_us() if end is None else time_us(end, "end")
        answers = store.answers(time_us(start, "start"), end_us, MOST_ANSWERS)
        return json_response(ListAnswer(items=list(figures(answers, by))))

    @routes.post(
        "/calls/{call_id}/receipts",
        responses=schemas.one(OutcomeAnswer),
        openapi_extra={**schemas.body(call_answers.ReceiptBody), **_TOKEN},
        dependencies=[needs(Action.ANSWER, "A receipt")],
    )
    async def receipts(call_id: str, request: Request) -> Response:
        """Take what a provider tells of a call: brought, answered, refused, failed."""
        body = await read_body(request, call_answers.ReceiptBody)
        order = found(await run_in_threadpool(store.call, call_id), "call", call_id)
        await _said(context, order, body.state, body.detail)
        return json_response(OutcomeAnswer(command_id=call_id, id=order.alert_id, message="It is noted."))

    for path, body, kind in (
        ("/alerts/{alert_id}/lower", call_answers.LowerBody, "lower_alert"),
        ("/alerts/{alert_id}/decide", call_answers.DecisionBody, "decide_alert"),
    ):
        _add_command(routes, context, path, body, kind)
    return routes


def page_router(context: Context) -> APIRouter:
    """Return the page behind a signed link: looking at it answers nothing, a button does."""
    needed = [needs(Action.OWN_PROOF), Depends(database_needed(context.fallback))]
    routes = APIRouter(include_in_schema=False, dependencies=needed)

    @routes.get(PATH + "/{call_id}/{until_s}/{signature}")
    async def look(call_id: str, until_s: str, signature: str) -> Response:
        order = await _linked(context, call_id, until_s, signature)
        is_asked = order.purpose == "consultation"
        labels = (("answered", "I confirm this level"), ("refused", "I decline it"))
        if not is_asked:
            labels = (("answered", "I have it in hand"), ("refused", "I cannot take it"))
        forms = "".join(_FORM.format(value=value, label=label) for value, label in labels)
        return _page(f"{order.person}: please answer", order.text, forms)

    @routes.post(PATH + "/{call_id}/{until_s}/{signature}")
    async def answer(call_id: str, until_s: str, signature: str, request: Request) -> Response:
        order = await _linked(context, call_id, until_s, signature)
        said = request.query_params.get("answer")
        if said not in {"answered", "refused"}:
            raise ProblemError(422, "Say answer=answered or answer=refused.")
        await _said(context, order, "answered" if said == "answered" else "refused", "by link")
        return _page("Thank you", "Your answer is noted.", "")

    return routes


def _add_command(routes: APIRouter, context: Context, path: str, body: type, kind: Any) -> None:
    async def ask(alert_id: str, request: Request) -> Response:
        values: dict[str, Any] = msgspec.to_builtins(await read_body(request, body))
        by = by_of(context, request, values.pop("by"))
        command = Command(
            id=uuid.uuid4().hex,
            kind=kind,
            target=alert_id,
            by=by,
            at_us=context.clock_us(),
            arguments=values,
        )
        try:
            outcome = await context.commands.command(command)
        except TimeoutError:
            raise ProblemError(
                503, "This was not confirmed in time: look at the alert again.", {"Retry-After": "5"}
            ) from None
        if not outcome.ok:
            raise ProblemError(409, outcome.message)
        return json_response(OutcomeAnswer(command_id=command.id, id=alert_id, message=outcome.message))

    text = {
        "lower_alert": "Lower the level of an alert: red falls in no other way.",
        "decide_alert": "Confirm or decline a level that people are asked about.",
    }[kind]
    routes.add_api_route(
        path,
        ask,
        methods=["POST"],
        name=kind,
        description=text,
        responses=schemas.one(OutcomeAnswer),
        openapi_extra={**schemas.body(body), **_TOKEN},
        dependencies=[needs(Action.ANSWER, "Answering an alert")],
    )


async def _linked(context: Context, call_id: str, until_s: str, signature: str) -> CallOrder:
    links = context.links
    if links is None or not links.serves(call_id, until_s, signature, context.clock_us()):
        raise ProblemError(403, "This link does not serve, or not any more: answer in another way.")
    return found(await run_in_threadpool(context.store.call, call_id), "call", call_id)


async def _said(context: Context, order: CallOrder, state: ReceiptState, detail: str) -> None:
    if context.receipts is None:
        raise ProblemError(503, "This process takes no answers: ask where alerts are raised.")
    said = CallReceipt.of(order, state, context.clock_us(), detail)
    try:
        await context.receipts.put_receipts(CallReceipts(receipts=[said]))
    except TimeoutError:
        raise ProblemError(
            503, "Your answer was not confirmed in time: try again.", {"Retry-After": "5"}
        ) from None


def _page(head: str, text: str, forms: str) -> Response:
    made = _PAGE.format(head=html.escape(head), text=html.escape(text), forms=forms)
    return HTMLResponse(made, headers=_PAGE_HEADERS)
