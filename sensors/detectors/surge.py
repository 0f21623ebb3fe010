"""Storm surges at tide gauges: detector `storm_surge`.

The surge is what the weather does to the sea: the level without the astronomical tide of the station's
harmonic constants (`sensors/tides.py`), and without all that is over within minutes or an hour. Medians of
ten minutes let spikes, ships and swell pass; their mean over some hours, tsunamis and seiches.

- `storm_surge`: this mean reaches a level in two medians, and stays below the lowest, less the hysteresis,
  for hours at the end.
- `skew_surge`: the highest observed median around a predicted high water, less that high water: what a surge
  adds to a tide, whenever in the tide it comes (Pugh 1987). One begins when it reaches the lowest level, and
  ends with the next high water at which it does not.
- `storm_surge_sensor`: the level jumped by more than a surge can within ten minutes and stands still
  there (from then on that is its zero), or it does not change although the tide has moved by a decimetre.
  Neither counts as a surge.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.surge_kernel import (
    BEGIN,
    BLOCKS,
    END,
    JUMPED,
    LIMITS,
    SENSOR_END,
    SILENT,
    SKEW_BEGIN,
    SKEW_END,
    SKEW_UPDATE,
    STATE,
    STUCK,
    UPDATE,
    take,
    tick,
)
from sensors.tides import TIDE, Harmonic, fill

VERSION = "1"
FORMULA = (
    "residual = level - mean_level - tide(t), tide = sum f A cos(V + u - g); surge = mean over smooth_s of "
    "the ten-minute medians of the residual; skew surge = highest (median + tide) within 3 h of a predicted "
    "high water, less that high water"
)
SKEW_RULE = "skew_surge"
SENSOR_RULE = "storm_surge_sensor"


class StormSurgeParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's own choice, for every site to edit, and no standard's."""

    constituents: tuple[Harmonic, ...]
    """The station's harmonic constants, for instance of a year fitted with UTide."""
    mean_level_m: float
    """On the gauge's zero."""
    blue_m: float = 0.5
    yellow_m: float = 1.0
    orange_m: float = 1.5
    red_m: float = 2.0
    hysteresis_m: float = 0.1
    smooth_s: float = 10_800.0
    """Nine waves of twenty minutes; half of it is the delay."""
    end_quiet_s: float = 21_600.0
    """Surges are modulated by the tide: half a semidiurnal period."""
    max_gap_s: float = 3600.0
    """A longer gap empties the window."""
    step_m: float = 0.25
    """In ten minutes: several times the rate of the fastest surges, about a metre in an hour."""
    step_hold_s: float = 3600.0
    silence_end_s: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        numbers = [getattr(self, name) for name in self.__struct_fields__[2:]]
        if min(numbers) <= 0:
            raise ValueError("every parameter but mean_level_m must be above 0")
        if not self.blue_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("blue_m <= yellow_m <= orange_m <= red_m must hold")
        if self.hysteresis_m >= self.blue_m:
            raise ValueError("hysteresis_m must be below blue_m")
        if not 600 <= self.smooth_s <= 600 * BLOCKS:
            raise ValueError(f"smooth_s must be from 600 to {600 * BLOCKS}")
        fill(np.zeros((), TIDE), self.constituents)


def _settle(p: StormSurgeParameters, limits: Any) -> None:
    fill(limits["tide"], p.constituents)
    limits["level_m"] = p.blue_m, p.yellow_m, p.orange_m, p.red_m
    for name in ("mean_level_m", "hysteresis_m", "step_m"):
        limits[name] = getattr(p, name)
    for name in ("smooth", "end_quiet", "max_gap", "step_hold", "silence_end"):
        limits[f"{name}_us"] = round(getattr(p, f"{name}_s") * 1e6)


def _tell(p: StormSurgeParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, value, name = int(crossing["code"]), float(crossing["value"]), subject.name
    evidence: dict[str, Any] = {}
    rule = ""
    if code in (JUMPED, STUCK, SENSOR_END):
        rule = SENSOR_RULE
        title = {
            JUMPED: f"Tide gauge {name}: the level jumped by {value:+.2f} m and stayed; check the gauge",
            STUCK: f"Tide gauge {name}: the level stands still, the tide does not; check the gauge",
            SENSOR_END: f"Tide gauge {name}: no further trouble",
        }[code]
    elif code in (SKEW_BEGIN, SKEW_UPDATE, SKEW_END):
        rule = SKEW_RULE
        title = f"High water at {name} was {value:.2f} m above the predicted one"
        if code != SKEW_END:
            high_us, high_m = crossing["extra"][:2].tolist()
            high = {"time_us": int(high_us), "predicted_m": round(high_m + p.mean_level_m, 4)}
            evidence = _evidence(p, state) | {"high_water": high}
    elif code == END:
        title = f"Storm surge at {name} is over"
        silent = float(crossing["extra"][0]) == SILENT
        evidence = {
            "reason": "nothing usable was received any more"
            if silent
            else "the surge stayed below the level",
            "largest_surge_m": round(value, 4),
        }
    else:
        title = f"Storm surge of {value:.2f} m at {name}"
        evidence = _evidence(p, state)
    phase = "begin" if code in (BEGIN, SKEW_BEGIN, JUMPED, STUCK) else "end"
    return Finding(
        phase="update" if code in (UPDATE, SKEW_UPDATE) else phase,  # type: ignore[arg-type]
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=value,
        threshold=float(crossing["threshold"]),
        evidence=evidence,
        rule=rule,
    )


def _evidence(p: StormSurgeParameters, state: Any) -> dict[str, Any]:
    n = int(state["n"])
    return {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.to_builtins(p),
        "skew_surge_m": round(float(state["skew_m"]), 4),
        "samples": {
            "time_us": state["time_us"][:n].tolist(),
            "residual": [round(v, 4) for v in state["median"][:n].tolist()],
        },
    }


register_kind(Kind("storm_surge", VERSION, StormSurgeParameters, LIMITS, STATE, _settle, take, tick, _tell))
