"""Water pressure in the pores of a slope (kPa): detector `pore_pressure`.

A sealed piezometer measures the air's weight too. Named an input `barometer` (hPa, of the same site), it is
taken off: p - efficiency * (B - 1013.25 hPa) / 10. A vented one needs none. Watched are the rise per hour and
the value itself, for which each site has its own limits; see `sensors/rate_watch.py`.
"""

from __future__ import annotations

from typing import Any

from sensors.detectors import register_kind
from sensors.findings import Limits
from sensors.rate_kind import FIXED, NO_INPUT, RateParameters, RateWords, rate_kind

KPA_PER_HPA = 0.1
STANDARD_HPA = 1013.25
FORMULA = (
    "p = measured - efficiency * (B - 1013.25 hPa) / 10; rate = median of pair slopes of p over the window; "
    "counts when |rate| * window >= multiple * scatter; level reached, by rate or value, by 3 of the last 5 "
    "blocks"
)


class PorePressureParameters(RateParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; all defaults are own choice, for vibrating-wire instruments of 0.1 kPa."""

    barometer: str = ""
    """Datastream of the air pressure; empty: the instrument is vented."""
    efficiency: float = 1.0
    """Share of the air's pressure that reaches the instrument: 1 in open standpipes, less in clay."""
    barometer_age_s: float = 10_800.0
    rate_per_h: Limits = (1.0, 3.0, 10.0, 30.0)
    """kPa/h; 10 kPa is a metre of water."""
    window_s: float = 10_800.0
    interval_s: float = 900.0
    jump: float = 5.0
    """kPa."""
    resolution: float = 0.05
    level_hysteresis: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        self.check(86_400.0)


def settle(parameters: PorePressureParameters, limits: Any) -> None:
    """Fill the limits; the mean weight of the air goes into the reference."""
    parameters.settle(limits)
    limits["direction"] = 1.0
    if parameters.barometer:
        limits["mode"], limits["input_role"] = FIXED, 1
        limits["input_age_us"] = parameters.barometer_age_s * 1e6
        limits["coefficient"] = KPA_PER_HPA * parameters.efficiency
        limits["reference"] = parameters.reference - STANDARD_HPA * KPA_PER_HPA * parameters.efficiency
    else:
        limits["mode"] = NO_INPUT


register_kind(
    rate_kind(
        "pore_pressure",
        "1",
        PorePressureParameters,
        RateWords("Piezometer", "Pore pressure at {name} rises", "Pore pressure at {name} is", FORMULA),
        settle=settle,
        inputs=lambda parameters: (parameters.barometer,) if parameters.barometer else (),
    )
)
