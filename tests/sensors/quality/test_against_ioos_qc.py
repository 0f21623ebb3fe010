"""Every test that ioos_qc has, flag by flag beside it, in any cut of the batches."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ioos_qc import qartod as ioos

from tests.sensors.judging import NAN, S, engine, flags_of, in_cuts, only, overall_of, together, with_partners

BEGIN_S = 1_700_000_000
IOOS = {"behaviour": "ioos_qc"}
quarters = st.integers(-24, 24).map(lambda n: n / 4)
values_of = st.lists(st.one_of(quarters, st.just(NAN)), min_size=3, max_size=50)
cuts_of = st.lists(st.integers(0, 150), max_size=4)
intervals = st.sampled_from([1, 60, 360, 3600])


def beside(test, *arguments, **more):
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of pandas, which ioos_qc asks for parts of dates
        return [int(flag) for flag in np.ma.getdata(test(*arguments, **more))]


def seconds_of(values, interval_s):
    return BEGIN_S + np.arange(len(values)) * interval_s


def dates(seconds):
    return np.asarray(seconds).astype("datetime64[s]")


@given(values_of, intervals, st.integers(1, 4), st.integers(0, 6), cuts_of)
@settings(max_examples=150)
def test_the_four_usual_tests(values, interval_s, suspect, more, cuts):
    seconds = seconds_of(values, interval_s)
    gross, user, spike = (-5.0, 5.0), (-3.0, 4.0), (0.6, 2.1)
    rate = (1.1 / interval_s, 3.1 / interval_s)
    flat = (suspect * interval_s, (suspect + more) * interval_s, 0.3)
    expected = {
        "gross_range": beside(ioos.gross_range_test, values, gross, user),
        "spike": beside(ioos.spike_test, values, *spike),
        "rate_of_change": beside(ioos.rate_of_change_test, values, dates(seconds), *rate),
        "flat_line": beside(ioos.flat_line_test, values, dates(seconds), *flat),
    }
    tests = {
        "series": IOOS,
        "gross_range": {"span": gross, "user_span": user},
        "spike": {"suspect": spike[0], "fail": spike[1]},
        "rate_of_change": {"limit": rate[0], "fail_limit": rate[1]},
        "flat_line": {"suspect_count": suspect, "fail_count": suspect + more, "tolerance": 0.3},
    }
    judged = in_cuts(engine(tests, period_s=float(interval_s)), together(seconds * S, values), cuts)
    for test, flags in expected.items():
        assert flags_of(test, *judged) == flags, test
    aggregate = ioos.qartod_compare([np.array(flags) for flags in expected.values()]).tolist()
    assert overall_of(*judged) == aggregate


@given(values_of, intervals, cuts_of)
@settings(max_examples=100)
def test_spikes_by_differences(values, interval_s, cuts):
    expected = beside(ioos.spike_test, values, 0.6, 2.1, method="differential")
    tests = only(series=IOOS, spike={"suspect": 0.6, "fail": 2.1, "method": "differential"})
    made = together(seconds_of(values, interval_s) * S, values)
    assert flags_of("spike", *in_cuts(engine(tests), made, cuts)) == expected


@given(
    values_of, intervals, st.integers(1, 20), st.sampled_from(["std", "range"]), st.integers(1, 4), cuts_of
)
@settings(max_examples=150)
def test_attenuated_signals(values, interval_s, n, check_type, least, cuts):
    seconds = seconds_of(values, interval_s)
    more = {"test_period": n * interval_s, "check_type": check_type, "min_obs": min(n, least)}
    expected = beside(ioos.attenuated_signal_test, values, dates(seconds), 1.1, 0.3, **more)
    attenuated = {"suspect": 1.1, "fail": 0.3, "period_s": n * interval_s, "check_type": check_type}
    tests = only(series=IOOS, attenuated_signal=attenuated | {"min_samples": min(n, least)})
    judged = in_cuts(engine(tests, period_s=float(interval_s)), together(seconds * S, values), cuts)
    assert flags_of("attenuated_signal", *judged) == expected


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=40), st.sampled_from([0.5, 1.0]), cuts_of)
@settings(max_examples=100)
def test_gaps_in_time(steps, hours, cuts):
    seconds = BEGIN_S + np.cumsum(steps)
    expected = beside(ioos.time_gap_test, dates(seconds), hours)
    tests = only(series=IOOS, gap={"interval_s": hours * 3600})
    judged = in_cuts(engine(tests), together(seconds * S, np.ones(len(steps))), cuts)
    assert flags_of("gap", *judged) == expected


BINS = [
    {"period": "month", "tspan": (11, 12), "vspan": (-3.0, 3.0), "fspan": (-4.0, 4.0)},
    {"period": "week", "tspan": (1, 20), "vspan": (-2.0, 2.0)},
    {"period": "dayofyear", "tspan": (60, 120), "vspan": (0.0, 1.0), "zspan": (0.0, 10.0)},
    {"period": "quarter", "tspan": (3, 3), "vspan": (-1.0, 1.0), "fspan": (-5.0, 5.0), "zspan": (5.0, 30.0)},
    {"period": "dayofweek", "tspan": (5, 6), "vspan": (-5.5, 5.5), "fspan": (-5.75, 5.75)},
    {"period": "hour", "tspan": (7, 7), "vspan": (-0.5, 0.5)},
    {"period": "year", "tspan": (2030, 2040), "vspan": (-0.5, 0.5)},
    {"tspan": ("2024-02-29T00:00:00", "2024-03-02"), "vspan": (-0.25, 0.25)},
]
depths_of = st.integers(0, 40).map(float)


@given(
    st.lists(st.tuples(quarters, depths_of), min_size=3, max_size=60),
    st.sampled_from([3600, 86_400, 7 * 86_400 + 3600, 31 * 86_400]),
    cuts_of,
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150)
def test_climatologies_with_and_without_depth(rows, interval_s, cuts, depth_first, known):
    values, depths = (np.array(column) for column in zip(*rows, strict=True))
    if not known:
        depths[:] = NAN
    seconds = seconds_of(values, interval_s)
    expected = beside(ioos.climatology_test, BINS, values, dates(seconds), depths)
    climatology = {"bins": BINS, "depth": "depth"}
    q = with_partners({"series": IOOS, "climatology": climatology}, ["depth"], float(interval_s))
    made = together(seconds * S, values, depths, order=[1, 0] if depth_first else [0, 1])
    # A depth that is behind its value is found when the next value comes; of the last one there is none.
    n = None if depth_first else -1
    assert flags_of("climatology", *in_cuts(q, made, cuts))[:n] == expected[:n]


places_of = st.tuples(
    st.sampled_from([NAN, -181.0, -180.0, 10.0, 10.01, 10.5, 180.0]),
    st.sampled_from([NAN, -91.0, 0.0, 30.0, 30.01, 30.5, 90.0]),
)


@given(st.lists(places_of, min_size=2, max_size=40), cuts_of)
@settings(max_examples=100)
def test_locations(places, cuts):
    longitude, latitude = (np.array(column) for column in zip(*places, strict=True))
    # From an impossible longitude nothing is measured here; ioos_qc counts it round the globe.
    range_m = 20_000 if (np.abs(longitude) != 181).all() else 20_000_001
    expected = beside(ioos.location_test, longitude, latitude, range_m, range_method="wgs84")
    location = {"longitude": "lon", "latitude": "lat", "range_max_m": range_m}
    q = with_partners({"series": IOOS, "location": location}, ["lon", "lat"])
    times = seconds_of(places, 60) * S
    made = together(times, np.ones(len(places)), longitude, latitude, order=[1, 2, 0])
    assert flags_of("location", *in_cuts(q, made, cuts)) == expected


steps_of = st.tuples(
    st.one_of(st.just(NAN), st.integers(0, 60).map(lambda n: 1025 + n / 1000)),
    st.one_of(st.just(NAN), st.integers(0, 9).map(float)),
)


@given(st.lists(steps_of, min_size=1, max_size=40), cuts_of)
@settings(max_examples=150)
def test_density_inversions(profile, cuts):
    density, depth = (np.array(column) for column in zip(*profile, strict=True))
    expected = beside(ioos.density_inversion_test, density, depth, -0.005, -0.03)
    if len(profile) == 1:
        expected = [
            9 if np.isnan(density[0] + depth[0]) else 2
        ]  # ioos_qc does not look whether it is missing
    q = with_partners({"series": IOOS, "density_inversion": {"depth": "z"}}, ["z"])
    made = together(seconds_of(profile, 60) * S, density, depth, order=[1, 0])
    assert flags_of("density_inversion", *in_cuts(q, made, cuts)) == expected


@pytest.mark.parametrize("period", ["month", "week", "quarter", "dayofyear", "dayofweek", "year", "hour"])
def test_the_calendar_agrees_with_pandas_over_centuries(period):
    import pandas as pd

    from sensors.quality.calendar import PERIODS, part_of

    hours = np.arange(-700_000, 1_500_000, 997) * 3600
    index = pd.DatetimeIndex(hours.astype("datetime64[s]"))
    name = period.replace("dayof", "day_of_")
    expected = index.isocalendar().week if period == "week" else getattr(index, name)
    ours = [part_of(int(second) * S, PERIODS.index(period)) for second in hours]
    assert ours == [float(part) for part in expected]
