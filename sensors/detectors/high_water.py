"""High water: detector `high_water`, the crossing of a site's own levels by the total water level.

The level is the median of the last three samples, so that a spike counts for nothing. A warning level is
reached when it has been at or above it for the hold time; the level of the event rises at once and
never falls. It is over when the water has been below the lowest warning level, less the hysteresis, for the
end's hold time.

A gauge that jumps from one sample to the next and stands still there is a shifted zero, told by the rule
`high_water_sensor`: from then on that is its zero, until it has jumped back. Where bores of half a metre are
real and stand still for ten minutes, `step_m` must be larger than they are.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors import steps
from sensors.crossing import cross, is_credible
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.steps import STEP

VERSION = "1"
FORMULA = (
    "level = median of the last three samples; begin when it was >= a warning level for hold_s; end when it "
    "was < the lowest one - hysteresis for end_hold_s"
)
SENSOR_RULE = "high_water_sensor"
(_BEGIN, _UPDATE, _END, _JUMPED, _SENSOR_END) = range(5)
_SILENT = 1.0
HOUR_US = 3_600_000_000
_RECENT = 32
_STILL_M = 0.02
_SLOPE_H = 0.5
"""Over so long the slope is smoothed."""
_BEND_M_PER_H2 = 0.13
"""Half the curvature of a semidiurnal tide of 1 m."""


class HighWaterParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. A site's warning levels, on the gauge's zero, are its authority's: there is no default."""

    blue_m: float | None = None
    yellow_m: float | None = None
    orange_m: float | None = None
    red_m: float | None = None
    hysteresis_m: float = 0.1
    hold_s: float = 300.0
    """Own choice: longer than waves and ships."""
    end_hold_s: float = 3600.0
    max_gap_s: float = 3600.0
    """After a longer gap holding begins anew."""
    step_m: float = 0.5
    """A jump from one sample to the next that is looked at."""
    step_hold_s: float = 600.0
    silence_end_s: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        levels = [level for level in self.levels if level is not None]
        if not levels:
            raise ValueError("give one of blue_m, yellow_m, orange_m and red_m at least")
        if levels != sorted(levels):
            raise ValueError("blue_m <= yellow_m <= orange_m <= red_m must hold")
        times = (self.hold_s, self.end_hold_s, self.max_gap_s, self.step_hold_s, self.silence_end_s)
        if min(*times, self.step_m) <= 0 or self.hysteresis_m < 0:
            raise ValueError("times and step_m must be above 0, hysteresis_m must not be negative")

    @property
    def levels(self) -> tuple[float | None, ...]:
        """The lowest first."""
        return self.blue_m, self.yellow_m, self.orange_m, self.red_m


