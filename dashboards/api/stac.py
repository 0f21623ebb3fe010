"""Routes of the STAC API: the same data sets for programs that look for assets by place and time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.catalogue import Library
from dashboards.api.context import known_parameters_only
from dashboards.api.etags import unless_known
from dashboards.api.needs import needs
from dashboards.api.parameters import box, time_us
from dashboards.catalogue.datasets import Member
from dashboards.catalogue.stac import CONFORMS_TO, GEOJSON, JSON, PATH, Stac
from dashboards.problems import ProblemError
from gnss.reports.words import Language

MOST_ITEMS = 1_000
_EVER = 2**63 - 1
LanguageQuery = Annotated[Language, Query(description="Of titles and descriptions.")]


def router(library: Library) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PATH, tags=["Catalogue"], dependencies=needed)

    async def answered(request: Request, make: Callable[[], Any], kind: str = JSON) -> Response:
        body = await anyio.to_thread.run_sync(lambda: msgspec.json.encode(make()), limiter=library.working)
        return unless_known(request, body, kind, {})

    def stac(request: Request, language: Language) -> Stac:
        return Stac(library.around(request), language)

    @routes.get("", responses=schemas.files(JSON))
    async def root(request: Request, language: LanguageQuery = "en") -> Response:
        """Where a STAC client begins."""
        return await answered(request, lambda: stac(request, language).catalog(library.sets(request)))

    @routes.get("/conformance", responses=schemas.files(JSON))
    def conformance() -> Response:
        """Which parts of the STAC API are there."""
        return Response(msgspec.json.encode({"conformsTo": CONFORMS_TO}), media_type=JSON)

    @routes.get("/collections", responses=schemas.files(JSON))
    async def collections(request: Request, language: LanguageQuery = "en") -> Response:
        """All data sets as collections."""
        return await answered(request, lambda: stac(request, language).collections(library.sets(request)))

    @routes.get("/collections/{dataset_id}", responses=schemas.files(JSON))
    async def collection(request: Request, dataset_id: str, language: LanguageQuery = "en") -> Response:
        """One data set."""

        def make() -> Any:
            return stac(request, language).collection(library.one(request, dataset_id))

        return await answered(request, make)

    @routes.get("/collections/{dataset_id}/items", responses=schemas.files(GEOJSON))
    async def items(
        request: Request,
        dataset_id: str,
        bbox: Annotated[str | None, Query(description="west,south,east,north in degrees.")] = None,
        datetime: Annotated[
            str | None, Query(description="A time, or begin/end; .. for an end that is open.")
        ] = None,
        after: Annotated[str | None, Query(description="Id of the last item of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
        language: LanguageQuery = "en",
    ) -> Response:
        """Series or stations of a data set of which something is stored, by id."""
        is_wanted = _filter(bbox, datetime)

        def make() -> Any:
            one = library.one(request, dataset_id)
            every = [member for member in one.members if member.extent is not None and is_wanted(member)]
            some = [member for member in every if after is None or member.id > after]
            query = dict(request.query_params)
            following = {**query, "after": some[limit - 1].id} if len(some) > limit else None
            return stac(request, language).items(
                one,
                some[:limit],
                len(every),
                None if following is None else f"?{urlencode(following)}",
                f"?{urlencode(query)}" if query else "",
            )

        return await answered(request, make, GEOJSON)

    @routes.get("/collections/{dataset_id}/items/{item_id:path}", responses=schemas.files(GEOJSON))
    async def item(
        request: Request, dataset_id: str, item_id: str, language: LanguageQuery = "en"
    ) -> Response:
        """One series or station."""

        def make() -> Any:
            one = library.one(request, dataset_id)
            for member in one.members:
                if member.id == item_id and member.extent is not None:
                    return stac(request, language).item(one, member)
            raise ProblemError(
                404, f"Nothing is stored of {item_id[:80]!r}: the items of {dataset_id} are listed."
            )

        return await answered(request, make, GEOJSON)

    return routes


def _filter(bbox: str | None, when: str | None) -> Callable[[Member], bool]:
    part = None if bbox is None else box(bbox)
    begin_us, end_us = _span(when)

    def is_wanted(member: Member) -> bool:
        assert member.extent is not None
        if member.extent.end_us < begin_us or member.extent.begin_us > end_us:
            return False
        if part is None:
            return True
        x, y = member.longitude, member.latitude
        if x is None or y is None or not part.south <= y <= part.north:
            return False
        return part.west <= x <= part.east if part.west <= part.east else x >= part.west or x <= part.east

    return is_wanted


def _span(text: str | None) -> tuple[int, int]:
    """Return begin and end of a time or an interval (RFC 3339; an end that is open is .. or nothing)."""
    if text is None:
        return -_EVER, _EVER
    begin, slash, end = text.partition("/")
    if not slash:
        at_us = time_us(begin, "datetime")
        return at_us, at_us
    from_us = -_EVER if begin in {"", ".."} else time_us(begin, "datetime")
    until_us = _EVER if end in {"", ".."} else time_us(end, "datetime")
    if from_us > until_us:
        raise ProblemError(400, "datetime ends before it begins: write the earlier time first.")
    return from_us, until_us
