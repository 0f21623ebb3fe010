"""Routes about sensors: things, datastreams, observations."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Query, Response

from dashboards import answers, present
from dashboards.access.permissions import Action
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
from dashboards.api.needs import needs
from dashboards.api.parameters import box, span_us, window_s
from dashboards.problems import ProblemError
from sensors.model import Thing
from storage.store import Aggregate

DEFAULT_SPAN_US = 6 * 3_600_000_000
AGGREGATES: tuple[Aggregate, ...] = get_args(Aggregate)


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Sensors"], dependencies=needed)
    store = context.store

    def shown(known: Thing) -> answers.ThingAnswer:
        return present.thing(known, context.region_of(known.id))

    @routes.get("/things", responses=schemas.many(answers.ThingAnswer))
    def things(
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 1_000,
    ) -> Response:
        """Sites by id."""
        page = ask(lambda: store.things(after=after, limit=limit))
        return json_response(ListAnswer(items=[shown(one) for one in page.items], next=page.next))

    @routes.get("/things/{thing_id}", responses=schemas.one(answers.ThingAnswer))
    def thing(thing_id: str) -> Response:
        """One site."""
        return json_response(shown(found(store.thing(thing_id), "thing", thing_id)))

    @routes.get("/datastreams", responses=schemas.many(answers.DatastreamAnswer))
    def datastreams(
        thing: Annotated[str | None, Query(description="Only those of this site.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 1_000,
    ) -> Response:
        """Datastreams by id, each with its newest sample."""
        page = ask(lambda: store.datastreams(thing_id=thing, after=after, limit=limit))
        items = [present.datastream(row, context.region_of(row.id)) for row in page.items]
        return json_response(ListAnswer(items=items, next=page.next))

    @routes.get("/datastreams/{datastream_id}", responses=schemas.one(answers.DatastreamAnswer))
    def datastream(datastream_id: str) -> Response:
        """One datastream with its newest sample."""
        row = found(store.datastream(datastream_id), "datastream", datastream_id)
        return json_response(present.datastream(row, context.region_of(row.id)))

    @routes.get(
        "/datastreams/{datastream_id}/observations",
        responses=schemas.many(answers.ObservationAnswer, answers.ObservationWindowAnswer),
    )
    def observations(
        datastream_id: str,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; six hours before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; after the newest sample.")] = None,
        window: Annotated[str | None, Query(description="60s, 5min, 1h or PT60S; else every sample.")] = None,
        aggregate: Annotated[
            str | None, Query(description="mean, min, max, sum, count, last; several with commas.")
        ] = None,
        quality: Annotated[
            Literal["good", "all"], Query(description="Which samples make the aggregates.")
        ] = "good",
        after: Annotated[str | None, Query(description="`next` of the page before; without window.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Without window.")] = 1_000,
        bbox: Annotated[
            str | None,
            Query(description="west,south,east,north in degrees: samples that were taken there; no window."),
        ] = None,
    ) -> Response:
        """Samples, oldest first; with `window`, aggregates of those that passed the quality tests."""
        row = found(store.datastream(datastream_id), "datastream", datastream_id)
        newest_us = row.latest.time_us if row.latest else None
        from_us, until_us = span_us(start, end, newest_us, DEFAULT_SPAN_US)
        if window is None:
            if aggregate is not None:
                raise ProblemError(400, "An aggregate needs a window: add for instance window=5min.")
            there = None if bbox is None else box(bbox)
            page = ask(
                lambda: store.observations(
                    datastream_id, from_us, until_us, limit=limit, after=after, box=there
                )
            )
            samples = [present.observation(sample) for sample in page.items]
            return json_response(ListAnswer(items=samples, next=page.next))
        if bbox is not None:
            raise ProblemError(400, "A bbox goes with single samples: leave window out.")
        length_s, wanted = window_s(window), _aggregates(aggregate)
        rows = ask(
            lambda: store.observation_windows(
                datastream_id, from_us, until_us, length_s, wanted, only_good=quality == "good"
            )
        )
        return json_response(ListAnswer(items=[present.observation_window(w, wanted) for w in rows]))

    @routes.get("/datastreams/{datastream_id}/waveforms", responses=schemas.many(answers.WaveformAnswer))
    def waveforms(
        datastream_id: str,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; six hours before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; after the newest sample.")] = None,
        after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    ) -> Response:
        """Waveforms that begin in the range, oldest first."""
        row = found(store.datastream(datastream_id), "datastream", datastream_id)
        newest_us = row.latest.time_us if row.latest else None
        from_us, until_us = span_us(start, end, newest_us, DEFAULT_SPAN_US)
        page = ask(lambda: store.waveforms(datastream_id, from_us, until_us, limit=limit, after=after))
        return json_response(ListAnswer(items=[present.waveform(one) for one in page.items], next=page.next))

    return routes


def _aggregates(text: str | None) -> list[Aggregate]:
    if text is None:
        return ["mean", "min", "max", "count"]
    names = [name.strip() for name in text.split(",")]
    wanted = [name for name in AGGREGATES if name in names]
    for name in names:
        if name not in AGGREGATES:
            raise ProblemError(
                400,
                f"aggregate={name[:40]!r} is not known: use {', '.join(AGGREGATES)}, several with commas.",
            )
    return wanted
