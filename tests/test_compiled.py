"""Kernels that Python and other kernels call, each with versions of its own."""

from __future__ import annotations

import numpy as np

from kernels.compiled import njit


@njit()
def scaled(value, by, negative=0):
    return -value * by if negative else value * by


@njit()
def doubled_and_tripled(value):
    return scaled(value, 2), scaled(value, 3), scaled(value, by=2, negative=1)


@njit()
def shifted(value, by, down):
    return value - by if down else value + by


@njit()
def away_from_zero(value):
    return shifted(value, 1, down=False) if value > 0 else shifted(value, 2, down=True)


@njit()
def field(record, name):
    return getattr(record, name)


@njit()
def difference(record):
    return field(record, "large") - field(record, "small")


def test_python_may_call_what_a_kernel_called_first():
    assert doubled_and_tripled(5) == (10, 15, -10)
    assert scaled(5, 4) == 20
    assert scaled(0.5, 4) == 2.0


def test_a_constant_makes_no_version_of_its_own():
    assert away_from_zero(5) == 6
    assert away_from_zero(-5) == -7
    # of the kernel that kernels get, which Python has no other way to
    assert len(shifted.get_overload.__self__.overloads) == 1


def test_a_text_names_a_field():
    record = np.array([(7, 3)], [("large", "i8"), ("small", "i8")])[0]
    assert difference(record) == 4
