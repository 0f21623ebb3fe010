"""Curves for pictures: the newest part of a series, thinned, in columns of a state."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit


def curve(points: int, *values: str) -> list[tuple[str, str, tuple[int, ...]] | tuple[str, str]]:
    """Return the columns of a curve of so many points; each name of `values` is a column."""
    return [
        ("curve_n", "i8"),
        ("curve_us", "i8", (points,)),
        *((f"curve_{name}", "f4", (points,)) for name in values),
    ]


@njit(cache=True, nogil=True)
def next_point(s: Any, time_us: int, every_us: int) -> tuple[int, bool]:
    """Return where a sample of this time belongs in the curve, and whether that point is new.

    A point stands for `every_us`: samples in that time share it.
    """
    points = len(s.curve_us)
    at = (s.curve_n - 1) % points
    if s.curve_n > 0 and 0 <= time_us - s.curve_us[at] < every_us:
        return at, False
    at = s.curve_n % points
    s.curve_n += 1
    s.curve_us[at] = time_us
    return at, True


def points_of(state: Any, *values: str, digits: int = 4) -> dict[str, list[Any]]:
    """Return the curve as evidence, oldest point first."""
    points = len(state["curve_us"])
    n = int(state["curve_n"])
    order: NDArray[np.int64] = np.arange(max(0, n - points), n) % points
    found: dict[str, list[Any]] = {"time_us": state["curve_us"][order].tolist()}
    for name in values:
        column = state[f"curve_{name}"][order].tolist()
        found[name] = [round(value, digits) if np.isfinite(value) else None for value in column]
    return found
