"""Many GNSS stations that move at once: kind `common_mode`, rule `network_movement`.

A landslide moves one station; an earthquake, or the reference that all were computed against, moves many at
the same time (Nepal 2015; a new reference frame). So a member's step waits for `wait_s`. When steps of enough
stations lie at the same time within `window_s`, it is a finding of the network, and none of the members is
told as a movement of its own; else it is told as it was found, later by no more than the wait.

Of each step is known between which two solutions it lies; two are at once when these spans, widened by
`window_s`, overlap. The network's level is the median of its members': one wild station does not raise it.
Where all vectors are alike to three standard deviations, the reference is the likely cause, and is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low
from typing import Any

import msgspec
import numpy as np

from sensors.detectors.finding import LEVELS, Finding, Level, Phase
from sensors.networks import (
    Forward,
    Found,
    MemberFinding,
    MemberSample,
    NetworkKind,
    NetworkParameters,
    Said,
    highest,
    needed,
    register,
)

VERSION = "1"
RULE = "network_movement"
MOST_WAITING = 1000
COMPONENTS = ("east", "north", "up")
FORMULA = (
    "at once: steps of max(least, share * stations) stations whose spans between the solutions before and "
    "after overlap when widened by window_s; level: the lower median of the members'; reference: every "
    "vector within 3 sigma of the median vector"
)


class CommonModeParameters(NetworkParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; numbers are own choice, for every network to edit."""

    least: int = 3
    share: float = 0.5
    """Of the network's stations."""
    window_s: float = 86_400.0
    """Steps of daily solutions are dated to a day."""
    wait_s: float = 21_600.0
    """That a step of one station waits for the others: a block of their detectors at least, since not all
    are sure of a step in the same one. Two days where solutions are daily."""
    level: Level = "yellow"
    """At least."""
    rules: tuple[str, ...] = ("displacement",)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.least < 2 or not 0 <= self.share <= 1 or not self.rules:
            raise ValueError("least must be 2 or more, share from 0 to 1, and rules be named")
        if self.window_s < 0 or not 0 < self.wait_s <= 30 * 86_400:
            raise ValueError("window_s must not be below 0, wait_s above 0 and 30 days at most")

    def listens(self) -> tuple[str, ...]:
        """Return the detectors of steps."""
        return self.rules

    def decides(self) -> bool:
        """Return True: a step waits."""
        return True


class _Step(msgspec.Struct):
    """One finding of a member that tells a step."""

    found: MemberFinding
    span_us: tuple[int, int]
    """Between which times it lies."""


class _Event(msgspec.Struct):
    onset_us: int
    steps: dict[str, _Step]
    """Of each station the last one."""
    level: Level
    over_us: int
    """When it ends: nobody has joined for so long."""


class _State(msgspec.Struct, array_like=True):
    waiting: list[_Step]
    recent: list[_Step]
    event: _Event | None
    absorbed: dict[str, int]
    overflown: int
    last_onset_us: int


