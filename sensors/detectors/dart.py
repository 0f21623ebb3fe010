"""Tsunamis in the pressure at the sea floor (DART stations): detector `bottom_pressure`.

The tide is predicted from the past three hours by Mofjeld's polynomial (`sensors/mofjeld.py`); what is left
is the residual, in metres of water. Three things are told, each by a rule of its own:

- `bottom_pressure_event`: the residual reached 30 mm, NOAA's limit. It may be an earthquake: seismic waves
  come 3 to 28 minutes after one and can exceed those of the tsunami that follows.
- `bottom_pressure`: a tsunami, told from seismic waves by its period. All residuals of the last four
  minutes are on one side, 30 mm at least; their mean stands out of what changes from sample to sample
  (`sensors/residuals.py`); and the level itself moves, also without its largest step, since a residual that
  comes from the past in the prediction is none. Seismic waves take less than 3 to 5 minutes, tsunamis 5 to
  90. Samples must be no further apart than two minutes: with fifteen it cannot be told, and the event is all
  that is said.
- `bottom_pressure_sensor`: a sample that jumped and returned is a spike and left out; five of them, or of
  residuals that no tsunami has, within an hour or so are a fault. A level that jumped and stays for five
  minutes is a shifted zero: history is shifted with it, so that the watch goes on. A value that does not
  change for three hours is stuck; residuals that change sides within minutes for three hours are noise,
  since no earthquake shakes for so long.

A sample that is 33 mm off the one before it (the tide's slope taken away; 13 cm after a quarter of an hour)
waits for the next: only then it is known whether it is a spike, a step or a wave.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sensors import mofjeld, residuals
from sensors.dart_kernel import (
    BEGIN,
    BLAMED,
    END,
    EVENT,
    EVENT_END,
    LIMITS,
    NOISY,
    SENSOR_END,
    SILENT,
    SPIKES,
    STATE,
    STEPPED,
    STUCK,
    UPDATE,
    take,
    tick,
)
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.mofjeld import AHEAD_US, HOUR_US, WEIGHTS

VERSION = "1"
FORMULA = (
    "tide(t) = sum w(i) H*(t - 5.25 min - i h), i = 0..3, H* = mean of the one-minute means within 5 min "
    "(interpolated where there are fewer than 5 samples); residual = height - tide; event where |residual| "
    ">= threshold; tsunami where this holds on one side for all samples of min_duration, |their mean| >= 4 * "
    "(rms change from sample to sample) / sqrt(2 n), max - min of the height without its largest step "
    ">= 0.15 * max |residual| + 5 mm"
)
EVENT_RULE = "bottom_pressure_event"
SENSOR_RULE = "bottom_pressure_sensor"

_FAULTS = {
    SPIKES: "{0:.0f} values within about an hour that no sea makes",
    STEPPED: "the level jumped by {0:+.2f} m and stayed there",
    STUCK: "the value does not change",
    NOISY: "the level has changed to and fro for hours",
}


class BottomPressureParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's own choice, for every site to edit, and no standard's.

    Default levels: coastal amplitudes of 0.3, 1 and 3 m, by Green's law from a depth of 10 m to one of
    5,000 m (divided by the fourth root of 500).
    """

    threshold_m: float = 0.03
    """NOAA's for the North Pacific."""
    yellow_m: float = 0.06
    orange_m: float = 0.2
    red_m: float = 0.6
    credible_m: float = 3.0
    """The largest tsunami that was measured in deep water is below 2 m."""
    min_duration_s: float = 240.0
    """So long all residuals of a tsunami are on one side; three minutes are too few near an earthquake."""
    max_step_s: float = 120.0
    """Samples further apart cannot tell a tsunami."""
    step_hold_s: float = 300.0
    """How long a level may stand still after a jump before the sensor is blamed."""
    stuck_s: float = 10_800.0
    noisy_s: float = 10_800.0
    end_quiet_s: float = 14_400.0
    """A DART station stays in event mode for four hours."""
    max_gap_s: float = 2700.0
    """A longer gap empties the history; two samples of a quarter-hour may be missing."""
    silence_end_s: float = 86_400.0
    """What began ends when nothing usable has been received for so long."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if min(msgspec.structs.astuple(self)) <= 0:
            raise ValueError("every parameter must be above 0")
        if not self.threshold_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("threshold_m <= yellow_m <= orange_m <= red_m must hold")
        if self.max_gap_s > 3600:
            raise ValueError("max_gap_s must not be above 3600: the tide bends too much in between")


def _settle(p: BottomPressureParameters, limits: Any) -> None:
    limits["level_m"] = p.threshold_m, p.yellow_m, p.orange_m, p.red_m
    limits["credible_m"] = p.credible_m
    for name in (
        "min_duration", "max_step", "step_hold", "stuck", "noisy", "end_quiet", "max_gap", "silence_end",
    ):  # fmt: skip
        limits[f"{name}_us"] = round(getattr(p, f"{name}_s") * 1e6)


def _tell(p: BottomPressureParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, value = int(crossing["code"]), float(crossing["value"])
    threshold = float(crossing["threshold"])
    name, rule = subject.name, ""
    evidence: dict[str, Any] = {}
    if code in _FAULTS:
        rule = SENSOR_RULE
        title = f"Bottom pressure at {name}: {_FAULTS[code].format(value)}; check the sensor"
        evidence = {"samples": residuals.columns(state["recent"], int(crossing["extra"][0]))}
    elif code == SENSOR_END:
        title, rule = f"Bottom pressure at {name}: no further trouble", SENSOR_RULE
    elif code in (EVENT_END, END):
        rule = EVENT_RULE if code == EVENT_END else ""
        title = f"Bottom pressure at {name} is back at the tide"
        why = {SILENT: "nothing usable was received any more", BLAMED: "the sensor is too noisy to tell"}
        reason = why.get(float(crossing["extra"][0]), "the residual stayed below the threshold")
        evidence = {"reason": reason, "largest_residual_m": round(value, 4)}
    else:
        size, side = abs(value) * 1e3, "above" if value >= 0 else "below"
        if code == EVENT:
            rule = EVENT_RULE
            title = f"Bottom pressure at {name} {size:.0f} mm {side} the tide: an earthquake or a tsunami"
        else:
            title = f"Tsunami at {name}: bottom pressure {size:.0f} mm {side} the tide"
        at_us = int(crossing["at_us"])
        evidence = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(p),
            "threshold_m": threshold,
            "prediction": {
                "weights": list(WEIGHTS),
                "time_us": [at_us - AHEAD_US - k * HOUR_US for k in range(4)],
                "mean": [round(v, 4) for v in crossing["extra"].tolist()],
            },
            "window": mofjeld.columns(state["history"]),
            "samples": residuals.columns(state["recent"], int(state["recent"]["n"])),
        }
    begins = code in (EVENT, BEGIN) or code in _FAULTS
    return Finding(
        phase="begin" if begins else "update" if code == UPDATE else "end",
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=value,
        threshold=threshold,
        evidence=evidence,
        rule=rule,
    )


register_kind(
    Kind(
        "bottom_pressure",
        VERSION,
        BottomPressureParameters,
        LIMITS,
        STATE,
        _settle,
        take,
        tick,
        _tell,
    )
)
