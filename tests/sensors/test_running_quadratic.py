import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.running_quadratic import (
    SAMPLES,
    WINDOW,
    clear,
    columns,
    deviation,
    is_ready,
    learn,
    shift,
    trend_at,
)

S = 1_000_000
MINUTE = 60 * S
LENGTH = 7200 * S
START = 1_700_000_000 * S


def window():
    return np.zeros(1, WINDOW)


@given(st.integers(0, 2**32), st.sampled_from([60, 97, 360]), st.floats(-1e4, 1e4))
@settings(max_examples=15, deadline=None)
def test_the_trend_is_the_least_squares_parabola_however_long_it_runs(seed, step_s, base):
    rng = np.random.default_rng(seed)
    time_us = START + np.cumsum(rng.integers(step_s - 10, step_s + 10, 700)) * S
    value = base + np.cumsum(rng.normal(0, 0.1, 700))
    (w,) = window()
    judged = 0
    for k, at_us in enumerate(time_us.tolist()):
        if is_ready(w, at_us, LENGTH):
            inside = (time_us[:k] >= at_us - LENGTH).nonzero()[0]
            fit = np.polynomial.Polynomial.fit((time_us[inside] - at_us) / 1e9, value[inside], 2)
            assert trend_at(w, at_us) == pytest.approx(fit(0), abs=1e-7)
            if k % 50 == 0:
                residual = value[inside] - fit((time_us[inside] - at_us) / 1e9)
                expected = np.median(np.abs(residual - np.median(residual)))
                assert deviation(w) == pytest.approx(expected, abs=1e-7)
            judged += 1
        learn(w, at_us, value[k], LENGTH)
    assert judged > 500


def test_a_window_judges_once_three_quarters_are_there_and_drops_what_is_old():
    (w,) = window()
    judged_at = []
    for minute in range(300):
        if is_ready(w, START + minute * MINUTE, LENGTH):
            judged_at.append(minute)
        learn(w, START + minute * MINUTE, 0.0, LENGTH)
    assert judged_at[0] == 90
    assert w["n"] == 121
    clear(w)
    assert not is_ready(w, START + 300 * MINUTE, LENGTH)


@pytest.mark.parametrize("step_s", [1, 2, 45, 46])
def test_fast_samples_do_not_outweigh_slow_ones(step_s):
    (w,) = window()
    for second in range(0, 15_000, step_s):
        is_ready(w, START + second * S, LENGTH)
        learn(w, START + second * S, float(second), LENGTH)
    times = np.array(columns(w)["time_us"])
    assert SAMPLES <= len(times) <= SAMPLES / 0.75 + 1
    assert set(np.diff(times)) <= {45 * S, 46 * S}


def test_a_parabola_leaves_no_residual_also_when_the_zero_has_moved():
    (w,) = window()
    for minute in range(120):
        is_ready(w, START + minute * MINUTE, LENGTH)
        learn(w, START + minute * MINUTE, 3 + 0.01 * minute - 2e-4 * minute**2, LENGTH)
    expected = 3 + 1.25 - 2e-4 * 125**2
    assert trend_at(w, START + 125 * MINUTE) == pytest.approx(expected, abs=1e-9)
    shift(w, 0.5)
    assert trend_at(w, START + 125 * MINUTE) == pytest.approx(expected + 0.5, abs=1e-9)
    assert deviation(w) == pytest.approx(0, abs=1e-9)
    assert columns(w)["trend"] == pytest.approx(columns(w)["value"], abs=2e-4)
