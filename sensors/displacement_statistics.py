"""Steps and creep of a GNSS station: the statistics of `displacement`, for kernels.

East, north and up come as three series and are joined by their times. The statistics have a pace of their
own: a block is the median of the solutions in an interval.

A step is where the median of the last `NEW` blocks differs from that of the `BASE` before by more than

    max(floor, 6 * 1.4826 * MAD * sqrt(pi/2 * (1/NEW + 1/BASE))),

with all new ones beyond half of the difference, so that it is dated to its first; the square root is the
standard deviation of a difference of medians. Where the base creeps the difference is taken from where it
would have come; there and behind a gap the uncertainty of the line through the base widens the threshold.
Then the base is moved by the step, so that the watch goes on.

Creep is the velocity of a Kalman filter with the state [x, v] for each component: white acceleration of
density `q`, and a measurement noise R that follows the second differences: innovations would take a fast
movement for noise. Blocks of less than a day tell no more
of the velocity than one a day (multipath and troposphere repeat by the day), so their R is larger in
proportion. A block far from those before it (Hampel) does not go into the filter, unless they all are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.blocks import BLOCKS, NOTHING, SET_BACK, take_sample
from sensors.joining import COMPONENTS, JOIN
from sensors.ladder import LADDER, pause
from sensors.robust import deviation, is_outlier, theil_sen

NEW, BASE = 5, 30
KEPT = NEW + BASE
DAY_US = 86_400_000_000
DEVIATIONS = 6.0
SPREAD = float(np.sqrt(np.pi / 2 * (1 / NEW + 1 / BASE)))
"""Standard deviation of the difference of both medians, in those of a block."""
_CREEPS = 5.0
"""A base creeps when it moves by so many times its scatter."""
_ASIDE = 5.0
_GAP = 7
"""A pause of so many paces is a gap."""
_HAMPEL = 3.0
_TRAILING = 7
_FEWEST = 3
_REJECTED = 6
"""So many outliers in a row are none: a step is found with five."""
_LEARN = 0.05
_SLOPE_SPREAD = 1.25 * np.sqrt(12.0)

FILTER = np.dtype(
    [
        ("x", "f8"),
        ("v", "f8"),
        ("xx", "f8"),
        ("xv", "f8"),
        ("vv", "f8"),
        ("r", "f8"),
        ("out", "i8"),
    ]
)
"""Millimetres and days; `xx`, `xv`, `vv`: covariance; `out`: outliers in a row."""
STEP = np.dtype(
    [
        ("by", "f8", (COMPONENTS,)),
        ("sigma", "f8", (COMPONENTS,)),
        ("threshold", "f8", (COMPONENTS,)),
        ("before_us", "i8"),  # the last block before it
        ("after_us", "i8"),  # the first behind it
        ("is_gap", "i8"),
        ("is_told", "i8"),  # the base is still where it was
    ]
)
DISPLACEMENT_LIMITS = np.dtype(
    [
        ("interval_us", "i8"),
        ("max_gap_us", "i8"),
        ("floor", "f8", (COMPONENTS,)),
        ("noise", "f8", (COMPONENTS,)),
        ("q", "f8"),
        ("step", "f8", (4,)),
        ("creep", "f8", (4,)),
        ("end_share", "f8"),
        ("sinks", "i8"),  # a step of the height alone may be the ground
        ("quiet", "i8"),  # blocks
        ("silence_us", "i8"),
    ]
)
DISPLACEMENT_STATE = np.dtype(
    [
        ("received_us", "i8"),
        ("join", JOIN),
        ("east", BLOCKS),
        ("north", BLOCKS),
        ("up", BLOCKS),
        ("n", "i8"),
        ("time_us", "i8", (KEPT,)),
        ("value", "f8", (COMPONENTS, KEPT)),
        ("filter", FILTER, (COMPONENTS,)),
        ("since", "i8"),  # blocks since the last gap
        ("step", STEP),
        ("moved", "f8", (COMPONENTS,)),  # by all steps of an event
        ("event_us", "i8"),  # first step of an event; 0: there is none
        ("event_level", "i8"),
        ("event_quiet", "i8"),  # blocks since its last step
        ("fault", "i8"),
        ("fault_us", "i8"),
        ("fault_quiet", "i8"),
        ("same", "i8"),  # equal solutions in a row
        ("without", "i8"),  # solutions in a row that lack a component
        ("speed", "f8"),  # mm a day, of the components that move significantly
        ("ladder", LADDER),
    ]
)


@njit(cache=True, nogil=True)
def take_solution(limit: Any, s: Any, time_us: int) -> int:
    """Take what stands in `s.join.out`; return NOTHING, CLOSED or SET_BACK, as `take_sample` does."""
    out = s.join.out
    at = take_sample(s.east, limit.interval_us, time_us, out[0])
    if at == SET_BACK:
        s.n = s.since = s.step.is_told = 0
        for blocks in (s.east, s.north, s.up):
            blocks.last_us = blocks.end_us = blocks.kept_us = blocks.n = 0
        take_sample(s.east, limit.interval_us, time_us, out[0])
        pause(s.ladder)
    take_sample(s.north, limit.interval_us, time_us, out[1])
    take_sample(s.up, limit.interval_us, time_us, out[2])
    return NOTHING if at == SET_BACK else at


@njit(cache=True, nogil=True)
def add_block(limit: Any, s: Any, time_us: int, value: Any) -> bool:
    """Take a block; return whether there is a step, which then stands in `s.step`."""
    if s.step.is_told:
        _follow_step(s)
    if s.n and time_us - s.time_us[s.n - 1] > limit.max_gap_us:
        s.n = s.since = 0
        pause(s.ladder)
    trailing = min(s.n, _TRAILING)
    step_days = (time_us - s.time_us[s.n - 1]) / DAY_US if s.n else 0.0
    is_out = np.zeros(COMPONENTS, np.bool_)
    for c in range(COMPONENTS):
        window = s.value[c, s.n - trailing : s.n]
        is_out[c] = trailing >= _FEWEST and is_outlier(window, value[c], _HAMPEL, limit.noise[c])
    _append(s, time_us, value)
    is_step = s.n == KEPT and _steps(limit, s)
    for c in range(COMPONENTS):
        f = s.filter[c]
        if s.since == 0:
            _begin_filter(limit, f, c, value[c])
            continue
        if is_step and _moved(s.step, c) != 0.0:
            f.x, f.out = np.median(s.value[c, BASE:]), 0
        if s.n >= _FEWEST:
            z = s.value[c, s.n - _FEWEST : s.n]
            square = min((z[2] - 2.0 * z[1] + z[0]) ** 2 / 6.0, 9.0 * f.r)
            f.r += _LEARN * (max(square, limit.noise[c] ** 2) - f.r)
        _go_on(limit, f, c, step_days, value[c], is_out[c] and not is_step)
    s.since += 1
    return bool(is_step)


@njit(cache=True, nogil=True)
def _append(s: Any, time_us: int, value: Any) -> None:
    if s.n == KEPT:
        s.n -= 1
        for k in range(s.n):
            s.time_us[k] = s.time_us[k + 1]
            for c in range(COMPONENTS):
                s.value[c, k] = s.value[c, k + 1]
    s.time_us[s.n] = time_us
    for c in range(COMPONENTS):
        s.value[c, s.n] = value[c]
    s.n += 1


@njit(cache=True, nogil=True)
def _begin_filter(limit: Any, f: Any, c: int, value: float) -> None:
    f.x, f.v, f.r = value, 0.0, limit.noise[c] ** 2
    f.xx, f.xv, f.vv, f.out = f.r, 0.0, 100.0, 0


@njit(cache=True, nogil=True)
def _go_on(limit: Any, f: Any, c: int, step_days: float, value: float, is_out: bool) -> None:
    f.x += f.v * step_days
    f.xx += step_days * (2.0 * f.xv + step_days * f.vv) + limit.q * step_days**3 / 3.0
    f.xv += step_days * f.vv + limit.q * step_days**2 / 2.0
    f.vv += limit.q * step_days
    if is_out:
        f.out += 1
        if f.out < _REJECTED:
            return
        _begin_filter(limit, f, c, value)
        return
    f.out = 0
    new = value - f.x
    variance = f.xx + f.r * max(1.0, 1.0 / step_days)
    to_x, to_v = f.xx / variance, f.xv / variance
    f.x += to_x * new
    f.v += to_v * new
    f.vv -= to_v * f.xv
    f.xx, f.xv = f.xx * (1.0 - to_x), f.xv * (1.0 - to_x)


@njit(cache=True, nogil=True)
def _steps(limit: Any, s: Any) -> bool:
    step = s.step
    gap_us = s.time_us[BASE] - s.time_us[BASE - 1]
    is_gap = gap_us > _GAP * np.median(np.diff(s.time_us[:BASE]))
    any_step = False
    by, sigma, threshold = np.empty(COMPONENTS), np.empty(COMPONENTS), np.empty(COMPONENTS)
    for c in range(COMPONENTS):
        base, new = s.value[c, :BASE], s.value[c, BASE:]
        middle, scatter = deviation(base)
        sigma[c] = scatter * SPREAD
        slope, at_end, around = theil_sen(s.time_us[:BASE], base)
        ahead_s = (np.mean(s.time_us[BASE:] - s.time_us[BASE - 1])) * 1e-6
        base_s = (s.time_us[BASE - 1] - s.time_us[0]) * 1e-6
        creeps = abs(slope) * base_s >= _CREEPS * max(around, limit.noise[c])
        if creeps:
            middle, scatter = at_end + slope * ahead_s, around
            sigma[c] = scatter * SPREAD
        if creeps or is_gap:
            slope_sigma = _SLOPE_SPREAD * scatter / np.sqrt(BASE) / base_s
            sigma[c] = np.hypot(scatter * SPREAD, slope_sigma * (ahead_s + base_s / 2))
        by[c] = np.median(new) - middle
        threshold[c] = max(limit.floor[c], DEVIATIONS * sigma[c])
        side = 1.0 if by[c] > 0 else -1.0
        if by[c] * side > threshold[c] and (side * (new - middle)).min() > by[c] * side / 2:
            any_step = True
    if not any_step:
        return False
    step.is_told = 1
    step.before_us, step.after_us, step.is_gap = s.time_us[BASE - 1], s.time_us[BASE], is_gap
    for c in range(COMPONENTS):
        step.by[c], step.sigma[c], step.threshold[c] = by[c], sigma[c], threshold[c]
    return True


@njit(cache=True, nogil=True)
def is_equipment(limit: Any, s: Any) -> bool:
    """Return whether the height alone has stepped: then it was the antenna, and not the ground.

    The phase centres of two antennas differ by millimetres aside: a fifth of the height's step may be there.
    """
    by, threshold = s.step.by, s.step.threshold
    is_aside = abs(by[0]) >= threshold[0] / 2 or abs(by[1]) >= threshold[1] / 2
    return not (limit.sinks or (is_aside and np.hypot(by[0], by[1]) >= abs(by[2]) / _ASIDE))


@njit(cache=True, nogil=True)
def _moved(step: Any, c: int) -> float:
    return step.by[c] if abs(step.by[c]) >= step.threshold[c] / 2 else 0.0


@njit(cache=True, nogil=True)
def _follow_step(s: Any) -> None:
    """Move what came before a step to where the station is now. At the next block: the picture has it."""
    s.step.is_told = 0
    for c in range(COMPONENTS):
        for k in range(BASE):
            s.value[c, k] += _moved(s.step, c)


@njit(cache=True, nogil=True)
def speed(limit: Any, s: Any, multiple: float) -> float:
    """Return the speed in mm a day, of the components whose velocity differs from zero significantly.

    The height alone does not count where the ground does not sink: snow on an antenna looks like it.
    """
    square = 0.0
    if s.since > BASE:
        for c in range(COMPONENTS):
            f = s.filter[c]
            if f.v * f.v > multiple * multiple * f.vv and (c < 2 or square > 0.0 or limit.sinks):
                square += f.v * f.v
    return float(np.sqrt(square))
