"""A causal quadratic trend: what a series would be now, judged by its recent past."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

SAMPLES = 120
"""A window holds about so many, evenly in time, however fast samples come."""
MIN_SAMPLES = 12
MIN_SPAN = 0.75
"""Share of the window that must lie between its first sample and the one that is judged."""


@njit(cache=True, nogil=True)
def quadratic_trend(time_s: Any, value: Any, at_s: float) -> tuple[float, float, Any]:
    """Fit a quadratic by least squares and carry it on.

    Orthogonal polynomials over the given times (Forsythe 1957) need no matrix and do not lose digits.

    Parameters
    ----------
    time_s, value
        Shape (n,), n >= 3 different times in seconds, any unit of value.
    at_s
        Where the trend is wanted.

    Returns
    -------
    The trend at `at_s`; the median absolute deviation of the residuals; the trend at `time_s`, shape (n,).
    """
    n = len(time_s)
    span = time_s[n - 1] - time_s[0]
    x = (time_s - time_s[0]) / span
    x_at = (at_s - time_s[0]) / span
    centre = x.mean()
    p1 = x - centre
    square = (p1 * p1).sum()
    a = (p1 * p1 * p1).sum() / square
    b = square / n
    p2 = p1 * p1 - a * p1 - b
    c0 = value.mean()
    c1 = (value * p1).sum() / square
    c2 = (value * p2).sum() / (p2 * p2).sum()
    fitted = c0 + c1 * p1 + c2 * p2
    at1 = x_at - centre
    at2 = at1 * at1 - a * at1 - b
    residual = value - fitted
    deviation = np.median(np.abs(residual - np.median(residual)))
    return c0 + c1 * at1 + c2 * at2, deviation, fitted


class Judged(msgspec.Struct, frozen=True):
    """A sample against the trend of the window before it."""

    residual: float
    deviation: float
    """Median absolute deviation of the window from its own trend."""
    fitted: NDArray[np.float64]


class TrendWindow(msgspec.Struct):
    """The samples that the trend is made of, oldest first."""

    length_s: float
    time_us: list[int] = msgspec.field(default_factory=list)
    value: list[float] = msgspec.field(default_factory=list)

    def judge(self, time_us: int, value: float) -> Judged | None:
        """Return what a sample is against the trend; None while the window is not full enough."""
        first_us = time_us - round(self.length_s * 1e6)
        while self.time_us and self.time_us[0] < first_us:
            del self.time_us[0], self.value[0]
        if len(self.time_us) < MIN_SAMPLES or time_us - self.time_us[0] < MIN_SPAN * self.length_s * 1e6:
            return None
        before_s = (np.array(self.time_us) - time_us) / 1e6
        trend, deviation, fitted = quadratic_trend(before_s, np.array(self.value), 0.0)
        return Judged(value - trend, deviation, fitted)

    def learn(self, time_us: int, value: float) -> None:
        """Add a sample, unless the last one is too near in time."""
        if not self.time_us or time_us - self.time_us[-1] >= 0.75e6 * self.length_s / SAMPLES:
            self.time_us.append(time_us)
            self.value.append(value)

    def shift(self, offset: float) -> None:
        """The zero of the instrument has moved."""
        self.value = [value + offset for value in self.value]

    def clear(self) -> None:
        """Begin anew."""
        self.time_us.clear()
        self.value.clear()
