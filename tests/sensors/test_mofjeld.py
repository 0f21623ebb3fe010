from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import lagrange

from sensors.mofjeld import HISTORY, SLOPES, WEIGHTS, add, clear, columns, mean_at, predict, shift

S = 1_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
START = 1_700_000_040 * S // MINUTE * MINUTE
GAP = 45 * MINUTE


def history(time_us, value):
    (h,) = np.zeros(1, HISTORY)
    for at_us, one in zip(time_us.tolist(), value.tolist(), strict=True):
        add(h, at_us, one, 1)
    return h


def by_samples(time_us, value, centre_us):
    """The ten-minute mean from the samples themselves."""
    near = np.abs(time_us - centre_us) <= 5 * MINUTE
    if near.sum() < 5:
        return np.interp(centre_us, time_us, value)
    minute = time_us[near] // MINUTE
    return np.mean([value[near][minute == one].mean() for one in np.unique(minute)])


def test_the_weights_are_those_of_the_cubic_through_four_hours():
    ahead = Fraction(525, 6000)
    for k in range(4):
        weight = Fraction(1)
        for other in set(range(4)) - {k}:
            weight *= (ahead + other) / (other - k)
        assert WEIGHTS[k] == pytest.approx(float(weight), abs=1e-15)
        basis = lagrange([0, -1, -2, -3], np.eye(4)[k])
        assert SLOPES[k] == pytest.approx(np.polyder(basis)(float(ahead)), abs=1e-12)


@pytest.mark.parametrize("step_s", [15, 60, 900])
def test_means_are_those_of_the_samples(step_s):
    time_us = START + np.arange(0, 4 * 3600, step_s) * S
    value = 5800 + np.random.default_rng(1).normal(0, 0.1, len(time_us)).cumsum() * step_s / 1e4
    h = history(time_us, value)
    for k in range(4):
        centre_us = int(time_us[-1]) - 315 * S - k * HOUR
        expected = by_samples(time_us, value, centre_us)
        # Of fast samples a whole minute belongs to a mean, or it does not.
        assert mean_at(h, centre_us, GAP) == pytest.approx(expected, abs=2e-3 if step_s == 15 else 1e-6)


@given(st.integers(0, 2**32), st.floats(-2, 2), st.floats(-0.5, 0.5), st.floats(-0.1, 0.1))
@settings(max_examples=30, deadline=None)
def test_a_cubic_is_predicted_but_for_what_the_means_flatten(seed, a, b, c):
    time_us = START + np.arange(0, 4 * 3600, 60) * S
    hours = (time_us - time_us[-1]) / HOUR
    h = history(time_us, 4000 + a * hours + b * hours**2 + c * hours**3)
    tide, slope = predict(h, int(time_us[-1]), GAP, np.zeros(4))
    assert tide == pytest.approx(4000, abs=0.003 * (abs(b) + abs(c)) + 0.01 * abs(a) + 1e-6)
    assert slope == pytest.approx(a, abs=0.01 + 0.02 * (abs(a) + abs(b) + abs(c)))


def test_what_was_taken_away_or_shifted_leaves_no_trace():
    time_us = START + np.arange(0, 4 * 3600, 60) * S
    value = np.full(len(time_us), 4000.0)
    value[200:] += 0.7
    value[150] += 3.0
    h = history(time_us, value)
    add(h, int(time_us[150]), 4003.0, -1)
    shift(h, int(time_us[200]), 0.7)
    nodes = np.zeros(4)
    tide, slope = predict(h, int(time_us[-1]), GAP, nodes)
    assert (tide, slope) == pytest.approx((4000.7, 0.0), abs=1e-9)
    assert nodes == pytest.approx([4000.7] * 4, abs=1e-9)
    assert set(columns(h)["value"]) == {4000.7}
    clear(h)
    assert np.isnan(predict(h, int(time_us[-1]), GAP, nodes)[0])


def test_a_mean_within_a_long_gap_is_not_known():
    time_us = START + np.arange(0, 4 * 3600, 900) * S
    value = np.zeros(len(time_us))
    assert not np.isnan(predict(history(time_us, value), int(time_us[-1]), GAP, np.zeros(4))[0])
    keep = np.ones(len(time_us), bool)
    keep[8:11] = False
    assert np.isnan(predict(history(time_us[keep], value[keep]), int(time_us[-1]), GAP, np.zeros(4))[0])
