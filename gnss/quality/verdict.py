"""What a judgement means for an operator: its findings in words, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

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

_Low = tuple[int, float, float, float, float, float, int, int]
"""What `_told` takes."""
_NONE_LOW: list[_Low] = []

Registry = Callable[[int, int], tuple[Finding, ...]]
"""What the registry has against a station (row) at a time (us)."""


def with_findings(judgements: Judgements) -> list[int]:
    """Return which judgements have anything to tell."""
    low = (judgements["points"] < GOOD_POINTS).any(axis=1)
    told: list[int] = np.flatnonzero(low | (judgements["remarks"] != 0)).tolist()
    return told


def findings(
    judgements: Judgements,
    thresholds: Thresholds,
    jump_ms: NDArray[np.float64],
    registry: Registry | None = None,
) -> list[tuple[Finding, ...]]:
    """Return why each judgement is what it is, in order.

    Columns are read once for all of them: a field of one row costs as much as a column of many.

    Parameters
    ----------
    jump_ms
        The last step of each receiver's clock, shape (n,).
    registry
        What the stream told of itself that is not as the registry has it; asked where that cost points.
    """
    remarks = judgements["remarks"].tolist()
    low = _low(judgements)
    held_s, age_s = judgements["held_s"].tolist(), judgements["age_s"].tolist()
    latency_s, jumps_ms = judgements["values"][:, I_LATENCY].tolist(), jump_ms.tolist()
    station, time_us = judgements["station"].tolist(), judgements["time_us"].tolist()
    told = []
    for k, bits in enumerate(remarks):
        lows = low.get(k, _NONE_LOW)
        if bits & NOTHING_CAME:
            told.append((*(_told(*one) for one in lows if one[0] == I_FRAME_ERRORS), _NOTHING))
            continue
        if bits & NOT_WARM:
            told.append(_warm_up(age_s[k], thresholds.warm_up_s))
            continue
        found: list[Finding] = []
        for one in lows:
            of_registry = registry(station[k], time_us[k]) if one[0] == I_REGISTRY and registry else ()
            found += of_registry or (_told(*one),)
        if bits:
            found += _remarks(bits, latency_s[k], jumps_ms[k])
        if bits & (HELD_BAD | HELD_DEGRADED):
            found.append(_hold(bits, held_s[k], thresholds.hold_s))
        told.append(tuple(found))
    return told


def _low(judgements: Judgements) -> dict[int, list[_Low]]:
    """Return the indicators below good, the least points first, by place in `judgements`.

    None of a station that only warms up: nobody is told of them.
    """
    points = judgements["points"]
    is_told = judgements["remarks"] & (NOTHING_CAME | NOT_WARM) != NOT_WARM
    at, which = np.nonzero((points < GOOD_POINTS) & is_told[:, np.newaxis])
    order = np.lexsort((points[at, which], at))  # stable: equal points stay in the order of indicators
    at, which = at[order], which[order]
    names = ("window_epochs", "window_expected", "window_bad_frames", "band", "unusual")
    columns = [judgements["values"][at, which], judgements["thresholds"][at, which]]
    columns += [judgements[name][at] for name in names]
    low: dict[int, list[_Low]] = {}
    figures: Iterator[_Low] = zip(which.tolist(), *(c.tolist() for c in columns), strict=True)
    for k, one in zip(at.tolist(), figures, strict=True):
        low.setdefault(k, []).append(one)
    return low


def _told(
    i: int,
    value: float,
    threshold: float,
    came: float,
    due: float,
    bad_frames: float,
    band: int,
    unusual: int,
) -> Finding:
    code = INDICATORS[i]
    how = words(code)
    text = how.text.format(
        value=value * how.unit,
        threshold=threshold * how.unit,
        came=came,
        due=due,
        bad_frames=bad_frames,
        band=BANDS[band],
        figure=history.WORDS[unusual],
    )
    return Finding(code, text, _known(value), _known(threshold), how.check)


def _warm_up(age_s: float, warm_up_s: float) -> tuple[Finding, ...]:
    text = f"Observed for {age_s:.0f} s; a verdict needs {warm_up_s:.0f} s."
    return (Finding("warm_up", text, age_s, warm_up_s, "Wait."),)


def _hold(remarks: int, held_s: float, hold_s: float) -> Finding:
    state = "bad" if remarks & HELD_BAD else "degraded"
    text = f"It was {state} {held_s:.0f} s ago; it must stay better for {hold_s:.0f} s."
    return Finding("hold", text, held_s, hold_s, "Nothing, if it stays as it is now.")


def _known(value: float) -> float | None:
    """Return a number, or None for what is not known: NaN is unequal to itself, and so would be a report."""
    return None if math.isnan(value) else value


def _remarks(remarks: int, latency_s: float, jump_ms: float) -> list[Finding]:
    told = []
    if remarks & NOT_LIVE:
        told.append(_NOT_LIVE)
    if remarks & CLOCK_BEHIND:
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
