"""Samples and windows of many series at once, on both stores, against what is asked of each alone."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.model import Datastream, Promise, Station, Thing
from storage.columns import FLAGS
from storage.rows import Box
from streams.records import StationReports
from tests.storage.conftest import T0

S = 1_000_000
MINUTE_US, DAY_US = 60 * S, 86_400 * S
FROM_FIXTURES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PLACES = {"east": (179.5, -10.0), "west": (-179.5, -10.0), "hill": (121.5, 31.2)}
fresh = itertools.count()


@pytest.fixture
def sites(store):
    """A store with three sites of two datastreams each."""
    store.put_registry(
        things=[
            Thing(id=name, name=name, longitude=x, latitude=y, height_m=12.5, height_datum="ellipsoidal")
            for name, (x, y) in PLACES.items()
        ],
        datastreams=[
            Datastream(
                id=f"{name}/{kind}", thing_id=name, property_id=kind, name=f"{kind} of {name}", unit="mm",
                promise=Promise(period_s=90.0) if kind == "tilt" else None,
            )
            for name in PLACES
            for kind in ("rain", "tilt")
        ],
    )  # fmt: skip
    return store


def ids(rows):
    return [row.id for row in rows]


def test_series_are_found_by_id_thing_property_and_place(sites, make):
    sites.commit([make.samples("nobody-knows-it", [T0], [1.0])], None, now_us=T0)
    every = ids(sites.series(limit=100))
    assert every == sorted(f"{name}/{kind}" for name in PLACES for kind in ("rain", "tilt"))
    assert ids(sites.series(ids=["hill/rain", "east/tilt", "none"], limit=9)) == ["east/tilt", "hill/rain"]
    assert ids(sites.series(things=["hill", "west"], properties=["tilt"], limit=9)) == [
        "hill/tilt",
        "west/tilt",
    ]
    assert ids(sites.series(box=Box(121, 31, 122, 32), limit=9)) == ["hill/rain", "hill/tilt"]
    across = sites.series(box=Box(179, -11, -179, -9), properties=["rain"], limit=9)
    assert ids(across) == ["east/rain", "west/rain"]
    assert ids(sites.series(ids=[], limit=9)) == []
    assert ids(sites.series(limit=2)) == every[:2]


def test_a_series_tells_where_it_is_and_how_often_it_speaks(sites):
    sites.put_registry(
        datastreams=[Datastream(id="lost/rain", thing_id="lost", property_id="rain", name="r", unit="mm")]
    )
    tilt, lost = sites.series(ids=["hill/tilt", "lost/rain"], limit=9)
    assert (tilt.name, tilt.thing_id, tilt.property_id, tilt.unit) == ("tilt of hill", "hill", "tilt", "mm")
    assert (tilt.longitude, tilt.latitude, tilt.height_m, tilt.height_datum) == (
        121.5,
        31.2,
        12.5,
        "ellipsoidal",
    )
    assert (tilt.period_s, lost.period_s) == (90.0, 0.0)
    assert (lost.longitude, lost.latitude, lost.height_m) == (None, None, None)


@pytest.mark.parametrize("name", ["'; DROP TABLE things; --", 'a"b', "\\", "%s", "🌊"])
def test_a_name_is_only_a_name(sites, name):
    sites.put_registry(
        datastreams=[Datastream(id=name, thing_id=name, property_id=name, name=name, unit="m")]
    )
    (found,) = sites.series(ids=[name], things=[name], properties=[name], limit=9)
    assert found.id == name
    assert len(sites.series(limit=99)) == 7
    assert sites.series(ids=["\0"], limit=9) == []


def test_samples_of_many_come_by_time_and_then_by_series(sites, make):
    sites.commit(
        [
            make.samples("hill/rain", [T0 + 2, T0, T0 + 1], [2.0, np.nan, 1.0], flag=[1, 9, 3]),
            make.samples("east/rain", [T0 + 1, T0 + 3], [-1.0, 5.0]),
            make.samples("west/rain", [T0 + 1], [7.0]),
        ],
        None,
        now_us=T0,
    )
    keys = [row.key for row in sites.series(ids=["hill/rain", "east/rain"], limit=9)]
    found = sites.sample_columns(keys, T0, T0 + 3, limit=99)
    assert found.series.tolist() == [1, 0, 1, 1]
    assert found.time_us.tolist() == [T0, T0 + 1, T0 + 1, T0 + 2]
    np.testing.assert_array_equal(found.value, [np.nan, -1.0, 1.0, 2.0])
    assert found.flag.tolist() == [9, 1, 3, 1]
    assert len(sites.sample_columns(keys, T0, T0 + 3, limit=2)) == 2
    assert sites.count_samples(keys, T0, T0 + 4, limit=99) == 5
    assert sites.count_samples(keys, T0, T0 + 4, limit=3) == 3
    assert len(sites.sample_columns(keys, T0 + 9, T0 + 99, limit=9)) == 0
    assert len(sites.window_columns(keys, T0 + 9, T0 + 99, 60)) == 0


def rows_of(seed, n):
    rng = np.random.default_rng(seed)
    times = rng.permutation(np.unique(rng.integers(0, 7200, n))) * S
    values = np.where(rng.random(len(times)) < 0.1, np.nan, rng.normal(0, 1e3, len(times)))
    return times.tolist(), values.tolist(), rng.choice([1, 1, 1, 2, 3, 4, 9], len(times)).tolist()


@given(
    seed=st.integers(0, 2**32), n=st.integers(0, 60), window_s=st.sampled_from([30, 60, 300, 3600]),
    cut_s=st.tuples(st.integers(0, 7200), st.integers(0, 7200)), only_good=st.booleans(),
    is_rolled=st.booleans(),
)  # fmt: skip
@FROM_FIXTURES
def test_windows_of_many_are_those_of_each(store, make, seed, n, window_s, cut_s, only_good, is_rolled):
    """Where sums serve, where a mark says that they do not, and across both."""
    names = [f"{seed}-{next(fresh)}" for _ in range(3)]
    base_us = T0 // DAY_US * DAY_US
    batches = []
    for k, name in enumerate(names[:2]):
        times, values, flags = rows_of(seed + k, n)
        batches.append(make.samples(name, [base_us + t for t in times], values, flag=flags))
    store.put_registry(
        datastreams=[Datastream(id=i, thing_id="t", property_id="p", name=i, unit="m") for i in names]
    )
    store.commit(batches[:1], None, now_us=base_us)
    if is_rolled:
        while store.roll_up(base_us + 30 * DAY_US):
            pass
    store.commit(batches[1:], None, now_us=base_us)
    start_us, end_us = (base_us + one * S for one in sorted(cut_s))
    keys = [row.key for row in store.series(ids=names, limit=9)]
    found = store.window_columns(keys, start_us, end_us, window_s, only_good=only_good)
    order = sorted(names)
    told = [
        (
            int(found.time_us[i]), order[found.series[i]], int(found.n[i]),
            *(None if np.isnan(one[i]) else pytest.approx(float(one[i]), rel=1e-9, abs=1e-6)
              for one in (found.total, found.low, found.high, found.last)),
            {flag: int(c) for flag, c in zip(FLAGS, found.flags[i], strict=True) if c},
        )
        for i in range(len(found))
    ]  # fmt: skip
    alone = sorted(
        (one.start_us, name, *(one.values[key] for key in ("count", "sum", "min", "max", "last")), one.flags)
        for name in names
        for one in store.observation_windows(
            name, start_us, end_us, window_s, ["count", "sum", "min", "max", "last"], only_good=only_good
        )
    )
    assert alone == told


def test_the_quality_of_many_stations_is_that_of_each(store, make):
    base_us = T0 // DAY_US * DAY_US
    store.put_registry(stations=[Station(id="QUIET", name="Quiet")])
    for minutes, is_rolled in ((range(0, 120, 7), True), (range(120, 180), False)):
        reports = [
            make.report(
                name, base_us + minute * MINUTE_US, state=state, score=60 + minute % 30, latency_s=0.1 + k,
                reasons=[make.reason("latency")] if minute % 3 else [],
            )
            for minute in minutes
            for k, (name, state) in enumerate((("AAA", "good"), ("BBB", "degraded"), ("CCC", "bad")))
        ]  # fmt: skip
        store.commit([StationReports(reports=reports)], None, now_us=base_us)
        while is_rolled and store.roll_up(base_us + 30 * DAY_US):
            pass
    for window_s in (60, 90, 3600):
        end_us = base_us + 170 * MINUTE_US
        alone = sorted(
            (one.start_us, name, one)
            for name in ("AAA", "CCC")
            for one in store.station_quality(name, base_us + MINUTE_US, end_us, window_s)
        )
        found = store.quality_windows(["CCC", "QUIET", "AAA", "NONE"], base_us + MINUTE_US, end_us, window_s)
        assert [(one.start_us, name, one) for name, one in found] == alone
    assert store.quality_windows([], base_us, base_us + DAY_US, 60) == []


def test_too_many_windows_are_refused(store):
    for ask in (
        lambda: store.window_columns([1], 0, 10_001 * S, 1),
        lambda: store.quality_windows(["a"], 0, 10_001 * S, 1),
    ):
        with pytest.raises(ValueError, match="use a window of 2 s"):
            ask()


def test_samples_that_have_expired_are_known_to_be_gone(store, make):
    assert store.samples_kept_from_us() == 0
    store.commit(
        [make.samples("a", [T0], [1.0]), make.samples("b", [T0 + 40 * DAY_US], [1.0])], None, now_us=T0
    )
    while store.roll_up(T0 + 99 * DAY_US):
        pass
    store.drop_expired(T0 + 40 * DAY_US, {"samples": 10 * 86_400})
    kept_us = store.samples_kept_from_us()
    assert T0 + 29 * DAY_US < kept_us <= T0 + 30 * DAY_US


def test_stations_are_told_with_their_places_alone(store, make):
    known = Station(id="K", name="Known", longitude=114.0, latitude=30.5, height_m=20.0)
    store.put_registry(stations=[known, Station(id="B", name="B")])
    reports = [make.report("C", ecef_m=(-2267749.0, 5009154.0, 3221290.0)), make.report("K")]
    store.commit([StationReports(reports=reports)], None, now_us=T0)
    plain = [msgspec.structs.replace(one, report=None, figures=None) for one in store.stations().items]
    assert store.station_places() == plain
    assert [(one.id, one.position_source) for one in plain] == [
        ("B", None),
        ("C", "stream"),
        ("K", "registry"),
    ]
