"""Which commits write from when on a newest sample is to be looked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.postgres.bounds import MOST_KEYS, RENEW_US, Bounds

KEYS = st.sampled_from([1, 2, 3, 900, MOST_KEYS - 1, MOST_KEYS, 2**31 - 1])
TIMES_US = st.sampled_from([k * RENEW_US for k in range(-3, 3)] + [-(2**63), 2**63 - 1]) | st.integers(
    -(2**63), 2**63 - 1
)
COMMITS = st.lists(st.tuples(st.dictionaries(KEYS, TIMES_US, min_size=1), st.booleans()), max_size=20)


@given(COMMITS)
def test_a_bound_is_never_newer_than_the_newest_sample_nor_an_hour_older(commits):
    bounds, stored, newest = Bounds(), dict[int, int](), dict[int, int]()
    for times_us, fails in commits:
        key, time_us = np.array(list(times_us), np.int32), np.array(list(times_us.values()), np.int64)
        due = bounds.are_due(key, time_us)
        assert all(due[key >= MOST_KEYS])
        if fails:
            continue
        for one, at_us, is_due in zip(key.tolist(), time_us.tolist(), due.tolist(), strict=True):
            newest[one] = max(newest.get(one, at_us), at_us)
            if is_due:
                stored[one] = max(stored.get(one, at_us), at_us)
        bounds.written(key[due], time_us[due])
        assert stored.keys() == newest.keys()
        for one, bound_us in stored.items():
            assert bound_us <= newest[one]
            assert bound_us // RENEW_US == newest[one] // RENEW_US


def test_a_bound_is_written_once_in_an_hour_and_few_are_remembered():
    bounds = Bounds()
    key = np.array([5, MOST_KEYS + 7], np.int32)
    for k in range(3):
        time_us = np.full(2, 10 * RENEW_US + k, np.int64)
        assert bounds.are_due(key, time_us).tolist() == [k == 0, True]
        bounds.written(key, time_us)
    assert bounds.are_due(key[:1], np.array([11 * RENEW_US])).tolist() == [True]
    assert bounds.are_due(key[:1], np.array([9 * RENEW_US])).tolist() == [False]
    assert len(bounds._time_us) <= MOST_KEYS
