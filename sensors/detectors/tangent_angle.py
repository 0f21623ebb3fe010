"""Landslides by the improved tangent angle, and when they fail: detector `tangent_angle`.

Xu Qiang et al. (2009), Geological Bulletin of China 28(4), 501-505: the cumulative displacement divided by
the velocity of uniform creep, v_eq, is a time; against time it rises at the angle atan(v / v_eq), which is
45 degrees in uniform creep, and does not depend on scales. v_eq is set by an expert for each site and
instrument: found automatically it is fragile. Colours are those of the table in EURASIP JWCN 2021, 2033:
they are this program's defaults, for every site to edit, and no standard's.

From 80 degrees on (5.7 v_eq) the inverse velocity (Fukuzono 1985) tells between which two times the slope
fails, as rule `failure_time`: with at least ten independent points, while they lie on one falling line.

How velocities are made is in `sensors/tangent_watch.py`, when a failure is believed in
`sensors/failure_time.py`, and how faults of the instrument are told apart in `sensors/slow_series.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

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
from sensors.ladder import END, OF
from sensors.slow_series import FAULT_BEGIN, FAULT_END, set_slow
from sensors.tangent_watch import (
    CAPACITY,
    FORECAST_BEGIN,
    FORECAST_END,
    FORECAST_WORSE,
    TANGENT_LIMITS,
    TANGENT_STATE,
    take,
    tick,
)

VERSION = "1"
DAY_S = 86_400.0
FORMULA = (
    "angle = atan(v / v_eq); v = median of pair slopes over window / 2^k >= shortest, a shorter one where it "
    "differs by multiple * scatter of movement; a level is reached by `enough` of the last 5 blocks"
)
FAILURE_FORMULA = (
    "1/v = a + b*t by least squares, b < 0, over >= 10 points of equal movement; fails at -a/b, between the "
    "zeros of the line's 90 % band (Fieller); none while both halves differ in slope by 3 standard deviations"
)
DIRECTIONS = {"rising": 1.0, "falling": -1.0, "either": 0.0}
Direction = Literal["rising", "falling", "either"]
_FORECASTS: dict[int, Phase] = {FORECAST_BEGIN: "begin", FORECAST_WORSE: "update", FORECAST_END: "end"}


class TangentAngleParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, for displacement in mm. Without another source they are own choice."""

    v_eq_mm_d: float
    """Velocity of uniform creep, set by an expert."""
    angle_deg: Limits = (None, 50.0, 80.0, 85.0)
    """The source has blue at 45 and yellow from there on; a slope in uniform creep would pass it every other
    day. 50 degrees are 1.2 v_eq, 80 are 5.7 and 85 are 11.4."""
    forecast_deg: float = 80.0
    end_deg: float = 45.0
    """Quiet is an angle below this."""
    direction: Direction = "rising"
    """Whether the slope moves where values rise, fall, or change at all."""
    enough: int = 3
    """Of the last 5 blocks, so many must reach a level."""
    shortest_s: float = DAY_S
    """Of the windows of the velocity. Two hours and blocks of ten minutes see a failure within a day."""
    window_s: float = 14 * DAY_S
    """Longest window. 14 days of 0.5 mm/d are 7 mm, which GNSS can tell."""
    interval_s: float = 7200.0
    noise_mm: float = 0.5
    """Scatter that is taken at least: 0.5 for extensometers, 3 for GNSS."""
    multiple: float = 5.0
    """Movement in a window that tells a velocity, in scatters."""
    jump_mm: float = 10.0
    """A step from block to block that is looked at before it is believed."""
    max_gap_s: float = 5 * DAY_S
    """A longer gap empties the windows."""
    end_quiet_s: float = 3 * DAY_S
    stuck_s: float = 2 * DAY_S
    fault_quiet_s: float = 2 * DAY_S
    silence_end_s: float = 7 * DAY_S

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_positive(self)
        check_limits("angle_deg", self.angle_deg)
        given = [limit for limit in self.angle_deg if limit is not None]
        if not given or not 0 < self.end_deg <= given[0] or given[-1] >= 90:
            raise ValueError("angle_deg must have limits between end_deg and 90")
        if not 1 <= self.enough <= OF:
            raise ValueError(f"enough must be 1 to {OF}")
        if self.shortest_s > self.window_s:
            raise ValueError("shortest_s must not be above window_s")
        if self.window_s / self.interval_s > CAPACITY - 2:
            least = self.window_s / (CAPACITY - 2)
            raise ValueError(f"interval_s must be {least:.0f} or more for this window_s")


