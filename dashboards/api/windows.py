"""Routes over many series at once: samples, windows of them, and the quality of stations by windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

import anyio.to_thread
import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from dashboards import present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.parameters import span_us, window_s
from dashboards.api.selection import Selection, selection
from dashboards.api.streaming import Streams, as_file, until_stopped
from dashboards.api.writes import may_write
from dashboards.export import slices, tables
from dashboards.export.aggregates import Aggregates
from dashboards.export.formats import FORMATS, Format, negotiated
from dashboards.export.places import GEOCENTRIC
from dashboards.problems import ProblemError
from storage.columns import SeriesRow

DAY_US = 86_400_000_000
MOST_ROWS = 20_000_000
"""Of windows in an answer."""
MOST_SAMPLES = 2_000_000
"""That percentiles are made of in an answer."""
DEFAULT_AGGREGATES = "mean,min,max,count"
_ZONES = {"utc": "UTC", "beijing": "Asia/Shanghai"}
_MEDIA = [one.media_type for one in FORMATS.values()]


class Output:
    """How the answer is wanted: parameters that all of these routes have.

    Parameters
    ----------
    form
        Else the header Accept decides.
    """

    def __init__(
        self,
        request: Request,
        start: Annotated[
            str | None, Query(description="ISO 8601 with offset; 24 hours before the end.")
        ] = None,
        end: Annotated[str | None, Query(description="Not included; now.")] = None,
        form: Annotated[
            str | None,
            Query(
                alias="format", description="json, csv, geojson, parquet or arrow; else the header Accept."
            ),
        ] = None,
        tz: Annotated[Literal["utc", "beijing"], Query(description="Of the times in the answer.")] = "utc",
        details: Annotated[
            bool, Query(description="With what is known of each: names, unit, place. GeoJSON always has it.")
        ] = False,
    ) -> None:
        self.start, self.end, self.zone = start, end, _ZONES[tz]
        found = negotiated(form, request.headers.get("accept", ""))
        if found is None:
            known = ", ".join(FORMATS)
            status, what = (
                (400, f"format={form[:40]!r}") if form is not None else (406, "What Accept asks for")
            )
            raise ProblemError(status, f"{what} is no format of this answer: use format= one of {known}.")
        self.format: Format = found
        self.details = details or found.name == "geojson"

    def span_us(self, now_us: int) -> tuple[int, int]:
        """Return the range that is asked for."""
        from_us, until_us = span_us(self.start, self.end, now_us - 1, DAY_US)
        if from_us < 0:
            raise ProblemError(400, "The range begins before 1970: give a later start.")
        return from_us, until_us

    def headers(self, name: str, start_us: int, crs: int) -> dict[str, str]:
        """Return the headers of the answer."""
        headers = {"content-crs": f"<http://www.opengis.net/def/crs/EPSG/0/{crs}>", "vary": "accept"}
        if self.format.is_file:
            file = f"{name}-{present.time_of(start_us):%Y%m%dT%H%M}.{self.format.suffix}"
            headers |= as_file(file)
        return headers


WindowQuery = Annotated[str, Query(description="60s, 5min, 1h, 1d or PT60S.")]
GapsQuery = Annotated[
    bool, Query(description="Windows in which nothing came are there too, with a count of 0.")
]


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Windows"], dependencies=needed)
    store, streams = context.store, Streams()

    async def prepared(make: Callable[[], _Answer], out: Output) -> Response:
        answer = await anyio.to_thread.run_sync(make)
        pieces = until_stopped(out.format.encode(answer.schema, answer.batches), lambda: context.hub.closed)
        return await streams.answer(pieces, out.format.media_type, answer.headers)

    @routes.get("/observations", responses=schemas.files(*_MEDIA))
    async def observations(
        chosen: Annotated[Selection, Depends(selection)], out: Annotated[Output, Depends(Output)]
    ) -> Response:
        """Every sample of many datastreams, by time, as a stream of any length."""

        def make() -> _Answer:
            from_us, until_us = out.span_us(context.clock_us())
            rows = _series(context, chosen, out)
            keys = [row.key for row in rows]
            table = tables.SampleTable(_subjects(rows, chosen, out), out.zone)
            found = slices.sample_slices(store, keys, from_us, until_us) if keys else iter(())
            batches = (table.batch(samples) for samples in found)
            return _Answer(table.schema, batches, out.headers("observations", from_us, chosen.crs))

        return await prepared(make, out)

    @routes.get("/windows", responses=schemas.files(*_MEDIA))
    async def windows(
        chosen: Annotated[Selection, Depends(selection)],
        out: Annotated[Output, Depends(Output)],
        window: WindowQuery = "1h",
        aggregate: Annotated[
            str, Query(description="mean, min, max, sum, count, last, p5, p50, p95 and other percentiles.")
        ] = DEFAULT_AGGREGATES,
        quality: Annotated[
            Literal["good", "all"], Query(description="Which samples make the aggregates.")
        ] = "good",
        gaps: GapsQuery = False,
    ) -> Response:
        """Windows of many datastreams, by time: aggregates, coverage, and samples by flag."""

        def make() -> _Answer:
            from_us, until_us = out.span_us(context.clock_us())
            length_s = window_s(window)
            wanted = _aggregates(aggregate)
            rows = _series(context, chosen, out)
            _check_rows(len(rows), from_us, until_us, length_s)
            keys, shares = [row.key for row in rows], list(wanted.percentiles.values())
            properties = {one.id: one.sampling_period_s for one in store.observed_properties()}
            period_s = np.array([row.period_s or properties.get(row.property_id, 0.0) for row in rows])
            table = tables.WindowTable(
                _subjects(rows, chosen, out), out.zone, wanted, period_s, length_s * 1_000_000
            )
            only_good = quality == "good"

            def batches() -> Iterator[pa.RecordBatch]:
                if not keys:
                    return
                if shares:
                    _check_samples(context, keys, from_us, until_us)
                    found = slices.percentile_slices(
                        store, keys, from_us, until_us, length_s, shares, only_good=only_good,
                        with_gaps=gaps, most_samples=MOST_SAMPLES,
                    )  # fmt: skip
                else:
                    found = slices.window_slices(
                        store, keys, from_us, until_us, length_s, only_good=only_good, with_gaps=gaps
                    )
                for some, begin_us, stop_us in found:
                    yield table.batch(some, begin_us, stop_us)

            return _Answer(table.schema, batches(), out.headers("windows", from_us, chosen.crs))

        return await prepared(make, out)

    @routes.get("/station-windows", responses=schemas.files(*_MEDIA))
    async def station_windows(
        request: Request,
        chosen: Annotated[Selection, Depends(selection)],
        out: Annotated[Output, Depends(Output)],
        window: WindowQuery = "1h",
        gaps: GapsQuery = False,
    ) -> Response:
        """The quality of many stations by windows, by time."""
        is_exact = may_write(request, context)

        def make() -> _Answer:
            from_us, until_us = out.span_us(context.clock_us())
            length_s = window_s(window)
            rows = chosen.stations(context, is_exact=is_exact)
            _check_rows(len(rows), from_us, until_us, length_s)
            interval_s = np.array([row.interval_s for row in rows])
            _check_crs(chosen, out)
            subjects = tables.subjects_of_stations(rows, crs=chosen.crs, details=out.details)
            table = tables.QualityTable(subjects, out.zone, interval_s, length_s * 1_000_000)
            place = {row.id: number for number, row in enumerate(rows)}
            ids, most = list(place), slices.MOST_REPORT_SUMS

            def batches() -> Iterator[pa.RecordBatch]:
                for one in slices.stretches(from_us, until_us, length_s, len(rows), most):
                    found = {
                        (window.start_us, place[name]): window
                        for name, window in store.quality_windows(
                            ids[one.first : one.behind], one.start_us, one.end_us, length_s
                        )
                    }
                    keys = list(found)
                    if gaps:
                        low_us = one.start_us // table.window_us * table.window_us
                        begins = range(low_us, one.end_us, table.window_us)
                        keys = [
                            (begin, number) for begin in begins for number in range(one.first, one.behind)
                        ]
                    yield table.batch([(*key, found.get(key)) for key in keys], one.start_us, one.end_us)

            answer = batches() if rows else iter(())
            return _Answer(table.schema, answer, out.headers("station-windows", from_us, chosen.crs))

        return await prepared(make, out)

    return routes


class _Answer:
    """What is sent."""

    def __init__(
        self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], headers: Mapping[str, str]
    ) -> None:
        self.schema, self.batches, self.headers = schema, batches, headers


def _series(context: Context, chosen: Selection, out: Output) -> list[SeriesRow]:
    _check_crs(chosen, out)
    return chosen.series(context)


def _check_crs(chosen: Selection, out: Output) -> None:
    if out.format.name == "geojson" and chosen.crs == GEOCENTRIC:
        raise ProblemError(400, "GeoJSON has longitude and latitude: leave crs out, or use another format.")


def _subjects(rows: list[SeriesRow], chosen: Selection, out: Output) -> tables.Subjects:
    return tables.subjects_of_series(rows, crs=chosen.crs, details=out.details)


def _aggregates(text: str) -> Aggregates:
    try:
        return Aggregates.read(text)
    except ValueError as error:
        raise ProblemError(400, f"aggregate: {error}.") from None


def _check_rows(series: int, start_us: int, end_us: int, length_s: int) -> None:
    length_us = length_s * 1_000_000
    rows = series * (-(-end_us // length_us) - start_us // length_us)
    if rows > MOST_ROWS:
        fits = -(-(end_us - start_us) * series // MOST_ROWS // 1_000_000)
        raise ProblemError(
            400,
            f"These are up to {rows:,} windows of {series:,} series, more than {MOST_ROWS:,}: use a window "
            f"of at least {fits} s, a shorter range or fewer series.",
        )


def _check_samples(context: Context, keys: list[int], start_us: int, end_us: int) -> None:
    """Refuse percentiles that cannot be made."""
    kept_us = context.store.samples_kept_from_us()
    if start_us < kept_us:
        raise ProblemError(
            400,
            f"Percentiles are made of samples, and those before {present.time_of(kept_us):%Y-%m-%dT%H:%MZ} "
            "are no longer kept: begin later, or leave the percentiles out.",
        )
    if context.store.count_samples(keys, start_us, end_us, limit=MOST_SAMPLES + 1) > MOST_SAMPLES:
        raise ProblemError(
            400,
            f"Percentiles are made of samples, and these are more than {MOST_SAMPLES:,}: ask for a shorter "
            "range or fewer series, or leave the percentiles out.",
        )
