"""Routes of reports: a station's, or the network's, over a range of stored hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated
from urllib.parse import quote, urlencode

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards import present
from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, found, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.parameters import time_us
from dashboards.api.report_files import MEDIA, Format, csv_file, json_file, page_file, tables_file
from dashboards.api.writes import may
from dashboards.problems import ProblemError
from dashboards.sensitivity import without_place
from gnss.quality.period import StationPeriod
from gnss.reports import network_csv, network_html, network_json, to_csv, to_html, to_json
from gnss.reports.words import Language
from storage.periods import network_periods, newest_report_us, station_period

DAY_US = 86_400_000_000
MOST_DAYS = 366
AT_ONCE = 2
"""Reports of stations that are made at one time; of the network it is one."""

FromQuery = Annotated[
    str | None, Query(alias="from", description="ISO 8601 with offset; 24 hours before the end.")
]
ToQuery = Annotated[str | None, Query(alias="to", description="Not included; after the newest report.")]
LanguageQuery = Annotated[Language, Query(description="Of the page.")]


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.READ), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Reports"], dependencies=needed)
    store = context.store
    station_limiter, network_limiter = anyio.CapacityLimiter(AT_ONCE), anyio.CapacityLimiter(1)

    @routes.get("/stations/{station_id}/report", responses=schemas.files(*MEDIA))
    async def station_report(
        request: Request,
        station_id: str,
        begin: FromQuery = None,
        end: ToQuery = None,
        form: Annotated[
            Format, Query(alias="format", description="csv is a zip of tables, or one by `part`.")
        ] = "json",
        part: Annotated[
            str | None, Query(description="One of the tables: signals, minutes, gaps, reasons, sky.")
        ] = None,
        language: LanguageQuery = "en",
    ) -> Response:
        """Everything about a station over a range; hours that have a part in it are counted whole."""
        if part is not None and form != "csv":
            raise ProblemError(400, "A part is a table: add format=csv, or leave part out.")

        def make() -> Response:
            row = found(store.station(station_id), "station", station_id)
            newest_us = row.report.epoch_us if row.report else None
            from_us, until_us = _range(begin, end, lambda: newest_us)
            period = station_period(store, station_id, from_us, until_us)
            if period is None:
                raise _nothing(f"station {station_id[:80]!r}", from_us, until_us)
            if not may(request, context, Action.SENSITIVE):
                period = without_place(period)
            name = f"{station_id}-{_day(from_us)}"
            if form == "html":
                return page_file(to_html(period, language=language))
            return tables_file(to_csv(period), part, name) if form == "csv" else json_file(to_json(period))

        return await anyio.to_thread.run_sync(make, limiter=station_limiter)

    @routes.get("/network/report", responses=schemas.files(*MEDIA[:3]))
    async def network_report(
        begin: FromQuery = None,
        end: ToQuery = None,
        form: Annotated[Format, Query(alias="format", description="csv is one table.")] = "json",
        language: LanguageQuery = "en",
    ) -> Response:
        """All stations over a range, the worst first. A month of thousands of stations takes minutes."""
        if network_limiter.borrowed_tokens:
            raise ProblemError(
                503, "Another report of the network is being made: try again later.", {"Retry-After": "30"}
            )

        def make() -> Response:
            from_us, until_us = _range(begin, end, lambda: newest_report_us(store))
            links: dict[str, str] = {}
            asked = {"from": present.time_of(from_us), "to": present.time_of(until_us)}
            query = urlencode({**asked, "format": "html", "language": language})
            periods = _until_stopped(network_periods(store, from_us, until_us), links, query)
            if form == "html":
                made = page_file(network_html(periods, language=language, links=links))
            elif form == "csv":
                made = csv_file(network_csv(periods), f"network-{_day(from_us)}")
            else:
                made = json_file(network_json(periods))
            if not links:
                raise _nothing("any station", from_us, until_us)
            return made

        return await anyio.to_thread.run_sync(make, limiter=network_limiter)

    def _until_stopped(
        periods: Iterator[StationPeriod], links: dict[str, str], query: str
    ) -> Iterator[StationPeriod]:
        for period in periods:
            if context.hub.closed:
                raise ProblemError(503, "The program is stopping: ask again when it runs.")
            path = f"{PREFIX}/stations/{quote(period.station_id, safe='')}/report"
            links[period.station_id] = f"{path}?{query}"
            yield period

    return routes


def _range(begin: str | None, end: str | None, newest_us: Callable[[], int | None]) -> tuple[int, int]:
    """Return the range that is asked for; what is left out is taken from the newest report."""
    until_us = time_us(end, "to") if end is not None else (newest_us() or 0) + 1
    from_us = time_us(begin, "from") if begin is not None else max(0, until_us - DAY_US)
    if from_us >= until_us:
        raise ProblemError(
            400, f"The range ends before it begins: give a to that is later than {_shown(from_us)}."
        )
    if until_us - from_us > MOST_DAYS * DAY_US:
        days = -(-(until_us - from_us) // DAY_US)
        raise ProblemError(400, f"The range has {days} days: ask for at most {MOST_DAYS} at once.")
    return from_us, until_us


def _nothing(what: str, from_us: int, until_us: int) -> ProblemError:
    return ProblemError(
        404,
        f"Nothing is kept of {what} from {_shown(from_us)} to {_shown(until_us)}: "
        "figures are kept when an hour is over; wait for its end, or ask for another range.",
    )


def _shown(at_us: int) -> str:
    return str(present.time_of(at_us))


def _day(at_us: int) -> str:
    return _shown(at_us)[:10]
