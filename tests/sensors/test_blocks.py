"""Blocks against a plain grouping in numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.blocks import BLOCKS, CLOSED, KEPT, SET_BACK, take_sample
from sensors.joining import JOIN, WAITING, join

S = 1_000_000


def record(dtype):
    return np.zeros(1, dtype).view(np.recarray)[0]


def blocks_of(interval_us, times, values):
    """Return time, value and the sample that closed it of each block."""
    state, made = record(BLOCKS), []
    for i, (t, v) in enumerate(zip(times, values, strict=True)):
        if take_sample(state, interval_us, t, v) == CLOSED:
            made += [(int(state["out_us"][k]), float(state["out"][k]), i) for k in range(state["out_n"])]
    return made


def test_a_daily_series_waits_for_nothing():
    times = 1_700_000_000 * S + np.arange(6) * 86_400 * S
    made = blocks_of(3600 * S, times, np.arange(6.0))
    assert made == [(int(times[0]), 0.0, 1), *((int(times[i]), float(i), i) for i in range(1, 6))]


@pytest.mark.parametrize("step_s", [300, 60, 1])
def test_a_block_is_the_median_of_its_samples_and_closes_with_its_last(step_s):
    n = 4 * 3600 // step_s
    times = 1_699_999_200 * S + np.arange(n) * step_s * S
    assert times[0] % (3600 * S) == 0
    values = np.random.default_rng(1).normal(5, 1, n)
    values[n // 2] = 1e9
    made = blocks_of(3600 * S, times, values)
    every = 3600 // step_s
    assert [i for _, _, i in made] == [every * (k + 1) - 1 for k in range(4)]
    taken = max(every // KEPT, 1)
    for k, (time_us, value, _) in enumerate(made):
        inside = values[every * k : every * (k + 1)]
        if taken == 1:
            assert value == pytest.approx(np.median(inside))
        assert abs(value - 5) < 1.5
        assert abs(time_us - times[every * k] - 1800 * S) <= 200 * S


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(-9, 9)), min_size=2, max_size=80))
def test_blocks_of_any_pace_are_in_order_and_of_one_interval(steps):
    times = (10**9 + np.cumsum([step for step, _ in steps])) * S
    made = blocks_of(3600 * S, times, [value for _, value in steps])
    numbers = [t // (3600 * S) for t, _, _ in made]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set((times // (3600 * S)).tolist())
    assert len(set((times // (3600 * S)).tolist())) - len(numbers) <= 1
    values = [value for _, value in steps]
    assert all(min(values) <= v <= max(values) for _, v, _ in made)


def test_a_clock_that_is_set_back_is_told_and_changes_nothing():
    state = record(BLOCKS)
    take_sample(state, 3600 * S, 10**15, 1.0)
    before = state.tobytes()
    assert take_sample(state, 3600 * S, 10**15, 2.0) == SET_BACK
    assert take_sample(state, 3600 * S, 10**15 - 1, 2.0) == SET_BACK
    assert state.tobytes() == before


@given(st.permutations(range(3)), st.integers(1, WAITING), st.lists(st.booleans(), min_size=3, max_size=60))
def test_components_are_joined_by_time_however_far_apart_they_come(order, piece, there):
    state, joined = record(JOIN), []
    for begin in range(0, len(there), piece):
        for c in order:
            come = [i for i in range(begin, min(begin + piece, len(there))) if c == order[1] or there[i]]
            joined += [(i, state["out"].tolist()) for i in come if join(state, c, 1000 + i, 10.0 * c + i)]
    assert joined == [(i, [i, 10.0 + i, 20.0 + i]) for i, complete in enumerate(there) if complete]
