"""Hours as they are stored, and put together again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.quality.period_codec import PeriodError, pack_period, unpack_period, unpack_sums
from gnss.reports import combine, network_json
from gnss.time import DAY_US
from sensors.model import Station
from storage.periods import HOURS_AT_ONCE, network_periods, newest_report_us, station_period
from streams.records import StationPeriodRecord, StationPeriods, StationReports
from tests.gnss.reports.invented import BEGIN_US
from tests.gnss.reports.invented import station as invented
from tests.gnss.reports.same import assert_same

HOUR_US = 3_600_000_000


@cache
def a_day(station_id):
    return invented(station_id)


def hours(station_id, n, begin_us=BEGIN_US):
    """Hours whose sums differ, cut out of an invented day."""
    day = a_day(station_id)
    made = []
    for k in range(n):
        begin = begin_us + k * HOUR_US
        keep = slice(60 * (k % 24), 60 * (k % 24 + 1))
        minutes = type(day.minutes)(
            **{name: getattr(day.minutes, name)[keep] for name in day.minutes.__dataclass_fields__}
        )
        minutes = replace(minutes, time_us=begin + np.arange(len(minutes.time_us)) * 60_000_000)
        seen = day.sky.time_us // HOUR_US % 24 == k % 24
        sky = type(day.sky)(**{name: getattr(day.sky, name)[seen] for name in day.sky.__dataclass_fields__})
        sky = replace(sky, time_us=begin + sky.time_us % HOUR_US)
        made.append(
            replace(
                day, begin_us=begin, end_us=begin + HOUR_US, epochs=3000 + k, epochs_expected=3600,
                minutes=minutes, sky=sky, gaps=[], clock_jumps=[], reasons=[], problems=[],
            )
        )  # fmt: skip
    return made


def record(period):
    return StationPeriodRecord(
        station_id=period.station_id,
        begin_us=period.begin_us,
        end_us=period.end_us,
        period=pack_period(period),
    )


def keep(store, *periods):
    store.commit([StationPeriods(periods=[record(p) for p in periods])], None, now_us=1)


# --- the bytes of a period -------------------------------------------------------------------------------


def test_a_period_comes_back_as_it_was():
    day = a_day("A")
    assert_same(unpack_period(pack_period(day)), day)
    sums = unpack_sums(pack_period(day))
    assert_same(sums, day, left_out=("minutes", "sky", "elevation"))
    assert len(sums.minutes.time_us) == len(sums.sky.time_us) == sums.elevation.cn0_count.sum() == 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_a_period(data):
    whole = bytearray(pack_period(hours("A", 1)[0]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for read in (unpack_period, unpack_sums):
        with contextlib.suppress(PeriodError):
            read(damaged)


def test_a_newer_version_is_refused():
    with pytest.raises(PeriodError, match="version 2, this program reads 1"):
        unpack_period(b"\x02" + pack_period(hours("A", 1)[0])[1:])


# --- the store -------------------------------------------------------------------------------------------


def test_hours_are_kept_once_and_the_newer_one_wins(open_store):
    store = open_store()
    first, second, third = hours("A", 3)
    keep(store, first, second, third)
    keep(store, replace(second, epochs=7))
    store = open_store()
    items = store.station_periods("A", 0, 2**62).items
    assert [i.begin_us for i in items] == [p.begin_us for p in (first, second, third)]
    assert [unpack_period(i.period).epochs for i in items] == [3000, 7, 3002]
    assert_same(unpack_period(items[0].period), first)
    assert store.station_periods("B", 0, 2**62).items == []
    assert [s.id for s in store.stations().items] == ["A"]


def test_a_range_holds_the_hours_that_have_a_part_in_it(store):
    keep(store, *hours("A", 5))
    begin = BEGIN_US + HOUR_US

    def found(start_us, end_us):
        return [
            (i.begin_us - BEGIN_US) // HOUR_US for i in store.station_periods("A", start_us, end_us).items
        ]

    assert found(begin, begin + HOUR_US) == [1]
    assert found(begin - 1, begin + HOUR_US + 1) == [0, 1, 2]
    assert found(begin + 10, begin + 11) == [1]
    assert found(begin + 9 * HOUR_US, begin + 10 * HOUR_US) == []


def test_hours_come_in_pages(store):
    keep(store, *hours("A", 7))
    seen, after = [], None
    while True:
        page = store.station_periods("A", BEGIN_US, BEGIN_US + DAY_US, limit=3, after=after)
        seen += [i.begin_us for i in page.items]
        if (after := page.next) is None:
            break
    assert seen == [BEGIN_US + k * HOUR_US for k in range(7)]
    with pytest.raises(ValueError, match="not one of this list"):
        store.station_periods("A", 0, 1, after="x")


def test_a_range_is_what_its_hours_are_together(store):
    n = 2 * HOURS_AT_ONCE + 5  # in several goes
    some = hours("A", n)
    keep(store, *some)
    found = station_period(store, "A", BEGIN_US, BEGIN_US + n * HOUR_US)
    assert_same(found, combine(some))
    part = station_period(store, "A", BEGIN_US + 3 * HOUR_US, BEGIN_US + 5 * HOUR_US)
    assert_same(part, combine(some[3:5]))
    sums = station_period(store, "A", BEGIN_US, BEGIN_US + n * HOUR_US, only_sums=True)
    assert_same(sums, combine(some), left_out=("minutes", "sky", "elevation"))
    assert station_period(store, "A", 0, 1) is None


def test_of_records_that_cover_the_same_time_the_longest_counts(store):
    first, second = hours("A", 2)
    short = replace(first, begin_us=first.begin_us + 600_000_000, end_us=first.end_us - 600_000_000, epochs=5)
    other = replace(second, begin_us=second.begin_us + 1_000_000, epochs=9)
    keep(store, first, short, second, other)
    found = station_period(store, "A", 0, 2**62)
    assert found.epochs == first.epochs + second.epochs
    assert len([p for p in found.problems if "is left out" in p]) == 2


def test_bytes_that_cannot_be_read_are_told_and_harm_no_other_hour(store):
    first, second = hours("A", 2)
    broken = StationPeriodRecord(
        station_id="A", begin_us=first.begin_us, end_us=first.end_us, period=b"\x09nothing"
    )
    store.commit([StationPeriods(periods=[broken, record(second)])], None, now_us=1)
    found = station_period(store, "A", 0, 2**62)
    assert found.epochs == second.epochs
    assert "version 9" in found.problems[0]


def test_the_network_is_read_one_station_after_the_other(store, make):
    store.put_registry(stations=[Station(id="SILENT", name="silent")])
    for k, name in enumerate("CAB"):
        keep(store, *hours(name, 2 + k))
    alive = 0

    def counted():
        nonlocal alive
        for period in network_periods(store, BEGIN_US, BEGIN_US + DAY_US):
            alive += 1
            yield period

    found = network_json(counted())
    assert alive == 3
    alone = [station_period(store, name, BEGIN_US, BEGIN_US + DAY_US) for name in "ABC"]
    assert found == network_json(alone)
    assert newest_report_us(store) is None
    store.commit([StationReports(reports=[make.report("A"), make.report("B", make.t0 + 5)])], None, now_us=1)
    assert newest_report_us(store) == make.t0 + 5
