import numpy as np
import pytest

from sensors.residuals import CAPACITY, RESIDUALS, half_wave, reaches, stands_out, take

S = 1_000_000
START = 1_700_000_000 * S


def recent(values, step_s=60, duration_s=120):
    (r,) = np.zeros(1, RESIDUALS)
    before = 0.0
    for k, value in enumerate(values):
        take(r, START + k * step_s * S, value, value, value - before, 0.5, 2 * duration_s * S)
        before = value
    return r


@pytest.mark.parametrize(
    ("values", "step_s", "begin"),
    [
        ([1, 1, 1], 60, 0),
        ([1, 1], 60, -1),
        ([1, 0, 1, 0, 1], 60, 0),
        ([1, 0, 0, 0, 1], 60, -1),
        ([1, 1, 1], 59, -1),
        ([1] * 12, 10, -1),
        ([1] * 13, 10, 0),
        ([1, 0] * 12 + [1], 10, -1),
        ([1, 1, 0] * 8 + [1], 10, 0),
        ([-1, -1, -1], 60, 0),
        ([-1, -1, 1, 1, 1], 60, 2),
        ([1, 1, 1, 1, -1], 60, -1),
        ([1, -1, 1, -1, 1], 60, -1),
    ],
)
def test_a_half_wave_is_three_of_five_or_three_fifths_of_more_on_one_side(values, step_s, begin):
    assert half_wave(recent(values, step_s), 120 * S) == begin


def test_a_limit_is_reached_by_three_samples_over_long_enough():
    assert reaches(recent([1, 0, 0, -1, 1]), 1.0, 60 * S)
    assert not reaches(recent([1, 0, 0, 0, 1]), 1.0, 60 * S)
    assert not reaches(recent([1, 1, 1], step_s=20), 1.0, 60 * S)
    assert not reaches(recent([0.9, 0.9, 0.9]), 1.0, 60 * S)


@pytest.mark.parametrize(("step_s", "left"), [(360, 5), (60, 5), (10, 25), (1, CAPACITY)])
def test_what_is_remembered_is_five_samples_or_twice_the_duration(step_s, left):
    assert recent([1] * 300, step_s)["n"] == left


def test_the_mean_of_what_is_random_rarely_stands_out():
    """Of means of normal residuals one in 16,000 is further out than four standard deviations."""
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 20_000)
    (r,) = np.zeros(1, RESIDUALS)
    outstanding = 0
    for k, value in enumerate(values):
        jump = value - values[k - 1] if k else 0.0
        take(r, START + k * 60 * S, value, value, jump, 0.5, 240 * S)
        outstanding += k > 60 and stands_out(r, 0)
    assert outstanding <= 5


@pytest.mark.parametrize("period_min", [8, 10, 20, 60])
def test_the_first_half_wave_of_a_tsunami_stands_out(period_min):
    wave = np.sin(2 * np.pi * np.arange(1, 4 if period_min < 12 else 6) / period_min)
    r = recent([0.0] * 30 + list(wave))
    assert stands_out(r, int(r["n"]) - min(len(wave), 5))
