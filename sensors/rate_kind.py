"""Kinds of detectors that share the kernel of `sensors/rate_watch.py`: parameters, words and evidence."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from sensors import rate_watch
from sensors.detectors.bank import Kind
from sensors.detectors.finding import LEVELS, Finding, Phase, Subject
from sensors.findings import (
    Limits,
    check_limits,
    check_positive,
    curve,
    limits_of,
    of_hazard,
    of_sensor,
    rounded,
    why_ended,
)
from sensors.ladder import END
from sensors.rate_watch import CAPACITY, FIXED, NO_INPUT, REGRESSED
from sensors.slow_events import tick
from sensors.slow_series import FAULT_BEGIN, FAULT_END, set_slow

DAY_S = 86_400.0


class RateParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that all have. No standard gives numbers: limits are own choice, for each site to set."""

    rate_per_h: Limits
    """Per hour, in the unit of the series."""
    level: Limits = (None, None, None, None)
    """Values above `reference`, in the unit of the series."""
    reference: float = 0.0
    window_s: float
    interval_s: float
    jump: float
    """A step from block to block that is looked at before it is believed."""
    resolution: float
    """Of the instrument."""
    multiple: float = 5.0
    """The movement over the window must be so many times the scatter. 5: by chance once in a million."""
    end_share: float = 0.6
    """Quiet is a rate below this share of the lowest limit."""
    level_hysteresis: float
    end_quiet_s: float = 10_800.0
    max_gap_s: float = 21_600.0
    """A longer gap empties the windows."""
    stuck_s: float = 21_600.0
    fault_quiet_s: float = DAY_S
    silence_end_s: float = 2 * DAY_S
    """An event ends when nothing has been received for so long."""

    def check(self, compensation_s: float) -> None:
        """Refuse what makes no sense.

        Raises
        ------
        ValueError
            The message names the parameter.
        """
        check_positive(self, but=("reference", "coefficient"))
        check_limits("rate_per_h", self.rate_per_h)
        check_limits("level", self.level)
        if all(limit is None for limit in (*self.rate_per_h, *self.level)):
            raise ValueError("rate_per_h or level must have a limit")
        if self.rate_per_h[0] is not None and self.rate_per_h[0] <= 0:
            raise ValueError("rate_per_h must be above 0")
        if self.end_share > 1:
            raise ValueError("end_share must not be above 1")
        if (self.window_s + compensation_s) / self.interval_s > CAPACITY - 2:
            least = np.ceil((self.window_s + compensation_s) / (CAPACITY - 2))
            raise ValueError(f"interval_s must be {least:.0f} or more for such windows")

    def settle(self, limits: Any) -> None:
        """Fill what all have of `RATE_LIMITS`."""
        set_slow(limits["slow"], self, jump=self.jump, resolution=self.resolution)
        limits["window_us"], limits["compensation_us"] = self.window_s * 1e6, DAY_S * 1e6
        limits["multiple"], limits["end_share"] = self.multiple, self.end_share
        limits["rate"], limits["level"] = limits_of(self.rate_per_h), limits_of(self.level)
        limits["reference"], limits["level_hysteresis"] = self.reference, self.level_hysteresis
        limits["quiet_us"], limits["silence_us"] = self.end_quiet_s * 1e6, self.silence_end_s * 1e6


Given = TypeVar("Given", bound=RateParameters)


class RateWords(NamedTuple):
    """How such a detector speaks."""

    sensor: str
    """Crack meter"""
    changes: str
    """Crack {name} opens"""
    is_at: str
    """Crack {name} is at"""
    formula: str


def rate_kind(name: str, version: str, parameters: type[Given], words: RateWords, **more: Any) -> Kind[Given]:
    """Return a kind of this name; `more` goes to `Kind`: `settle`, `inputs`."""

    def tell(given: Given, state: Any, crossing: Any, subject: Subject) -> Finding:
        code, sensor = int(crossing["code"]), f"{words.sensor} {subject.name}"
        if code in (FAULT_BEGIN, FAULT_END):
            phase: Phase = "begin" if code == FAULT_BEGIN else "end"
            evidence = _evidence(given, state) if code == FAULT_BEGIN else {}
            return of_sensor(crossing, phase, sensor, subject.unit, evidence, rule=f"{name}_sensor")
        if code == END:
            evidence = why_ended(crossing, "rate and value")
            return of_hazard(crossing, f"{words.changes.format(name=subject.name)} no more", evidence)
        value, threshold = float(crossing["value"]), float(crossing["threshold"])
        level, unit = LEVELS[int(crossing["level"])], subject.unit
        if crossing["extra"][0]:
            title = words.is_at.format(name=subject.name) + f" {value:.4g} {unit}"
        else:
            title, unit = words.changes.format(name=subject.name) + f" by {value:.3g} {unit}/h", f"{unit}/h"
        title += f" ({level} from {threshold:.3g} {unit})"
        return of_hazard(crossing, title, _evidence(given, state, words.formula, version))

    return Kind(
        name=name,
        version=version,
        parameters=parameters,
        limits=rate_watch.RATE_LIMITS,
        state=rate_watch.RATE_STATE,
        take=rate_watch.take,
        tick=tick,
        tell=tell,
        **more,
    )


def _evidence(given: RateParameters, state: Any, formula: str = "", version: str = "") -> dict[str, Any]:
    ring, evidence = state["ring"], {"parameters": msgspec.structs.asdict(given)}
    if not formula:
        return {**evidence, "window": curve(ring)}
    n = int(ring["n"])
    first = int(np.searchsorted(ring["time_us"][:n], ring["time_us"][n - 1] - round(given.window_s * 1e6)))
    freed, beside = ring["value"][first:n], state["beside"]["value"][first:n]
    if state["coefficient"] and not np.isnan(beside).any():
        freed = freed - state["coefficient"] * (beside - beside[-1])
    return {
        "formula": formula,
        "version": version,
        **evidence,
        "rate_per_h": rounded(state["rate"].reshape(1), 5)[0],
        "scatter": round(float(state["scatter"]), 5),
        "coefficient": round(float(state["coefficient"]), 5),
        "window": {**curve(ring), "input": rounded(state["beside"]["value"][:n])},
        "samples": {
            "time_us": ring["time_us"][first:n].tolist(),
            "value": rounded(freed),
        },
    }


__all__ = ["DAY_S", "FIXED", "NO_INPUT", "REGRESSED", "RateParameters", "RateWords", "rate_kind"]
