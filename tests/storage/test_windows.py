"""Windows that the database computes, against plain numpy."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.records import StationReports

S = 1_000_000
AGGREGATES = ("mean", "min", "max", "sum", "count", "last")
FROM_FIXTURES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

fresh = itertools.count()
"""All examples share a store; each gets a series of its own."""


def samples(seed, n):
    """Return up to n rows of time, value and flag in ten minutes, in no order."""
    rng = np.random.default_rng(seed)
    times = rng.permutation(np.unique(rng.integers(0, 600 * S, n)))
    values = np.where(rng.random(len(times)) < 0.1, np.nan, rng.normal(0, 1e3, len(times)))
    flags = rng.choice([1, 1, 1, 2, 3, 4, 9], len(times))
    return list(zip(times.tolist(), values.tolist(), flags.tolist(), strict=True))


def plain_windows(rows, start_us, end_us, window_s, only_good):
    """Slow twin of `observation_windows`."""
    windows = defaultdict(list)
    for time_us, value, flag in sorted(rows):
        if start_us <= time_us < end_us:
            windows[time_us // (window_s * S)].append((value, flag))
    found = []
    for bucket, inside in sorted(windows.items()):
        values = np.array([v for v, flag in inside if not np.isnan(v) and (flag == 1 or not only_good)])
        some = len(values) > 0
        found.append(
            (
                bucket * window_s * S,
                {
                    "mean": values.mean() if some else None,
                    "min": values.min() if some else None,
                    "max": values.max() if some else None,
                    "sum": values.sum() if some else None,
                    "count": len(values),
                    "last": values[-1] if some else None,
                },
                dict(Counter(flag for _, flag in inside)),
            )
        )
    return found


@FROM_FIXTURES
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 100),
    start_s=st.integers(0, 300),
    length_s=st.integers(0, 400),
    window_s=st.sampled_from([1, 7, 60, 3600]),
    only_good=st.booleans(),
)
def test_observation_windows(store, make, seed, n, start_s, length_s, window_s, only_good):
    name, rows = f"d{next(fresh)}", samples(seed, n)
    start_us, end_us = start_s * S, (start_s + length_s) * S
    times, values, flags = zip(*rows, strict=True) if rows else ((), (), ())
    store.commit([make.samples(name, times, values, flag=flags)], None, now_us=0)
    found = store.observation_windows(name, start_us, end_us, window_s, AGGREGATES, only_good=only_good)
    expected = plain_windows(rows, start_us, end_us, window_s, only_good)
    assert [(w.start_us, w.flags) for w in found] == [(start, flags) for start, _, flags in expected]
    for window, (_, values, _) in zip(found, expected, strict=True):
        for aggregate in AGGREGATES:
            assert window.values[aggregate] == (
                None if values[aggregate] is None else pytest.approx(values[aggregate], rel=1e-9, abs=1e-6)
            )


def test_only_what_was_asked_for(store, make):
    store.commit([make.samples("d", [1, 2], [1.0, 3.0])], None, now_us=0)
    (window,) = store.observation_windows("d", 0, 10, 1, ["mean"])
    assert window.values == {"mean": 2.0}
    with pytest.raises(ValueError, match="no aggregate 'median'"):
        store.observation_windows("d", 0, 10, 1, ["median"])
    assert store.observation_windows("nothing", 0, 10, 1, ["mean"]) == []


def nearest_rank(values, share):
    ordered = sorted(values)
    return ordered[max(0, int(np.ceil(share * len(ordered) - 1e-9)) - 1)] if ordered else None


def mean(values):
    known = [v for v in values if v is not None]
    return None if not known else float(np.mean(known))


@FROM_FIXTURES
@given(seed=st.integers(0, 2**32), n=st.integers(1, 150), window_s=st.sampled_from([1, 10, 45]))
def test_station_quality(store, make, seed, n, window_s):
    rng = np.random.default_rng(seed)
    station_id = f"S{next(fresh)}"
    seconds = np.unique(rng.integers(0, 300, n))
    reports = [
        make.report(
            station_id,
            int(second) * S + int(rng.integers(0, 2)) * 500_000,
            state=str(rng.choice(["good", "degraded", "bad", "unknown"])),
            score=None if rng.random() < 0.2 else int(rng.integers(0, 101)),
            reasons=[make.reason(code) for code in ("a", "b", "c") if rng.random() < 0.3],
            epochs=int(rng.integers(0, 2)),
            epochs_expected=int(rng.integers(0, 2)),
            observations=int(rng.integers(0, 200)),
            observations_expected=None if rng.random() < 0.3 else 200,
            latency_s=None if rng.random() < 0.3 else int(rng.integers(0, 50)) / 10,
            cn0_dbhz=None if rng.random() < 0.3 else int(rng.integers(3000, 5000)) / 100,
            multipath_m=None if rng.random() < 0.3 else int(rng.integers(0, 9999)) / 10_000,
            slips=int(rng.integers(0, 3)),
            bad_frames=int(rng.integers(0, 3)),
        )
        for second in seconds
    ]
    store.commit([StationReports(reports=reports)], None, now_us=0)
    start_us, end_us = 20 * S, 280 * S
    windows = defaultdict(list)
    for report in reports:
        if start_us <= report.epoch_us < end_us:
            windows[report.epoch_us // (window_s * S)].append(report)
    found = store.station_quality(station_id, start_us, end_us, window_s)
    assert [w.start_us for w in found] == [bucket * window_s * S for bucket in sorted(windows)]
    for window, (_, inside) in zip(found, sorted(windows.items()), strict=True):
        latencies = [r.latency_s for r in inside if r.latency_s is not None]
        squares = mean([None if r.multipath_m is None else r.multipath_m**2 for r in inside])
        expected = sum(r.epochs_expected for r in inside)
        known = [r.observations_expected for r in inside if r.observations_expected is not None]
        codes = Counter(reason.code for r in inside for reason in r.reasons)
        scores = [r.score for r in inside if r.score is not None]
        worst = max((r.state for r in inside), key=["good", "unknown", "degraded", "bad"].index)
        assert window.reports == len(inside)
        assert window.epochs == sum(r.epochs for r in inside)
        assert window.completeness == (window.epochs / expected if expected else None)
        assert window.observations == sum(r.observations for r in inside)
        assert window.observations_expected == (sum(known) if known else None)
        assert window.latency_mean_s == pytest.approx(mean(latencies))
        assert window.latency_median_s == nearest_rank(latencies, 0.5)
        assert window.latency_p95_s == nearest_rank(latencies, 0.95)
        assert window.latency_max_s == max(latencies, default=None)
        assert window.cn0_dbhz == pytest.approx(mean([r.cn0_dbhz for r in inside]))
        assert window.multipath_m == (None if squares is None else pytest.approx(squares**0.5))
        assert window.slips == sum(r.slips for r in inside)
        assert window.bad_frames == sum(r.bad_frames for r in inside)
        assert window.score_min == min(scores, default=None)
        assert window.score_mean == pytest.approx(mean(scores))
        assert window.state == worst
        assert window.seconds_by_state == Counter(r.state for r in inside)
        assert window.reasons == codes
        assert list(window.reasons.values()) == sorted(codes.values(), reverse=True)


def test_the_limit_gives_the_first_windows(store, make):
    reports = [make.report("A", k * S, reasons=[make.reason()], state="bad") for k in range(40)]
    store.commit([StationReports(reports=reports)], None, now_us=0)
    whole = store.station_quality("A", 0, 40 * S, 10)
    assert len(whole) == 4
    assert store.station_quality("A", 0, 40 * S, 10, limit=2) == whole[:2]


def test_several_reports_of_one_second_are_one_second(store, make):
    reports = [make.report("A", k * 200_000) for k in range(10)]
    store.commit([StationReports(reports=reports)], None, now_us=0)
    (window,) = store.station_quality("A", 0, 60 * S, 60)
    assert (window.reports, window.seconds_by_state) == (10, {"good": 2})


@pytest.mark.parametrize("ask", ["quality", "observations"])
def test_too_many_windows_are_refused_with_a_window_that_fits(store, ask):
    def windows(start_us, end_us, window_s):
        if ask == "quality":
            return store.station_quality("A", start_us, end_us, window_s)
        return store.observation_windows("d", start_us, end_us, window_s, ["mean"])

    assert windows(0, 10_000 * S, 1) == []
    with pytest.raises(ValueError, match="use a window of 2 s"):
        windows(0, 10_000 * S + 1, 1)
    century = 100 * 366 * 86_400 * S
    with pytest.raises(ValueError, match="use a window of 345600 s"):
        windows(0, century, 60)
    assert windows(0, century, 345_600) == []
    with pytest.raises(ValueError, match="at least 1 second"):
        windows(0, S, 0)
    with pytest.raises(ValueError, match="must not end before"):
        windows(S, 0, 1)
