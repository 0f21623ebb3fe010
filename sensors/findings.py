"""Words and evidence that detectors of slow series share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.detectors.finding import LEVELS, Finding, Phase
from sensors.ladder import BEGIN, END, WORSE
from sensors.slow_series import JUMP, NO_VALUE, SPIKES, STUCK

PHASES: dict[int, Phase] = {BEGIN: "begin", WORSE: "update", END: "end"}
Limits = tuple[float | None, float | None, float | None, float | None]
"""Of blue, yellow, orange and red; None: this level is not used."""
_FAULTS = {
    JUMP: "its zero has jumped by {:+.3g} {} and stands still since; check the instrument and the site",
    SPIKES: "sends spikes; check its power and cable",
    STUCK: "stands still at {:.5g} {}; check the instrument",
    NO_VALUE: "sends no usable value; check the instrument and its cable",
}


def check_limits(name: str, limits: Limits) -> None:
    """Refuse limits that are not finite or do not grow.

    Raises
    ------
    ValueError
        The message names them.
    """
    given = [limit for limit in limits if limit is not None]
    if not np.isfinite(given).all() or given != sorted(given):
        raise ValueError(f"{name} must grow from blue to red; put null where a level is not used")


def check_positive(parameters: msgspec.Struct, but: Sequence[str] = ()) -> None:
    """Refuse numbers that are not finite and above zero, but for those named.

    Raises
    ------
    ValueError
        The message names the first.
    """
    for name, value in msgspec.structs.asdict(parameters).items():
        if isinstance(value, float) and name not in but and not 0 < value < np.inf:
            raise ValueError(f"{name} must be above 0")


def limits_of(limits: Limits) -> list[float]:
    """Return limits for kernels: infinite where a level is not used."""
    return [np.inf if limit is None else limit for limit in limits]


def rounded(values: NDArray[np.float64], digits: int = 4) -> list[float | None]:
    """Return values for JSON: None where there is none."""
    return [round(value, digits) if np.isfinite(value) else None for value in values.tolist()]


def curve(points: Any, digits: int = 4) -> dict[str, list[Any]]:
    """Return the points of a window (`sensors/windows.py`) as evidence."""
    n = int(points["n"])
    return {"time_us": points["time_us"][:n].tolist(), "value": rounded(points["value"][:n], digits)}


def of_hazard(
    crossing: Any,
    title: str,
    evidence: dict[str, Any],
    *,
    rule: str = "",
    phases: Mapping[int, Phase] = PHASES,
) -> Finding:
    """Return a finding of a crossing whose code is one of `phases`."""
    return _finding(crossing, phases[int(crossing["code"])], title, evidence, rule)


def of_sensor(
    crossing: Any, phase: Phase, what: str, unit: str, evidence: dict[str, Any], *, rule: str
) -> Finding:
    """Return a finding about the sensor, whose fault is the crossing's `extra[0]`."""
    title = f"{what} works again"
    if phase != "end":
        fault = _FAULTS[int(crossing["extra"][0])]
        title = f"{what} {fault.format(float(crossing['value']), unit)}"
    return _finding(crossing, phase, title, evidence, rule)


def why_ended(crossing: Any, what: str) -> dict[str, Any]:
    """Return the evidence of an end, whose crossing has 1 in `extra[0]` when silence made it."""
    reason = "nothing was received any more" if crossing["extra"][0] else f"{what} stayed low for long enough"
    return {"reason": reason, "largest": round(float(crossing["value"]), 4)}


def _finding(crossing: Any, phase: Phase, title: str, evidence: dict[str, Any], rule: str) -> Finding:
    value, threshold = (float(crossing[column]) for column in ("value", "threshold"))
    return Finding(
        phase=phase,
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=round(value, 4) if np.isfinite(value) else 0.0,
        threshold=round(threshold, 4) if np.isfinite(threshold) else 0.0,
        evidence=evidence,
        rule=rule,
    )
