"""Routes about tokens: who made which for what. A token itself is told once, in the answer that makes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Depends, Request, Response

from dashboards.access.book import new_token
from dashboards.access.permissions import Action
from dashboards.access_answers import NewTokenAnswer, TokenAnswer, TokenBody
from dashboards.answers import OutcomeAnswer
from dashboards.api import schemas
from dashboards.api.changes import TOKEN, After, By, Limit, ask_for, checked
from dashboards.api.context import PREFIX, Context, ListAnswer, ask, json_response, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.writes import read_body
from dashboards.fallback import database_needed
from dashboards.present import time_of
from streams.definitions import definition, values_of
from streams.records import Change

USUAL_US = 365 * 86_400_000_000
"""That a token lets somebody in when nothing is said."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(
        prefix=f"{PREFIX}/tokens",
        tags=["Access"],
        dependencies=[needs(Action.MANAGE, "Managing tokens"), Depends(known_parameters_only)],
    )
    store, book = context.store, context.access.book

    def shown(change: Change, now_us: int) -> TokenAnswer:
        after = change.after or {}
        expires_us = after.get("expires_us")
        used_us = book.used_us(change.id)
        return TokenAnswer(
            id=change.id,
            name=after["name"],
            scopes=after["scopes"],
            owner=after["owner"],
            expires_at=None if expires_us is None else time_of(expires_us),
            created_by=change.by,
            created_at=time_of(change.at_us),
            is_expired=expires_us is not None and now_us >= expires_us,
            used_at=None if used_us is None else time_of(used_us),
        )

    @routes.get(
        "",
        responses=schemas.many(TokenAnswer),
        dependencies=[Depends(database_needed(context.fallback))],
        openapi_extra=TOKEN,
    )
    def tokens(after: After = None, limit: Limit = 100) -> Response:
        """Tokens that are not revoked, by id."""
        page = ask(lambda: store.objects("token", after=after, limit=limit))
        now_us = context.clock_us()
        items = [shown(one, now_us) for one in page.items if one.after is not None]
        return json_response(ListAnswer(items=items, next=page.next))

    @routes.post(
        "", responses=schemas.one(NewTokenAnswer), openapi_extra={**schemas.body(TokenBody), **TOKEN}
    )
    async def add(request: Request, by: By = "") -> Response:
        """Make a token. It stands in the answer, and nowhere else afterwards."""
        body, made = await read_body(request, TokenBody), new_token()
        expires_us = context.clock_us() + USUAL_US
        if body.expires is not None:
            expires_us = (body.expires - _EPOCH) // timedelta(microseconds=1)
        values = {
            "secret_hash": made.secret_hash,
            "name": body.name,
            "scopes": list(dict.fromkeys(body.scopes)),
            "owner": body.owner,
            "expires_us": expires_us,
        }
        wanted = checked(lambda: definition("token", values))
        said = await ask_for(context, request, "put", ("token", made.id), values_of(wanted), by)
        answer = NewTokenAnswer(id=made.id, token=made.text, command_id=said.command_id, message=said.message)
        return json_response(answer, headers={"cache-control": "no-store"})

    @routes.delete("/{token_id}", responses=schemas.one(OutcomeAnswer), openapi_extra=TOKEN)
    async def revoke(token_id: str, request: Request, by: By = "") -> Response:
        """Revoke a token: it lets nobody in any more, at any process."""
        return json_response(await ask_for(context, request, "delete", ("token", token_id), {}, by))

    return routes
