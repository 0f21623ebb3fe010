"""Tsunamis (and meteotsunamis) at tide gauges: detector `sea_level`.

The tide is a quadratic over the two hours before a sample, carried on to it; what is left is the residual.
An event begins when the residual persists above the larger of a fixed limit and a multiple of the median
absolute deviation in those two hours: in the last samples (five, or twice the least duration) at least
three and 60 % exceed it, and they span the least duration, so that neither a spike nor a splash counts.

While an event goes on its waves are in the window and blow up the deviation. The threshold hence stays as it
was at the beginning, and the event ends when the residual has stayed below a part of it for three hours.

A gauge can fail so that it looks like a wave. A level that jumps from one sample to the next and then stands
still against the tide is a shifted datum; a level that does not change at all is a stuck gauge. Both are
watched, at most ten minutes: if it moves it is a tsunami at once, else a problem of the sensor. After a
gap nothing is judged until the window has been filled again.

Samples that do not count as usable are left out; suspect ones are not, since a tsunami looks like a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from sensors.detectors import LEVELS, Finding, Level, Phase, Samples, Subject, register
from sensors.persistence import (
    Residual,
    columns,
    is_stuck,
    jumped,
    persists,
    reaches,
    shorten,
    stands_still,
)
from sensors.trend import Judged, TrendWindow

FORMULA = (
    "tide(t) = quadratic by least squares over the samples of [t - window, t); residual = level - tide; "
    "exceeded where |residual| > max(floor, multiple * MAD), MAD = median |r - median r| in the window; "
    "begin when >= 3 and >= 60 % of the last max(5 samples, 2 * min_duration) exceed, over >= min_duration"
)
SENSOR_RULE = "sea_level_sensor"
_LEAST_NOISE_M = 0.005
_RESOLUTION_M = 0.001


class SeaLevelParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's defaults, for every site to edit, and no standard's."""

    window_s: float = 7200.0
    floor_m: float = 0.05
    multiple: float = 5.0
    min_duration_s: float = 120.0
    yellow_m: float = 0.3
    orange_m: float = 1.0
    red_m: float = 3.0
    end_quiet_s: float = 10_800.0
    end_share: float = 0.6
    """Quiet is a residual below this share of the threshold at the beginning."""
    max_gap_s: float = 600.0
    """A longer gap empties the window."""
    step_hold_s: float = 600.0
    """How long a level may stand still after a jump before the sensor is blamed."""
    silence_end_s: float = 86_400.0
    """An event ends when nothing usable has been received for so long."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if min(msgspec.structs.astuple(self)) <= 0:
            raise ValueError("every parameter must be above 0")
        if not self.floor_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("floor_m <= yellow_m <= orange_m <= red_m must hold")
        if self.end_share > 1:
            raise ValueError("end_share must not be above 1")


class _Event(msgspec.Struct):
    onset_us: int
    level: Level
    threshold: float
    largest: float
    evidence: dict[str, Any]
    quiet_since_us: int | None = None


class _State(msgspec.Struct):
    window: TrendWindow
    recent: list[Residual] = msgspec.field(default_factory=list)
    last_us: int | None = None
    last_received_us: int = 0
    last_residual: float | None = None
    pending_us: int | None = None
    event: _Event | None = None
    fault_us: int | None = None


class SeaLevelDetector:
    """Implements `sensors.detectors.Detector`."""

    version = "1"

    def __init__(self, parameters: SeaLevelParameters, subject: Subject) -> None:
        self._p = parameters
        self._subject = subject
        self._state = _State(TrendWindow(parameters.window_s))

    def on_samples(self, samples: Samples) -> list[Finding]:
        """Take samples in order."""
        findings: list[Finding] = []
        for i in np.flatnonzero(samples.usable).tolist():
            time_us, received_at_us = int(samples.time_us[i]), int(samples.received_at_us[i])
            made = self._take(time_us, float(samples.value[i]), received_at_us)
            findings += [msgspec.structs.replace(finding, sample=i) for finding in made]
        return findings

    def on_time(self, now_us: int) -> list[Finding]:
        """End an event of which nothing has been received for long."""
        s = self._state
        if s.last_us is None or now_us - s.last_received_us <= self._p.silence_end_s * 1e6:
            return []
        findings = []
        if s.event is not None:
            findings.append(self._end(s.event, s.last_us, 0.0, "nothing usable was received any more"))
        if s.fault_us is not None:
            findings.append(self._fault_end(s.fault_us, s.last_us))
        return findings

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(self._state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._state = msgspec.msgpack.decode(state, type=_State)
        self._state.window.length_s = self._p.window_s

    # --- one sample ---------------------------------------------------------------------------------

    def _take(self, time_us: int, value: float, received_at_us: int) -> list[Finding]:
        s, p = self._state, self._p
        s.last_received_us = max(s.last_received_us, received_at_us)
        if s.last_us is not None:
            if not 0 < time_us - s.last_us <= p.max_gap_s * 1e6:
                self._forget()
            elif time_us - s.last_us < p.min_duration_s * 1e6 / 60:
                return []
        s.last_us = time_us
        judged = s.window.judge(time_us, value)
        if judged is None:
            s.last_residual = None
            s.window.learn(time_us, value)
            return []
        residual = judged.residual
        threshold = max(p.floor_m, p.multiple * judged.deviation)
        if s.event is not None:
            threshold = s.event.threshold
        jump = residual - (residual if s.last_residual is None else s.last_residual)
        s.last_residual = residual
        over = abs(residual) > threshold
        s.recent.append(Residual(time_us, value, residual, jump, over))
        shorten(s.recent, time_us, p.min_duration_s)
        if s.event is not None:
            s.window.learn(time_us, value)
            return self._follow(s.event, time_us, residual)
        findings = self._watch(time_us, threshold, judged)
        if not over and s.event is None and s.pending_us is None:
            s.window.learn(time_us, value)
        if s.fault_us is not None and time_us - s.fault_us >= p.end_quiet_s * 1e6:
            findings.append(self._fault_end(s.fault_us, time_us))
        return findings

    def _forget(self) -> None:
        s = self._state
        s.window.clear()
        s.recent.clear()
        s.pending_us = s.last_residual = None
        if s.event is not None:
            s.event.quiet_since_us = None

    # --- what it means ------------------------------------------------------------------------------

    def _watch(self, time_us: int, threshold: float, judged: Judged) -> list[Finding]:
        s, p = self._state, self._p
        if not persists(s.recent, p.min_duration_s):
            s.pending_us = None
            return []
        over = [r for r in s.recent if r.over]
        stuck = is_stuck(s.recent, _RESOLUTION_M)
        faulty = stuck or stands_still(over, max(1.4826 * judged.deviation, _LEAST_NOISE_M))
        if s.pending_us is None:
            if not stuck and not (faulty and jumped(over)):
                return [self._begin(over, time_us, threshold, judged)]
            s.pending_us = over[0].time_us
        elif not faulty:
            return [self._begin(over, time_us, threshold, judged)]
        if time_us - s.pending_us < p.step_hold_s * 1e6:
            return []
        return self._blame_sensor(over, time_us, threshold, s.pending_us, stuck=stuck)

    def _begin(self, over: Sequence[Residual], time_us: int, threshold: float, judged: Judged) -> Finding:
        s = self._state
        onset_us = over[0].time_us if s.pending_us is None else s.pending_us
        s.pending_us = None
        worst = max(over, key=lambda r: abs(r.residual)).residual
        evidence = self._evidence(threshold, judged)
        s.event = _Event(onset_us, self._reached(), threshold, worst, evidence)
        return self._finding("begin", s.event, time_us, worst, threshold, evidence)

    def _follow(self, event: _Event, time_us: int, residual: float) -> list[Finding]:
        event.largest = max(event.largest, residual, key=abs)
        if abs(residual) >= self._p.end_share * event.threshold:
            event.quiet_since_us = None
        elif event.quiet_since_us is None:
            event.quiet_since_us = time_us
        level = self._reached()
        if LEVELS.index(level) > LEVELS.index(event.level):
            event.level = level
            worst = max(self._state.recent, key=lambda r: abs(r.residual)).residual
            evidence = {**event.evidence, "samples": columns(self._state.recent)}
            return [self._finding("update", event, time_us, worst, self._limits()[level], evidence)]
        if event.quiet_since_us is None or time_us - event.quiet_since_us < self._p.end_quiet_s * 1e6:
            return []
        return [self._end(event, time_us, residual, "the residual stayed below the threshold")]

    def _end(self, event: _Event, time_us: int, residual: float, reason: str) -> Finding:
        self._state.event = None
        evidence = {
            "reason": reason,
            "largest_residual_m": round(event.largest, 4),
            "quiet_since_us": event.quiet_since_us,
        }
        return self._finding("end", event, time_us, residual, event.threshold, evidence)

    def _limits(self) -> dict[Level, float]:
        p = self._p
        return {"blue": p.floor_m, "yellow": p.yellow_m, "orange": p.orange_m, "red": p.red_m}

    def _reached(self) -> Level:
        """Return the highest level that three samples reached over half of the least duration."""
        half_s = self._p.min_duration_s / 2
        reached: Level = "blue"
        for level, limit in self._limits().items():
            if reaches(self._state.recent, limit, half_s):
                reached = level
        return reached

    def _blame_sensor(
        self, over: Sequence[Residual], time_us: int, threshold: float, onset_us: int, *, stuck: bool
    ) -> list[Finding]:
        s = self._state
        offset = float(np.median([r.residual for r in over]))
        evidence = {"threshold_m": round(threshold, 4), "samples": columns(s.recent)}
        # From now on the shifted level is the level: the watch goes on without a pause.
        s.window.shift(offset)
        s.pending_us = s.last_residual = None
        s.recent.clear()
        if s.fault_us is not None:
            return []
        s.fault_us = onset_us
        what = "stands still" if stuck else f"jumped by {offset:+.2f} m and stayed there"
        title = f"Tide gauge {self._subject.name}: the level {what}; check the gauge"
        return [self._fault("begin", onset_us, time_us, title, offset, threshold, evidence)]

    def _fault_end(self, onset_us: int, time_us: int) -> Finding:
        self._state.fault_us = None
        title = f"Tide gauge {self._subject.name}: no further jump"
        return self._fault("end", onset_us, time_us, title, 0.0, self._p.floor_m, {})

    def _fault(
        self,
        phase: Phase,
        onset_us: int,
        time_us: int,
        title: str,
        value: float,
        threshold: float,
        evidence: dict[str, Any],
    ) -> Finding:
        return Finding(
            phase=phase,
            level="blue",
            onset_us=onset_us,
            at_us=time_us,
            title=title,
            value=value,
            threshold=threshold,
            evidence=evidence,
            rule=SENSOR_RULE,
        )

    def _finding(
        self,
        phase: Phase,
        event: _Event,
        time_us: int,
        residual: float,
        threshold: float,
        evidence: dict[str, Any],
    ) -> Finding:
        side = "above" if residual >= 0 else "below"
        title = f"Sea level {abs(residual):.2f} m {side} the tide at {self._subject.name}"
        return Finding(
            phase=phase,
            level=event.level,
            onset_us=event.onset_us,
            at_us=time_us,
            title=title if phase != "end" else f"Sea level back at the tide at {self._subject.name}",
            value=residual,
            threshold=threshold,
            evidence=evidence,
        )

    def _evidence(self, threshold: float, judged: Judged) -> dict[str, Any]:
        window = self._state.window
        return {
            "formula": FORMULA,
            "version": self.version,
            "parameters": msgspec.structs.asdict(self._p),
            "threshold_m": round(threshold, 4),
            "mad_m": round(judged.deviation, 5),
            "window": {
                "time_us": list(window.time_us),
                "value": [round(v, 4) for v in window.value],
                "trend": [round(v, 4) for v in judged.fitted.tolist()],
            },
            "samples": columns(self._state.recent),
        }


register("sea_level", SeaLevelParameters, SeaLevelDetector)