class CommonMode:
    """Implements `sensors.networks.Network`."""

    def __init__(self, parameters: CommonModeParameters, name: str, stations: Mapping[str, str]) -> None:
        self._p, self._name = parameters, name
        self._stations = len(set(stations.values()))
        self._needed = needed(parameters.least, parameters.share, self._stations)
        self._waiting: list[_Step] = []
        """In the order in which they were told; ends of what waits among them."""
        self._recent: list[_Step] = []
        """That were told as a movement of one station."""
        self._event: _Event | None = None
        self._absorbed: dict[str, int] = {}
        """Events of members that are part of a network's: of which nothing has been told; by when."""
        self._overflown = 0
        self._last_onset_us = 0

    def take(self, told: MemberFinding | MemberSample) -> list[Said]:
        """Take a step, or the end of a movement."""
        if not isinstance(told, MemberFinding):
            return []
        self._forget(told.told_us)
        if told.finding.phase == "end":
            return self._end(told)
        step = _Step(told, _span(told.finding))
        if self._event is not None and any(self._at_once(step, one) for one in self._event.steps.values()):
            return self._join(self._event, [step], told.told_us)
        self._waiting.append(step)
        together = self._together(step)
        if len({one.found.station for one in together}) >= self._needed:
            return self._begin(together, told.told_us)
        if len(self._waiting) > MOST_WAITING:
            self._overflown += 1
            return [self._release()]
        return []

    def due_us(self) -> int | None:
        """Return when a step has waited for long enough, or nobody joins any more."""
        due = [one.found.told_us + self._wait_us for one in self._waiting[:1]]
        if self._event is not None:
            due.append(self._event.over_us)
        return min(due, default=None)

    def advance(self, now_us: int) -> list[Said]:
        """Tell what has waited for long enough."""
        said: list[Said] = []
        while self._waiting and self._waiting[0].found.told_us + self._wait_us <= now_us:
            said.append(self._release())
        if self._event is not None and self._event.over_us <= now_us:
            said.append(self._tell("end", self._event, now_us))
            self._event = None
        self._forget(now_us)
        return said

    def counts(self) -> Mapping[str, int]:
        """Steps that were told at once, since too many waited."""
        return {"overflown": self._overflown}

    def snapshot(self) -> bytes:
        """Return the state."""
        state = _State(
            self._waiting, self._recent, self._event, self._absorbed, self._overflown, self._last_onset_us
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        known = msgspec.msgpack.decode(state, type=_State)
        self._waiting, self._recent, self._event = known.waiting, known.recent, known.event
        self._absorbed, self._overflown = known.absorbed, known.overflown
        self._last_onset_us = known.last_onset_us

    @property
    def _wait_us(self) -> int:
        return round(self._p.wait_s * 1e6)

    @property
    def _window_us(self) -> int:
        return round(self._p.window_s * 1e6)

    def _at_once(self, one: _Step, other: _Step) -> bool:
        window_us = self._window_us
        return (
            one.span_us[0] - window_us <= other.span_us[1] and other.span_us[0] - window_us <= one.span_us[1]
        )

    def _together(self, step: _Step) -> list[_Step]:
        steps = (*self._recent, *self._waiting)
        return [one for one in steps if one.found.finding.phase != "end" and self._at_once(step, one)]

    def _begin(self, steps: list[_Step], now_us: int) -> list[Said]:
        onset_us = max(min(one.found.finding.onset_us for one in steps), self._last_onset_us + 1)
        self._last_onset_us = onset_us  # no two events have the same identity
        ended = [] if self._event is None else [self._tell("end", self._event, now_us)]
        self._event = _Event(onset_us, {}, self._p.level, 0)
        return [*ended, *self._join(self._event, steps, now_us, "begin")]

    def _join(self, event: _Event, steps: list[_Step], now_us: int, phase: Phase = "update") -> list[Said]:
        for one in steps:
            event.steps[one.found.station] = one
            self._absorbed[_name(one.found)] = now_us
        # what else waited of these events, their ends too, is told no more
        mine = {one.found.key for one in steps}
        self._waiting = [one for one in self._waiting if one.found.key not in mine]
        levels = [LEVELS.index(one.found.finding.level) for one in event.steps.values()]
        event.level = highest((event.level, LEVELS[median_low(levels)]))
        event.over_us = now_us + self._window_us + self._wait_us
        return [self._tell(phase, event, now_us)]

    def _end(self, told: MemberFinding) -> list[Said]:
        if any(one.found.key == told.key for one in self._waiting):
            self._waiting.append(_Step(told, _span(told.finding)))
            return []
        if self._absorbed.pop(_name(told), None) is not None and not any(
            one.found.key == told.key for one in self._recent
        ):
            return []
        return [Forward(found=told, level=told.finding.level, evidence={})]

    def _release(self) -> Forward:
        step = self._waiting.pop(0)
        if step.found.finding.phase != "end":
            self._recent.append(step)
        why = f"fewer than {self._needed} of {self._stations} stations of {self._name} moved at that time"
        evidence = {"network": self._name, "why": why, "waited_s": self._p.wait_s}
        return Forward(found=step.found, level=step.found.finding.level, evidence=evidence)

    def _forget(self, now_us: int) -> None:
        """Forget what can be at once with nothing any more."""
        long_ago_us = now_us - 2 * (self._window_us + self._wait_us)
        self._recent = [one for one in self._recent if one.found.told_us >= long_ago_us][-MOST_WAITING:]
        while len(self._absorbed) > 2 * MOST_WAITING:
            del self._absorbed[next(iter(self._absorbed))]

    def _tell(self, phase: Phase, event: _Event, now_us: int) -> Found:
        steps = [event.steps[name] for name in sorted(event.steps)]
        n, what = len(steps), _cause(steps)
        evidence: dict[str, Any] = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(self._p),
            "of_stations": self._stations,
            "cause": what,
            "stations": [_shown(one) for one in steps],
        }
        title = f"{n} of {self._stations} stations of {self._name} moved at once: {what}"
        if phase == "end":
            title = f"Network {self._name}: no further station moved"
        finding = Finding(
            phase=phase,
            level=event.level,
            onset_us=event.onset_us,
            at_us=now_us,
            title=title,
            value=float(n),
            threshold=float(self._needed),
            evidence=evidence,
            rule=RULE,
        )
        return Found(finding=finding, unit="stations")


def _name(found: MemberFinding) -> str:
    return f"{found.member}/{found.rule}/{found.finding.onset_us}"


def _span(finding: Finding) -> tuple[int, int]:
    """Return between which times a step lies; the onset, where the finding does not say it."""
    between = finding.evidence.get("between_us")
    if isinstance(between, list | tuple) and len(between) == 2 and all(isinstance(t, int) for t in between):
        return min(between), max(between)
    return finding.onset_us, finding.onset_us


def _vector(finding: Finding, name: str) -> list[float] | None:
    told = finding.evidence.get(name)
    if not isinstance(told, Mapping):
        return None
    values = [told.get(component) for component in COMPONENTS]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return numbers if len(numbers) == len(COMPONENTS) and np.isfinite(numbers).all() else None


def _cause(steps: list[_Step]) -> str:
    """Return what is likely, in words."""
    vectors = [_vector(one.found.finding, "step_mm") for one in steps]
    sigmas = [_vector(one.found.finding, "sigma_mm") for one in steps]
    known = [(v, s) for v, s in zip(vectors, sigmas, strict=True) if v is not None and s is not None]
    if len(known) < len(steps):
        return "an earthquake, or the reference"
    moved, sigma = (np.array(column) for column in zip(*known, strict=True))
    is_alike = bool((np.abs(moved - np.median(moved, axis=0)) <= 3 * sigma).all())
    return "all by the same vector, as when the reference moves" if is_alike else "an earthquake is likely"


def _shown(step: _Step) -> dict[str, Any]:
    finding = step.found.finding
    return {
        "station": step.found.station,
        "datastream": step.found.member,
        "level": finding.level,
        "onset_us": finding.onset_us,
        "between_us": list(step.span_us),
        "step_mm": finding.evidence.get("step_mm"),
        "sigma_mm": finding.evidence.get("sigma_mm"),
    }


register(NetworkKind("common_mode", VERSION, CommonModeParameters, CommonMode, pace_s=10.0))
