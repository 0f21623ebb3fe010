"""One word for a period: what its time was like, and its figures against their limits.

A period is good while more than 95 % of its judged time was good and all its figures keep their limits; bad
when more than 20 % of its time was bad or a figure is beyond its bad limit; degraded between them. Both
shares are those of the limits of `epochs` in `indicators.toml`: a completeness of 95 % is what reference
stations are commonly asked for, below 80 % EPN shows red. The worst part decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from gnss.quality.judgements import STATES
from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit

WORST_FIRST = ("bad", "degraded", "unknown", "good")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the period against its limits."""

    code: str
    """As in `indicators.toml`, or "time_good" and "time_bad"."""
    value: float
    degraded: float
    bad: float
    state: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the period was like."""

    state: str
    """One of good, degraded, bad, unknown."""
    because: list[str]
    """Codes of what made it so, as in `Checked`; empty for good and unknown."""
    came: bool
    """Whether any epoch came."""


def overall(
    period: StationPeriod,
    share_above_mask: float | None,
    multipath_m: float | None,
    cn0_dbhz: float | None,
    limits: Mapping[str, Limit],
) -> tuple[Verdict, list[Checked]]:
    """Return the verdict on a period, and the figures that it rests upon as far as they are known."""
    seconds = period.state_seconds
    judged_s = math.fsum(seconds.get(state, 0.0) for state in ("good", "degraded", "bad"))
    frames = period.frames + period.bad_frames
    usable = None
    if period.epochs > 0 and period.usable_epochs:
        usable = max(period.usable_epochs.values()) / period.epochs
    epochs = limits["epochs"]
    figures = [
        ("time_good", seconds.get("good", 0.0) / judged_s if judged_s > 0 else None, epochs),
        ("epochs", period.epochs / period.epochs_expected if period.epochs_expected > 0 else None, epochs),
        ("usable", usable, limits["usable"]),
        ("expected", share_above_mask, limits["expected"]),
        ("multipath", multipath_m, limits["multipath"]),
        ("cn0", cn0_dbhz, limits["cn0"]),
        ("latency", period.latency.median_s if period.latency is not None else None, limits["latency"]),
        ("frame_errors", period.bad_frames / frames if frames > 0 else None, limits["frame_errors"]),
    ]
    checked = [_checked(code, value, limit) for code, value, limit in figures if _known(value)]
    if judged_s > 0:
        bad = seconds.get("bad", 0.0) / judged_s
        checked[0] = _time(checked[0], bad, 1.0 - epochs.bad)
    came = period.epochs > 0
    if not came:
        silent = [one for one in checked if one.code in {"time_good", "epochs"} and one.state == "bad"]
        state = "bad" if silent else "unknown"
        return Verdict(state=state, because=[one.code for one in silent], came=False), checked
    if not checked:
        return Verdict(state="unknown", because=[], came=True), checked
    state = min((one.state for one in checked), key=WORST_FIRST.index)
    because = [one.code for one in checked if one.state == state] if state != "good" else []
    return Verdict(state=state, because=because, came=True), checked


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _checked(code: str, value: float | None, limit: Limit) -> Checked:
    assert value is not None
    sign = 1.0 if limit.bad > limit.degraded else -1.0
    worse = sum(sign * value >= sign * edge for edge in (limit.degraded, limit.bad))
    return Checked(
        code=code, value=float(value), degraded=limit.degraded, bad=limit.bad, state=STATES[1 + worse]
    )


def _time(good: Checked, bad_share: float, most_bad: float) -> Checked:
    """Return the share of good time: bad only when the rest of the time was mostly bad, not just degraded."""
    if good.state == "good":
        return good
    state = "bad" if bad_share > most_bad else "degraded"
    return msgspec.structs.replace(good, state=state)
