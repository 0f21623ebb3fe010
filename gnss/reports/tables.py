"""Reports as CSV tables (RFC 4180, with the names of the columns first)."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit, default_limits
from gnss.reports.figures import Gap, Reason, Signals
from gnss.reports.report import report
from gnss.reports.station_json import minute_columns, sky_columns
from gnss.reports.texts import cell


def to_csv(period: StationPeriod, limits: Mapping[str, Limit] | None = None) -> dict[str, str]:
    """Return a report as tables: "signals", "minutes", "gaps", "reasons" and "sky".

    A cell is empty where nothing is known. The numbers are those of `to_json`; a text that a spreadsheet
    would take for a formula has a quote before it.
    """
    figures = report(period, limits or default_limits())
    minutes = minute_columns(period)
    del minutes["row_s"]
    return {
        "signals": _structs(Signals, figures.signals),
        "minutes": _columns(minutes),
        "gaps": _structs(Gap, figures.gaps),
        "reasons": _structs(Reason, figures.reasons),
        "sky": _columns(sky_columns(period)),
    }


def table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV; None and NaN are empty cells."""
    lines = _Lines()
    writer = csv.writer(lines)
    writer.writerow(names)
    writer.writerows([_shown(value) for value in row] for row in rows)
    return "".join(lines)


class _Lines(list[str]):
    """What a CSV writer may write to."""

    def write(self, line: str) -> int:
        self.append(line)
        return len(line)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return cell(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value


def _structs(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> str:
    return table(kind.__struct_fields__, [msgspec.structs.astuple(row) for row in rows])


def _columns(columns: Mapping[str, Sequence[Any]]) -> str:
    return table(list(columns), zip(*columns.values(), strict=True))
