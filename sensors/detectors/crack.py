"""Cracks that open, at crack meters (mm): detector `crack`.

Rock and meter grow with the temperature, in a wave of a day. Named an input `temperature` (degrees Celsius,
of the same site), its part is found by regression over the day before the window of the rate and taken off;
see `sensors/rate_watch.py`, also for how faults of the sensor are told apart.
"""

from __future__ import annotations

from typing import Any

from sensors.detectors import register_kind
from sensors.findings import Limits
from sensors.rate_kind import DAY_S, NO_INPUT, REGRESSED, RateParameters, RateWords, rate_kind

FORMULA = (
    "width = a + b*t + k*T by least squares over 24 h before the window; rate = median of pair slopes of "
    "width - k*(T - T_now) over the window; counts when |rate| * window >= multiple * scatter; level reached "
    "by 3 of the last 5 blocks"
)


class CrackParameters(RateParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; all defaults are own choice, for wire crack meters of 0.1 mm."""

    temperature: str = ""
    """Datastream of the temperature; empty: there is none."""
    rate_per_h: Limits = (0.1, 0.5, 2.0, 10.0)
    """mm/h. 10 mm/h is 1.75 Cruden-Varnes classes below 'rapid' (1.8 m/h)."""
    window_s: float = 10_800.0
    interval_s: float = 900.0
    jump: float = 1.0
    """mm."""
    resolution: float = 0.02
    level_hysteresis: float = 1.0
    most_mm_per_cel: float = 0.5
    """No site moves more by temperature: 40 m of rock at 12e-6 per degree."""
    temperature_age_s: float = 7200.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check(DAY_S)


def settle(parameters: CrackParameters, limits: Any) -> None:
    """Fill the limits."""
    parameters.settle(limits)
    limits["direction"] = 1.0
    limits["most_coefficient"] = parameters.most_mm_per_cel
    limits["input_age_us"] = parameters.temperature_age_s * 1e6
    limits["input_role"] = 1 if parameters.temperature else 0
    limits["mode"] = REGRESSED if parameters.temperature else NO_INPUT


register_kind(
    rate_kind(
        "crack",
        "1",
        CrackParameters,
        RateWords("Crack meter", "Crack {name} opens", "Crack {name} is at", FORMULA),
        settle=settle,
        inputs=lambda parameters: (parameters.temperature,) if parameters.temperature else (),
    )
)
