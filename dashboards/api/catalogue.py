"""Routes of the catalogue: what data there are, how they came to be, what was revised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import anyio
import anyio.to_thread
import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, known_parameters_only, url_of
from dashboards.api.etags import unless_known
from dashboards.api.needs import needs
from dashboards.api.parameters import span_us, window_s
from dashboards.api.writes import may_write
from dashboards.catalogue import geojson, holdings, lineage
from dashboards.catalogue.datasets import DataSet, data_sets, find
from dashboards.catalogue.iso19115 import CatalogueAnswer, Link, MetadataRecord, RevisionsAnswer, RevisionSpan
from dashboards.catalogue.lineage import Step
from dashboards.catalogue.records import Surroundings, links, record
from dashboards.catalogue.shelf import Shelf
from dashboards.present import time_of
from dashboards.problems import ProblemError
from dashboards.sensitivity import coarse_station
from gnss.reports.words import Language
from sensors.model import Datastream
from storage.pages import every
from storage.store import Store

DAY_US = 86_400_000_000
AT_ONCE = 2
"""Answers that are made at one time: who waits for one holds no other question up."""
MOST_SAMPLES = 2_000_000
"""That are looked through for revisions."""
MOST_SPANS = 10_000
MOST_STEPS = 1_000
"""Of a lineage."""
PAGE = 1_000
FormatQuery = Annotated[
    Literal["json", "geojson"], Query(alias="format", description="STAC is at /api/v1/stac.")
]
LanguageQuery = Annotated[Language, Query(description="Of titles in GeoJSON; JSON has both.")]
_KINDS = {"json": "application/json", "geojson": "application/geo+json"}


Lineage = tuple[Sequence[Step], Sequence[lineage.Edition], bool]
"""Steps, editions, and whether older ones are left out."""


class Library:
    """The data sets as different people may know them."""

    def __init__(self, context: Context, *, has_raw: bool) -> None:
        self._context, self._has_raw = context, has_raw
        self._shelf = Shelf(lambda: holdings.read(context.store, context.networks))
        self._lineages: dict[str, tuple[int, Lineage]] = {}
        self.working = anyio.CapacityLimiter(AT_ONCE)

    def sets(self, request: Request) -> list[DataSet]:
        """Return the data sets, with places as exact as whoever asks may know them."""
        context = self._context
        _, found = self._shelf.look(context.clock_us())
        stations = found.stations
        if not may_write(request, context):
            stations = [coarse_station(row, context.station_decimals) for row in stations]
        return data_sets(found, stations, has_raw=self._has_raw)

    def one(self, request: Request, identity: str) -> DataSet:
        """Return one of them.

        Raises
        ------
        ProblemError
            404
        """
        found = find(self.sets(request), identity)
        if found is None:
            raise ProblemError(
                404, f"There is no data set {identity[:80]!r}: /api/v1/catalogue lists those there are."
            )
        return found

    def lineage(self, of: DataSet) -> Lineage:
        """Return how a data set came to be, as of when its extent was read."""
        made_us, _ = self._shelf.look(self._context.clock_us())
        known = self._lineages.get(of.id)
        if known is None or known[0] != made_us:
            store = self._context.store
            editions, is_cut = lineage.editions(store, of)
            known = self._lineages[of.id] = made_us, (_all_steps(store, of, editions), editions, is_cut)
        return known[1]

    def around(self, request: Request) -> Surroundings:
        """Return what is the same of all data sets."""
        context = self._context
        made_us, _ = self._shelf.look(context.clock_us())
        return Surroundings(
            config=context.catalogue,
            version=context.version,
            base_url=url_of(context, request),
            made_us=made_us,
        )


def router(context: Context, library: Library) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Catalogue"], dependencies=needed)
    store = context.store

    @routes.get("/catalogue", responses=schemas.one(CatalogueAnswer))
    async def catalogue(
        request: Request, form: FormatQuery = "json", language: LanguageQuery = "en"
    ) -> Response:
        """All data sets: what they are, where and when, how often, by which tests, and how to have them."""

        def make() -> bytes:
            sets, around = library.sets(request), library.around(request)
            if form == "geojson":
                return msgspec.json.encode(geojson.feature_collection(sets, around, language))
            properties = {one.id: one for one in store.observed_properties()}
            records = [record(one, around, _usual(one, properties)) for one in sets]
            answer = CatalogueAnswer(items=records, next=None, links=_links(around.base_url))
            return msgspec.json.encode(answer)

        body = await anyio.to_thread.run_sync(make, limiter=library.working)
        return _answer(request, body, form, _links(url_of(context, request)))

    @routes.get("/catalogue/{dataset_id}", responses=schemas.one(MetadataRecord))
    async def data_set(
        request: Request, dataset_id: str, form: FormatQuery = "json", language: LanguageQuery = "en"
    ) -> Response:
        """One data set, with its editions and the tests and limits of each series."""

        def make() -> tuple[bytes, list[Link]]:
            one, around = library.one(request, dataset_id), library.around(request)
            told = links(one, around.base_url)
            if form == "geojson":
                return msgspec.json.encode(geojson.feature(one, around, language)), told
            steps, editions, is_cut = library.lineage(one)
            return msgspec.json.encode(record(one, around, steps, (editions, is_cut))), told

        body, told = await anyio.to_thread.run_sync(make, limiter=library.working)
        return _answer(request, body, form, told)

    @routes.get("/catalogue/{dataset_id}/revisions", responses=schemas.one(RevisionsAnswer))
    async def revisions(
        request: Request,
        dataset_id: str,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; 24 hours before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; after the newest sample.")] = None,
        window: Annotated[str, Query(description="Of a span at most: 1h, 1d or PT3600S.")] = "1h",
    ) -> Response:
        """Which samples were not left as they were judged first, by series and span, with the reason."""

        def make() -> RevisionsAnswer:
            one = library.one(request, dataset_id)
            newest_us = one.extent.end_us if one.extent is not None else None
            from_us, until_us = span_us(start, end, newest_us, DAY_US)
            return _revisions(store, one, from_us, until_us, window_s(window) * 1_000_000)

        body = msgspec.json.encode(await anyio.to_thread.run_sync(make, limiter=library.working))
        return Response(body, media_type=_KINDS["json"])

    return routes


def _answer(request: Request, body: bytes, form: str, links: Sequence[Link]) -> Response:
    own = next(one for one in links if one.type == _KINDS[form])
    rels = [(one, "self" if one is own else "alternate" if one.rel == "self" else one.rel) for one in links]
    told = ", ".join(f'<{one.href}>; rel="{rel}"; type="{one.type}"' for one, rel in rels)
    return unless_known(request, body, _KINDS[form], {"link": told})


def _links(base_url: str) -> list[Link]:
    path = f"{base_url}{PREFIX}"
    return [
        Link(rel="self", href=f"{path}/catalogue", type=_KINDS["json"]),
        Link(rel="alternate", href=f"{path}/catalogue?format=geojson", type=_KINDS["geojson"]),
        Link(rel="alternate", href=f"{path}/stac", type=_KINDS["json"]),
    ]


def _usual(
    one: DataSet, properties: holdings.Properties, editions: Sequence[lineage.Edition] = ()
) -> list[Step]:
    """Return the steps that all of a data set goes through."""
    if one.kind == "observations":
        return [
            step
            for name in one.properties
            if name in properties
            for step in lineage.property_steps(properties[name], editions)
        ]
    return lineage.station_steps() if one.kind == "quality" else []


def _all_steps(store: Store, one: DataSet, editions: Sequence[lineage.Edition]) -> list[Step]:
    """Return also those of single series, the first thousand."""
    properties = {row.id: row for row in store.observed_properties()}
    steps = _usual(one, properties, editions)
    if one.kind in {"observations", "network"}:
        names = {member.id for member in one.members}
        rows = [row for row in _datastreams(store) if row.id in names]
        for name in one.properties:
            if name in properties:
                of_property = (row for row in rows if row.property_id == name)
                steps += lineage.series_steps(properties[name], of_property, editions)
    elif one.kind == "alerts":
        steps += lineage.detector_steps(store, _datastreams(store), editions)
    return steps[:MOST_STEPS]


def _datastreams(store: Store) -> Iterable[Datastream]:
    return every(lambda after: store.datastreams(after=after, limit=PAGE))


def _revisions(store: Store, one: DataSet, start_us: int, end_us: int, length_us: int) -> RevisionsAnswer:
    if one.kind not in {"observations", "network"}:
        return RevisionsAnswer(items=[], next=None, is_cut=False)
    rows = store.series(ids=[member.id for member in one.members], limit=len(one.members) + 1)
    keys = [row.key for row in rows]
    if store.count_samples(keys, start_us, end_us, limit=MOST_SAMPLES + 1) > MOST_SAMPLES:
        raise ProblemError(400, f"These are more than {MOST_SAMPLES:,} samples: ask for a shorter range.")
    found = store.revised_spans(keys, start_us, end_us, length_us, limit=MOST_SPANS + 1)
    items = [
        RevisionSpan(
            datastream_id=rows[span.series].id,
            begin=time_of(span.begin_us),
            end=time_of(span.end_us),
            settled_by_next_sample=span.settled,
            decided_by_neighbours=span.by_network,
            late=span.late,
            received=time_of(span.received_us),
        )
        for span in found[:MOST_SPANS]
    ]
    return RevisionsAnswer(items=items, next=None, is_cut=len(found) > MOST_SPANS)
