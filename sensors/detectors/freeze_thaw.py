"""Slopes that thaw: detector `freeze_thaw`, at a temperature of the air or the ground (degrees Celsius).

Ice in cracks and soil holds a slope; when it goes and water comes at once, the slope may. So two things are
needed: the temperature was below 0 for long and rises above it for good, and rain or melting snow brings
water within a window around that. Named is the series of rain (mm a sample), of the depth of snow (cm), or
both; snow counts as water where it gets less while it thaws. Faults of the thermometer are told apart in
`sensors/slow_series.py`. No published limits were found: all are own choice, for each site to set.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.blocks import HUGE, NOTHING, SET_BACK
from sensors.crossing import fill
from sensors.detectors import Finding, Phase, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.detectors.finding import LEVELS
from sensors.findings import (
    Limits,
    check_limits,
    check_positive,
    curve,
    limits_of,
    of_hazard,
    of_sensor,
    why_ended,
)
from sensors.ladder import END, LADDER, climb, pause
from sensors.slow_events import end_event, tick
from sensors.slow_series import FAULT_BEGIN, FAULT_END, SLOW, SLOW_LIMITS, report_fault, set_slow, take_slow
from sensors.windows import append, points

VERSION = "1"
HOUR_US = 3_600_000_000
CAPACITY = 80
FORMULA = (
    "thaw: T < -edge for freeze_s, then T > edge for thaw_s; water = rain + density * 10 mm/cm * loss of "
    "snow over the last window_s; a level is reached by the water up to window_s behind the thaw"
)


class FreezeThawParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; all defaults are own choice."""

    rain: str = ""
    snow_depth: str = ""
    """Datastreams; one of them at least."""
    water_mm: Limits = (2.0, 10.0, 25.0, 50.0)
    edge_cel: float = 0.5
    """Around 0, where a thermometer and its shade decide."""
    freeze_s: float = 43_200.0
    """A cold night. Ground freezes a few centimetres deep in that time."""
    thaw_s: float = 7200.0
    window_s: float = 172_800.0
    snow_density: float = 0.3
    """Of water's. Settled snow before it melts has 0.2 to 0.5."""
    snow_step_cm: float = 2.0
    """Changes of less are the instrument's."""
    interval_s: float = 3600.0
    jump_cel: float = 15.0
    max_gap_s: float = 21_600.0
    """After a longer gap it must freeze again."""
    stuck_s: float = 21_600.0
    fault_quiet_s: float = 86_400.0
    silence_end_s: float = 259_200.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_positive(self)
        check_limits("water_mm", self.water_mm)
        if not self.rain and not self.snow_depth:
            raise ValueError("rain or snow_depth must name a datastream")
        if not all(limit is None or limit > 0 for limit in self.water_mm):
            raise ValueError("water_mm must be above 0")
        if self.window_s * 1e6 > (CAPACITY - 2) * HOUR_US:
            raise ValueError(f"window_s must be {(CAPACITY - 2) * 3600} at most")


