"""Ground used by heat pumps, that warms or cools from year to year: detector `ground_temperature`.

Watched is the temperature of a borehole in the field, by four measures at the end of each day:

- imbalance: heat rejected to the ground less heat extracted, over the larger of both, in the last 12 months;
- slope: by Theil and Sen over the seasons' medians of days, each against the same season of other
  years (the seasonal slope estimator of Hirsch et al. 1982, Water Resour. Res. 18, 107-121), so that neither
  the year's wave nor a year that began in summer counts;
- deviation of the day's median from the site's standard curve;
- difference from a far reference borehole, which sees the climate and not the field.

No numeric standard was found: the levels are own choice, to be edited for each site. A day's median that
jumps by more than ground can (heat is conducted) is a problem of the sensor; what was learnt is forgotten.
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
from sensors.ground_kernel import (
    DAY_US,
    EXTRACTED,
    GROUND,
    MONTHS,
    REJECTED,
    add_heat,
    close_day,
    daily,
    imbalance,
    new_day,
    season_medians,
    seasonal_slope,
)
from sensors.rings import curve, next_point, points_of

VERSION = "1"
SENSOR_RULE = "ground_temperature_sensor"
FORMULA = (
    "imbalance = (rejected - extracted) / max(rejected, extracted) over 12 months; slope = median of "
    "(m_j - m_i) / (j - i) over the medians m of the same season in years i < j; deviation = daily median - "
    "standard curve; difference = daily median - that of the reference - reference_offset_cel; all by size"
)
IMBALANCE, SLOPE, DEVIATION, DIFFERENCE = 0, 1, 2, 3
_NAMES = ("imbalance", "slope_cel_per_year", "deviation_cel", "difference_cel")
_REFERENCE_ROLE, _TEMPERATURE = 3, 0
_CURVE_POINTS = 400
_LEAST_DAYS = 3
_MEMORY_S = 3 * 366 * 86_400.0
"""A slope needs the same season of three years."""


class GroundTemperatureParameters(Course, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Levels (blue, yellow, orange, red; null or inf leaves one out) are own choice."""

    heat_rejected: str = ""
    """Datastream of a meter of heat put into the ground, a total in kWh."""
    heat_extracted: str = ""
    reference: str = ""
    """Datastream of a far borehole's temperature at the same depth."""
    reference_offset_cel: float = 0.0
    """What the field is warmer than the reference where nothing is wrong."""
    imbalances: tuple[float | None, ...] = (None, 0.10, 0.20, None)
    slopes_cel_per_year: tuple[float | None, ...] = (None, 0.3, 0.6, None)
    """Four deviations or more where years differ by 0.1 Cel, as in depths of more than 10 m."""
    least_pairs: int = 12
    """So many pairs of the same season in different years a slope needs: those of three years."""
    standard_curve_cel: tuple[float, ...] = ()
    """Twelve values, for the middle of each month."""
    deviations_cel: tuple[float | None, ...] = (None, 1.5, 3.0, None)
    differences_cel: tuple[float | None, ...] = (None, 3.0, 5.0, None)
    step_cel: float = 3.0
    """A change of the daily median from one day to the next that ground does not make."""
    end_share: float = 0.8
    least_samples: int = 3
    """Days."""
    hold_s: float = 604_800.0
    max_gap_s: float = 259_200.0
    silence_end_s: float = 2_592_000.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check()
        for name in ("imbalances", "slopes_cel_per_year", "deviations_cel", "differences_cel"):
            check_levels(name, getattr(self, name))
        if len(self.standard_curve_cel) not in (0, MONTHS):
            raise ValueError("standard_curve_cel must have twelve values")
        if bool(self.heat_rejected) != bool(self.heat_extracted):
            raise ValueError("heat_rejected and heat_extracted must be given together")
        if self.least_pairs < 1 or self.step_cel <= 0 or not 0 < self.end_share <= 1:
            raise ValueError("least_pairs and step_cel must be above 0, end_share up to 1")


