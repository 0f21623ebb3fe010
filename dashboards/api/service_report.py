"""The route of the monthly report of the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote, urlencode

import anyio
import anyio.to_thread
import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from dashboards.access.permissions import Action
from dashboards.api import schemas
from dashboards.api.context import PREFIX, Context, known_parameters_only
from dashboards.api.needs import needs
from dashboards.api.report_files import MEDIA, Format, json_file, page_file, tables_file
from dashboards.api.sessions import privacy_of
from dashboards.api.writes import may
from dashboards.problems import ProblemError
from dashboards.service.figures import ServiceReport, StationRow
from dashboards.service.making import Asked, StoppedError, service_report
from dashboards.service.months import Month, Zone, last_month, month_of
from dashboards.service.page import MOST_ROWS, to_html
from dashboards.service.tables import to_csv
from gnss.reports.words import Language

AGE_US = 60_000_000
"""A report is made anew after so long: who reads it in several forms waits once."""
REMEMBERED = 4
_EARLIEST_US = 86_400_000_000 * 31


def router(context: Context) -> APIRouter:
    """Return the routes."""
    needed = [needs(Action.ROVERS, "The report of the service"), Depends(known_parameters_only)]
    routes = APIRouter(prefix=PREFIX, tags=["Reports"], dependencies=needed)
    made: dict[Month, tuple[int, ServiceReport]] = {}
    limiter = anyio.CapacityLimiter(1)  # who waits for it holds no other question up

    def report_of(month: Month) -> ServiceReport:
        now_us = context.clock_us()
        made_us, known = made.get(month, (0, None))
        if known is not None and 0 <= now_us - made_us < AGE_US:
            return known
        asked = Asked(
            month=month,
            now_us=now_us,
            program=context.version,
            kept_days=privacy_of(context).days,
            region_of=context.region_of,
            is_stopping=lambda: context.hub.closed,
        )
        try:
            report = service_report(context.store, asked)
        except StoppedError:
            raise ProblemError(503, "The program is stopping: ask again when it runs.") from None
        if len(made) >= REMEMBERED:
            made.clear()
        made[month] = context.clock_us(), report  # it may have taken longer than it is kept
        return report

    @routes.get("/reports/service", responses=schemas.files(*MEDIA))
    async def monthly(
        request: Request,
        month: Annotated[str | None, Query(description="2026-10; without it the last one.")] = None,
        tz: Annotated[Zone, Query(description="Whose months, and of the times in the answer.")] = "utc",
        form: Annotated[
            Format, Query(alias="format", description="csv is a zip of tables, or one by `part`.")
        ] = "json",
        part: Annotated[
            str | None,
            Query(description="One of the tables: summary, stations, months, days, outages, sessions, ..."),
        ] = None,
        language: Annotated[Language, Query(description="Of the page.")] = "en",
    ) -> Response:
        """Users, sessions and volumes, availability, sensors, alerts, calls and answers of a month."""
        if part is not None and form != "csv":
            raise ProblemError(400, "A part is a table: add format=csv, or leave part out.")
        if month is None and context.clock_us() < _EARLIEST_US:
            raise ProblemError(400, "No month is over yet: name one, for instance month=2026-10.")
        is_manager, book = may(request, context, Action.MANAGE), context.access.book
        roles = book.counts_by_role(context.clock_us()) if is_manager else None

        def make() -> Response:
            try:
                wanted = last_month(context.clock_us(), tz) if month is None else month_of(month, tz)
                report = report_of(wanted)
            except ValueError as error:
                raise ProblemError(400, f"{error}.") from None
            users = msgspec.structs.replace(report.users, accounts_by_role=roles)
            report = msgspec.structs.replace(report, users=users)
            if form == "html":
                links = _links(report.stations[:MOST_ROWS], wanted, language)
                return page_file(to_html(report, language, links))
            if form == "csv":
                return tables_file(to_csv(report), part, f"service-{report.month}")
            return json_file(msgspec.json.encode(report))

        return await anyio.to_thread.run_sync(make, limiter=limiter)

    return routes


def _links(rows: Sequence[StationRow], month: Month, language: Language) -> dict[str, str]:
    asked = {"from": month.local(month.begin_us).isoformat(), "to": month.local(month.end_us).isoformat()}
    query = urlencode({**asked, "format": "html", "language": language})
    return {
        row.station_id: f"{PREFIX}/stations/{quote(row.station_id, safe='')}/report?{query}" for row in rows
    }
