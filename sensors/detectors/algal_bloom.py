"""Algae that bloom: detector `algal_bloom`, on chlorophyll-a in ug/L.

Judged once a day: the day's mean of chlorophyll-a reaches a level, and what algae do to water agrees. Of the
further inputs that are named, each has a voice when it has a value for that day:

- oxygen: the day's largest less its smallest value reaches `oxygen_swing_mg_l` (they make it by day and use
  it by night);
- pH: the day's largest value lies `ph_rise` above the median of those of the two weeks before, or at
  `ph_high` (they use up the carbonic acid);
- turbidity: the day's mean is `turbidity_factor` times that median of means (there are many of them).

Half of the voices, rounded up, must be for it, and one of them must be oxygen or pH where one of these has a
voice: a flood brings turbid water that looks green to the sensor, but does not breathe. Orange and red need
all voices but one; without any the level is yellow at most. What is usual is not learned during a bloom.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.episodes import (
    BEGIN,
    COURSE,
    END,
    EPISODE,
    NO_LEVEL,
    NOTHING,
    Course,
    arrives,
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
SENSOR_RULE = "algal_bloom_sensor"
FORMULA = (
    "mean chlorophyll-a of a day >= level; voices: oxygen max - min >= oxygen_swing_mg_l; pH max >= ph_high "
    "or >= median of 14 days + ph_rise; turbidity mean >= turbidity_factor * median of 14 days; half of them "
    "for it, oxygen or pH among them; orange and red: all but one"
)
_DAY_US = 86_400_000_000
OXYGEN, PH, TURBIDITY = 0, 1, 2
_VOICES = 3
_NAMES = ("oxygen", "ph", "turbidity")
_HISTORY = 14
_LEAST_HISTORY = 5
_YELLOW = LEVELS.index("yellow")
_LEAST_A_DAY = 4
_CURVE_POINTS = 336


class AlgalBloomParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. All values are own choice; 10 and 50 ug/L are common for bathing water."""

    oxygen: str = ""
    """Datastream of dissolved oxygen, mg/L."""
    ph: str = ""
    turbidity: str = ""
    chlorophyll_ug_l: tuple[float | None, ...] = (10.0, 20.0, 50.0, 100.0)
    """Blue, yellow, orange, red; null or inf leaves one out."""
    oxygen_swing_mg_l: float = 4.0
    ph_rise: float = 0.3
    ph_high: float = 9.0
    turbidity_factor: float = 1.5
    day_begins_utc_h: float = -8.0
    """Midnight at the site: -8 is that of Beijing."""
    end_share: float = 0.8
    least_samples: int = 2
    """Days."""
    hold_s: float = 172_800.0
    max_gap_s: float = 172_800.0
    silence_end_s: float = 604_800.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        check_levels("chlorophyll_ug_l", self.chlorophyll_ug_l)
        if min(self.oxygen_swing_mg_l, self.ph_rise, self.ph_high, self.turbidity_factor) <= 0:
            raise ValueError("oxygen_swing_mg_l, ph_rise, ph_high and turbidity_factor must be above 0")
        if not 0 < self.end_share <= 1:
            raise ValueError("end_share must lie above 0 and up to 1")


