"""Places of GLONASS satellites: a state vector that is integrated.

Source: GLONASS ICD 5.1, A.3.1.2 (integration by Runge and Kutta's fourth order in the rotating frame; gravity
of the Earth with its oblateness, and what sun and moon do as it is sent) with the constants of PZ-90.11.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kernels.compiled import njit

STEP_S = 60.0
"""Of the integration; its error is below a millimetre after an hour."""
FARTHEST_S = 86_400.0
"""From the reference time: farther on everything is NaN."""

_GM, _ROTATION = 3.986004418e14, 7.292115e-5
_AXIS_M, _J2 = 6_378_136.0, 1.0826257e-3
_FORCE = 6


@njit(cache=True, nogil=True, error_model="numpy")
def integrate(
    start: Any, node: Any, have: Any, after_s: float, position: Any, velocity: Any, acceleration: Any
) -> Any:
    """Fill place, velocity and acceleration, in whole steps from the reference time and a rest.

    Whole steps are kept, so that a later time near by costs one step; the result does not depend on them.

    Parameters
    ----------
    start
        Place and velocity at the reference time and the acceleration by sun and moon, shape (9 or more,),
        float64, in m, m/s, m/s^2.
    node
        Place and velocity after `have` steps, shape (6,), float64. Moved on.
    have
        Whole steps of a call before; negative ones lead back.
    after_s
        Time behind the reference time.
    position, velocity, acceleration
        Out: shape (3,), float64, in m, m/s, m/s^2 of the rotating frame.

    Returns
    -------
    The steps after which `node` is now.
    """
    if not abs(after_s) <= FARTHEST_S:
        for k in range(3):
            position[k] = velocity[k] = acceleration[k] = np.nan
        return have
    step_s = STEP_S if after_s >= 0.0 else -STEP_S
    wanted = np.int64(after_s / STEP_S)
    if have * wanted < 0 or abs(have) > abs(wanted):
        for k in range(6):
            node[k] = start[k]
        have = np.int64(0)
    for _ in range(abs(wanted) - abs(have)):
        _runge_kutta(start, node, step_s)
    state = node.copy()
    _runge_kutta(start, state, after_s - wanted * STEP_S)
    slope = np.empty(6)
    _slope(start, state, slope)
    for k in range(3):
        position[k], velocity[k], acceleration[k] = state[k], state[3 + k], slope[3 + k]
    return wanted


@njit(cache=True, nogil=True, error_model="numpy")
def _runge_kutta(start: Any, state: Any, step_s: float) -> None:
    """Move a state, shape (6,), on by one step, in place."""
    one, two, three, four, at = np.empty(6), np.empty(6), np.empty(6), np.empty(6), np.empty(6)
    _slope(start, state, one)
    for k in range(6):
        at[k] = state[k] + 0.5 * step_s * one[k]
    _slope(start, at, two)
    for k in range(6):
        at[k] = state[k] + 0.5 * step_s * two[k]
    _slope(start, at, three)
    for k in range(6):
        at[k] = state[k] + step_s * three[k]
    _slope(start, at, four)
    for k in range(6):
        state[k] += step_s / 6.0 * (one[k] + 2.0 * (two[k] + three[k]) + four[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(start: Any, state: Any, slope: Any) -> None:
    """Fill the derivative of a state, shape (6,): the Earth with its oblateness, sun and moon as sent."""
    x, y, z = state[0], state[1], state[2]
    square = x * x + y * y + z * z
    pull = -_GM / (square * math.sqrt(square))
    oblate = 1.5 * _J2 * _AXIS_M**2 / square
    polar = 5.0 * z * z / square
    level = pull * (1.0 + oblate * (1.0 - polar)) + _ROTATION**2
    slope[0], slope[1], slope[2] = state[3], state[4], state[5]
    slope[3] = level * x + 2.0 * _ROTATION * state[4] + start[_FORCE]
    slope[4] = level * y - 2.0 * _ROTATION * state[3] + start[_FORCE + 1]
    slope[5] = pull * (1.0 + oblate * (3.0 - polar)) * z + start[_FORCE + 2]
