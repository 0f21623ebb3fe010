"""The median of kernels is numpy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensors.median import median

FEW = st.sampled_from([0.0, -0.0, 1.0, np.nextafter(1.0, 2.0), 5e-324])
VALUES = st.one_of(st.floats(-1e300, 1e300), st.floats(-1.0, 1.0), FEW)


@given(st.lists(VALUES, min_size=1, max_size=60))
def test_it_is_the_median(values: list[float]) -> None:
    assert median(np.array(values)) == np.median(values)


@given(st.integers(1, 400), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 3.0]))
def test_it_is_the_median_of_many_of_all_spreads(n: int, seed: int, tails: float) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal(n) ** tails * 10 ** random.uniform(-5, 5)
    values[random.random(n) < 0.2] = values[0]
    assert median(values.copy()) == np.median(values)
