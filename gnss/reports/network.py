"""The network's report: its stations, the worst first, and how their figures are spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit, default_limits
from gnss.reports.figures import StationReport
from gnss.reports.report import report
from gnss.reports.tables import table
from gnss.reports.texts import moment
from gnss.reports.verdicts import WORST_FIRST

SCHEMA = "groundswell/network-report/1"


class StationRow(msgspec.Struct, frozen=True, kw_only=True):
    """Key figures of a station, as its own report has them."""

    station_id: str
    state: str
    because: list[str]
    score: float | None
    good_share: float | None
    degraded_share: float | None
    bad_share: float | None
    unknown_share: float | None
    epochs: int
    epochs_expected: int
    epochs_share: float | None
    share: float | None
    share_above_mask: float | None
    slips_per_1000_observations: float | None
    observations_per_slip: float | None
    multipath_rms_m: float | None
    cn0_mean_dbhz: float | None
    latency_median_s: float | None
    latency_p95_s: float | None
    bad_frames_share: float | None
    gaps: int
    gaps_seconds: float
    longest_gap_seconds: float | None
    reasons: list[str]
    """Codes, that which stood longest first."""
    reason_seconds: list[float]
    text: str | None
    """Of the first reason."""
    begin: str
    end: str


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a figure is spread over the stations of which it is known."""

    stations: int
    best: float | None
    median: float | None
    worst: float | None


class NetworkReport(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of the network."""

    schema: str
    begin: str | None
    end: str | None
    stations_by_state: dict[str, int]
    spread: dict[str, Spread]
    stations: list[StationRow]


SPREAD = {
    "epochs_share": False,
    "share_above_mask": False,
    "observations_per_slip": False,
    "slips_per_1000_observations": True,
    "multipath_rms_m": True,
    "cn0_mean_dbhz": False,
    "latency_median_s": True,
}
"""Figures whose spread is told, and whether more of them is worse."""


def network_json(periods: Iterable[StationPeriod], limits: Mapping[str, Limit] | None = None) -> bytes:
    """Return the report of many stations, one period each, as JSON: the fields of `NetworkReport`."""
    return msgspec.json.encode(network_report(periods, limits or default_limits()))


def network_csv(periods: Iterable[StationPeriod], limits: Mapping[str, Limit] | None = None) -> str:
    """Return a table of the stations, the worst first: the fields of `StationRow`, lists joined by blanks."""
    rows = network_report(periods, limits or default_limits()).stations
    return table(
        StationRow.__struct_fields__,
        [
            [" ".join(map(str, v)) if isinstance(v, list) else v for v in msgspec.structs.astuple(row)]
            for row in rows
        ],
    )


def network_report(periods: Iterable[StationPeriod], limits: Mapping[str, Limit]) -> NetworkReport:
    """Return all figures of the network.

    Each period is let go before the next one is asked for.

    Raises
    ------
    ValueError
        A station has several periods; `gnss.reports.combine` makes one of them.
    """
    seen, rows = set[str](), list[StationRow]()
    begin_us, end_us = list[int](), list[int]()
    for period in periods:
        if period.station_id in seen:
            raise ValueError(f"Station {period.station_id} has several periods: combine them first.")
        seen.add(period.station_id)
        rows.append(_row(report(period, limits)))
        begin_us.append(period.begin_us)
        end_us.append(period.end_us)
    rows.sort(key=_worst_first)
    return NetworkReport(
        schema=SCHEMA,
        begin=moment(min(begin_us)) if begin_us else None,
        end=moment(max(end_us)) if end_us else None,
        stations_by_state={state: sum(row.state == state for row in rows) for state in WORST_FIRST},
        spread={name: _spread(rows, name, more_is_worse) for name, more_is_worse in SPREAD.items()},
        stations=rows,
    )


def known(rows: Sequence[StationRow], name: str) -> list[float]:
    """Return a figure of all stations of which it is known."""
    values: list[float | None] = [getattr(row, name) for row in rows]
    return [value for value in values if value is not None]


def _spread(rows: Sequence[StationRow], name: str, more_is_worse: bool) -> Spread:
    values = sorted(known(rows, name), reverse=more_is_worse)
    if not values:
        return Spread(stations=0, best=None, median=None, worst=None)
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    return Spread(stations=len(values), best=values[-1], median=median, worst=values[0])


def _worst_first(row: StationRow) -> tuple[int, float, str]:
    good = row.good_share if row.good_share is not None else 1.0
    return (
        WORST_FIRST.index(row.state),
        good if row.score is None else min(good, row.score / 100.0),
        row.station_id,
    )


def _row(figures: StationReport) -> StationRow:
    total, latency = figures.total, figures.latency or {}
    share: Callable[[str], float | None] = figures.state_share.get
    return StationRow(
        station_id=figures.station_id,
        state=figures.verdict.state,
        because=figures.verdict.because,
        score=figures.score,
        good_share=share("good"),
        degraded_share=share("degraded"),
        bad_share=share("bad"),
        unknown_share=share("unknown"),
        epochs=figures.epochs,
        epochs_expected=figures.epochs_expected,
        epochs_share=figures.epochs_share,
        share=total.share,
        share_above_mask=total.share_above_mask,
        slips_per_1000_observations=total.slips_per_1000_observations,
        observations_per_slip=total.observations_per_slip,
        multipath_rms_m=total.multipath_rms_m,
        cn0_mean_dbhz=total.cn0_mean_dbhz,
        latency_median_s=latency.get("median_s"),
        latency_p95_s=latency.get("p95_s"),
        bad_frames_share=figures.bad_frames_share,
        gaps=len(figures.gaps),
        gaps_seconds=figures.gaps_seconds,
        longest_gap_seconds=figures.longest_gap_seconds,
        reasons=[reason.code for reason in figures.reasons],
        reason_seconds=[reason.seconds for reason in figures.reasons],
        text=figures.reasons[0].text if figures.reasons else None,
        begin=figures.begin,
        end=figures.end,
    )