def settle(parameters: TangentAngleParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_slow(limits["slow"], p, jump=p.jump_mm)
    limits["direction"] = DIRECTIONS[p.direction]
    limits["v_eq"] = p.v_eq_mm_d / DAY_S
    limits["angle"], limits["end"], limits["forecast"] = limits_of(p.angle_deg), p.end_deg, p.forecast_deg
    limits["shortest_us"], limits["window_us"] = p.shortest_s * 1e6, p.window_s * 1e6
    limits["noise"], limits["multiple"], limits["enough"] = p.noise_mm, p.multiple, p.enough
    limits["quiet_us"], limits["silence_us"] = p.end_quiet_s * 1e6, p.silence_end_s * 1e6


def tell(parameters: TangentAngleParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """Return the finding of a crossing."""
    code, name = int(crossing["code"]), subject.name
    if code in (FAULT_BEGIN, FAULT_END):
        phase: Phase = "begin" if code == FAULT_BEGIN else "end"
        window, what = {"window": curve(state["ring"])}, f"Displacement meter {name}:"
        return of_sensor(crossing, phase, what, "mm", window, rule="tangent_angle_sensor")
    if code in _FORECASTS:
        return _forecast(parameters, state, crossing, name)
    if code == END:
        return of_hazard(crossing, f"Slope {name} slowed down", why_ended(crossing, "the tangent angle"))
    velocity = float(state["velocity"]) * DAY_S
    title = (
        f"Slope {name} accelerates: {velocity:.3g} mm/d, tangent angle {crossing['value']:.1f} deg "
        f"({LEVELS[int(crossing['level'])]} from {crossing['threshold']:g})"
    )
    evidence: dict[str, Any] = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "velocity_mm_d": round(velocity, 4),
        "velocity_window_s": int(state["over_us"]) / 1e6,
        "scatter_mm": round(max(float(state["scatter"]), parameters.noise_mm), 4),
        "samples": curve(state["ring"]),
    }
    return of_hazard(crossing, title, evidence)


def _forecast(parameters: TangentAngleParameters, state: Any, crossing: Any, name: str) -> Finding:
    if _FORECASTS[int(crossing["code"])] == "end":
        title = f"Slope {name}: no failure can be foretold any more"
        evidence: dict[str, Any] = {"reason": "it slowed down, or is on no falling line of 1/v any more"}
    else:
        earliest, latest = (
            datetime.fromtimestamp(int(state[column]) // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
            for column in ("earliest_us", "latest_us")
        )
        title = f"Slope {name} fails between {earliest} and {latest} UTC if it goes on like this"
        inverse = state["inverse"]
        evidence = {
            "formula": FAILURE_FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(parameters),
            "earliest_us": int(state["earliest_us"]),
            "latest_us": int(state["latest_us"]),
            "hours_left": round(float(crossing["value"]), 3),
            "window": curve(state["ring"]),
            "samples": {**curve(inverse, 9), "unit": "s/mm"},
        }
    return of_hazard(crossing, title, evidence, rule="failure_time", phases=_FORECASTS)


register_kind(
    Kind(
        name="tangent_angle",
        version=VERSION,
        parameters=TangentAngleParameters,
        limits=TANGENT_LIMITS,
        state=TANGENT_STATE,
        settle=settle,
        take=take,
        tick=tick,
        tell=tell,
    )
)
