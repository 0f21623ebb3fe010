"""Slopes and structures that tilt (degrees): detector `tilt`.

The series is an angle. Or it is one axis of an accelerometer, in any unit: named the two others
(`other_axis`, `third_axis`), the angle is that of this axis against the horizontal,
atan2(a, sqrt(b^2 + c^2)); set at the x axis it is the pitch, at the y axis the roll. Instruments of the
kind hold 0.01 degrees. A temperature is taken off as at cracks; see `sensors/rate_watch.py`.
"""

from __future__ import annotations

from typing import Any

from sensors.detectors import register_kind
from sensors.findings import Limits
from sensors.rate_kind import DAY_S, NO_INPUT, REGRESSED, RateParameters, RateWords, rate_kind

FORMULA = (
    "angle = atan2(a, sqrt(b^2 + c^2)) for accelerations; angle = c0 + c1*t + k*T by least squares over 24 h "
    "before the window; rate = median of pair slopes of angle - k*(T - T_now) over the window; counts when "
    "|rate| * window >= multiple * scatter; level reached by 3 of the last 5 blocks"
)


class TiltParameters(RateParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; all defaults are own choice, for instruments of 0.01 degrees."""

    other_axis: str = ""
    third_axis: str = ""
    """Datastreams of the other axes, sampled at the same times; empty: the series is an angle."""
    temperature: str = ""
    """Datastream of the temperature; empty: there is none."""
    rate_per_h: Limits = (0.02, 0.1, 0.5, 2.0)
    """Degrees an hour."""
    window_s: float = 10_800.0
    interval_s: float = 900.0
    jump: float = 0.2
    """Degrees."""
    resolution: float = 0.002
    level_hysteresis: float = 0.1
    most_deg_per_cel: float = 0.05
    temperature_age_s: float = 7200.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check(DAY_S)
        if bool(self.other_axis) != bool(self.third_axis):
            raise ValueError("other_axis and third_axis must both be named, or neither")


def inputs(parameters: TiltParameters) -> tuple[str, ...]:
    """Return the further inputs in the order of their roles."""
    named = (parameters.other_axis, parameters.third_axis, parameters.temperature)
    return tuple(name for name in named if name)


def settle(parameters: TiltParameters, limits: Any) -> None:
    """Fill the limits."""
    parameters.settle(limits)
    limits["is_axis"] = bool(parameters.other_axis)
    limits["most_coefficient"] = parameters.most_deg_per_cel
    limits["input_age_us"] = parameters.temperature_age_s * 1e6
    limits["input_role"] = len(inputs(parameters)) if parameters.temperature else 0
    limits["mode"] = REGRESSED if parameters.temperature else NO_INPUT


register_kind(
    rate_kind(
        "tilt",
        "1",
        TiltParameters,
        RateWords("Tiltmeter", "{name} tilts", "{name} is tilted", FORMULA),
        settle=settle,
        inputs=inputs,
    )
)
