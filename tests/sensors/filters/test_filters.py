"""Each filter against its published formula in plain numpy, pandas or a textbook's table."""

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from sensors.filters import FilterBank, cusum, ewma, hampel, kalman

S = 1_000_000
NAN = float("nan")
MONTGOMERY = [
    9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08,
    9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31, 10.52,
]  # fmt: skip
"""Montgomery, Introduction to Statistical Quality Control, table 9.1: mean 10, from sample 21 on 11."""


def fed(bank, values, times=None, flags=None, series=0):
    n = len(values)
    times = np.arange(1, n + 1) * 60 * S if times is None else np.asarray(times) * S
    flags = np.ones(n, np.uint8) if flags is None else np.asarray(flags, np.uint8)
    return bank.feed(np.full(n, series, np.int32), times, np.asarray(values, float), flags)


def same(results, others):
    """NaN is NaN."""
    for name in results.dtype.names:
        np.testing.assert_array_equal(results[name], others[name], name)


def test_the_textbook_cusum():
    result = fed(FilterBank(cusum, [cusum.CusumParameters(mean=10.0, sigma=1.0)]), MONTGOMERY)
    assert result["above"][[3, 4, 28]] == pytest.approx([1.16, 2.82, 5.28])
    assert result["below"][[0, 1, 2]] == pytest.approx([0.05, 1.56, 1.77])
    assert np.flatnonzero(result["verdict"] == 3).tolist() == [28, 29]


def test_a_cusum_may_begin_anew_after_it_has_told():
    values = [10.0, 16.0, 10.0, 16.0, 4.0]
    result = fed(FilterBank(cusum, [cusum.CusumParameters(mean=10.0, sigma=1.0, restarts=True)]), values)
    assert result["verdict"].tolist() == [1, 3, 1, 3, 3]
    assert result["below"].tolist() == [0, 0, 0, 0, 5.5]


def test_the_textbook_ewma():
    parameters = ewma.EwmaParameters(mean=10.0, sigma=1.0, weight=0.1, limit=2.7)
    result = fed(FilterBank(ewma, [parameters]), MONTGOMERY)
    assert result["average"][:2] == pytest.approx([9.945, 9.7495])
    assert result["high"][[0, 29]] == pytest.approx([10.27, 10.62], abs=0.005)
    assert np.flatnonzero(result["verdict"] == 3).tolist() == [28, 29]
    beside = pd.Series([10.0, *MONTGOMERY]).ewm(alpha=0.1, adjust=False).mean()[1:]
    assert result["average"] == pytest.approx(beside.to_numpy())


def test_a_baseline_is_learnt_and_then_held():
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 0.5, 300)
    values[200:] += 2.0
    for filter_, parameters in (
        (ewma, ewma.EwmaParameters(learn=100)),
        (cusum, cusum.CusumParameters(learn=100)),
    ):
        result = fed(FilterBank(filter_, [parameters]), values)
        assert (result["verdict"][:100] == 2).all()
        assert (result["verdict"][100:195] == 1).mean() > 0.9
        assert (result["verdict"][210:] == 3).all()
    mean, sigma = values[:100].mean(), values[:100].std(ddof=1)
    result = fed(FilterBank(cusum, [cusum.CusumParameters(learn=100)]), values)
    above = 0.0
    for value, told in zip(values[100:], result["above"][100:], strict=True):
        above = max(0.0, above + (value - mean) / sigma - 0.5)
        assert told == pytest.approx(above)


def test_hampel_as_scipy_has_its_parts():
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(0, 0.1, 400)) + rng.normal(0, 0.2, 400)
    values[::29] += 5.0
    result = fed(
        FilterBank(hampel, [hampel.HampelParameters(width=9, n_sigma=3.0, least_sigma=0.05)]), values
    )
    windows = np.lib.stride_tricks.sliding_window_view(values, 9)
    median, sigma = np.median(windows, axis=1), 1.4826 * median_abs_deviation(windows, axis=1)
    assert result["median"][8:] == pytest.approx(median)
    assert result["sigma"][8:] == pytest.approx(np.maximum(sigma, 0.05))
    outlier = np.abs(values[8:] - median) > 3 * np.maximum(sigma, 0.05)
    assert result["verdict"].tolist() == [2] * 8 + [3 if one else 1 for one in outlier]
    assert outlier.sum() > 10


def matrices(values, times, p):
    """The textbook's Kalman filter of a local linear trend."""
    state, spread = np.array([values[0], 0.0]), np.diag([p.noise_variance, p.first_trend_variance])
    told = [(state[0], state[1], NAN, NAN)]
    for before, time, value in zip(times[:-1], times[1:], values[1:], strict=True):
        step = np.array([[1.0, time - before], [0.0, 1.0]])
        noise = np.diag([p.level_variance_per_s, p.trend_variance_per_s]) * (time - before)
        state, spread = step @ state, step @ spread @ step.T + noise
        variance = spread[0, 0] + p.noise_variance
        gain, innovation = spread[:, 0] / variance, value - state[0]
        if innovation**2 <= p.limit * variance:
            state = state + gain * innovation
            spread = spread - np.outer(gain, spread[0])
        told.append((state[0], state[1], innovation, variance))
    return np.array(told)


def test_kalman_as_the_textbook_has_it_in_matrices():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.integers(30, 90, 300)).astype(float)
    values = 0.002 * times + np.cumsum(rng.normal(0, 0.02, 300)) + rng.normal(0, 0.1, 300)
    values[50::61] += 3.0
    p = kalman.KalmanParameters(
        noise_variance=0.01,
        level_variance_per_s=1e-5,
        trend_variance_per_s=1e-10,
        first_trend_variance=1e-4,
    )
    result = fed(FilterBank(kalman, [p]), values, times)
    expected = matrices(values, times, p)
    for column, name in enumerate(("level", "trend", "innovation", "variance")):
        assert result[name] == pytest.approx(expected[:, column], rel=1e-6, abs=1e-12, nan_ok=True), name
    assert set(np.flatnonzero(result["verdict"] == 3)) >= set(range(50, 300, 61))
    assert result["trend"][-1] == pytest.approx(0.002, abs=0.001)


