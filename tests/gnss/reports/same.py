"""Whether two periods say the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np
import pytest


def assert_same(one, other, where="period", left_out=()):
    """Arrays and floats up to rounding, everything else exactly."""
    assert type(one) is type(other), where
    if is_dataclass(one):
        for field in fields(one):
            if field.name not in left_out:
                assert_same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=where)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9, nan_ok=True), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}[{key!r}]")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{number}]")
    else:
        assert one == other, where
