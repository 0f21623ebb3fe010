"""An orbit that GLONASS's own equations of motion close: one revolution, computed once.

With the central term and J2 alone the motion does not change when it is turned about the Earth's axis, so
that a near-circular orbit can be found that comes back to the same state after each revolution, but for a
turn of its node. It is symmetric to the equator and to its apex: from the equator, where the radial velocity
is zero, it must reach its apex with a radial velocity of zero again, which one unknown, the speed, is made to
fulfil. All satellites fly it, each with its own node and delay, forever and without a seam.

Source: GLONASS ICD 5.1, appendix A.3.1.2 (equations and constants), here in an inertial frame.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit

GM_M3_S2 = 398_600.4418e9
EQUATOR_M = 6_378_136.0
J2 = 1.0826257e-3
EARTH_ROTATION_RAD_S = 7.292115e-5
_STEPS = 2700
"""Of a revolution; a quarter of it has a whole number. The error of a revolution is below 0.1 mm."""

Float64 = NDArray[np.float64]


class Revolution(NamedTuple):
    """States along a revolution that begins at the ascending node, on the x axis of an inertial frame."""

    states: Float64
    """Shape (steps, 6): position in m and velocity in m/s."""
    period_s: float
    node_turn: float
    """By how much the node turns in a revolution, radians; negative: to the west."""


@njit(cache=True, nogil=True)
def _slope(state: Float64, out: Float64) -> None:
    x, y, z = state[0], state[1], state[2]
    r2 = x * x + y * y + z * z
    pull = GM_M3_S2 / (r2 * np.sqrt(r2))
    bulge = 1.5 * J2 * pull * EQUATOR_M**2 / r2
    share = 5.0 * z * z / r2
    out[0], out[1], out[2] = state[3], state[4], state[5]
    out[3] = -x * (pull + bulge * (1.0 - share))
    out[4] = -y * (pull + bulge * (1.0 - share))
    out[5] = -z * (pull + bulge * (3.0 - share))


@njit(cache=True, nogil=True)
def advance(state: Float64, step_s: float, steps: int, out: Float64) -> None:
    """Integrate by Runge and Kutta; write the states before each step to `out`, shape (steps + 1, 6).

    Parameters
    ----------
    state
        Shape (6,): position in m and velocity in m/s in an inertial frame.
    """
    now = state.copy()
    k1, k2, k3, k4 = np.empty(6), np.empty(6), np.empty(6), np.empty(6)
    out[0] = now
    for i in range(steps):
        _slope(now, k1)
        _slope(now + 0.5 * step_s * k1, k2)
        _slope(now + 0.5 * step_s * k2, k3)
        _slope(now + step_s * k3, k4)
        now = now + step_s / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        out[i + 1] = now


@cache
def revolution(axis_m: float, inclination: float) -> Revolution:
    """Return the closed orbit of a distance at the equator (m) and an inclination (radians)."""
    circular_m_s = float(np.sqrt(GM_M3_S2 / axis_m))

    def quarter(speed_m_s: float, period_s: float) -> Float64:
        start = np.array([axis_m, 0.0, 0.0, 0.0, np.cos(inclination), np.sin(inclination)])
        start[3:] *= speed_m_s
        states = np.empty((_STEPS // 4 + 1, 6))
        advance(start, period_s / _STEPS, _STEPS // 4, states)
        return states

    # two unknowns, speed and period, and two conditions at the apex: no radial and no vertical velocity
    def apex(unknown: Float64) -> Float64:
        end = quarter(unknown[0], unknown[1])[-1]
        return np.array([end[:3] @ end[3:] / axis_m, end[5]])

    unknown = np.array([circular_m_s, 2 * np.pi * axis_m / circular_m_s])
    steps = np.array([0.1, 1.0])
    for _ in range(5):
        miss = apex(unknown)
        columns = [(apex(unknown + d) - apex(unknown - d)) / (2 * d.sum()) for d in np.diag(steps)]
        unknown = unknown - np.linalg.solve(np.stack(columns, 1), miss)
    speed_m_s, period_s = (float(v) for v in unknown)
    start = quarter(speed_m_s, period_s)[0]
    states = np.empty((_STEPS + 1, 6))
    advance(start, period_s / _STEPS, _STEPS, states)
    return Revolution(states[:-1], period_s, float(np.arctan2(states[-1, 1], states[-1, 0])))


def state_at(orbit: Revolution, since_node_s: float) -> Float64:
    """Return position and velocity, shape (6,), in the inertial frame of the first revolution's node.

    `since_node_s` may be any number of revolutions.
    """
    turns, rest_s = divmod(since_node_s, orbit.period_s)
    step_s = orbit.period_s / len(orbit.states)
    at = min(int(rest_s / step_s), len(orbit.states) - 1)
    two = np.empty((2, 6))
    advance(orbit.states[at], rest_s - at * step_s, 1, two)
    angle = turns * orbit.node_turn
    return turned(two[1], -angle)


def turned(state: Float64, angle: float) -> Float64:
    """Return a position, or position and velocity, (..., 3 n), in axes turned about z by `angle`."""
    c, s = np.cos(angle), np.sin(angle)
    out = state.copy()
    for k in range(0, state.shape[-1], 3):
        out[..., k] = c * state[..., k] + s * state[..., k + 1]
        out[..., k + 1] = c * state[..., k + 1] - s * state[..., k]
    return out