LIMITS = np.dtype(
    [
        ("level_m", "f8", (len(LEVELS),)),  # infinite: not given
        ("end_m", "f8"),
        ("hold_us", "i8"),
        ("end_hold_us", "i8"),
        ("max_gap_us", "i8"),
        ("step_m", "f8"),
        ("step_hold_us", "i8"),
        ("silence_end_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("last_us", "i8"),
        ("received_at_us", "i8"),
        ("last", "f8", (3,)),  # newest first
        ("samples", "i8"),
        ("slope", "f8"),  # per hour
        ("step", STEP),
        ("zero_m", "f8"),  # how far the zero has moved
        ("since_us", "i8", (len(LEVELS),)),  # each level is reached since; 0: it is not
        ("onset_us", "i8"),
        ("level", "i8"),
        ("highest", "f8"),
        ("below_since_us", "i8"),
        ("fault_us", "i8"),
        ("n", "i8"),
        ("time_us", "i8", (_RECENT,)),
        ("value", "f8", (_RECENT,)),
    ]
)


@njit(cache=True, nogil=True)
def _take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,  # noqa: ARG001
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    for i in range(begin, len(slot)):
        if usable[i] and is_credible(value[i]):
            s, p = state[slot[i]], limits[slot[i]]
            s.received_at_us = max(s.received_at_us, received_at_us[i])
            found = _judge(s, p, slot[i], i, time_us[i], value[i], crossings)
            if found:
                return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _judge(s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any) -> int:
    hours = (time_us - s.last_us) / HOUR_US
    if s.last_us != 0 and not 0 < time_us - s.last_us <= p.max_gap_us:
        s.samples = s.step.since_us = s.below_since_us = s.n = 0
        s.since_us[:] = 0
    s.last_us = time_us
    value -= s.zero_m
    found = 0
    if s.step.since_us != 0:
        onset_us, offset = s.step.since_us, steps.offset(s.step, time_us, value)
        what = steps.look(s.step, time_us, value, _STILL_M, _BEND_M_PER_H2, p.step_hold_us)
        if what == steps.WAITING:
            return 0
        if what == steps.STANDS:
            s.zero_m += offset
            value -= offset
            found = _stood(s, slot, row, onset_us, time_us, offset, crossings)
        s.samples = 0
    elif s.samples >= len(s.last) and abs(value - s.last[0] - s.slope * hours) >= p.step_m:
        steps.open_step(s.step, time_us, s.last[0] + s.slope * hours, value, s.slope)
        return 0
    if s.samples > 0:
        s.slope += min(hours / _SLOPE_H, 1.0) * ((value - s.last[0]) / hours - s.slope)
    s.last[2], s.last[1], s.last[0] = s.last[1], s.last[0], value
    s.samples += 1
    _remember(s, time_us, value)
    if s.samples < len(s.last):
        return found
    level = np.median(s.last)
    reached = -1
    for k in range(len(p.level_m)):
        if level < p.level_m[k]:
            s.since_us[k] = 0
        elif s.since_us[k] == 0:
            s.since_us[k] = time_us
        if s.since_us[k] != 0 and time_us - s.since_us[k] >= p.hold_us:
            reached = k
    if s.onset_us == 0:
        if reached < 0:
            return found
        s.level, s.highest, s.below_since_us = reached, level, 0
        s.onset_us = s.since_us[reached]
        for k in range(reached):
            if s.since_us[k] != 0:
                s.onset_us = min(s.onset_us, s.since_us[k])
        limit = p.level_m[reached]
        return cross(crossings, found, slot, row, _BEGIN, reached, s.onset_us, time_us, level, limit)
    s.highest = max(s.highest, level)
    if reached > s.level:
        s.level = reached
        limit = p.level_m[reached]
        return cross(crossings, found, slot, row, _UPDATE, reached, s.onset_us, time_us, level, limit)
    if level >= p.end_m:
        s.below_since_us = 0
    elif s.below_since_us == 0:
        s.below_since_us = time_us
    if s.below_since_us == 0 or time_us - s.below_since_us < p.end_hold_us:
        return found
    return _end(s, p, slot, row, time_us, 0.0, found, crossings)


@njit(cache=True, nogil=True)
def _stood(s: Any, slot: int, row: int, onset_us: int, time_us: int, offset: float, crossings: Any) -> int:
    """Return what there is to say of a shifted zero: a fault begins, or it has jumped back."""
    if abs(s.zero_m) <= max(_STILL_M, 0.1 * abs(offset)):
        s.zero_m = 0.0
        if s.fault_us == 0:
            return 0
        onset_us, s.fault_us = s.fault_us, 0
        return cross(crossings, 0, slot, row, _SENSOR_END, 0, onset_us, time_us, 0.0, 0.0)
    if s.fault_us != 0:
        return 0
    s.fault_us = onset_us
    return cross(crossings, 0, slot, row, _JUMPED, 0, onset_us, time_us, offset, 0.0)


@njit(cache=True, nogil=True)
def _remember(s: Any, time_us: int, value: float) -> None:
    if s.n == _RECENT:
        for k in range(_RECENT - 1):
            s.time_us[k], s.value[k] = s.time_us[k + 1], s.value[k + 1]
        s.n -= 1
    s.time_us[s.n], s.value[s.n] = time_us, value
    s.n += 1


@njit(cache=True, nogil=True)
def _end(s: Any, p: Any, slot: int, row: int, at_us: int, why: float, found: int, crossings: Any) -> int:
    found = cross(crossings, found, slot, row, _END, s.level, s.onset_us, at_us, s.highest, p.end_m)
    crossings[found - 1].extra[0] = why
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def _tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end(s, p, slot, -1, s.last_us, _SILENT, found, crossings)
        if found:
            return slot + 1, found
    return len(live), 0


def _settle(p: HighWaterParameters, limits: Any) -> None:
    limits["level_m"] = [np.inf if level is None else level for level in p.levels]
    limits["end_m"] = min(level for level in p.levels if level is not None) - p.hysteresis_m
    limits["step_m"] = p.step_m
    for name in ("hold", "end_hold", "max_gap", "step_hold", "silence_end"):
        limits[f"{name}_us"] = round(getattr(p, f"{name}_s") * 1e6)


def _tell(p: HighWaterParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, value, name = int(crossing["code"]), float(crossing["value"]), subject.name
    n = int(state["n"])
    samples = {
        "time_us": state["time_us"][:n].tolist(),
        "value": [round(float(v), 4) for v in state["value"][:n]],
    }
    evidence: dict[str, Any] = {"samples": samples}
    if code == _JUMPED:
        title = f"Gauge {name}: the level jumped by {value:+.2f} m and stayed there; check the gauge"
    elif code == _SENSOR_END:
        title, evidence = f"Gauge {name}: the level has jumped back", {}
    elif code == _END:
        title = f"High water at {name} is over"
        silent = float(crossing["extra"][0]) == _SILENT
        evidence = {
            "reason": "nothing usable was received any more"
            if silent
            else "the water stayed below the level",
            "highest_m": round(value, 4),
        }
    else:
        title = f"Water level {value:.2f} m at {name}"
        evidence |= {"formula": FORMULA, "version": VERSION, "parameters": msgspec.structs.asdict(p)}
    return Finding(
        phase="begin" if code in (_BEGIN, _JUMPED) else "update" if code == _UPDATE else "end",
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=value,
        threshold=float(crossing["threshold"]),
        evidence=evidence,
        rule=SENSOR_RULE if code in (_JUMPED, _SENSOR_END) else "",
    )


register_kind(Kind("high_water", VERSION, HighWaterParameters, LIMITS, STATE, _settle, _take, _tick, _tell))
