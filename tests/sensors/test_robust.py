import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.robust import deviation, is_outlier, remembered, theil_sen
from sensors.windows import append, drop, points, since, value_at

S = 1_000_000
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=24)


def ring(capacity, times, values):
    made = np.zeros(1, points(capacity)).view(np.recarray)[0]
    for t, v in zip(times, values, strict=True):
        append(made, t, v)
    return made


@given(VALUES)
def test_the_slope_is_the_median_of_all_pairs(values):
    y = np.array(values)
    t = np.cumsum(np.arange(1, len(y) + 1)) * S
    first, second = np.triu_indices(len(y), 1)
    slopes = (y[second] - y[first]) / ((t[second] - t[first]) / S)
    slope, at_end, scatter = theil_sen(t, y)
    assert slope == pytest.approx(np.median(slopes), rel=1e-9, abs=1e-9)
    left = y - slope * (t - t[-1]) / S
    assert at_end == pytest.approx(np.median(left), rel=1e-9, abs=1e-6)
    assert scatter == pytest.approx(1.4826 * np.median(np.abs(left - np.median(left))), rel=1e-6, abs=1e-6)


def test_a_quarter_of_wild_points_does_not_tilt_a_long_line():
    t = np.arange(200) * S
    y = 0.5 * np.arange(200.0)
    y[::5] += 1000.0
    slope, at_end, _ = theil_sen(t, y)
    assert slope == pytest.approx(0.5, rel=0.02)
    assert at_end == pytest.approx(99.5, abs=2)


def test_the_deviation_is_that_of_a_normal_distribution():
    middle, scatter = deviation(np.random.default_rng(1).normal(3.0, 2.0, 20_000))
    assert (middle, scatter) == pytest.approx((3.0, 2.0), rel=0.03)


def test_an_outlier_is_one_against_scatter_and_floor():
    before = np.array([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0])
    assert not is_outlier(before, 1.3, 3.0, 0.1)
    assert is_outlier(before, 1.3, 3.0, 0.01)
    assert is_outlier(before, 5.0, 3.0, 0.1)


def test_scatter_grows_slowly_and_shrinks_quickly():
    assert remembered(0.0, 2.0, 0.1) == 2.0
    assert remembered(2.0, 1.0, 0.1) == pytest.approx(1.9)
    assert remembered(2.0, 3.0, 0.1) == pytest.approx(2.025)
    assert remembered(2.0, 1e9, 0.1) == pytest.approx(2.05)


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(-5, 5)), max_size=40), st.sampled_from([1, 4, 9]))
def test_a_window_holds_the_last_points_in_order(steps, capacity):
    times = np.cumsum([step for step, _ in steps], dtype=np.int64)
    values = [value for _, value in steps]
    made = ring(capacity, times, values)
    n = made["n"]
    assert made["time_us"][:n].tolist() == times[-capacity:].tolist()
    assert made["value"][:n].tolist() == values[-capacity:]
    for t in (0, *times.tolist(), 10_000):
        assert since(made, t) == np.searchsorted(made["time_us"][:n], t)
    drop(made, n // 2)
    assert made["value"][: made["n"]].tolist() == (values[-capacity:])[n // 2 :]


def test_a_value_between_two_points_is_on_their_line_and_none_is_made_up():
    made = ring(4, [10, 20, 100], [1.0, 2.0, 10.0])
    assert value_at(made, 10, 50) == 1.0
    assert value_at(made, 15, 50) == 1.5
    assert value_at(made, 110, 50) == 10.0
    assert value_at(made, 60, 50) == pytest.approx(6.0)
    assert np.isnan(value_at(made, 60, 30))
    assert np.isnan(value_at(made, 5, 50))
    assert np.isnan(value_at(made, 200, 50))
