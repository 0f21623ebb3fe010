"""Water that runs out of oxygen: detector `dissolved_oxygen`, in mg/L.

Two measures. Low oxygen: fish flee below about 5 mg/L and die below about 2, which is called hypoxia. The
diel amplitude: plants and algae make oxygen by day and use it by night; a swing of many mg/L within 24 hours
is eutrophic water, whose nights run short of oxygen.

Oxygen dissolves and is used up over hours. A value that leaves the one before by more than water can within
half an hour is the sensor's (out of the water, a dead membrane, a rail): what follows is not judged until it
is back, or has moved there for a day; then it is what there is. One number for half a day is a stuck sensor.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.episodes import (
    BEGIN,
    COURSE,
    END,
    EPISODE,
    FAULT_BEGIN,
    FAULT_END,
    NO_LEVEL,
    NOTHING,
    Course,
    acquit,
    arrives,
    blame,
    check_levels,
    cross,
    follow,
    highest,
    is_number,
    limits_of,
    make_finding,
    set_course,
    tick,
    why_ended,
)
from sensors.rings import curve, next_point, points_of

VERSION = "1"
SENSOR_RULE = "dissolved_oxygen_sensor"
FORMULA = (
    "oxygen <= level; or largest - smallest hourly mean of the last 24 h (18 h known at least) >= level; "
    "in least_samples in a row over least_s"
)
LOW, DIEL = 0, 1
JUMPED, STUCK = 1, 2
_HOUR_US = 3_600_000_000
_HOURS = 24
_LEAST_HOURS = 18
_CURVE_POINTS = 288


class DissolvedOxygenParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Levels: blue, yellow, orange, red; null or inf leaves one out."""

    low_mg_l: tuple[float | None, ...] = (5.0, 3.0, 2.0, 1.0)
    """Falling. Own choice around the common 5 mg/L for fish and 2 mg/L for hypoxia."""
    amplitudes_mg_l: tuple[float | None, ...] = (None, 8.0, 12.0, None)
    """Own choice."""
    hysteresis_mg_l: float = 0.5
    jump_mg_l: float = 3.0
    """A change from one sample to the next, within half an hour, that water does not make."""
    stuck_s: float = 43_200.0
    least_samples: int = 3
    least_s: float = 1800.0
    hold_s: float = 7200.0
    max_gap_s: float = 10_800.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        check_levels("low_mg_l", self.low_mg_l, falling=True)
        check_levels("amplitudes_mg_l", self.amplitudes_mg_l)
        if min(self.jump_mg_l, self.stuck_s) <= 0 or self.hysteresis_mg_l < 0:
            raise ValueError("jump_mg_l and stuck_s must be above 0, hysteresis_mg_l not below")


