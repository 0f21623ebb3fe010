"""Reads Grafana's dashboards, and writes their queries out as Grafana does before it sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.operations import GRAFANA

POSTGRES, PROMETHEUS = "groundswell-postgres", "groundswell-prometheus"
_MACRO = re.compile(r"\$(__\w+)\(([^)]*)\)")
_VARIABLE = re.compile(r"\$\{(\w+):sqlstring\}")


@dataclass(frozen=True)
class Query:
    """One query of a dashboard."""

    board: str
    where: str
    """The panel's title, or the name of a variable or an annotation."""
    source: str
    text: str
    format: str = "table"
    """Of SQL: table or time_series."""
    fields: tuple[str, ...] = ()
    """Names of columns that the panel says something of."""

    def __str__(self) -> str:
        return f"{self.board}: {self.where}"


@dataclass(frozen=True)
class Span:
    """What a viewer looks at."""

    begin: datetime
    end: datetime
    step_ms: int


def boards() -> dict[str, dict[str, Any]]:
    """Return all dashboards by the name of their file."""
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def queries() -> list[Query]:
    """Return all queries of all dashboards."""
    return [query for name, board in boards().items() for query in _of(name, board)]


def _of(name: str, board: Mapping[str, Any]) -> Iterator[Query]:
    for one in board["templating"]["list"]:
        yield Query(name, one["name"], one["datasource"]["uid"], one["query"])
    for one in board["annotations"]["list"]:
        yield Query(name, one["name"], one["datasource"]["uid"], one["target"]["rawSql"])
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            text = target["rawSql"] if "rawSql" in target else target["expr"]
            overrides = panel["fieldConfig"]["overrides"] if panel["type"] == "table" else []
            fields = tuple(one["matcher"]["options"] for one in overrides)
            kind = target.get("format", "")
            yield Query(name, panel["title"], target["datasource"]["uid"], text, kind, fields)


def written_sql(text: str, span: Span, values: Mapping[str, list[str]]) -> str:
    """Return SQL with macros and variables replaced.

    As Grafana's manual of its PostgreSQL data source has them; those that are used here.
    """

    def macro(found: re.Match[str]) -> str:
        name, arguments = found[1], [one.strip() for one in found[2].split(",")]
        begin, end = (f"'{at.isoformat().replace('+00:00', 'Z')}'" for at in (span.begin, span.end))
        if name == "__timeFilter":
            return f"{arguments[0]} BETWEEN {begin} AND {end}"
        if name == "__timeGroup":
            (length, unit) = re.fullmatch(r"'(\d+)([smhd])'", arguments[1]).groups()
            seconds = int(length) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
            return f"floor(extract(epoch from {arguments[0]})/{seconds})*{seconds}"
        return {"__timeFrom": begin, "__timeTo": end}[name]

    def variable(found: re.Match[str]) -> str:
        return ",".join("'" + one.replace("'", "''") + "'" for one in values[found[1]])

    text = _VARIABLE.sub(variable, text.replace("$__interval_ms", str(span.step_ms)))
    text = _MACRO.sub(macro, text)
    assert "$" not in text, text
    return text


def written_promql(text: str, values: Mapping[str, str], interval: str = "1m") -> str:
    """Return PromQL with variables replaced."""
    text = text.replace("$__rate_interval", interval)
    for name, value in values.items():
        text = text.replace(f"${name}", value)
    assert "$" not in text, text
    return text
