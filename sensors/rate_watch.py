"""How fast a slow series changes, and how far it has come: the kernel of cracks, tilt and pore pressure.

The series is freed of faults (`sensors/slow_series.py`) and of what another one makes of it:

- by regression: value = a + b·t + k·x by least squares over `compensation` (a day: one whole wave of the
  temperature), which ends where the window of the rate begins, so that a movement that has just begun does
  not go into k. While an event goes on k stays, and its time does not go into k later.
- with a fixed coefficient: value - k·x, for the barometer.

The rate is the median slope (Theil-Sen) over `window`. It counts when the movement over the window is
`multiple` times what the series scatters about its own line: averaging is not relied upon, since daily waves
and coloured noise do not average out. A level is reached when 3 of the last 5 blocks reach it, by rate or by
value, and the event ends when both have stayed below their hysteresis for long enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.blocks import HUGE, NOTHING, SET_BACK
from sensors.crossing import fill
from sensors.joining import JOIN, join
from sensors.ladder import LADDER, climb, is_over, pause
from sensors.robust import deviation, median_slope, remembered
from sensors.slow_events import end_event
from sensors.slow_series import SLOW, SLOW_LIMITS, STUCK, report_fault, take_slow
from sensors.windows import append, points, since, value_at

CAPACITY = 160
NO_INPUT, REGRESSED, FIXED = range(3)
ENOUGH = 3
_LEAST_REGRESSED = 6
_LEAST_SWING = 0.5
"""Standard deviation of the input, in its unit, from which a coefficient can be told."""
_COLLINEAR = 0.05
_FEWEST = 3

RATE_LIMITS = np.dtype(
    [
        ("slow", SLOW_LIMITS),
        ("is_axis", "i8"),  # the roles 0, 1, 2 are accelerations: the angle of the first is watched
        ("mode", "i8"),
        ("input_role", "i8"),
        ("input_age_us", "i8"),
        ("coefficient", "f8"),
        ("most_coefficient", "f8"),
        ("compensation_us", "i8"),
        ("window_us", "i8"),
        ("multiple", "f8"),
        ("direction", "f8"),  # 0: either
        ("rate", "f8", (4,)),  # per hour; infinite: none
        ("level", "f8", (4,)),
        ("reference", "f8"),
        ("end_share", "f8"),
        ("level_hysteresis", "f8"),
        ("quiet_us", "i8"),
        ("silence_us", "i8"),
    ]
)
RATE_STATE = np.dtype(
    [
        ("slow", SLOW),
        ("join", JOIN),
        ("input", points(64)),
        ("ring", points(CAPACITY)),
        ("beside", points(CAPACITY)),  # the input, at the times of `ring`
        ("coefficient", "f8"),
        ("scatter", "f8"),
        ("has_learnt", "i8"),  # no rate is judged before
        ("event_us", "i8"),  # when the last event was there
        ("rate", "f8"),  # per hour, of the last block
        ("now", "f8"),
        ("ladder", LADDER),
    ]
)


@njit(cache=True, nogil=True)
def take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    """See `sensors.detectors.bank.Kind.take`."""
    for i in range(begin, len(slot)):
        s, limit = state[slot[i]], limits[slot[i]]
        measured, is_usable = value[i], usable[i]
        if role[i] > 0 and role[i] == limit.input_role:
            if is_usable and abs(measured) < HUGE:
                _take_input(s.input, limit.slow.interval_us, time_us[i], measured)
            continue
        if limit.is_axis:
            if not join(s.join, role[i], time_us[i], measured if is_usable else np.nan):
                continue
            measured, is_usable = _angle(s.join.out), True
        elif role[i] > 0:
            continue
        at = take_slow(
            s.slow, limit.slow, time_us[i], measured, is_usable, received_at_us[i], s.ladder.onset_us != 0
        )
        if at == NOTHING and s.slow.news == 0:
            continue
        found = 0
        if s.slow.news:
            report_fault(s.slow, crossings[0], slot[i], i, time_us[i])
            found = 1
        if at == SET_BACK:
            s.ring.n = s.beside.n = 0
            pause(s.ladder)
        elif at != NOTHING:
            for k in range(s.slow.out_n):
                found += _take_block(limit, s, s.slow.out_us[k], s.slow.out[k], crossings[found], slot[i], i)
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _take_input(ring: Any, interval_us: int, time_us: int, value: float) -> None:
    if ring.n and time_us <= ring.time_us[ring.n - 1]:
        ring.n = 0
    if ring.n == 0 or time_us - ring.time_us[ring.n - 1] >= interval_us // 2:
        append(ring, time_us, value)


@njit(cache=True, nogil=True)
def _angle(acceleration: Any) -> float:
    """Return the angle of the first axis against the horizontal, in degrees; NaN without acceleration."""
    across = np.hypot(acceleration[1], acceleration[2])
    if across == 0.0 and acceleration[0] == 0.0:
        return np.nan
    return float(np.degrees(np.arctan2(acceleration[0], across)))


@njit(cache=True, nogil=True)
def _take_block(limit: Any, s: Any, time_us: int, value: float, crossing: Any, slot: int, row: int) -> int:
    """Take a block; return how many crossings it made: 0 or 1."""
    ring = s.ring
    is_stuck = s.slow.fault == STUCK
    if is_stuck or (ring.n and time_us - ring.time_us[ring.n - 1] > limit.slow.max_gap_us):
        ring.n = s.beside.n = 0
        pause(s.ladder)
    if is_stuck:
        return 0
    beside = value_at(s.input, time_us, limit.input_age_us)
    if limit.mode == FIXED:
        if np.isnan(beside):
            if s.input.n == 0:
                return 0
            beside = s.input.value[s.input.n - 1]
        value -= limit.coefficient * beside
    append(ring, time_us, value)
    append(s.beside, time_us, beside)
    first = since(ring, time_us - limit.window_us)
    stands = _spread(ring, first) <= limit.slow.resolution
    if s.ladder.onset_us == 0 and not stands:
        from_us = max(time_us - limit.window_us - limit.compensation_us, s.event_us + 1)
        _learn(limit, s, since(ring, from_us), first)
    elif s.ladder.onset_us:
        s.event_us = time_us
    s.now = value
    reached, by_value, s.rate = -1, False, np.nan
    value = _directed(value - limit.reference, limit.direction)
    lasted_us = time_us - ring.time_us[first]
    if ring.n - first >= _FEWEST and 2 * lasted_us >= limit.window_us:
        freed = _compensated(s, limit.mode, first)
        slope = median_slope(ring.time_us[first : ring.n], freed)
        s.now = freed[-1]
        s.rate = slope * 3600.0
        scatter = max(s.scatter, np.sqrt(s.slow.variance), limit.slow.resolution)
        counts = s.has_learnt and not stands and not s.slow.is_still
        if counts and abs(slope) * lasted_us * 1e-6 >= limit.multiple * scatter:
            for level in range(4):
                if _directed(s.rate, limit.direction) >= limit.rate[level]:
                    reached = level
    for level in range(reached + 1, 4):
        if value >= limit.level[level]:
            reached, by_value = level, True
    rate = 0.0 if np.isnan(s.rate) else s.rate
    shown, steps = rate, limit.rate
    if by_value:
        shown, steps = s.now - limit.reference, limit.level
    code = climb(s.ladder, time_us, reached, shown, ENOUGH)
    if code:
        fill(
            crossing,
            slot,
            row,
            code,
            s.ladder.level,
            s.ladder.onset_us,
            time_us,
            shown,
            steps[s.ladder.level],
        )
        crossing.extra[0] = by_value
        return 1
    is_quiet = _directed(rate, limit.direction) < limit.end_share * limit.rate.min() and (
        value < limit.level.min() - limit.level_hysteresis
    )
    if not is_over(s.ladder, time_us, is_quiet, limit.quiet_us):
        return 0
    end_event(s, time_us, False, limit.rate.min(), crossing, slot, row)
    return 1


@njit(cache=True, nogil=True)
def _compensated(s: Any, mode: int, first: int) -> Any:
    """Return the values from an index on, freed of the input; as they are where it is not there."""
    value = s.ring.value[first : s.ring.n].copy()
    if mode == REGRESSED:
        beside = s.beside.value[first : s.ring.n]
        if not np.isnan(beside).any():
            value -= s.coefficient * (beside - beside[-1])
    return value


@njit(cache=True, nogil=True)
def _spread(ring: Any, first: int) -> float:
    value = ring.value[first : ring.n]
    return float(value.max() - value.min())


@njit(cache=True, nogil=True)
def _directed(value: float, direction: float) -> float:
    return abs(value) if direction == 0.0 else value * direction


@njit(cache=True, nogil=True)
def _learn(limit: Any, s: Any, first: int, end: int) -> None:
    """Learn what the input makes of the series, and how much it scatters, where nothing happens."""
    if end - first < _LEAST_REGRESSED or (
        s.ring.time_us[end - 1] - s.ring.time_us[first] < 0.6 * limit.compensation_us
    ):
        return
    time_us, value, beside = s.ring.time_us[first:end], s.ring.value[first:end], s.beside.value[first:end]
    n, y0, x0 = end - first, value[0], beside[0]
    t1 = y1 = x1 = tt = ty = xx = tx = xy = 0.0
    for k in range(n):
        t, y, x = (time_us[k] - time_us[0]) * 1e-6, value[k] - y0, beside[k] - x0
        t1, y1, x1 = t1 + t, y1 + y, x1 + x
        tt, ty = tt + t * t, ty + t * y
        xx, tx, xy = xx + x * x, tx + t * x, xy + x * y
    t1, y1, x1 = t1 / n, y1 / n, x1 / n
    tt, ty, xx, tx, xy = (
        tt - n * t1 * t1,
        ty - n * t1 * y1,
        xx - n * x1 * x1,
        tx - n * t1 * x1,
        xy - n * x1 * y1,
    )
    of_input = 0.0
    if limit.mode == REGRESSED and not np.isnan(x1):
        determinant = tt * xx - tx * tx
        if xx >= n * _LEAST_SWING**2 and determinant >= _COLLINEAR * tt * xx:
            coefficient = (tt * xy - tx * ty) / determinant
            s.coefficient = min(max(coefficient, -limit.most_coefficient), limit.most_coefficient)
        of_input = s.coefficient
        ty -= of_input * tx
    slope = ty / tt
    left = np.empty(n)
    for k in range(n):
        left[k] = value[k] - slope * ((time_us[k] - time_us[0]) * 1e-6)
    if of_input != 0.0:
        for k in range(n):
            left[k] -= of_input * (beside[k] - x0)
    _, scatter = deviation(left)
    s.scatter = remembered(s.scatter, scatter, 0.1)
    s.has_learnt = 1
