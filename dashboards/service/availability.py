"""When nothing was judged, and what of the network's epochs came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from dashboards.service.figures import DayShare, MonthShare, Outage, StationRow, share
from dashboards.service.months import Month
from storage.rows import QualityWindow
from storage.rows import StationRow as StoredStation
from storage.service import NetworkSums, StationSums
from streams.regions import region_of

K = TypeVar("K")

HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000
WITNESSES = 8
"""Stations that tell whether anything was judged: all are each second, also those that are silent."""
WHOLE_SHARE = 0.99
"""Of an hour; one of which less was judged is looked at by minutes."""
MINUTE_SHARE = 0.5
"""Of a minute; one of which less was judged belongs to an outage."""
MOST_HOURS = 100
"""That are looked at by minutes; of more the hour is told."""

Windows = Callable[[Sequence[str], int, int, int], Iterable[tuple[str, QualityWindow]]]
"""Of stations over a time, by windows of so many seconds (`storage.store.Store.quality_windows`)."""


def witnesses(rows: Iterable[StationSums], interval_s: Mapping[str, float]) -> list[str]:
    """Return the stations of which most of the time was judged."""
    ordered = sorted(rows, key=lambda row: (-_judged_s(row, interval_s), row.station_id))
    return [row.station_id for row in ordered[:WITNESSES]]


def outages(
    windows: Windows, seen_by: Sequence[str], interval_s: Mapping[str, float], begin_us: int, end_us: int
) -> tuple[float, list[tuple[int, int]], bool]:
    """Return how many seconds something was judged, when nothing was, and whether some is told by hours only.

    An hour that is nearly whole counts as the best of the witnesses has it, others minute by minute.
    """
    hours = _judged(windows(seen_by, begin_us, end_us, 3600), interval_s)
    judged_s, looked_at, is_coarse = 0.0, 0, False
    spans: list[tuple[int, int]] = []
    for hour_us in range(begin_us // HOUR_US * HOUR_US, end_us, HOUR_US):
        low_us, high_us = max(hour_us, begin_us), min(hour_us + HOUR_US, end_us)
        whole_s = (high_us - low_us) * 1e-6
        some_s = min(hours.get(hour_us, 0.0), whole_s)
        judged_s += some_s
        if some_s >= WHOLE_SHARE * whole_s:
            continue
        if some_s == 0.0:
            spans.append((low_us, high_us))
        elif looked_at < MOST_HOURS:
            looked_at += 1
            minutes = _judged(windows(seen_by, low_us, high_us, 60), interval_s)
            judged_s += max(0.0, min(whole_s, sum(minutes.values())) - some_s)
            spans += [
                (at, min(at + MINUTE_US, high_us))
                for at in range(low_us, high_us, MINUTE_US)
                if minutes.get(at, 0.0) < MINUTE_SHARE * 60.0
            ]
        else:
            is_coarse = True
            spans.append((low_us, high_us))
    return judged_s, _joined(spans), is_coarse


def outage_rows(spans: Iterable[tuple[int, int]], month: Month) -> list[Outage]:
    """Return spans as they are told."""
    return [
        Outage(begin=month.local(low), end=month.local(high), seconds=(high - low) * 1e-6)
        for low, high in spans
    ]


def station_rows(
    sums: Iterable[StationSums], known: Mapping[str, StoredStation], length_s: float
) -> list[StationRow]:
    """Return the stations: those of which nothing was heard, then those with the least share of their epochs.

    A station that is paused and has no reports is not missed.
    """
    interval_s = {name: row.interval_s for name, row in known.items()}
    rows = {one.station_id: _row(one, known, interval_s, length_s) for one in sums}
    for name, station in known.items():
        if name not in rows and not station.paused:
            rows[name] = _row(
                StationSums(name, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, 0), known, interval_s, length_s
            )
    return sorted(rows.values(), key=_worst_first)


def month_row(month: Month, sums: Sequence[NetworkSums]) -> MonthShare:
    """Return what the days of a month come to."""
    epochs, expected = sum(one.epochs for one in sums), sum(one.epochs_expected for one in sums)
    return MonthShare(
        month=month.name,
        stations=max((one.stations for one in sums), default=0),
        epochs=epochs,
        epochs_expected=expected,
        epochs_share=share(epochs, expected),
    )


def day_rows(sums: Sequence[NetworkSums], day_of: Callable[[int], str]) -> list[DayShare]:
    """Return the days."""
    return [
        DayShare(
            day=day_of(one.day_us),
            stations=one.stations,
            epochs=one.epochs,
            epochs_expected=one.epochs_expected,
            epochs_share=share(one.epochs, one.epochs_expected),
        )
        for one in sums
    ]


def _row(
    one: StationSums, known: Mapping[str, StoredStation], interval_s: Mapping[str, float], length_s: float
) -> StationRow:
    seconds = one.good_s + one.degraded_s + one.bad_s + one.unknown_s
    named = known.get(one.station_id)
    return StationRow(
        station_id=one.station_id,
        name=one.station_id if named is None else named.name,
        region=region_of(one.station_id),
        epochs=one.epochs,
        epochs_expected=one.epochs_expected,
        epochs_share=share(one.epochs, one.epochs_expected),
        judged_share=min(1.0, _judged_s(one, interval_s) / length_s),
        good_share=share(one.good_s, seconds),
        degraded_share=share(one.degraded_s, seconds),
        bad_share=share(one.bad_s, seconds),
        unknown_share=share(one.unknown_s, seconds),
        latency_mean_s=share(one.latency_sum_s, one.latency_n),
        bad_frames_share=share(one.bad_frames, one.frames),
    )


def _worst_first(row: StationRow) -> tuple[float, float, str]:
    share_of_epochs = row.epochs_share
    if share_of_epochs is None:
        share_of_epochs = 2.0 if row.judged_share > 0 else -1.0
    return share_of_epochs, 2.0 if row.good_share is None else row.good_share, row.station_id


def _judged_s(one: StationSums, interval_s: Mapping[str, float]) -> float:
    return max(one.reports, one.epochs_expected) * interval_s.get(one.station_id, 1.0)


def _judged(found: Iterable[tuple[str, QualityWindow]], interval_s: Mapping[str, float]) -> dict[int, float]:
    """Return of each window how many seconds were judged, as the best of the witnesses has it."""
    judged: dict[int, float] = {}
    for station_id, window in found:
        some_s = max(window.reports, window.epochs_expected) * interval_s.get(station_id, 1.0)
        judged[window.start_us] = max(judged.get(window.start_us, 0.0), some_s)
    return judged


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for low, high in spans:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined
