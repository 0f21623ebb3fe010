"""Steps and creep of GNSS stations (mm): detector `displacement`.

It is set at the displacement to the east, and `north` and `up` name the series of the same solutions. How
steps and creep are found is in `sensors/displacement_statistics.py`.

A step in which the horizontal takes part is a movement: a landslide, an earthquake, or the reference. A
step of the height alone is a change of the antenna (rule `displacement_sensor`), except where the ground
sinks (`sinks`). That many stations step at once is for whoever sees many to say: each finding has the
vector, its standard deviations and the times between which the step lies. Creep is told by the rule
`displacement_creep`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from sensors.detectors import Finding, Phase, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.detectors.finding import LEVELS
from sensors.displacement_statistics import DISPLACEMENT_LIMITS, DISPLACEMENT_STATE
from sensors.displacement_watch import (
    ANTENNA,
    CREEP_BEGIN,
    FAULT_BEGIN,
    FAULT_END,
    FAULT_MORE,
    STUCK,
    take,
    tick,
)
from sensors.findings import Limits, check_limits, check_positive, limits_of, of_hazard, rounded

VERSION = "1"
DAY_S = 86_400.0
FORMULA = (
    "step = median(last 5) - median(30 before); counts when |step| > "
    "max(floor, 6*1.4826*MAD*sqrt(pi/2*(1/5+1/30))) and all 5 are beyond half of the step; "
    "a base that creeps is carried on first"
)
CREEP_FORMULA = (
    "v of a Kalman filter [x, v] with white acceleration q and adaptive R; speed = root of the sum of "
    "squares of those components with |v| > 4 sigma_v; level reached by 3 of the last 5 blocks"
)
COMPONENT_NAMES = ("east", "north", "up")
_PHASES: tuple[Phase, ...] = ("begin", "update", "end") * 3


class DisplacementParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, for displacement in mm. Levels are for every site to edit, and no standard's."""

    north: str
    up: str
    """Datastreams of the same solutions."""
    floor_mm: tuple[float, float, float] = (10.0, 10.0, 20.0)
    """Least step to the east, north and up."""
    noise_mm: tuple[float, float, float] = (2.5, 2.5, 5.0)
    """Standard deviation of a block at least. Real daily solutions have 1.3-3.2 and 3.4-7 mm."""
    step_mm: Limits = (0.0, 30.0, 100.0, 500.0)
    """Length of all steps of an event. Own choice; 0 is any step that is one."""
    creep_mm_d: Limits = (1.0, 4.4, 43.0, 433.0)
    """4.4 is 1.6 m/a and 433 is 13 m a month (Cruden and Varnes 1996: from slow, from moderate); 43 lies
    between, and 1 is own choice."""
    end_share: float = 0.6
    """Creep is quiet below this share of its lowest level."""
    q_mm2_d3: float = 0.005
    """Density of the acceleration: with 2.5 mm a day a memory of (R/q)^(1/4) = 6 days, and 0.2 mm/d noise."""
    interval_s: float = 21_600.0
    """Pace of the statistics; a step takes five blocks. Where it is below a day the day's own wave counts as
    noise."""
    sinks: bool = False
    """The ground may sink without moving aside: mines, sinkholes."""
    max_gap_s: float = 90 * DAY_S
    """A longer gap empties the windows."""
    quiet_blocks: int = 10
    """An event ends when there was no further step for so long."""
    silence_end_s: float = 30 * DAY_S

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_positive(self)
        check_limits("step_mm", self.step_mm)
        check_limits("creep_mm_d", self.creep_mm_d)
        if not all(0 < each < np.inf for each in (*self.floor_mm, *self.noise_mm)):
            raise ValueError("floor_mm and noise_mm must be above 0")
        if not self.north or not self.up or self.quiet_blocks < 1 or self.end_share > 1:
            raise ValueError("north and up must be named, quiet_blocks be 1 or more, end_share 1 or less")


