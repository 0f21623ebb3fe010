"""Rain that may set off landslides and flash floods, at one gauge: detector `rainfall`.

Three measures, each of which may reach a level:

- accumulations over up to six durations, by a table of levels;
- mean intensity against duration, of the event so far and of the table's durations within it, by a published
  or own curve (`sensors/intensity_duration.py`);
- effective antecedent rain: today's and the sum of K^i R_i over the days before, here R_i of i days ago.

An event ends after six dry hours; less than 2 mm, or a single wet sample, is none. What was not received is
not known to have fallen: sums are lower bounds, and a gap empties nothing.

A gauge that gives what rain cannot (`sensors/rain_gauge.py`) is told to be wrong, and that is left out.
"""

from __future__ import annotations

from math import log
from typing import Any, Literal

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.detectors import LEVELS, Finding, Level, Subject, register_kind
from sensors.detectors.bank import Kind, longest_s
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
    check_levels,
    cross,
    follow,
    is_number,
    left_out,
    limits_of,
    make_finding,
    set_course,
    tick,
    why_ended,
)
from sensors.intensity_duration import CURVES, IntensityDuration
from sensors.rain_gauge import GAUGE, GAUGE_LIMITS, INTERVAL, TOO_MUCH, TOTAL, believed_nm, fallen_mm_since
from sensors.rain_kernel import (
    BIN_US,
    BINS,
    HOUR_US,
    NM,
    RAIN,
    RAIN_LIMITS,
    WINDOWS,
    add_rain,
    depths_mm,
    effective_mm,
    pass_time,
)

VERSION = "1"
SENSOR_RULE = "rainfall_sensor"
FORMULA = (
    "sum over a duration in bins of 5 min >= level of the table; or event / D or sum / duration >= a D^-b; "
    "or R_0 + sum over i >= 1 of K^i R_i >= level; in an event of >= least_event_mm in >= least_wet_samples"
)
ACCUMULATION, CURVE, ANTECEDENT = 0, 1, 2


class Accumulation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the table."""

    hours: float
    levels_mm: tuple[float | None, ...]
    """Blue, yellow, orange, red."""


class RainfallParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Which rain is dangerous depends on the place: without a table only the curve counts."""

    input: Literal["interval", "total", "tips"] = "interval"
    """Rain since the sample before, in mm; a total in mm that counts up; or a count of tips."""
    tip_mm: float = 0.2
    """A tip of the bucket; also the resolution."""
    interval_s: float = 300.0
    """With `interval`: the time that a sample stands for; less when the one before is nearer."""
    rollover: float = 0.0
    """With totals and tips: the number at which the counter begins at 0 again. 0: it does not."""
    table: tuple[Accumulation, ...] = ()
    curve: str = "caine_1980"
    """A name of `CURVES`, `own`, or empty."""
    own_curve: IntensityDuration | None = None
    curve_level: Level = "yellow"
    antecedent_keep: float = 0.84
    """K, the part of a day's rain that still counts a day later; common in China and New Zealand."""
    antecedent_levels_mm: tuple[float | None, ...] = (None, None, None, None)
    day_begins_utc_h: float = 0.0
    """0 is 08:00 in Beijing, the hydrological day."""
    dry_s: float = 21_600.0
    least_event_mm: float = 2.0
    least_wet_samples: int = 2
    end_share: float = 0.8
    """Quiet is when every measure is below this share of its lowest level."""
    record_share: float = 0.5
    """More than this share of the greatest rain ever measured is blamed on the gauge."""
    least_samples: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        if len(self.table) > WINDOWS:
            raise ValueError(f"table must have {WINDOWS} rows at most")
        for row in self.table:
            check_levels("levels_mm", row.levels_mm)
            if not BIN_US <= row.hours * HOUR_US <= BINS * BIN_US:
                raise ValueError("hours must lie in 1/12 to 24")
        check_levels("antecedent_levels_mm", self.antecedent_levels_mm)
        if self.curve not in {*CURVES, "own", ""} or (self.curve == "own") != (self.own_curve is not None):
            raise ValueError(f"curve must be empty, own (with own_curve), or one of {', '.join(CURVES)}")
        if not self.curve and not self.table and all(map(left_out, self.antecedent_levels_mm)):
            raise ValueError("a table, a curve or antecedent_levels_mm must be given")
        if min(self.tip_mm, self.interval_s, self.dry_s, self.record_share) <= 0:
            raise ValueError("tip_mm, interval_s, dry_s and record_share must be above 0")
        if not (0 <= self.antecedent_keep < 1 and 0 < self.end_share <= 1):
            raise ValueError("antecedent_keep must lie in 0 to below 1, end_share above 0 and up to 1")


