"""Since when and until when there is something, also when rows have gone; and what was revised."""

from __future__ import annotations

import numpy as np

from gnss.quality.period_codec import pack_period
from sensors.model import Datastream
from storage.extents import Extent, RevisedSpan
from streams.records import AlertTransitions, StationPeriodRecord, StationPeriods, StationReports
from tests.gnss.reports import invented
from tests.storage.test_rollups import DAY, HOUR, S, roll
from tests.storage.timescaledb import ALL_STORES

pytestmark = ALL_STORES
T0 = 20_000 * DAY


def keys_of(store, *names):
    store.put_registry(
        datastreams=[Datastream(id=n, thing_id="t", property_id="p", name=n, unit="m") for n in names]
    )
    return [row.key for row in store.series(ids=names, limit=10)]


def test_nothing_has_no_extent(store):
    (key,) = keys_of(store, "a")
    assert store.series_extents([key]) == {}
    assert store.series_extents([]) == {}
    assert store.alert_extent() is None
    for table in ("reports", "figures", "periods"):
        assert store.station_extents(table) == {}


def test_extents_are_those_of_rows_and_of_sums_when_rows_have_gone(store, make):
    keys = keys_of(store, "a", "b")
    times = [T0 + 5 * HOUR, T0 + 3 * DAY + 7 * S]
    store.commit([make.samples("a", times, [1.0, 2.0]), make.samples("b", times[1:], [2.0])], None, now_us=1)
    assert store.series_extents(keys) == {keys[0]: Extent(*times), keys[1]: Extent(times[1], times[1])}
    assert store.series_extents(keys[1:]) == {keys[1]: Extent(times[1], times[1])}
    roll(store)
    store.drop_expired(T0 + 4 * DAY, {"samples": DAY // S, "sample_minutes": DAY // S})
    found = store.series_extents(keys)
    assert found[keys[0]] == Extent(T0, times[1]), "the begin of the day that is left of it"


def test_extents_of_stations(store, make):
    for at_us in (T0 + 90 * S, T0 + 2 * HOUR):
        reports = [make.report("A", at_us), make.report("B", at_us + S)]
        figures = [make.figures("A", at_us)]
        store.commit([StationReports(reports=reports, figures=figures)], None, now_us=1)
    period = pack_period(invented.station("A", begin_us=T0, minutes=5))
    hours = [
        StationPeriodRecord(station_id="A", begin_us=T0 + h * HOUR, end_us=T0 + (h + 1) * HOUR, period=period)
        for h in (0, 3)
    ]
    store.commit([StationPeriods(periods=hours)], None, now_us=1)
    store.tidy()
    assert store.station_extents("reports") == {
        "A": Extent(T0 + 90 * S, T0 + 2 * HOUR),
        "B": Extent(T0 + 91 * S, T0 + 2 * HOUR + S),
    }
    assert store.station_extents("figures") == {"A": Extent(T0 + 90 * S, T0 + 2 * HOUR)}
    assert store.station_extents("periods") == {"A": Extent(T0, T0 + 4 * HOUR)}


def test_the_extent_of_alerts_is_from_the_first_to_the_newest_opening(store, make):
    steps = [
        make.transition(1, name, opened_at_us=at_us) for name, at_us in (("a", 30), ("b", 10), ("c", 20))
    ]
    store.commit([AlertTransitions(transitions=steps)], None, now_us=1)
    assert store.alert_extent() == Extent(10, 30)


def test_what_was_revised_stands_by_series_and_hour_with_its_kind(store, make):
    keys = keys_of(store, "a", "b")
    first = np.arange(T0, T0 + 2 * HOUR, 1800 * S)
    store.commit(
        [make.samples("a", first, np.zeros(4)), make.samples("b", first, np.zeros(4))], None, now_us=1
    )
    store.commit([make.samples("a", first[:3], np.zeros(3), revision=1)], None, now_us=1)
    store.commit([make.samples("a", first[2:3], np.zeros(1), revision=101)], None, now_us=1)
    store.commit([make.samples("b", [T0 + 7 * S], [0.0], revision=-1)], None, now_us=1)
    asked = (keys, T0, T0 + 2 * HOUR, HOUR)
    found = store.revised_spans(*asked, limit=10)
    assert found == [
        RevisedSpan(0, first[0], first[1], 2, 0, 0, first[1] + S),
        RevisedSpan(1, T0 + 7 * S, T0 + 7 * S, 0, 0, 1, T0 + 8 * S),
        RevisedSpan(0, first[2], first[2], 0, 1, 0, first[2] + S),
    ]
    assert store.revised_spans(*asked, limit=1) == found[:1]
    assert store.revised_spans(keys[::-1], T0, T0 + HOUR, HOUR, limit=10)[0].series == 1
    assert store.revised_spans([], T0, T0 + HOUR, HOUR, limit=10) == []