LIMITS = np.dtype(
    [
        ("slow", SLOW_LIMITS),
        ("rain_role", "i8"),
        ("snow_role", "i8"),
        ("edge", "f8"),
        ("freeze_us", "i8"),
        ("thaw_us", "i8"),
        ("window_us", "i8"),
        ("water", "f8", (4,)),
        ("mm_per_cm", "f8"),
        ("snow_step", "f8"),
        ("silence_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("slow", SLOW),
        ("temperature", points(CAPACITY)),
        ("water", points(CAPACITY)),  # of each hour
        ("cold_us", "i8"),  # since when it has been cold, or warm; 0: it is not
        ("warm_us", "i8"),
        ("is_frozen", "i8"),
        ("thawed_us", "i8"),
        ("depth", "f8"),
        ("has_depth", "i8"),
        ("sum", "f8"),
        ("ladder", LADDER),
    ]
)


def inputs(parameters: FreezeThawParameters) -> tuple[str, ...]:
    """Return the further inputs in the order of their roles."""
    return tuple(name for name in (parameters.rain, parameters.snow_depth) if name)


def settle(parameters: FreezeThawParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_slow(limits["slow"], p, jump=p.jump_cel)
    limits["rain_role"] = 1 if p.rain else 0
    limits["snow_role"] = len(inputs(p)) if p.snow_depth else 0
    limits["edge"], limits["water"] = p.edge_cel, limits_of(p.water_mm)
    limits["freeze_us"], limits["thaw_us"] = p.freeze_s * 1e6, p.thaw_s * 1e6
    limits["window_us"], limits["silence_us"] = p.window_s * 1e6, p.silence_end_s * 1e6
    limits["mm_per_cm"], limits["snow_step"] = 10.0 * p.snow_density, p.snow_step_cm


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
    """See `Kind.take`."""
    for i in range(begin, len(slot)):
        s, limit = state[slot[i]], limits[slot[i]]
        found = 0
        if role[i] > 0:
            if not usable[i] or not abs(value[i]) < HUGE:
                continue
            if role[i] == limit.rain_role:
                _add_water(s.water, time_us[i], max(value[i], 0.0))
            elif role[i] == limit.snow_role:
                _take_depth(limit, s, time_us[i], value[i])
            found = _judge(limit, s, time_us[i], crossings, 0, slot[i], i)
        else:
            at = take_slow(s.slow, limit.slow, time_us[i], value[i], usable[i], received_at_us[i], False)
            if at == NOTHING and s.slow.news == 0:
                continue
            if s.slow.news:
                report_fault(s.slow, crossings[0], slot[i], i, time_us[i])
                found = 1
            if at == SET_BACK:
                s.cold_us = s.warm_us = s.is_frozen = s.temperature.n = s.water.n = 0
                pause(s.ladder)
            elif at != NOTHING:
                for k in range(s.slow.out_n):
                    _take_temperature(limit, s, s.slow.out_us[k], s.slow.out[k])
                found = _judge(limit, s, time_us[i], crossings, found, slot[i], i)
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _add_water(ring: Any, time_us: int, depth_mm: float) -> None:
    last = ring.n - 1
    if ring.n and time_us < ring.time_us[last] - HOUR_US:
        ring.n = 0
    elif ring.n and time_us // HOUR_US <= ring.time_us[last] // HOUR_US:
        ring.value[last] += depth_mm
        return
    append(ring, time_us, depth_mm)


@njit(cache=True, nogil=True)
def _take_depth(limit: Any, s: Any, time_us: int, depth_cm: float) -> None:
    """Snow that gets less while it is warm has become water; what the wind takes in the cold has not."""
    if not s.has_depth or depth_cm > s.depth or s.warm_us == 0:
        if not s.has_depth or abs(depth_cm - s.depth) >= limit.snow_step:
            s.depth, s.has_depth = depth_cm, 1
    elif s.depth - depth_cm >= limit.snow_step:
        _add_water(s.water, time_us, limit.mm_per_cm * (s.depth - max(depth_cm, 0.0)))
        s.depth = depth_cm


@njit(cache=True, nogil=True)
def _take_temperature(limit: Any, s: Any, time_us: int, temperature: float) -> None:
    ring = s.temperature
    if ring.n and time_us - ring.time_us[ring.n - 1] > limit.slow.max_gap_us:
        s.cold_us = s.warm_us = s.is_frozen = 0
    append(ring, time_us, temperature)
    if temperature < -limit.edge:
        s.warm_us = 0
        if s.cold_us == 0:
            s.cold_us = time_us
        s.is_frozen = s.is_frozen or time_us - s.cold_us >= limit.freeze_us
    elif temperature > limit.edge:
        s.cold_us = 0
        if s.warm_us == 0:
            s.warm_us = time_us
        if s.is_frozen and time_us - s.warm_us >= limit.thaw_us:
            s.thawed_us, s.is_frozen = s.warm_us, 0


@njit(cache=True, nogil=True)
def _judge(limit: Any, s: Any, now_us: int, crossings: Any, found: int, slot: int, row: int) -> int:
    """Return how many crossings there are now: one more at most."""
    ladder = s.ladder
    if s.thawed_us == 0 or now_us - s.thawed_us > limit.window_us:
        if ladder.onset_us == 0:
            return found
        end_event(s, now_us, False, limit.water.min(), crossings[found], slot, row)
        return found + 1
    s.sum = 0.0
    for k in range(s.water.n):
        if now_us - limit.window_us < s.water.time_us[k] <= now_us:
            s.sum += s.water.value[k]
    reached = -1
    for level in range(4):
        if s.sum >= limit.water[level]:
            reached = level
    code = climb(ladder, now_us, reached, s.sum, 1)
    if not code:
        return found
    threshold = limit.water[ladder.level]
    fill(crossings[found], slot, row, code, ladder.level, ladder.onset_us, now_us, s.sum, threshold)
    return found + 1


def tell(parameters: FreezeThawParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """Return the finding of a crossing."""
    code, name = int(crossing["code"]), subject.name
    samples = curve(state["temperature"], 2)
    if code in (FAULT_BEGIN, FAULT_END):
        phase: Phase = "begin" if code == FAULT_BEGIN else "end"
        what, unit = f"Thermometer {name}:", subject.unit
        return of_sensor(crossing, phase, what, unit, {"samples": samples}, rule="freeze_thaw_sensor")
    if code == END:
        evidence = why_ended(crossing, "the thaw is over, or the water")
        return of_hazard(crossing, f"Slope {name}: the thaw is over", evidence)
    title = (
        f"Slope {name} thaws with {crossing['value']:.0f} mm of water "
        f"({LEVELS[int(crossing['level'])]} from {crossing['threshold']:g} mm)"
    )
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "thawed_us": int(state["thawed_us"]),
        "water_mm": curve(state["water"], 2),
        "samples": samples,
    }
    return of_hazard(crossing, title, evidence)


register_kind(
    Kind(
        name="freeze_thaw",
        version=VERSION,
        parameters=FreezeThawParameters,
        limits=LIMITS,
        state=STATE,
        settle=settle,
        take=take,
        tick=tick,
        tell=tell,
        inputs=inputs,
    )
)
