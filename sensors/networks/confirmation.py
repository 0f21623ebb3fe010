"""A tsunami that a second gauge confirms: kind `confirmation`, rule `network_tsunami`.

A harbour's own swing looks like a tsunami at one gauge (docs/detectors.md has how often), a broken gauge
looks like anything; no two of them do at the same time. So what one gauge, tide gauge or DART, finds alone is
told at once, where it is found, and at `alone` at most. When another station's finding begins within
`travel_s` of it, before or behind, that is a finding of the network: at the highest of its members' own
levels, at `confirmed` at least. It ends when all of its members have ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sensors.detectors.finding import Finding, Level, Phase
from sensors.networks import (
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
RULE = "network_tsunami"
MOST_KNOWN = 1000
FORMULA = (
    "alone: min(level, alone); confirmed: findings of `least` stations whose onsets lie within travel_s, "
    "with max(levels of members, confirmed)"
)


class ConfirmationParameters(NetworkParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters; levels and times are own choice, for every network to edit."""

    least: int = 2
    travel_s: float = 3 * 3600.0
    """That a wave needs between the stations that are farthest apart, with the detectors' own delays."""
    alone: Level = "orange"
    """The highest level of one station alone."""
    confirmed: Level = "orange"
    """The lowest of several."""
    rules: tuple[str, ...] = ("sea_level", "bottom_pressure")

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.least < 2 or not self.rules:
            raise ValueError("least must be 2 or more, and rules be named")
        if not 0 < self.travel_s <= 2 * 86_400:
            raise ValueError("travel_s must be above 0 and two days at most")

    def listens(self) -> tuple[str, ...]:
        """Return the detectors of tsunamis."""
        return self.rules

    def most_alone(self) -> Level:
        """Return the cap of one station."""
        return self.alone


class _Known(msgspec.Struct):
    """The newest finding of an event of one member."""

    found: MemberFinding
    is_over: bool = False


class _Event(msgspec.Struct):
    onset_us: int
    level: Level
    keys: list[tuple[str, str, int]]
    """Of its members' findings, in the order in which they joined."""


class _State(msgspec.Struct, array_like=True):
    known: list[_Known]
    event: _Event | None
    last_onset_us: int
    forgotten: int


class Confirmation:
    """Implements `sensors.networks.Network`."""

    def __init__(self, parameters: ConfirmationParameters, name: str, stations: Mapping[str, str]) -> None:
        self._p, self._name = parameters, name
        self._members = frozenset(stations)
        self._stations = len(set(stations.values()))
        self._needed = needed(parameters.least, 0.0, self._stations)
        self._known: dict[tuple[str, str, int], _Known] = {}
        self._event: _Event | None = None
        self._last_onset_us = 0
        self._forgotten = 0

    def take(self, told: MemberFinding | MemberSample) -> list[Said]:
        """Take a finding of a member."""
        if not isinstance(told, MemberFinding):
            return []
        self._forget(told.told_us)
        if told.finding.phase == "end":
            known = self._known.get(told.key)
            if known is not None:
                known.is_over = True
            return self._look_for_end(told.told_us)
        bare = msgspec.structs.replace(told.finding, evidence={})  # what is kept is small
        self._known[told.key] = _Known(msgspec.structs.replace(told, finding=bare))
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
            self._forgotten += 1
        return self._look(told)

    def due_us(self) -> int | None:
        """Return None: detectors tell when it is over."""
        return None

    def advance(self, now_us: int) -> list[Said]:
        """Nothing is due by time alone."""
        del now_us
        return []

    def counts(self) -> Mapping[str, int]:
        """Findings that were too many to be remembered."""
        return {"forgotten": self._forgotten}

    def snapshot(self) -> bytes:
        """Return the state."""
        state = _State(list(self._known.values()), self._event, self._last_onset_us, self._forgotten)
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        known = msgspec.msgpack.decode(state, type=_State)
        self._known = {one.found.key: one for one in known.known if one.found.member in self._members}
        self._event, self._last_onset_us = known.event, known.last_onset_us
        self._forgotten = known.forgotten

    def _look(self, told: MemberFinding) -> list[Said]:
        """Return what a finding makes of the network's."""
        travel_us = round(self._p.travel_s * 1e6)
        near = [
            one
            for one in self._known.values()
            if abs(one.found.finding.onset_us - told.finding.onset_us) <= travel_us
        ]
        event = self._event
        if event is None:
            if len({one.found.station for one in near}) < self._needed:
                return []
            onset_us = max(min(one.found.finding.onset_us for one in near), self._last_onset_us + 1)
            self._last_onset_us = onset_us  # no two events have the same identity
            event = self._event = _Event(onset_us, self._p.confirmed, [])
            phase: Phase = "begin"
        elif not any(one.found.key in event.keys for one in near):
            return []
        else:
            phase = "update"
        before = (event.level, len(event.keys))
        event.keys += [one.found.key for one in near if one.found.key not in event.keys]
        event.level = highest((event.level, *(one.found.finding.level for one in self._of(event))))
        if phase == "update" and before == (event.level, len(event.keys)):
            return []
        return [self._tell(phase, event, told.told_us)]

    def _of(self, event: _Event) -> list[_Known]:
        return [self._known[key] for key in event.keys if key in self._known]

    def _look_for_end(self, now_us: int) -> list[Said]:
        event = self._event
        if event is None or not all(one.is_over for one in self._of(event)):
            return []
        said: list[Said] = [self._tell("end", event, now_us)]
        self._event = None
        return said

    def _forget(self, now_us: int) -> None:
        """Forget what is over and can confirm nothing any more."""
        kept = () if self._event is None else self._event.keys
        long_ago_us = now_us - 2 * round(self._p.travel_s * 1e6)
        self._known = {
            key: one
            for key, one in self._known.items()
            if not one.is_over or key in kept or one.found.finding.onset_us >= long_ago_us
        }

    def _tell(self, phase: Phase, event: _Event, now_us: int) -> Found:
        members = self._of(event)
        stations = sorted({one.found.station for one in members})
        evidence: dict[str, Any] = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(self._p),
            "members": [_shown(one) for one in members],
        }
        title = f"{len(stations)} stations of {self._name} confirm a tsunami: {', '.join(stations[:5])}"
        if phase == "end":
            title = f"Network {self._name}: the tsunami is over at all stations"
        finding = Finding(
            phase=phase,
            level=event.level,
            onset_us=event.onset_us,
            at_us=now_us,
            title=title,
            value=float(len(stations)),
            threshold=float(self._needed),
            evidence=evidence,
            rule=RULE,
        )
        return Found(finding=finding, unit="stations")


def _shown(one: _Known) -> dict[str, Any]:
    finding = one.found.finding
    return {
        "station": one.found.station,
        "datastream": one.found.member,
        "rule": one.found.rule,
        "level": finding.level,
        "onset_us": finding.onset_us,
        "value": finding.value,
        "threshold": finding.threshold,
        "unit": one.found.unit,
        "is_over": one.is_over,
    }


register(NetworkKind("confirmation", VERSION, ConfirmationParameters, Confirmation, pace_s=0.5))