def settle(parameters: DisplacementParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    limits["interval_us"], limits["max_gap_us"] = p.interval_s * 1e6, p.max_gap_s * 1e6
    limits["floor"], limits["noise"], limits["q"] = p.floor_mm, p.noise_mm, p.q_mm2_d3
    limits["step"], limits["creep"] = limits_of(p.step_mm), limits_of(p.creep_mm_d)
    limits["end_share"], limits["sinks"], limits["quiet"] = p.end_share, p.sinks, p.quiet_blocks
    limits["silence_us"] = p.silence_end_s * 1e6


def tell(parameters: DisplacementParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """Return the finding of a crossing."""
    code, name = int(crossing["code"]), subject.name
    value, level = float(crossing["value"]), LEVELS[int(crossing["level"])]
    if code >= FAULT_BEGIN:
        title, evidence, rule = *_fault(state, crossing, name), "displacement_sensor"
        if code in (FAULT_BEGIN, FAULT_MORE):
            evidence = {**evidence, **_evidence(parameters, state, FORMULA)}
    elif code >= CREEP_BEGIN:
        title, rule = f"Station {name} creeps by {value:.3g} mm/d ({level})", "displacement_creep"
        evidence = _evidence(parameters, state, CREEP_FORMULA)
    else:
        title, evidence, rule = f"Station {name} moved by {value:.0f} mm ({level})", _step(state), ""
        evidence |= _evidence(parameters, state, FORMULA)
    if _PHASES[code] == "end":
        silent = int(crossing["row"]) < 0
        reason = "nothing was received any more" if silent else "nothing further for long enough"
        evidence = {"reason": reason, "largest": round(value, 2)}
        if code != FAULT_END:
            title = f"Station {name} stands still again"
    return of_hazard(crossing, title, evidence, rule=rule, phases=dict(enumerate(_PHASES)))


def _fault(state: Any, crossing: Any, name: str) -> tuple[str, dict[str, Any]]:
    if int(crossing["code"]) == FAULT_END:
        return f"GNSS station {name}: no further problem", {}
    if int(state["fault"]) == ANTENNA:
        by = f"{crossing['value']:+.0f} mm"
        return f"GNSS station {name}: the height alone jumped by {by}; check the antenna", _step(state)
    if int(state["fault"]) == STUCK:
        return f"GNSS station {name} repeats one solution; check what computes it", {}
    return f"GNSS station {name}: a component is missing in its solutions; check what sends them", {}


def _step(state: Any) -> dict[str, Any]:
    step = state["step"]
    columns = {
        column: dict(zip(COMPONENT_NAMES, rounded(step[field], 2), strict=True))
        for column, field in (("step_mm", "by"), ("sigma_mm", "sigma"), ("threshold_mm", "threshold"))
    }
    between = [int(step["before_us"]), int(step["after_us"])]
    return {**columns, "between_us": between, "is_gap": bool(step["is_gap"])}


def _evidence(parameters: DisplacementParameters, state: Any, formula: str) -> dict[str, Any]:
    n = int(state["n"])
    components = {name: rounded(state["value"][c][:n], 2) for c, name in enumerate(COMPONENT_NAMES)}
    filters = state["filter"]
    return {
        "formula": formula,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "velocity_mm_d": rounded(filters["v"], 3),
        "velocity_sigma_mm_d": rounded(np.sqrt(filters["vv"]), 3),
        "noise_mm": rounded(np.sqrt(filters["r"]), 2),
        "samples": {"time_us": state["time_us"][:n].tolist(), **components},
    }


register_kind(
    Kind(
        name="displacement",
        version=VERSION,
        parameters=DisplacementParameters,
        limits=DISPLACEMENT_LIMITS,
        state=DISPLACEMENT_STATE,
        settle=settle,
        take=take,
        tick=tick,
        tell=tell,
        inputs=lambda parameters: (parameters.north, parameters.up),
    )
)
