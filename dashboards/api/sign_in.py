"""Signing in at the page with an account's name and password, and out; who somebody is, and may do."""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Depends, Request, Response

from dashboards.access.access import Access, Who, not_known_yet, too_often
from dashboards.access.addresses import address_of
from dashboards.access.permissions import Action
from dashboards.access_answers import SignInBody, WhoAnswer
from dashboards.api import schemas
from dashboards.api.context import PREFIX, json_response, known_parameters_only
from dashboards.api.door import cookie_header
from dashboards.api.needs import check_form, check_not_foreign, needs
from dashboards.api.writes import read_body
from dashboards.present import time_of
from dashboards.problems import ProblemError

log = structlog.get_logger()

WAIT_S = 10.0
"""That somebody waits where too much was guessed."""
MOST_PASSWORD = 1_000


def router(access: Access, provider: str | None = None) -> APIRouter:
    """Return the routes; `provider` names one by which people may sign in besides."""
    routes = APIRouter(
        prefix=f"{PREFIX}/session",
        tags=["Access"],
        dependencies=[needs(Action.OPEN), Depends(known_parameters_only)],
    )

    @routes.get("", responses=schemas.one(WhoAnswer))
    async def session(request: Request) -> Response:
        """Who I am, and what I may do."""
        return _answer(access, access.who(request), provider)

    @routes.post("", responses=schemas.one(WhoAnswer), openapi_extra=schemas.body(SignInBody))
    async def sign_in(request: Request) -> Response:
        """Begin a session; the answer sets its cookie."""
        check_form(request)
        if not access.book.is_known:
            raise not_known_yet()
        body, address = await read_body(request, SignInBody), address_of(request)
        if len(body.password) > MOST_PASSWORD:
            raise ProblemError(422, f"password: write at most {MOST_PASSWORD} characters.")
        checking = access.checks.ask(body.name, body.password, address)
        if checking is None:
            raise too_often(WAIT_S)
        if not await checking:
            raise ProblemError(401, "Name or password is wrong: try again.")
        if why := access.book.why_not(body.name, access.clock_us()):
            raise ProblemError(403, why)
        log.info("somebody signed in", account=body.name, address=address)
        now_us = access.clock_us()
        cookie = access.cookies.begin(body.name, access.book.state(body.name), now_us)
        answer = _answer(access, access.of_session(cookie) or Who(), provider)
        answer.headers["set-cookie"] = cookie_header(request, access, cookie)
        return answer

    @routes.delete("", responses=schemas.one(WhoAnswer))
    async def sign_out(request: Request) -> Response:
        """End the session."""
        check_form(request)
        who = access.who(request)
        if who.session is not None:
            check_not_foreign(request)
            access.end(who.session)
            log.info("somebody signed out", account=who.account)
        answer = _answer(access, Who(), provider)
        answer.headers["set-cookie"] = cookie_header(request, access, "")
        return answer

    return routes


def _answer(access: Access, who: Who, provider: str | None) -> Response:
    ends_us = None if who.session is None else access.cookies.end_us(who.session)
    body = WhoAnswer(
        name=who.name,
        how=who.how,
        roles=who.roles,
        may=sorted(who.actions),
        can_sign_in=access.book.has_roles or access.rules.has_provider,
        provider=provider,
        ends_at=None if ends_us is None else time_of(ends_us),
    )
    return json_response(body, headers={"cache-control": "no-store"})