LIMITS = np.dtype(
    [
        *COURSE, ("meaning", "i8", (4,)), ("has_reference", "i8"), ("reference_offset", "f8"),
        ("levels", "f8", (4, 4)), ("least_pairs", "i8"), ("has_curve", "i8"), ("standard", "f8", (MONTHS,)),
        ("step", "f8"), ("end_share", "f8"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        *EPISODE, *GROUND, *curve(_CURVE_POINTS, "value"),
        ("usual", "f8"), ("known", "i8"), ("stepped", "i8"), ("measure", "f8", (4,)), ("load", "f8"),
    ]
)  # fmt: skip


def inputs(parameters: GroundTemperatureParameters) -> tuple[str, ...]:
    """`Kind.inputs`."""
    p = parameters
    return tuple(name for name in (p.heat_rejected, p.heat_extracted, p.reference) if name)


def settle(parameters: GroundTemperatureParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_course(p, limits)
    meanings = [_TEMPERATURE]
    meanings += [REJECTED, EXTRACTED] if p.heat_rejected else []
    meanings += [_REFERENCE_ROLE] if p.reference else []
    limits["meaning"] = -1
    limits["meaning"][: len(meanings)] = meanings
    limits["has_reference"] = bool(p.reference)
    limits["reference_offset"] = p.reference_offset_cel
    levels = (p.imbalances, p.slopes_cel_per_year, p.deviations_cel, p.differences_cel)
    limits["levels"] = [limits_of(one) for one in levels]
    limits["least_pairs"] = p.least_pairs
    limits["has_curve"] = bool(p.standard_curve_cel)
    limits["standard"] = p.standard_curve_cel or 0.0
    limits["step"], limits["end_share"] = p.step_cel, p.end_share


@njit(cache=True, nogil=True)
def _measure(limit: Any, s: Any, day: int, median: float, reference: float) -> tuple[int, int]:
    """Note the four measures of a day; return the level and which of them has it."""
    s.measure[IMBALANCE] = imbalance(s, day)
    s.measure[SLOPE] = seasonal_slope(s, limit.least_pairs)
    s.measure[DEVIATION] = s.measure[DIFFERENCE] = np.nan
    if limit.has_curve:
        at = (day + 0.5) * MONTHS / 365.25 - 0.5
        low = int(np.floor(at))
        before, after = limit.standard[low % MONTHS], limit.standard[(low + 1) % MONTHS]
        s.measure[DEVIATION] = median - before - (after - before) * (at - low)
    if limit.has_reference and not np.isnan(reference):
        s.measure[DIFFERENCE] = median - reference - limit.reference_offset
    level, which, s.load = NO_LEVEL, 0, 0.0
    for k in range(4):
        size = abs(s.measure[k])
        reached = highest(limit.levels[k], size)
        load = size / limit.levels[k].min()
        if not np.isnan(load) and (reached > level or (reached == level and load > s.load)):
            level, which = reached, k
        s.load = max(s.load, 0.0 if np.isnan(load) else load)
    return level, which


@njit(cache=True, nogil=True)
def _steps(limit: Any, s: Any, time_us: int, median: float) -> int:
    """Watch for jumps of the daily median; return a code. While `stepped` nothing is judged."""
    if s.known == 0 or abs(median - s.usual) <= limit.step:
        s.known += 1
        s.usual, s.stepped = median, 0
        return int(acquit(s, time_us, 30 * DAY_US))
    s.stepped += 1
    if s.stepped < 2:
        return NOTHING
    # A few days alone do not say which of the two is wrong.
    is_jump = s.known >= _LEAST_DAYS
    s.stepped, s.usual, s.known = 0, median, 1
    s.seasons = s.days = 0
    return int(blame(s, 1, time_us, time_us)) if is_jump else NOTHING


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
        if not usable[i] or not is_number(value[i]):
            continue
        limit, s, t = limits[slot[i]], state[slot[i]], time_us[i]
        meaning = limit.meaning[role[i]] if role[i] < 4 else -1
        if meaning in (REJECTED, EXTRACTED):
            add_heat(s, meaning - REJECTED, t, value[i])
        if meaning == _REFERENCE_ROLE:
            new_day(s, 1, t, value[i])
        if meaning != _TEMPERATURE:
            continue
        if arrives(limit, s, t, received_at_us[i]):
            s.known = s.stepped = 0
        at, new = next_point(s, t, DAY_US)
        if new:
            s.curve_value[at] = value[i]
        day, median = new_day(s, 0, t, value[i])
        if np.isnan(median):
            continue
        found = 0
        code = _steps(limit, s, t, median)
        if code != NOTHING:
            cross(
                crossings[found], s, slot[i], i, code, t, median if code == FAULT_BEGIN else 0.0, limit.step
            )
            found += 1
        if s.stepped == 0 and s.fault == 0:
            close_day(s, day, median)
            level, which = _measure(limit, s, day, median, daily(s, 1, day))
            amount = s.measure[which]
            if np.isnan(amount):
                amount = 0.0
            code = follow(limit, s, level, s.load < limit.end_share, t, amount)
            if code != NOTHING:
                cross(crossings[found], s, slot[i], i, code, t, amount, limit.levels[which, s.level])
                crossings[found].extra[0] = which
                found += 1
        if found:
            return i + 1, found
    return len(slot), 0


def tell(parameters: GroundTemperatureParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """`Kind.tell`."""
    code, name = int(crossing["code"]), subject.name
    if code in (FAULT_BEGIN, FAULT_END):
        jumped = (
            f"Ground temperature at {name} jumped to {float(crossing['value']):.1f} Cel; check the sensor"
        )
        title = jumped if code == FAULT_BEGIN else f"Ground temperature at {name} is credible again"
        return make_finding(crossing, title, {"version": VERSION}, SENSOR_RULE)
    measures = state["measure"].tolist()
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(parameters),
        "measures": {
            key: None if np.isnan(one) else round(one, 4) for key, one in zip(_NAMES, measures, strict=True)
        },
        "inputs": list(inputs(parameters)),
        "season_medians": season_medians(state),
    }
    if code == END:
        title = f"Ground temperature at {name} is as it should be"
        return make_finding(crossing, title, {**evidence, **why_ended(crossing, state)}, SENSOR_RULE)
    if code == BEGIN:
        evidence["samples"] = points_of(state, "value")
    value = float(crossing["value"])
    what = (
        f"{abs(value):.0%} more heat {'put in' if value > 0 else 'taken out'} in 12 months",
        f"{'warms' if value > 0 else 'cools'} by {abs(value):.2f} Cel a year",
        f"{value:+.1f} Cel off the standard curve",
        f"{value:+.1f} Cel against the reference borehole",
    )[int(crossing["extra"][0])]
    return make_finding(crossing, f"Ground at {name}: {what}", evidence, SENSOR_RULE)


KIND = Kind(
    "ground_temperature",
    VERSION,
    GroundTemperatureParameters,
    LIMITS,
    STATE,
    settle,
    take,
    tick,
    tell,
    inputs,
    memory_s=lambda _: _MEMORY_S,
)
register_kind(KIND)