LIMITS = np.dtype(
    [
        *COURSE, *RAIN_LIMITS,
        *GAUGE_LIMITS, ("interval_us", "i8"),
        ("table", "f8", (WINDOWS, 4)), ("antecedent", "f8", (4,)),
        ("a", "f8"), ("b", "f8"), ("shortest_h", "f8"), ("longest_h", "f8"), ("curve_level", "i8"),
        ("least_event", "f8"), ("least_wet", "i8"), ("end_share", "f8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *RAIN,
        *GAUGE,
        ("load", "f8"), ("measure", "f8", (6,)),
    ]
)  # fmt: skip


def settle(parameters: RainfallParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    limits["input"] = INTERVAL if p.input == "interval" else TOTAL
    limits["factor"] = p.tip_mm if p.input == "tips" else 1.0
    limits["tip"] = round(p.tip_mm * NM)
    limits["rollover"] = p.rollover
    limits["interval_us"] = round(p.interval_s * 1e6)
    limits["table"] = limits["antecedent"] = np.inf
    for k, row in enumerate(p.table):
        limits["window_bins"][k] = round(row.hours * HOUR_US / BIN_US)
        limits["table"][k] = limits_of(row.levels_mm)
    limits["antecedent"] = limits_of(p.antecedent_levels_mm)
    curve = p.own_curve if p.own_curve is not None else CURVES.get(p.curve)
    limits["a"] = np.inf if curve is None else curve.a
    if curve is not None:
        limits["b"], limits["shortest_h"], limits["longest_h"] = curve.b, curve.shortest_h, curve.longest_h
    limits["curve_level"] = LEVELS.index(p.curve_level)
    limits["dry_us"] = round(p.dry_s * 1e6)
    limits["keep"] = p.antecedent_keep
    limits["day_begin_us"] = round(p.day_begins_utc_h * HOUR_US)
    limits["least_event"], limits["least_wet"] = p.least_event_mm, p.least_wet_samples
    limits["end_share"], limits["record_share"] = p.end_share, p.record_share


@njit(cache=True, nogil=True)
def _weigh(s: Any, level: int, kind: int, hours: float, mm: float, least: float, reached: float) -> None:
    """Note a measure, if it is worth more than others: by its level, then by its share of the lowest one."""
    load = mm / least
    s.load = max(s.load, load)
    if level > s.measure[0] or (level == s.measure[0] and load > s.measure[4]):
        s.measure[0], s.measure[1], s.measure[2] = level, kind, hours
        s.measure[3], s.measure[4], s.measure[5] = mm, load, reached


@njit(cache=True, nogil=True)
def _judge(limit: Any, s: Any) -> int:
    """Return the level that rain has reached; `load` and `measure` say why."""
    s.load = 0.0
    s.measure[:] = NO_LEVEL
    if s.event < limit.least_event * NM or s.wet < limit.least_wet:
        return NO_LEVEL
    event_h = max((s.wet_us - s.event_us) / HOUR_US, limit.shortest_h)
    for k in range(WINDOWS):
        if limit.window_bins[k] == 0:
            continue
        hours, mm = limit.window_bins[k] * BIN_US / HOUR_US, s.sum[k] / NM
        _levels(s, limit.table[k], ACCUMULATION, hours, mm)
        if limit.shortest_h <= hours <= min(event_h, limit.longest_h):
            _by_curve(limit, s, hours, mm)
    if event_h <= limit.longest_h:
        _by_curve(limit, s, event_h, s.event / NM)
    _levels(s, limit.antecedent, ANTECEDENT, 0.0, (s.before + s.today) / NM)
    return int(s.measure[0])


@njit(cache=True, nogil=True)
def _levels(s: Any, levels: Any, kind: int, hours: float, mm: float) -> None:
    least, reached = levels.min(), NO_LEVEL
    for k in range(len(levels)):
        if mm >= levels[k]:
            reached = k
    if np.isfinite(least):
        _weigh(s, reached, kind, hours, mm, max(least, 1e-3), levels[max(reached, 0)])


@njit(cache=True, nogil=True)
def _by_curve(limit: Any, s: Any, hours: float, mm: float) -> None:
    if np.isfinite(limit.a):
        least = limit.a * hours ** (1.0 - limit.b)
        _weigh(s, limit.curve_level if mm >= least else NO_LEVEL, CURVE, hours, mm, least, least)


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
        limit, s = limits[slot[i]], state[slot[i]]
        t, period_us = time_us[i], time_us[i] - s.last_us if s.fed != 0 else limit.interval_us
        if period_us <= 0 or (limit.input == INTERVAL and period_us > limit.interval_us):
            period_us = limit.interval_us
        if s.fed != 0 and t < s.last_us:
            s.has_total = s.same_n = s.waiting = 0
        arrives(limit, s, t, received_at_us[i])
        fallen_mm = fallen_mm_since(limit, s, value[i])
        pass_time(limit, s, t)
        if s.begun == 0 and s.event == 0 and s.fault == 0 and fallen_mm == 0.0:
            s.same = s.same_n = s.waiting = 0
            continue
        amount, code = 0, NOTHING
        if not np.isnan(fallen_mm):
            amount, code = believed_nm(limit, s, t, period_us, fallen_mm)
        if code == NOTHING:
            code = acquit(s, t, limit.dry_us)
        found = 0
        if code != NOTHING:
            cross(crossings[found], s, slot[i], i, code, t, fallen_mm if code == FAULT_BEGIN else 0.0, 0.0)
            crossings[found].extra[0] = s.fault
            crossings[found].extra[1] = period_us / HOUR_US
            found += 1
        if amount > 0:
            add_rain(limit, s, t, period_us, amount)
        level = _judge(limit, s)
        code = follow(limit, s, level, s.load < limit.end_share, t, max(s.measure[3], 0.0))
        if code != NOTHING:
            threshold = s.measure[5] if code != END else 0.0
            cross(crossings[found], s, slot[i], i, code, t, max(s.measure[3], 0.0), threshold)
            crossings[found].extra[0] = s.measure[1]
            crossings[found].extra[1] = s.measure[2]
            found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: RainfallParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code = int(crossing["code"])
    if code in (FAULT_BEGIN, FAULT_END):
        return _tell_fault(crossing, subject)
    rain_mm, extra = float(crossing["value"]), crossing["extra"]
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "accumulations_mm": {
            f"{row.hours:g} h": round(int(state["sum"][k]) / NM, 3) for k, row in enumerate(parameters.table)
        },
        "event_mm": round(int(state["event"]) / NM, 3),
        "event_begin_us": int(state["event_us"]),
        "effective_antecedent_mm": round(effective_mm(state), 3),
    }
    if code == END:
        title = f"Rain at {subject.name} is over"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = depths_mm(state)
    hours = f"{float(extra[1]):.3g} h"
    what = f"{rain_mm:.1f} mm in {hours}"
    if int(extra[0]) == CURVE:
        what += f", above the curve {parameters.curve}"
        source = parameters.own_curve or CURVES[parameters.curve]
        evidence["curve"] = msgspec.to_builtins(source)
    elif int(extra[0]) == ANTECEDENT:
        what = f"{rain_mm:.1f} mm effective rain with that of the days before"
    return make_finding(crossing, f"Rain at {subject.name}: {what}", evidence, SENSOR_RULE)


def _tell_fault(crossing: Any, subject: Subject) -> Finding:
    if int(crossing["code"]) == FAULT_END:
        title = f"Rain gauge {subject.name} is credible again"
    elif int(crossing["extra"][0]) == TOO_MUCH:
        depth, hours = float(crossing["value"]), float(crossing["extra"][1])
        title = f"Rain gauge {subject.name} gives {depth:.0f} mm in {hours:.2g} h; check it"
    else:
        title = f"Rain gauge {subject.name} repeats {float(crossing['value']):.1f} mm; check it"
    return make_finding(crossing, title, {"version": VERSION}, SENSOR_RULE)


def memory_s(parameters: RainfallParameters) -> float:
    """Return after how long rain counts no more: of antecedent rain, until a hundredth of it is left."""
    usual_s = 2.0 * longest_s(parameters)
    keep = parameters.antecedent_keep
    if all(map(left_out, parameters.antecedent_levels_mm)) or not keep:
        return usual_s
    return max(usual_s, 86_400.0 * log(0.01) / log(keep))


KIND = Kind(
    "rainfall", VERSION, RainfallParameters, LIMITS, STATE, settle, take, tick, tell, memory_s=memory_s
)
register_kind(KIND)
