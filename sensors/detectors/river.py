"""Rivers that rise: detector `river`, for the stage at one gauge.

Judged are the stage against the site's levels, its rise over 5, 15 and 60 minutes, and the two steps of flash
flood warning: prepare to move (also when the rise of the last 15 minutes, carried on, reaches the second step
within the lead time), and move at once. A level holds when two samples in a row reach it; the rise is taken
between medians of three samples, so that a spike neither makes one nor hides it. It is over when the stage
has been below the lowest level by the hysteresis, and rose no more, for the hold time.

A stage that jumps from one sample to the next and then stands still is a shifted datum, not water, which
never does. It is watched for `still_s`: if it moves it is judged at once, else the jump is taken off from
then on, and the gauge is to be looked at. A jump back ends that.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.detectors import LEVELS, Finding, Level, Subject, register_kind
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
    arrives,
    blame,
    check_levels,
    cross,
    follow,
    highest,
    is_number,
    left_out,
    limits_of,
    make_finding,
    set_course,
    tick,
    why_ended,
)
from sensors.rating import Rating
from sensors.rings import curve, next_point, points_of

VERSION = "1"
SENSOR_RULE = "river_sensor"
FORMULA = (
    "stage >= level, or stage(t) - stage(t - window) >= rise (medians of 3 samples), or "
    "(move_m - stage) / rise of the last 15 min <= lead_s; in least_samples in a row"
)
STAGE, RISE, PREPARE, AHEAD, MOVE = 0, 1, 2, 3, 4
_ORANGE, _RED = LEVELS.index("orange"), LEVELS.index("red")
_MINUTE_US = 60_000_000
_MINUTES = 128
"""Medians of the last minutes; windows of up to an hour, found half of themselves earlier at most."""
_WINDOWS = 3
_LEAD_MINUTES = 15
_CURVE_POINTS, _CURVE_US = 144, 600_000_000


class Rise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rise that is dangerous."""

    minutes: int
    rise_m: float


class RiverParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Levels belong to the site; without them only the rise is judged. Rises are own choice."""

    levels_m: tuple[float | None, ...] = (None, None, None, None)
    """Blue, yellow, orange, red; null or inf leaves one out."""
    rating: Rating | None = None
    discharge_levels_m3_s: tuple[float | None, ...] = (None, None, None, None)
    prepare_m: float | None = None
    move_m: float | None = None
    """The stage that does damage: from here on people must be away."""
    lead_s: float = 1800.0
    """Time that people need to move."""
    least_rise_m: float = 0.05
    """A rise of less in 15 minutes is not carried on."""
    rises: tuple[Rise, ...] = (
        Rise(minutes=5, rise_m=0.3),
        Rise(minutes=15, rise_m=0.5),
        Rise(minutes=60, rise_m=1.0),
    )
    rise_level: Level = "yellow"
    hysteresis_m: float = 0.1
    jump_m: float = 0.5
    """A change from one sample to the next, within 15 minutes, that may be a shifted datum."""
    still_m: float = 0.02
    still_s: float = 900.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        check_levels("levels_m", self.levels_m)
        check_levels("discharge_levels_m3_s", self.discharge_levels_m3_s)
        if self.rating is None and not all(map(left_out, self.discharge_levels_m3_s)):
            raise ValueError("discharge_levels_m3_s need a rating")
        if self.prepare_m is not None and self.move_m is not None and self.prepare_m > self.move_m:
            raise ValueError("prepare_m must not lie above move_m")
        if len(self.rises) > _WINDOWS or any(not 1 <= r.minutes <= 60 or r.rise_m <= 0 for r in self.rises):
            raise ValueError(f"rises: up to {_WINDOWS}, each over 1 to 60 minutes and above 0 m")
        if min(self.lead_s, self.hysteresis_m, self.least_rise_m) < 0:
            raise ValueError("lead_s, hysteresis_m and least_rise_m must not be below 0")
        if not 0 < self.still_m < self.jump_m or self.still_s <= 0:
            raise ValueError("0 < still_m < jump_m and 0 < still_s must hold")


LIMITS = np.dtype(
    [
        *COURSE, ("levels", "f8", (4,)), ("lowest", "f8"), ("prepare", "f8"), ("move", "f8"),
        ("lead_us", "f8"), ("least_rise", "f8"), ("minutes", "i8", (_WINDOWS,)), ("rise", "f8", (_WINDOWS,)),
        ("rise_level", "i8"), ("hysteresis", "f8"), ("jump", "f8"), ("still", "f8"), ("still_us", "i8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *curve(_CURVE_POINTS, "value"),
        ("last", "f8", (3,)), ("samples", "i8"),
        ("minute", "i8", (_MINUTES,)), ("median", "f8", (_MINUTES,)),
        ("rising", "f8"), ("rising_at", "i8"), ("rose", "f8"), ("lead_rise", "f8"),
        ("jumped", "i8"), ("jump_us", "i8"), ("jump_from", "f8"), ("jump_to", "f8"), ("shift", "f8"),
    ]
)  # fmt: skip


def settle(parameters: RiverParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    by_stage = limits_of(p.levels_m)
    by_discharge = [
        np.inf if one is None or left_out(one) or p.rating is None else p.rating.stage_m(one)
        for one in p.discharge_levels_m3_s
    ]
    limits["levels"] = np.minimum(by_stage, by_discharge)
    limits["prepare"] = np.inf if p.prepare_m is None else p.prepare_m
    limits["move"] = np.inf if p.move_m is None else p.move_m
    limits["lowest"] = min(limits["levels"].min(), limits["prepare"], limits["move"])
    limits["lead_us"], limits["least_rise"] = p.lead_s * 1e6, p.least_rise_m
    limits["rise"] = np.inf
    for k, one in enumerate(p.rises):
        limits["minutes"][k], limits["rise"][k] = one.minutes, one.rise_m
    limits["rise_level"] = LEVELS.index(p.rise_level)
    limits["hysteresis"] = p.hysteresis_m
    limits["jump"], limits["still"] = p.jump_m, p.still_m
    limits["still_us"] = round(p.still_s * 1e6)


@njit(cache=True, nogil=True)
def _median(three: Any) -> float:
    return float(max(min(three[0], three[1]), min(max(three[0], three[1]), three[2])))


@njit(cache=True, nogil=True)
def _median_before(s: Any, minute: int, minutes: int) -> float:
    """Return the median of so many minutes ago, or up to half of them earlier; NaN: there is none."""
    for earlier in range(minutes, minutes + minutes // 2 + 1):
        at = (minute - earlier) % _MINUTES
        if s.minute[at] == minute - earlier:
            return float(s.median[at])
    return np.nan


@njit(cache=True, nogil=True)
def _rises(limit: Any, s: Any, time_us: int, stage: float) -> None:
    """Note the median of this minute and how far the stage rose, as a share of what is dangerous."""
    s.last[0], s.last[1], s.last[2] = s.last[1], s.last[2], stage
    s.samples += 1
    if s.samples < 3:
        return
    median = _median(s.last)
    minute = time_us // _MINUTE_US
    at = minute % _MINUTES
    if s.minute[at] == minute:
        return
    s.minute[at], s.median[at] = minute, median
    s.rising, s.lead_rise = 0.0, 0.0
    for k in range(_WINDOWS):
        if limit.minutes[k] == 0:
            continue
        rose = median - _median_before(s, minute, limit.minutes[k])
        if rose / limit.rise[k] > s.rising:
            s.rising, s.rising_at, s.rose = rose / limit.rise[k], k, rose
    rose = median - _median_before(s, minute, _LEAD_MINUTES)
    if rose >= limit.least_rise:
        s.lead_rise = rose


@njit(cache=True, nogil=True)
def _is_ahead(limit: Any, s: Any, stage: float) -> bool:
    """Return whether the rise, carried on, makes people move within the lead time."""
    left = (limit.move - stage) * _LEAD_MINUTES * _MINUTE_US
    return bool(s.lead_rise > 0.0 and left <= s.lead_rise * limit.lead_us)


@njit(cache=True, nogil=True)
def _judge(limit: Any, s: Any, stage: float) -> int:
    """Return the level that a sample reaches."""
    level = highest(limit.levels, stage)
    if s.rising >= 1.0:
        level = max(level, limit.rise_level)
    if stage >= limit.prepare or _is_ahead(limit, s, stage):
        level = max(level, _ORANGE)
    return _RED if stage >= limit.move else int(level)


@njit(cache=True, nogil=True)
def _reason(limit: Any, s: Any, stage: float) -> tuple[int, float]:
    """Return why the event has its level, and the threshold of that."""
    if s.level == _RED and stage >= limit.move:
        return MOVE, limit.move
    prepare = min(limit.prepare, limit.move)
    if s.level == _ORANGE and stage >= prepare:
        return PREPARE, prepare
    if s.level == _ORANGE and _is_ahead(limit, s, stage):
        return AHEAD, limit.move
    if s.level == limit.rise_level and s.rising >= 1.0:
        return RISE, limit.rise[s.rising_at]
    return STAGE, limit.levels[s.level]


@njit(cache=True, nogil=True)
def _datum(limit: Any, s: Any, time_us: int, value: float, step_us: int) -> int:
    """Watch for jumps that stand still; return a code. While `jumped` nothing is known of the water."""
    if s.jumped == 0:
        before = _median(s.last) + s.shift
        if s.samples >= 3 and step_us <= _LEAD_MINUTES * _MINUTE_US and abs(value - before) > limit.jump:
            s.jumped, s.jump_us, s.jump_from, s.jump_to = 1, time_us, before, value
        return NOTHING
    if abs(value - s.jump_to) > limit.still:
        s.jumped = 0
        return NOTHING
    if time_us - s.jump_us < limit.still_us:
        return NOTHING
    s.jumped = 0
    s.shift += s.jump_to - s.jump_from
    if abs(s.shift) > limit.jump / 2:
        return int(blame(s, 1, s.jump_us, time_us))
    s.shift = 0.0
    if s.fault == 0:
        return NOTHING
    s.fault = 0
    return FAULT_END


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
            s.samples = s.jumped = 0
            s.minute[:] = 0
            s.rising = s.lead_rise = 0.0
        found = 0
        code = _datum(limit, s, t, value[i], step_us)
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, t, s.jump_to - s.jump_from, limit.jump)
            found += 1
        at, new = next_point(s, t, _CURVE_US)
        stage = value[i] - s.shift
        if new or stage > s.curve_value[at]:
            s.curve_value[at] = stage
        if s.jumped != 0:
            continue
        _rises(limit, s, t, stage)
        level = _judge(limit, s, stage)
        if level == NO_LEVEL and s.begun == 0 and s.over_n[0] == 0 and found == 0:
            continue
        quiet = stage < limit.lowest - limit.hysteresis and s.rising < 0.5 and level == NO_LEVEL
        code = follow(limit, s, level, quiet, t, stage)
        if code != NOTHING:
            why, threshold = _reason(limit, s, stage)
            cross(crossings[found], s, slot[i], i, code, t, stage, limit.lowest if code == END else threshold)
            c = crossings[found]
            c.extra[0], c.extra[1], c.extra[2], c.extra[3] = why, s.rose, s.lead_rise, s.rising_at
            found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: RiverParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code = int(crossing["code"])
    name, stage = subject.name, float(crossing["value"])
    if code == FAULT_BEGIN:
        title = f"Stage at {name} jumped by {stage:+.2f} m and stands still; check the gauge"
        evidence = {"version": VERSION, "shift_m": round(float(state["shift"]), 4)}
        return make_finding(crossing, title, {**evidence, "samples": points_of(state, "value")}, SENSOR_RULE)
    if code == FAULT_END:
        return make_finding(crossing, f"Stage at {name} has its datum back", {}, SENSOR_RULE)
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "rise_of_15_min_m": round(float(crossing["extra"][2]), 3),
        "shift_m": round(float(state["shift"]), 4),
    }
    if parameters.rating is not None:
        evidence["discharge_m3_s"] = parameters.rating.discharge_m3_s(stage)
    if code == END:
        title = f"River at {name} is back below its levels"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value")
    return make_finding(crossing, _words(parameters, crossing, name), evidence, SENSOR_RULE)


def _words(parameters: RiverParameters, crossing: Any, name: str) -> str:
    stage, why = float(crossing["value"]), int(crossing["extra"][0])
    if why == MOVE:
        return f"River at {name}: {stage:.2f} m; move at once"
    if why == PREPARE:
        return f"River at {name}: {stage:.2f} m; prepare to move"
    if why == AHEAD:
        left_m = float(crossing["threshold"]) - stage
        minutes = max(_LEAD_MINUTES * left_m / float(crossing["extra"][2]), 0.0)
        return f"River at {name}: {stage:.2f} m, in {minutes:.0f} min where people must move; prepare to move"
    if why == RISE:
        over = parameters.rises[int(crossing["extra"][3])].minutes
        return f"River at {name} rose by {float(crossing['extra'][1]):.2f} m in {over} min, to {stage:.2f} m"
    return f"River at {name}: {stage:.2f} m"


KIND = Kind("river", VERSION, RiverParameters, LIMITS, STATE, settle, take, tick, tell)
register_kind(KIND)
