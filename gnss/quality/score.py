"""The verdict: each indicator against its thresholds, the worst one decides, recovery takes a hold time.

An indicator gives points: 100 where it is perfect, below 70 from `degraded` on, below 40 from `bad` on, 0
as far beyond `bad` as `bad` is beyond `degraded`, linear in between. The score is the least of them, so
that one grave fault is never averaged away, and the state follows from it: good from 70 on, degraded from
40 on, else bad. What could not be judged gives no points.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["good", "degraded", "bad", "unknown"]
GOOD_POINTS = 70.0
DEGRADED_POINTS = 40.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a verdict is what it is. `threshold` is the one that was reached; None: a remark."""

    code: str
    text: str
    value: float | None = None
    threshold: float | None = None
    check: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Thresholds of one indicator; it may grow worse upwards or downwards."""

    perfect: float
    degraded: float
    bad: float

    def points(self, value: float) -> float:
        """Return 0 to 100 for a value (see the module)."""
        sign = 1.0 if self.bad > self.degraded else -1.0
        x = sign * value
        perfect, degraded, bad = sign * self.perfect, sign * self.degraded, sign * self.bad
        if x <= perfect:
            return 100.0
        if x < degraded:
            return max(100.0 - 30.0 * (x - perfect) / (degraded - perfect), GOOD_POINTS)
        if x < bad:
            return max(69.0 - 29.0 * (x - degraded) / (bad - degraded), DEGRADED_POINTS)
        return max(39.0 - 39.0 * (x - bad) / (bad - degraded), 0.0)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All thresholds of the verdict, each with its source or reason."""

    gap_s: Limit = Limit(0.0, 3.0, 10.0)
    """Time without an epoch. A rover's corrections age visibly after some seconds, and fixed solutions
    are commonly given up at 10 s and more. For intervals over a second: at least 2 and 3 intervals."""
    epochs_share: Limit = Limit(1.0, 0.95, 0.80)
    """Of the last minute. 95 % is the completeness commonly asked of reference stations; EPN shows
    80 to 90 % in amber and what is below in red."""
    observations_share: Limit = Limit(1.0, 0.90, 0.80)
    """Of the last minute. EPN's quality ratio: over 90 % good, 80 to 90 % amber."""
    latency_s: Limit = Limit(0.5, 2.0, 5.0)
    """Median of five epochs. Network RTK aims at corrections of 1 to 2 s age; at 5 s the error of
    extrapolated satellite clocks reaches centimetres."""
    jitter_s: Limit = Limit(0.5, 1.5, 5.0)
    """Over the last 60 epochs; more than an interval means that epochs arrive in bursts."""
    cn0_dbhz: Limit = Limit(40.0, 33.0, 28.0)
    """Mean over all signals of the last minute. Open-sky geodetic stations show 38 to 46."""
    cn0_drop_db: Limit = Limit(1.0, 3.0, 8.0)
    """Median drop of a band: 3 dB on all satellites are half the power (antenna, cable, interference)."""
    slipped_share: Limit = Limit(0.0, 0.10, 0.30)
    """Satellites that slipped in the last minute, of all. One or two of forty is everyday life at any site
    (two recorded stations: 0 to 5 %); a tenth at once has a common cause."""
    multipath_m: Limit = Limit(0.3, 0.75, 1.5)
    """RMS of the last minute over all signals. Two thirds of the IGS stations have MP2 below 0.75 m;
    site tests in China ask for 0.5 m above 10 degrees, without this minute's lowest satellites."""
    bad_frames_share: Limit = Limit(0.0, 0.01, 0.10)
    """Of the last minute. One frame in a hundred is an epoch with a hole every ten seconds."""
    hold_s: float = 60.0
    """A verdict gets better only when nothing worse was found for so long."""
    warm_up_s: float = 30.0
    """Of epochs, before the first verdict: levels and arcs need it."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One judged figure."""

    finding: Finding
    points: float


def judged(
    code: str, text: str, value: float | None, limit: Limit, check: str, unit: float = 1.0
) -> Indicator | None:
    """Judge one figure; None when it could not be judged.

    Parameters
    ----------
    text
        Format string: `{value}` and `{threshold}` are given times `unit`.
    unit
        100 to speak of a share in per cent.
    """
    if value is None:
        return None
    points = limit.points(value)
    threshold = limit.bad if points < DEGRADED_POINTS else limit.degraded
    words = text.format(value=value * unit, threshold=threshold * unit)
    return Indicator(Finding(code, words, value, threshold, check), points)


@dataclass(frozen=True, slots=True)
class Verdict:
    """State, score (None when unknown) and the findings that led to it, the gravest first."""

    state: State
    score: int | None
    findings: tuple[Finding, ...]


def worst_of(indicators: Iterable[Indicator | None]) -> Verdict:
    """Return the verdict before any hold: the least points decide."""
    known = sorted((i for i in indicators if i is not None), key=lambda i: i.points)
    if not known:
        return Verdict("unknown", None, ())
    score = int(known[0].points)
    state: State = "good" if score >= GOOD_POINTS else "degraded" if score >= DEGRADED_POINTS else "bad"
    return Verdict(state, score, tuple(i.finding for i in known if i.points < GOOD_POINTS))


@dataclass(slots=True)
class Hold:
    """Memory that makes a verdict get worse at once and better only after a time."""

    hold_s: float
    bad_us: int | None = field(default=None)
    """When it was last bad, and last degraded; None never."""
    degraded_us: int | None = field(default=None)

    def apply(self, verdict: Verdict, t_us: int) -> Verdict:
        """Return the verdict that is announced at `t_us`."""
        if verdict.state == "bad":
            self.bad_us = t_us
        elif verdict.state == "degraded":
            self.degraded_us = t_us
        bad_s, degraded_s = self._since_s(self.bad_us, t_us), self._since_s(self.degraded_us, t_us)
        if verdict.state in {"good", "degraded"} and bad_s is not None:
            return self._held(verdict, "bad", DEGRADED_POINTS - 1, bad_s)
        if verdict.state == "good" and degraded_s is not None:
            return self._held(verdict, "degraded", GOOD_POINTS - 1, degraded_s)
        return verdict

    def _since_s(self, at_us: int | None, t_us: int) -> float | None:
        since_s = None if at_us is None else (t_us - at_us) * 1e-6
        return since_s if since_s is not None and since_s < self.hold_s else None

    def _held(self, verdict: Verdict, state: State, most: float, since_s: float) -> Verdict:
        text = f"It was {state} {since_s:.0f} s ago; it must stay better for {self.hold_s:.0f} s."
        held = Finding("hold", text, since_s, self.hold_s, "Nothing, if it stays as it is now.")
        score = None if verdict.score is None else min(verdict.score, int(most))
        return Verdict(state, score, (*verdict.findings, held))
