"""When a slope fails, from its inverse velocity; for kernels.

Fukuzono (1985): before a failure 1/v falls on a straight line, and the failure is where it meets zero
(Voight's law with exponent 2). The line is one of least squares, 1/v = a + b*u with u around the mean time;
the failure is believed between the two times at which the line's band of confidence meets zero (Fieller
1954). No band, no answer: a slope that does not fall significantly says nothing of a failure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

LEAST_POINTS = 10
STUDENT = 1.86
"""90 % with 8 degrees of freedom, and more with more points."""
_CHANGED = 3.0
"""Standard deviations between the slopes of both halves from which they are not one line."""
FOUND, TOO_FEW, CHANGED, NOT_FALLING = range(4)


@njit(cache=True, nogil=True)
def fit_line(x: Any, y: Any) -> tuple[float, float, float, float, float]:
    """Return the mean of x; the value there; the slope; sum of squares of x; variance of the residuals."""
    centre = x.mean()
    u = x - centre
    uu = (u * u).sum()
    a = y.mean()
    b = (u * y).sum() / uu
    residual = y - a - b * u
    return centre, a, b, uu, (residual * residual).sum() / (len(x) - 2)


@njit(cache=True, nogil=True)
def failure_time(time_s: Any, inverse: Any) -> tuple[int, float, float, float]:
    """Return what was found, and the time of the failure with the earliest and the latest credible.

    Parameters
    ----------
    time_s, inverse
        Shape (n,): times that grow, in seconds, and inverse velocities, in any unit.

    Returns
    -------
    FOUND, or why not: TOO_FEW points; CHANGED: the halves are not on one line; NOT_FALLING. Then seconds.
    """
    n = len(time_s)
    if n < LEAST_POINTS:
        return TOO_FEW, 0.0, 0.0, 0.0
    half = n // 2
    _, _, before, uu_before, variance_before = fit_line(time_s[:half], inverse[:half])
    _, _, after, uu_after, variance_after = fit_line(time_s[half:], inverse[half:])
    if abs(after - before) > _CHANGED * np.sqrt(variance_before / uu_before + variance_after / uu_after):
        return CHANGED, 0.0, 0.0, 0.0
    centre, a, b, uu, variance = fit_line(time_s, inverse)
    least = b * b - STUDENT**2 * variance / uu
    if b >= 0 or least <= 0:
        return NOT_FALLING, 0.0, 0.0, 0.0
    root = np.sqrt(max(a * a * b * b - least * (a * a - STUDENT**2 * variance / n), 0.0))
    return FOUND, centre - a / b, centre + (-a * b - root) / least, centre + (-a * b + root) / least