LIMITS = np.dtype(
    [
        *COURSE, ("low", "f8", (4,)), ("amplitude", "f8", (4,)), ("least_oxygen", "f8"),
        ("jump", "f8"), ("stuck_us", "i8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *curve(_CURVE_POINTS, "value"),
        ("has_last", "i8"), ("last", "f8"), ("said", "f8"), ("moved_us", "i8"),
        ("jumped", "i8"), ("jump_us", "i8"),
        ("hour", "i8"), ("hour_n", "i8"), ("hour_sum", "f8"),
        ("hour_of", "i8", (_HOURS,)), ("mean", "f8", (_HOURS,)), ("swing", "f8"), ("lowest", "f8"),
    ]
)  # fmt: skip


def settle(parameters: DissolvedOxygenParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    limits["low"] = limits_of(p.low_mg_l, -1.0)
    limits["amplitude"] = limits_of(p.amplitudes_mg_l)
    limits["least_oxygen"] = p.hysteresis_mg_l - limits["low"].min()
    limits["jump"] = p.jump_mg_l
    limits["stuck_us"] = round(p.stuck_s * 1e6)


@njit(cache=True, nogil=True)
def _swing(s: Any, time_us: int, value: float) -> None:
    """Put a sample into its hour; at the end of an hour find the swing of the last 24."""
    hour = time_us // _HOUR_US
    if s.hour_n > 0 and hour != s.hour:
        at = s.hour % _HOURS
        s.hour_of[at], s.mean[at] = s.hour, s.hour_sum / s.hour_n
        s.hour_n = 0
        low, high, known = np.inf, -np.inf, 0
        for k in range(_HOURS):
            if 0 < hour - s.hour_of[k] <= _HOURS:
                low, high, known = min(low, s.mean[k]), max(high, s.mean[k]), known + 1
        s.swing = high - low if known >= _LEAST_HOURS else 0.0
    if s.hour_n == 0:
        s.hour, s.hour_sum = hour, 0.0
    s.hour_n += 1
    s.hour_sum += value


@njit(cache=True, nogil=True)
def _sensor(limit: Any, s: Any, time_us: int, step_us: int, value: float) -> int:
    """Watch the sensor; return a code. While `jumped` the water is not judged."""
    if s.has_last == 0:
        s.has_last, s.last, s.said, s.moved_us, s.jumped = 1, value, value, time_us, 0
        return NOTHING
    if value != s.said:
        s.said, s.moved_us = value, time_us
    is_still = time_us - s.moved_us >= _HOUR_US
    if s.jumped != 0:
        back = abs(value - s.last) <= limit.jump / 2
        if not back and (is_still or time_us - s.jump_us < _HOURS * _HOUR_US):
            return int(blame(s, JUMPED, s.jump_us, time_us))
        s.jumped = 0
    elif step_us <= _HOUR_US // 2 and abs(value - s.last) > limit.jump:
        s.jumped, s.jump_us = 1, time_us
        return NOTHING
    if time_us - s.moved_us >= limit.stuck_us:
        return int(blame(s, STUCK, s.moved_us, time_us))
    s.last = value
    return int(acquit(s, time_us, _HOURS * _HOUR_US))


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
    """`Kind.take`."""
    for i in range(begin, len(slot)):
        if not usable[i] or not is_number(value[i]) or role[i] != 0:
            continue
        limit, s, t = limits[slot[i]], state[slot[i]], time_us[i]
        step_us = t - s.last_us
        if arrives(limit, s, t, received_at_us[i]):
            s.has_last = s.hour_n = 0
            s.hour_of[:] = 0
            s.swing = 0.0
        found = 0
        code = _sensor(limit, s, t, step_us, value[i])
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, t, value[i], limit.jump)
            crossings[found].extra[0] = s.fault if code == FAULT_BEGIN else 0
            found += 1
        at, new = next_point(s, t, _HOUR_US // 4)
        if new:
            s.curve_value[at] = value[i]
        if s.jumped == 0 and t - s.moved_us < limit.stuck_us:
            _swing(s, t, value[i])
            level, why, amount = highest(limit.low, -value[i]), LOW, value[i]
            by_swing = highest(limit.amplitude, s.swing)
            if by_swing > level:
                level, why, amount = by_swing, DIEL, s.swing
            s.lowest = min(s.lowest, value[i]) if s.begun != 0 else value[i]
            quiet = level == NO_LEVEL and value[i] > limit.least_oxygen
            code = follow(limit, s, level, quiet, t, amount)
            if code != NOTHING:
                threshold = -limit.low[s.level] if why == LOW else limit.amplitude[s.level]
                cross(crossings[found], s, slot[i], i, code, t, amount, threshold)
                crossings[found].extra[0], crossings[found].extra[1] = why, s.swing
                found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: DissolvedOxygenParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code, name, value = int(crossing["code"]), subject.name, float(crossing["value"])
    if code == FAULT_BEGIN:
        stuck = int(crossing["extra"][0]) == STUCK
        what = "does not move" if stuck else f"jumped to {value:.2f} mg/L"
        told = {"version": VERSION, "samples": points_of(state, "value")}
        title = f"Oxygen at {name} {what}; check the sensor"
        return make_finding(crossing, title, told, SENSOR_RULE)
    if code == FAULT_END:
        return make_finding(crossing, f"Oxygen at {name} is credible again", {}, SENSOR_RULE)
    evidence: dict[str, Any] = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "swing_of_24_h_mg_l": round(float(crossing["extra"][1]), 3),
    }
    if code == END:
        title = f"Oxygen at {name} is back at its usual"
        lowest = {"worst": round(float(state["lowest"]), 4)}
        return make_finding(
            crossing, title, {**evidence, **why_ended(crossing, state), **lowest}, SENSOR_RULE
        )
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value")
    what = f"{value:.1f} mg/L"
    if int(crossing["extra"][0]) == DIEL:
        what = f"swings by {value:.1f} mg/L within a day"
    return make_finding(crossing, f"Oxygen at {name}: {what}", evidence, SENSOR_RULE)


KIND = Kind("dissolved_oxygen", VERSION, DissolvedOxygenParameters, LIMITS, STATE, settle, take, tick, tell)
register_kind(KIND)
