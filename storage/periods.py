"""Stored hours of stations put together to longer periods, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gnss.quality.period import StationPeriod
from gnss.quality.period_codec import PeriodError, unpack_period, unpack_sums
from gnss.reports import combine
from gnss.time import iso_z
from storage.store import Store
from streams.records import StationPeriodRecord

HOURS_AT_ONCE = 48
SUMS_AT_ONCE = 768
STATIONS_AT_ONCE = 1_000


def station_period(
    store: Store, station_id: str, start_us: int, end_us: int, *, only_sums: bool = False
) -> StationPeriod | None:
    """Return what is stored of a station as one period; None: nothing is.

    Hours that have a part in the range are counted whole. Where two records cover the same time, as after a
    recording was played twice, the longer one counts. However long the range is, two days are in memory.

    Parameters
    ----------
    start_us, end_us
        UTC; the end is not in it.
    only_sums
        Leave out minutes, sky and elevations, which the network's report does not need.
    """
    total: StationPeriod | None = None
    some: list[StationPeriod] = []
    problems: dict[str, None] = {}
    for record in _distinct(_records(store, station_id, start_us, end_us), problems):
        try:
            some.append(unpack_sums(record.period) if only_sums else unpack_period(record.period))
        except PeriodError as error:
            problems[f"The figures from {iso_z(record.begin_us)} on cannot be read: {error}."] = None
        if len(some) >= (SUMS_AT_ONCE if only_sums else HOURS_AT_ONCE):
            total = combine([*([total] if total else []), *some])
            some.clear()
    parts = [*([total] if total else []), *some]
    if not parts:
        return None
    whole = combine(parts)
    return replace(whole, problems=[*problems, *whole.problems])


def network_periods(store: Store, start_us: int, end_us: int) -> Iterator[StationPeriod]:
    """Return the sums of all stations of which something is stored, one after the other."""
    after = None
    while True:
        page = store.stations(after=after, limit=STATIONS_AT_ONCE)
        for row in page.items:
            period = station_period(store, row.id, start_us, end_us, only_sums=True)
            if period is not None:
                yield period
        if (after := page.next) is None:
            return


def newest_report_us(store: Store) -> int | None:
    """Return the time of the newest report of any station."""
    newest_us, after = None, None
    while True:
        page = store.stations(after=after, limit=STATIONS_AT_ONCE)
        times = [row.report.epoch_us for row in page.items if row.report is not None]
        if times:
            newest_us = max(*times, newest_us or times[0])
        if (after := page.next) is None:
            return newest_us


def _records(store: Store, station_id: str, start_us: int, end_us: int) -> Iterator[StationPeriodRecord]:
    after = None
    while True:
        page = store.station_periods(station_id, start_us, end_us, limit=HOURS_AT_ONCE, after=after)
        yield from page.items
        if (after := page.next) is None:
            return


def _distinct(
    records: Iterator[StationPeriodRecord], problems: dict[str, None]
) -> Iterator[StationPeriodRecord]:
    """Leave out records that cover the same time as a longer one."""
    kept: StationPeriodRecord | None = None
    for record in records:
        if kept is not None and record.begin_us < kept.end_us:
            longer = max(kept, record, key=lambda one: one.end_us - one.begin_us)
            other = record if longer is kept else kept
            text = f"A record from {iso_z(other.begin_us)} to {iso_z(other.end_us)} is left out:"
            problems[f"{text} another one covers that time."] = None
            kept = longer
            continue
        if kept is not None:
            yield kept
        kept = record
    if kept is not None:
        yield kept
