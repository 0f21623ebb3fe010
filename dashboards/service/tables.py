"""The monthly report as CSV tables; the numbers are those of the JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dashboards.service import figures
from dashboards.service.figures import NamedUsage, ServiceReport, Sessions, Usage
from gnss.reports.tables import table
from streams.answer_statistics import AnswerFigures


def to_csv(report: ServiceReport) -> dict[str, str]:
    """Return the report as tables, by name; the first, `summary`, has the figures that there are once."""
    counts = [
        [by, *_cells(one)]
        for by, some in (
            ("all", [report.alerts.total]), ("level", report.alerts.by_level),
            ("rule", report.alerts.by_rule), ("region", report.alerts.by_region),
        )
        for one in some
    ]  # fmt: skip
    return {
        "summary": table(("figure", "value"), _summary(report)),
        "stations": _rows(figures.StationRow, report.stations),
        "months": _rows(figures.MonthShare, report.availability.months),
        "days": _rows(figures.DayShare, report.availability.days),
        "outages": _rows(figures.Outage, report.availability.outages),
        "sessions": table(("by", "name", *_names(Usage)), _sessions(report.sessions)),
        "properties": _rows(figures.PropertyRow, report.sensors.properties),
        "series": _rows(figures.SeriesRow, report.series),
        "alerts": table(("by", *_names(figures.AlertCounts)), counts),
        "channels": _rows(figures.ChannelRow, report.calls.channels),
        "answers": _rows(AnswerFigures, report.calls.answers),
        "webhooks": _rows(figures.WebhookRow, report.webhooks),
    }


def _summary(report: ServiceReport) -> Iterator[tuple[str, Any]]:
    for name in ("schema", "month", "zone", "begin", "end", "until", "made", "program"):
        yield name, _cell(getattr(report, name))
    for note in report.notes:
        yield f"note {note.code}", note.value
    sections: Mapping[str, Any] = {
        "users": report.users, "availability": report.availability, "sensors": report.sensors,
        "alerts": report.alerts.total, "calls": report.calls,
    }  # fmt: skip
    for section, struct in sections.items():
        for name, value in zip(_names(type(struct)), msgspec.structs.astuple(struct), strict=True):
            if value is None or isinstance(value, int | float):
                yield f"{section}.{name}", value
    yield "alerts.historic", report.alerts.historic
    for role, count in (report.users.accounts_by_role or {}).items():
        yield f"users.accounts_by_role.{role}", count


def _sessions(sessions: Sessions | None) -> Iterator[list[Any]]:
    if sessions is None:
        return
    yield ["all", "", *_cells(sessions.total)]
    groups: Mapping[str, list[NamedUsage]] = {
        "kind": sessions.by_kind, "mountpoint": sessions.by_mountpoint, "region": sessions.by_region,
        "account": sessions.by_account,
    }  # fmt: skip
    for by, some in groups.items():
        for one in some:
            yield [by, one.name, *_cells(one.usage)]


def _rows(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> str:
    return table(_names(kind), (_cells(row) for row in rows))


def _names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _cells(row: msgspec.Struct) -> list[Any]:
    return [_cell(value) for value in msgspec.structs.astuple(row)]


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
