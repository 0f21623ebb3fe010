from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.quality.medians import median, select

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)


@settings(deadline=None)
@given(VALUES, st.data())
def test_selection_is_that_of_sorting(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(values) - 1))
    padded = np.array([*values, -np.inf])
    assert select(padded, len(values), k) == sorted(values)[k]


@settings(deadline=None)
@given(VALUES)
def test_median_is_that_of_numpy(values: list[float]) -> None:
    assert median(np.array(values), len(values)) == np.median(values)
