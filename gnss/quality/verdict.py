"""What a judgement means for an operator: its findings in words, the gravest first."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality import history
from gnss.quality.bands import BANDS
from gnss.quality.judge import CLOCK_AHEAD_S
from gnss.quality.judgements import (
    CLOCK_BEHIND,
    CLOCK_STEP,
    GOOD_POINTS,
    HELD_BAD,
    HELD_DEGRADED,
    I_FRAME_ERRORS,
    I_LATENCY,
    I_REGISTRY,
    INDICATORS,
    NO_MULTIPATH,
    NOT_LIVE,
    NOT_WARM,
    NOTHING_CAME,
    STORM,
    Judgements,
)
from gnss.quality.score import Finding, Thresholds, words

_NOT_LIVE = Finding("latency_unknown", "Latency is unknown: the recording has no receiving times.")
_NO_MULTIPATH = Finding(
    "multipath_unknown", "Multipath is unknown: no satellite has had two carriers for long enough."
)
_NOTHING = Finding(
    "no_observations",
    "No observations have come yet.",
    check="Whether the stream carries observations: MSM, or 1001 to 1012.",
)


def with_findings(judgements: Judgements) -> list[int]:
    """Return which judgements have anything to tell."""
    low = (judgements["points"] < GOOD_POINTS).any(axis=1)
    told: list[int] = np.flatnonzero(low | (judgements["remarks"] != 0)).tolist()
    return told


def findings(
    judgement: Any, thresholds: Thresholds, jump_ms: float = np.nan, registry: tuple[Finding, ...] = ()
) -> tuple[Finding, ...]:
    """Return why a judgement is what it is.

    Parameters
    ----------
    judgement
        A row of `JUDGEMENT`.
    jump_ms
        The last step of the receiver's clock.
    registry
        What the stream told of itself that is not as the registry has it.
    """
    remarks = int(judgement["remarks"])
    points = judgement["points"]
    if remarks & NOTHING_CAME:
        low = (I_FRAME_ERRORS,) if points[I_FRAME_ERRORS] < GOOD_POINTS else ()
        return (*(_told(judgement, i) for i in low), _NOTHING)
    if remarks & NOT_WARM:
        age_s, warm_up_s = float(judgement["age_s"]), thresholds.warm_up_s
        text = f"Observed for {age_s:.0f} s; a verdict needs {warm_up_s:.0f} s."
        return (Finding("warm_up", text, age_s, warm_up_s, "Wait."),)
    found: list[Finding] = []
    for i in sorted(np.flatnonzero(points < GOOD_POINTS).tolist(), key=lambda i: float(points[i])):
        found += registry if i == I_REGISTRY and registry else (_told(judgement, i),)
    found += _remarks(judgement, remarks, jump_ms)
    if remarks & (HELD_BAD | HELD_DEGRADED):
        state = "bad" if remarks & HELD_BAD else "degraded"
        held_s = float(judgement["held_s"])
        text = f"It was {state} {held_s:.0f} s ago; it must stay better for {thresholds.hold_s:.0f} s."
        found.append(Finding("hold", text, held_s, thresholds.hold_s, "Nothing, if it stays as it is now."))
    return tuple(found)


def _told(judgement: Any, i: int) -> Finding:
    code = INDICATORS[i]
    how = words(code)
    value, threshold = float(judgement["values"][i]), float(judgement["thresholds"][i])
    text = how.text.format(
        value=value * how.unit,
        threshold=threshold * how.unit,
        came=float(judgement["window_epochs"]),
        due=float(judgement["window_expected"]),
        bad_frames=float(judgement["window_bad_frames"]),
        band=BANDS[int(judgement["band"])],
        figure=history.WORDS[int(judgement["unusual"])],
    )
    return Finding(code, text, _known(value), _known(threshold), how.check)


def _known(value: float) -> float | None:
    """Return a number, or None for what is not known: NaN is unequal to itself, and so would be a report."""
    return None if np.isnan(value) else value


def _remarks(judgement: Any, remarks: int, jump_ms: float) -> list[Finding]:
    told = []
    if remarks & NOT_LIVE:
        told.append(_NOT_LIVE)
    if remarks & CLOCK_BEHIND:
        latency_s = float(judgement["values"][I_LATENCY])
        text = f"Latency is unknown: epochs seem to come {-latency_s:.1f} s before they were observed."
        told.append(Finding("clock", text, latency_s, CLOCK_AHEAD_S, "The clock of this computer (NTP)."))
    if remarks & NO_MULTIPATH:
        told.append(_NO_MULTIPATH)
    if remarks & CLOCK_STEP:
        text = f"The receiver set its clock by {jump_ms:+.0f} ms within the last minute."
        check = "Nothing, if this receiver always does so; else its oscillator or clock steering."
        told.append(Finding("clock_step", text, jump_ms, None, check))
    if remarks & STORM:
        text = "The ionosphere is irregular over the whole network: slips are not held against the station."
        told.append(Finding("storm", text))
    return told
