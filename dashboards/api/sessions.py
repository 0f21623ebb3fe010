"""Who gets streams of the casters now, and who got some. All of it tells who is where: it needs the token."""

from __future__ import annotations

import heapq
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from connectors.caster.session_book import Session
from dashboards import answers
from dashboards.access.permissions import Action
from dashboards.api import schemas
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
from dashboards.api.parameters import time_us
from dashboards.fallback import database_needed
from dashboards.present_sessions import counts, identity, kept_session, session
from dashboards.problems import ProblemError
from storage import paging
from streams.definitions import PRIVACY_ID, PrivacyDefinition, definition
from streams.regions import name_of

_TOKEN: dict[str, Any] = {"security": [{"token": []}, {}]}
After = Annotated[str | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Mountpoint = Annotated[str, Query(description="That was asked for.")]
Account = Annotated[str, Query(description="Only of this one.")]
Base = Annotated[str, Query(description="Only those that get this station's epochs.")]

Region = Annotated[str | None, Query(description="Only of its casters; empty: of this installation.")]
CasterName = Annotated[str, Query(description="Only of this one.")]
Box = Annotated[str, Query(description="west,south,east,north in degrees.")]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which sessions are asked for. What is empty matches all."""

    mountpoint: str = ""
    account: str = ""
    base: str = ""
    region: str | None = None
    caster: str = ""
    box: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees; west may be east of east, across 180 degrees."""

    def found(self, context: Context) -> Iterator[Session]:
        """Yield the sessions, in any order."""
        for one in context.sessions().changed(-1):
            if (
                (not self.mountpoint or one.mountpoint == self.mountpoint)
                and (not self.account or name_of(one.account) == self.account)
                and (not self.base or one.base == self.base)
                and (not self.caster or one.caster == self.caster)
                and (self.region is None or context.region_of(one.caster) == self.region)
                and (self.box is None or _is_in(self.box, one))
            ):
                yield one


def filter_of(
    mountpoint: Mountpoint = "",
    account: Account = "",
    base: Base = "",
    region: Region = None,
    caster: CasterName = "",
    bbox: Box = "",
) -> Filter:
    """Return what a query asks for."""
    return Filter(mountpoint, account, base, region, caster, _box(bbox) if bbox else None)


Asked = Annotated[Filter, Depends(filter_of)]


def router(context: Context) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["Operations"], dependencies=[Depends(known_parameters_only)])
    life, seen = uuid.uuid4().hex, needs(Action.ROVERS, "Seeing who gets streams")
    store, needed = context.store, [Depends(database_needed(context.fallback))]

    @routes.get(
        "/sessions", responses=schemas.many(answers.SessionAnswer), openapi_extra=_TOKEN, dependencies=[seen]
    )
    async def sessions(
        asked: Asked,
        after: After = None,
        limit: Limit = 1000,
    ) -> Response:
        """Rovers that get a stream now, the oldest first."""
        start = ask(lambda: paging.decode_cursor("sessions", after, (int, str, int, str))) if after else None
        behind = (one for one in asked.found(context) if start is None or one.age > start)
        page = heapq.nsmallest(limit + 1, behind, key=lambda one: one.age)
        more = paging.encode_cursor("sessions", page[limit - 1].age) if len(page) > limit else None
        items = [session(one, context.region_of(one.caster)) for one in page[:limit]]
        return json_response(ListAnswer(items=items, next=more))

    @routes.get(
        "/sessions/counts",
        responses=schemas.one(answers.SessionCounts),
        openapi_extra=_TOKEN,
        dependencies=[seen],
    )
    async def session_counts(
        asked: Asked,
    ) -> Response:
        """How many rovers get streams now: by base, region and caster."""
        return json_response(counts(asked.found(context), context.region_of))

    @routes.get(
        "/sessions/changes",
        responses=schemas.one(answers.SessionChanges),
        openapi_extra=_TOKEN,
        dependencies=[seen],
    )
    async def session_changes(after: After = None) -> Response:
        """What has changed of the sessions since an earlier answer: for who shows them live.

        Without `after`, or with one that is too old, the answer begins anew with all of them.
        """
        return json_response(_changes(context, life, after))

    @routes.get(
        "/sessions/past",
        responses=schemas.many(answers.KeptSessionAnswer),
        openapi_extra=_TOKEN,
        dependencies=[*needed, seen],
    )
    async def past(
        mountpoint: Mountpoint = "",
        account: Account = "",
        base: Annotated[str, Query(description="Only those that had this station for a while.")] = "",
        start: str | None = None,
        end: str | None = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        """Sessions that are kept, the newest first: as long and as exact as the privacy setting has it."""
        start_us = time_us(start, "start") if start is not None else 0
        end_us = time_us(end, "end") if end is not None else 2**62

        def kept() -> ListAnswer:
            page = store.kept_sessions(
                start_us=start_us,
                end_us=end_us,
                account=account or None,
                mountpoint=mountpoint or None,
                base=base or None,
                after=after,
                limit=limit,
            )
            return ListAnswer(items=[kept_session(one) for one in page.items], next=page.next)

        return json_response(await run_in_threadpool(ask, kept))

    @routes.get(
        f"/privacy/{PRIVACY_ID}",
        responses=schemas.one(answers.PrivacyAnswer),
        dependencies=[*needed, needs(Action.READ)],
    )
    def privacy() -> Response:
        """What is told and kept of rovers now."""
        held = privacy_of(context)
        return json_response(
            answers.PrivacyAnswer(
                position_decimals=held.position_decimals, addresses=held.addresses, days=held.days
            )
        )

    return routes


def _changes(context: Context, life: str, after: str | None) -> answers.SessionChanges:
    """Return what has changed; the oldest changes first, so that a cut answer can go on behind them."""
    book = context.sessions()
    since = _change_of(after, life)
    ended = None if since is None else book.ended(since)
    whole = since is None or ended is None
    begin = -1 if since is None or ended is None else since
    changed = list(book.changed(begin))
    changed.reverse()
    more = len(changed) > MAX_LIMIT
    shown = list(islice(changed, MAX_LIMIT))
    reached = shown[-1].change if more else book.change
    return answers.SessionChanges(
        is_whole=whole,
        items=[session(one, context.region_of(one.caster)) for one in shown],
        ended=[identity(key) for key in ended or ()],
        next=f"{life}.{reached}",
        is_more=more,
    )


def _change_of(after: str | None, life: str) -> int | None:
    """Return up to which change somebody knows all; None: nothing of this process's life."""
    of, _, number = (after or "").partition(".")
    return int(number) if of == life and number.isascii() and number.isdigit() and len(number) < 19 else None


def privacy_of(context: Context) -> PrivacyDefinition:
    """Return what is told and kept of rovers now."""
    change = context.store.object("privacy", PRIVACY_ID)
    if change is None or change.verb == "revert":
        return context.privacy
    made = PrivacyDefinition() if change.after is None else definition("privacy", change.after)
    assert isinstance(made, PrivacyDefinition)
    return made


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ProblemError(
            400, f"bbox={text[:60]!r} is no box: write west,south,east,north in degrees, as 113,29,116,31."
        )
    return west, south, east, north


def _is_in(box: tuple[float, float, float, float], one: Session) -> bool:
    west, south, east, north = box
    if one.longitude is None or one.latitude is None or not south <= one.latitude <= north:
        return False
    if west <= east:
        return west <= one.longitude <= east
    return one.longitude >= west or one.longitude <= east
