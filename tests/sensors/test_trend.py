import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.trend import TrendWindow, quadratic_trend

S = 1_000_000


@given(st.integers(0, 2**32), st.integers(3, 150), st.floats(0, 900))
@settings(max_examples=100, deadline=None)
def test_the_trend_is_the_least_squares_parabola(seed, n, ahead_s):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(np.arange(-7200.0, 0.0, 10.0), n, replace=False))
    values = rng.normal(0, 1, n) + 1e-4 * times
    scaled = times / 3600
    expected = np.polynomial.Polynomial.fit(scaled, values, 2)
    residual = values - expected(scaled)
    trend, deviation, fitted = quadratic_trend(times, values, ahead_s)
    tolerance = 1e-7 * max(1.0, abs(expected(ahead_s / 3600)))
    assert trend == pytest.approx(expected(ahead_s / 3600), abs=tolerance)
    assert fitted == pytest.approx(expected(scaled), abs=1e-7)
    assert deviation == pytest.approx(np.median(np.abs(residual - np.median(residual))), abs=1e-7)


def test_a_window_judges_once_three_quarters_are_there_and_drops_what_is_old():
    window = TrendWindow(7200.0)
    judged_at = []
    for minute in range(300):
        if window.judge(minute * 60 * S, 0.0) is not None:
            judged_at.append(minute)
        window.learn(minute * 60 * S, 0.0)
    assert judged_at[0] == 90
    assert len(window.time_us) == 121


def test_fast_samples_do_not_outweigh_slow_ones():
    window = TrendWindow(7200.0)
    for second in range(0, 7200, 2):
        window.learn(second * S, float(second))
    assert 100 < len(window.time_us) <= 160
    assert set(np.diff(window.time_us)) == {46 * S}


def test_a_parabola_leaves_no_residual():
    window = TrendWindow(7200.0)
    for minute in range(120):
        window.learn(minute * 60 * S, 3 + 0.01 * minute - 2e-4 * minute**2)
    judged = window.judge(125 * 60 * S, 4.0)
    assert judged is not None
    assert judged.residual == pytest.approx(4.0 - (3 + 1.25 - 2e-4 * 125**2), abs=1e-9)
    assert judged.deviation == pytest.approx(0, abs=1e-9)