LIMITS = np.dtype(
    [
        *COURSE, ("levels", "f8", (4,)), ("voice", "i8", (_VOICES + 1,)), ("begin_us", "i8"),
        ("swing", "f8"), ("ph_rise", "f8"), ("ph_high", "f8"), ("factor", "f8"), ("end_share", "f8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *curve(_CURVE_POINTS, "value"),
        ("day", "i8"), ("n", "i8"), ("sum", "f8"),
        ("voice_day", "i8", (_VOICES,)), ("voice_n", "i8", (_VOICES,)), ("voice_sum", "f8", (_VOICES,)),
        ("voice_low", "f8", (_VOICES,)), ("voice_high", "f8", (_VOICES,)),
        ("days", "i8", (_VOICES,)), ("history", "f8", (_VOICES, _HISTORY)), ("says", "f8", (_VOICES,)),
    ]
)  # fmt: skip


def inputs(parameters: AlgalBloomParameters) -> tuple[str, ...]:
    """`Kind.inputs`."""
    return tuple(name for name in (parameters.oxygen, parameters.ph, parameters.turbidity) if name)


def settle(parameters: AlgalBloomParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    limits["levels"] = limits_of(p.chlorophyll_ug_l)
    given = [voice for voice, name in enumerate((p.oxygen, p.ph, p.turbidity)) if name]
    limits["voice"] = -1
    limits["voice"][1 : 1 + len(given)] = given
    limits["begin_us"] = round(p.day_begins_utc_h * 3.6e9)
    limits["swing"], limits["ph_rise"], limits["ph_high"] = p.oxygen_swing_mg_l, p.ph_rise, p.ph_high
    limits["factor"], limits["end_share"] = p.turbidity_factor, p.end_share


@njit(cache=True, nogil=True)
def _hear(s: Any, voice: int, day: int, value: float) -> None:
    """Take a sample of a further input; a day that ends goes into its history."""
    if s.voice_n[voice] > 0 and s.voice_day[voice] != day:
        amount = s.voice_high[voice] if voice == PH else s.voice_sum[voice] / s.voice_n[voice]
        if s.begun == 0:
            s.history[voice, s.days[voice] % _HISTORY] = amount
            s.days[voice] += 1
        s.voice_n[voice] = 0
    if s.voice_n[voice] == 0:
        s.voice_day[voice], s.voice_sum[voice] = day, 0.0
        s.voice_low[voice] = s.voice_high[voice] = value
    s.voice_n[voice] += 1
    s.voice_sum[voice] += value
    s.voice_low[voice] = min(s.voice_low[voice], value)
    s.voice_high[voice] = max(s.voice_high[voice], value)


@njit(cache=True, nogil=True)
def _vote(limit: Any, s: Any, day: int) -> tuple[int, int, bool, bool]:
    """Return the voices for a bloom, all voices, and whether oxygen or pH is for it, or has none."""
    votes, voices = 0, 0
    alive, needed = False, False
    for k in range(1, _VOICES + 1):
        voice = limit.voice[k]
        if voice < 0:
            continue
        s.says[voice] = np.nan
        if s.voice_day[voice] != day or s.voice_n[voice] < _LEAST_A_DAY:
            continue
        known = min(s.days[voice], _HISTORY)
        usual = np.median(s.history[voice, :known]) if known >= _LEAST_HISTORY else np.inf
        if voice == OXYGEN:
            says = s.voice_high[voice] - s.voice_low[voice]
            is_for = says >= limit.swing
        elif voice == PH:
            says = s.voice_high[voice]
            is_for = says >= min(limit.ph_high, usual + limit.ph_rise)
        else:
            says = s.voice_sum[voice] / s.voice_n[voice]
            is_for = says >= usual * limit.factor and says > 0.0
        s.says[voice] = says
        voices += 1
        needed = needed or voice != TURBIDITY
        if is_for:
            votes += 1
            alive = alive or voice != TURBIDITY
    return votes, voices, alive, needed


@njit(cache=True, nogil=True)
def _judge(limit: Any, s: Any, day: int, mean: float) -> int:
    level = highest(limit.levels, mean)
    votes, voices, alive, needed = _vote(limit, s, day)
    if level == NO_LEVEL or (needed and not alive) or 2 * votes < voices:
        return NO_LEVEL
    if level > _YELLOW and (voices == 0 or votes < voices - 1):
        return _YELLOW
    return int(level)


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
        if not usable[i] or not is_number(value[i]) or role[i] > _VOICES:
            continue
        limit, s, t = limits[slot[i]], state[slot[i]], time_us[i]
        day = (t - limit.begin_us) // _DAY_US
        if role[i] > 0:
            # The day of chlorophyll is judged before the further inputs go on to the next one.
            if limit.voice[role[i]] >= 0 and not (s.n > 0 and day > s.day):
                _hear(s, limit.voice[role[i]], day, value[i])
                continue
            if limit.voice[role[i]] < 0:
                continue
        elif arrives(limit, s, t, received_at_us[i]):
            s.n = 0
        code = NOTHING
        if s.n > 0 and day != s.day:
            mean = s.sum / s.n
            level = _judge(limit, s, s.day, mean) if s.n >= _LEAST_A_DAY else NO_LEVEL
            quiet = level == NO_LEVEL or mean < limit.levels.min() * limit.end_share
            code = follow(limit, s, level, quiet, t, mean)
            if code != NOTHING:
                cross(crossings[0], s, slot[i], i, code, t, mean, limit.levels[s.level])
            s.n = 0
        if role[i] > 0:
            _hear(s, limit.voice[role[i]], day, value[i])
        else:
            if s.n == 0:
                s.day, s.sum = day, 0.0
            s.n += 1
            s.sum += value[i]
            at, new = next_point(s, t, _DAY_US // 24)
            if new:
                s.curve_value[at] = value[i]
        if code != NOTHING:
            return i + 1, 1
    return len(slot), 0


def tell(parameters: AlgalBloomParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code, value = int(crossing["code"]), float(crossing["value"])
    given = (parameters.oxygen, parameters.ph, parameters.turbidity)
    says = [None if np.isnan(one) else round(one, 3) for one in state["says"].tolist()]
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "inputs": list(inputs(parameters)),
        "voices": {name: one for name, one, stream in zip(_NAMES, says, given, strict=True) if stream},
    }
    if code == END:
        title = f"The bloom at {subject.name} is over"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value")
    title = f"Algae bloom at {subject.name}: {value:.0f} ug/L chlorophyll-a"
    return make_finding(crossing, title, evidence, SENSOR_RULE)


KIND = Kind("algal_bloom", VERSION, AlgalBloomParameters, LIMITS, STATE, settle, take, tick, tell, inputs)
register_kind(KIND)
