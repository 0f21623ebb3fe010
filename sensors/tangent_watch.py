"""The tangent angle of a slope's displacement, and when it fails: the kernel of `tangent_angle`.

The velocity is the median slope (Theil-Sen) over `window`, or over half, a quarter, ... of it, down to
`shortest`, where the movement in the shorter window differs from what the longer one has for it by
`multiple` times what the series scatters about its own line. So slow creep is averaged over the long
window, and a change of it is not; and daily waves and coloured noise, which no average removes, are no
change. A movement that is less than `multiple` scatters in its own window is none.

For the failure each point is the time that `multiple` scatters of movement took: such points are independent,
and come quicker as the slope does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.blocks import NOTHING, SET_BACK
from sensors.crossing import fill
from sensors.failure_time import CHANGED, FOUND, LEAST_POINTS, failure_time
from sensors.ladder import LADDER, climb, is_over, pause
from sensors.robust import median_slope, remembered, theil_sen
from sensors.slow_events import end_event, end_fault, is_silent
from sensors.slow_series import SLOW, SLOW_LIMITS, report_fault, take_slow
from sensors.windows import append, drop, points, since

CAPACITY = 192
INVERSE_POINTS = 32
FORECAST_BEGIN, FORECAST_WORSE, FORECAST_END = 6, 7, 8
_FEWEST = 3
_FEWEST_SCATTER = 8
_SHARE = 0.7
"""A window is filled when its points span this share of it."""
_USEFUL = 2.0
"""An interval of more than so many times the time that is left tells nobody what to do."""
_PATIENCE = 5
"""Blocks without an answer after which a forecast is given up."""

TANGENT_LIMITS = np.dtype(
    [
        ("slow", SLOW_LIMITS),
        ("direction", "f8"),  # 0: either
        ("v_eq", "f8"),  # per second
        ("angle", "f8", (4,)),  # degrees; infinite: none
        ("forecast", "f8"),
        ("end", "f8"),
        ("shortest_us", "i8"),
        ("window_us", "i8"),
        ("noise", "f8"),
        ("multiple", "f8"),
        ("enough", "i8"),
        ("quiet_us", "i8"),
        ("silence_us", "i8"),
    ]
)
TANGENT_STATE = np.dtype(
    [
        ("slow", SLOW),
        ("ring", points(CAPACITY)),
        ("scatter", "f8"),
        ("has_learnt", "i8"),  # the scatter is that of a whole window
        ("velocity", "f8"),  # per second
        ("angle", "f8"),
        ("over_us", "i8"),  # the window of the velocity; 0: none tells a movement from noise
        ("ladder", LADDER),
        ("inverse", points(INVERSE_POINTS)),  # seconds per unit
        ("from_us", "i8"),
        ("from_value", "f8"),
        ("forecast_us", "i8"),  # when it was made first; 0: there is none
        ("earliest_us", "i8"),  # as told
        ("latest_us", "i8"),
        ("without", "i8"),
        ("steep", "i8"),  # blocks in a row that are as steep as a forecast needs
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
        if role[i] > 0:
            continue
        is_event = s.ladder.onset_us != 0
        at = take_slow(s.slow, limit.slow, time_us[i], value[i], usable[i], received_at_us[i], is_event)
        if at == NOTHING and s.slow.news == 0:
            continue
        found = 0
        if s.slow.news:
            report_fault(s.slow, crossings[0], slot[i], i, time_us[i])
            found = 1
        if at == SET_BACK:
            _forget(s)
        elif at != NOTHING:
            for k in range(s.slow.out_n):
                found = _take_block(limit, s, s.slow.out_us[k], s.slow.out[k], crossings, found, slot[i], i)
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _forget(s: Any) -> None:
    s.ring.n = s.inverse.n = s.from_us = 0
    pause(s.ladder)


@njit(cache=True, nogil=True)
def _take_block(
    limit: Any, s: Any, time_us: int, value: float, crossings: Any, found: int, slot: int, row: int
) -> int:
    """Take a block; return how many crossings there are now."""
    ring = s.ring
    if ring.n and time_us - ring.time_us[ring.n - 1] > limit.slow.max_gap_us:
        _forget(s)
    append(ring, time_us, value)
    if s.ladder.onset_us == 0 or not s.has_learnt:
        _learn(limit, s, time_us)
    noise = max(s.scatter, limit.noise)
    s.velocity = _velocity(limit, s, time_us, limit.multiple * noise)
    s.angle = np.degrees(np.arctan(s.velocity / limit.v_eq))
    reached = -1
    if s.over_us:
        for level in range(4):
            if s.angle >= limit.angle[level]:
                reached = level
    _follow_inverse(s, time_us, value, limit.multiple * noise, reached >= 0)
    code = climb(s.ladder, time_us, reached, s.angle, limit.enough)
    if code:
        level = s.ladder.level
        fill(
            crossings[found], slot, row, code, level, s.ladder.onset_us, time_us, s.angle, limit.angle[level]
        )
        found += 1
    elif is_over(s.ladder, time_us, s.angle < limit.end or s.over_us == 0, limit.quiet_us):
        return _end(s, time_us, False, limit.angle.min(), crossings, found, slot, row)
    if s.ladder.onset_us and found < len(crossings) - 3:
        found = _forecast(limit, s, time_us, crossings, found, slot, row)
    return found


@njit(cache=True, nogil=True)
def _learn(limit: Any, s: Any, time_us: int) -> None:
    """Learn how much the series scatters about its line; from what there is, until there is a window."""
    ring = s.ring
    lasted_us = time_us - ring.time_us[0]
    if ring.n < _FEWEST_SCATTER or lasted_us < 2 * limit.shortest_us:
        return
    _, _, scatter = theil_sen(ring.time_us[: ring.n], ring.value[: ring.n])
    if s.has_learnt:
        s.scatter = remembered(s.scatter, scatter, 0.1)
    else:
        s.scatter = max(scatter, 1e-9)
        s.has_learnt = lasted_us >= _SHARE * limit.window_us


@njit(cache=True, nogil=True)
def _velocity(limit: Any, s: Any, time_us: int, least: float) -> float:
    """Return the velocity, and leave the window that told it in `over_us`; 0: it is mere noise."""
    ring = s.ring
    window_us, chosen, moved = limit.window_us, 0.0, 0.0
    s.over_us = 0
    if s.scatter == 0.0:
        return 0.0
    while True:
        first = since(ring, time_us - window_us)
        lasted_us = time_us - ring.time_us[first]
        if ring.n - first >= _FEWEST and lasted_us >= _SHARE * window_us:
            slope = median_slope(ring.time_us[first : ring.n], ring.value[first : ring.n])
            if s.over_us == 0 or abs(slope - chosen) * lasted_us * 1e-6 >= least:
                s.over_us, chosen, moved = window_us, slope, slope * lasted_us * 1e-6
        if window_us <= limit.shortest_us:
            break
        window_us = max(window_us // 2, limit.shortest_us)
    sign = limit.direction
    if sign == 0.0:
        sign = 1.0 if chosen > 0 else -1.0
    if sign * moved < least:
        s.over_us = 0
    return float(sign * chosen)


@njit(cache=True, nogil=True)
def _follow_inverse(s: Any, time_us: int, value: float, least: float, moves: bool) -> None:
    if not moves or s.from_us == 0:
        s.inverse.n = 0
        s.from_us, s.from_value = time_us, value
        return
    moved = abs(value - s.from_value)
    if moved >= least:
        append(s.inverse, (time_us + s.from_us) // 2, (time_us - s.from_us) * 1e-6 / moved)
        s.from_us, s.from_value = time_us, value


@njit(cache=True, nogil=True)
def _forecast(limit: Any, s: Any, time_us: int, crossings: Any, found: int, slot: int, row: int) -> int:
    """Say when the slope fails, say it anew when that changes, and say when nothing can be said any more."""
    answer, at, earliest, latest = NOTHING, 0.0, 0.0, 0.0
    inverse = s.inverse
    has_answer = False
    s.steep = s.steep + 1 if s.over_us and s.angle >= limit.forecast else 0
    if s.steep >= limit.enough:
        since_s = (inverse.time_us[: inverse.n] - time_us) * 1e-6
        answer, at, earliest, latest = failure_time(since_s, inverse.value[: inverse.n])
        is_useful = latest - earliest <= _USEFUL * max(at, 0.0) + limit.shortest_us * 1e-6
        has_answer = answer == FOUND and latest > 0 and is_useful
        if answer == CHANGED:
            drop(inverse, inverse.n - LEAST_POINTS // 2)
    if not has_answer:
        s.without += 1
        if s.forecast_us and s.without >= _PATIENCE:
            return _end_forecast(s, time_us, crossings, found, slot, row)
        return found
    s.without = 0
    code = FORECAST_BEGIN if s.forecast_us == 0 else FORECAST_WORSE
    earliest_us = time_us + np.int64(max(earliest, 0.0) * 1e6)
    latest_us = time_us + np.int64(min(latest, 3e9) * 1e6)
    at_us = time_us + np.int64(max(at, 0.0) * 1e6)
    if s.forecast_us:
        is_inside = s.earliest_us <= at_us <= s.latest_us
        if is_inside and 2 * (latest_us - earliest_us) >= s.latest_us - s.earliest_us:
            return found
    else:
        s.forecast_us = time_us
    s.earliest_us, s.latest_us = earliest_us, latest_us
    fill(
        crossings[found],
        slot,
        row,
        code,
        s.ladder.level,
        s.forecast_us,
        time_us,
        max(at, 0.0) / 3600.0,
        limit.forecast,
    )
    return found + 1


@njit(cache=True, nogil=True)
def _end_forecast(s: Any, at_us: int, crossings: Any, found: int, slot: int, row: int) -> int:
    fill(crossings[found], slot, row, FORECAST_END, s.ladder.level, s.forecast_us, at_us, 0.0, 0.0)
    s.forecast_us = s.without = 0
    return found + 1


@njit(cache=True, nogil=True)
def _end(
    s: Any, at_us: int, silent: bool, threshold: float, crossings: Any, found: int, slot: int, row: int
) -> int:
    if s.forecast_us:
        found = _end_forecast(s, at_us, crossings, found, slot, row)
    end_event(s, at_us, silent, threshold, crossings[found], slot, row)
    return found + 1


@njit(cache=True, nogil=True)
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """See `sensors.detectors.bank.Kind.tick`: ends what nobody reports on any more."""
    for k in range(begin, len(live)):
        s = state[k]
        if not live[k] or not is_silent(limits[k], s, now_us):
            continue
        found, last_us = 0, s.slow.blocks.last_us
        if s.ladder.onset_us:
            found = _end(s, last_us, True, 0.0, crossings, found, k, -1)
        if s.slow.fault:
            end_fault(s, last_us, crossings[found], k)
            found += 1
        return k + 1, found
    return len(live), 0