def test_kalman_begins_anew_where_the_series_has_moved():
    p = kalman.KalmanParameters(noise_variance=0.01, level_variance_per_s=1e-6, patience=3)
    result = fed(FilterBank(kalman, [p]), [1.0] * 20 + [5.0] * 6)
    assert result["verdict"].tolist() == [2] + [1] * 19 + [3, 3, 3, 1, 1, 1]
    assert result["level"][[21, 22, 25]] == pytest.approx([1.0, 5.0, 5.0])


FILTERS = (
    (hampel, hampel.HampelParameters(width=5, max_gap_s=600)),
    (ewma, ewma.EwmaParameters(learn=5, max_gap_s=600)),
    (cusum, cusum.CusumParameters(learn=5, max_gap_s=600)),
    (kalman, kalman.KalmanParameters(noise_variance=1.0, level_variance_per_s=0.01, max_gap_s=600)),
)


@pytest.mark.parametrize(("filter_", "parameters"), FILTERS)
def test_over_a_gap_a_filter_stands_still(filter_, parameters):
    values = np.random.default_rng(4).normal(0, 1, 40)
    near = np.arange(1, 41) * 60
    far = np.where(near > 20 * 60, near + 86_400, near)
    whole, holed = (fed(FilterBank(filter_, [parameters]), values, times) for times in (near, far))
    assert holed["verdict"][20] == 2
    for name in holed.dtype.names:
        if name != "verdict" and filter_ is not kalman:
            np.testing.assert_array_equal(whole[name], holed[name])
    # what is learnt of the trend and of the spread over a gap is as of no time at all
    again = fed(FilterBank(filter_, [parameters]), values, np.where(near > 20 * 60, near + 864_000, near))
    same(again, holed)


@pytest.mark.parametrize(("filter_", "parameters"), FILTERS)
def test_what_failed_is_missing_or_comes_again_changes_nothing(filter_, parameters):
    values = np.random.default_rng(5).normal(0, 1, 30)
    times = np.arange(1, 31) * 60
    plain = fed(FilterBank(filter_, [parameters]), values, times)
    put_in = np.insert(np.arange(30), [10, 15, 20, 25], [10, 15, 20, 24])
    bad = np.zeros(34, bool)
    bad[[10, 16, 22, 28]] = True
    flags = np.ones(34, np.uint8)
    flags[[10, 16]] = 4, 9
    more, at = values[put_in], times[put_in]
    more[bad] = 1e6, 1e6, NAN, 1e6
    at[28] = at[27]
    result = fed(FilterBank(filter_, [parameters]), more, at, flags)
    assert (result["verdict"][bad] == 9).all()
    same(result[~bad], plain)


@pytest.mark.parametrize(("filter_", "parameters"), FILTERS)
@given(
    samples=st.lists(
        st.tuples(st.integers(0, 2), st.integers(-60, 900), st.integers(-50, 50), st.sampled_from([1, 3, 4])),
        max_size=60,
    ),
    cut=st.integers(0, 60),
)
@settings(max_examples=40)
def test_cuts_restarts_and_other_series_change_nothing(filter_, parameters, samples, cut):
    made = [
        np.array([row[k] for row in samples], kind) for k, kind in enumerate((np.int32, int, float, np.uint8))
    ]
    made[1] = np.cumsum(made[1]) * S + 10**15
    columns = (made[0], made[1], made[2], made[3])
    whole = FilterBank(filter_, [parameters] * 3).feed(*columns)
    bank = FilterBank(filter_, [parameters] * 3)
    first = bank.feed(*(column[:cut] for column in columns))
    other = FilterBank(filter_, [parameters] * 3)
    other.restore(bank.snapshot())
    second = other.feed(*(column[cut:] for column in columns))
    same(np.concatenate([first, second]), whole)
    for slot in range(3):
        rows = made[0] == slot
        alone = FilterBank(filter_, [parameters] * 3).feed(*(column[rows] for column in columns))
        same(alone, whole[rows])


def test_what_another_version_wrote_is_not_taken_back():
    bank = FilterBank(cusum, [cusum.CusumParameters()])
    bank.restore(FilterBank(cusum, [cusum.CusumParameters()] * 2).snapshot())
    assert fed(bank, [1.0])["verdict"].tolist() == [2]
    with pytest.raises(msgspec.MsgspecError):
        bank.restore(b"nonsense")


@pytest.mark.parametrize(
    ("filter_", "parameters"),
    [
        (hampel, hampel.HampelParameters(width=2)),
        (hampel, hampel.HampelParameters(n_sigma=0.0)),
        (ewma, ewma.EwmaParameters(weight=1.5)),
        (ewma, ewma.EwmaParameters(mean=1.0)),
        (cusum, cusum.CusumParameters(mean=1.0, sigma=0.0)),
        (cusum, cusum.CusumParameters(learn=1)),
        (kalman, kalman.KalmanParameters(noise_variance=0.0, level_variance_per_s=1.0)),
        (kalman, kalman.KalmanParameters(noise_variance=1.0, level_variance_per_s=1.0, max_gap_s=0.0)),
    ],
)
def test_parameters_that_make_no_sense_are_refused(filter_, parameters):
    with pytest.raises(ValueError, match=r"needs"):
        FilterBank(filter_, [parameters])
