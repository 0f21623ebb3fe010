"""Handling of sample columns."""

from __future__ import annotations

import numpy as np

from streams.samples import bits_of


def test_bits_are_eight_bytes_each_whatever_the_values_were() -> None:
    for kind in (np.float64, np.float32, np.int32, np.uint8):
        values = np.arange(6).astype(kind)[::2]
        assert bits_of(values).tolist() == np.array([0.0, 2.0, 4.0]).view(np.int64).tolist()
    assert bits_of(np.array([np.nan]))[0] == bits_of(np.array([np.nan]))[0]
