"""Triggers of many stations to events of a network: kind `coincidence`, rule `network_event`.

`sensors/coincidence.py` has how; here members tell their detectors' begins and ends. One station's trigger
may be a lorry, and a broken station may trigger for ever: an event needs `least` stations, two at least, each
counted once whatever its channels. An onset that is older than `lateness_s` when it is told comes too late,
one that lies ahead of its telling has a wrong clock; both are counted and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sensors.coincidence import Coincidence, NetworkEvent, Trigger
from sensors.detectors.finding import Finding, Level
from sensors.networks import (
    Found,
    MemberFinding,
    MemberSample,
    NetworkKind,
    NetworkParameters,
    Said,
    register,
)

VERSION = "1"
RULE = "network_event"
AHEAD_US = 1_000_000
"""Clocks of seismometers are better than this."""
FORMULA = (
    "an event: triggers of at least `least` stations begin within `window_s`; a station counts once; "
    "it goes on while one of them is triggered, and ends `lateness_s` behind its last off"
)


class CoincidenceParameters(NetworkParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. Three stations as in ObsPy's network example."""

    least: int = 3
    """Stations that make an event."""
    window_s: float = 3.0
    """Time that waves need across the network: its aperture by the slowest phase, about 3 km/s."""
    lateness_s: float = 30.0
    """From an onset to its telling: packets, ways, filters."""
    most_s: float = 120.0
    """A trigger without an end is over after so long."""
    level: Level = "yellow"
    orange_stations: int = 0
    red_stations: int = 0
    """So many make it orange, or red; 0: any number does not. Own choice of each network."""
    quiet: bool = False
    """What one member finds by itself raises no alert."""
    rules: tuple[str, ...] = ("shaking",)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.least < 2:
            raise ValueError("least must be 2 or more: one station alone is no network")
        if min(self.window_s, self.most_s) <= 0 or self.lateness_s < 0 or not self.rules:
            raise ValueError("window_s and most_s must be above 0, lateness_s not below, rules be named")
        if any(0 < n < self.least for n in (self.orange_stations, self.red_stations)):
            raise ValueError("orange_stations and red_stations must be 0, or least or more")

    def listens(self) -> tuple[str, ...]:
        """Return the detectors that trigger."""
        return self.rules

    def decides(self) -> bool:
        """Return whether members alone are quiet."""
        return self.quiet


class _State(msgspec.Struct, array_like=True):
    events: bytes
    begun: dict[int, tuple[int, Level]]
    ahead: int


class CoincidenceNetwork:
    """Implements `sensors.networks.Network`."""

    def __init__(self, parameters: CoincidenceParameters, name: str, stations: Mapping[str, str]) -> None:
        self._p, self._name = parameters, name
        self._members = dict(stations)
        p = parameters
        self._events = Coincidence(p.least, p.window_s, p.lateness_s, p.most_s)
        self._begun: dict[int, tuple[int, Level]] = {}
        """Onset and level of what was told, by event."""
        self._ahead = 0

    def take(self, told: MemberFinding | MemberSample) -> list[Said]:
        """Take the begin or the end of a trigger."""
        if not isinstance(told, MemberFinding) or told.finding.phase == "update":
            return []
        found = told.finding
        said = self._said(self._events.advance(told.told_us), told.told_us)
        if found.onset_us > told.told_us + AHEAD_US:
            self._ahead += 1
            return said
        off_us = max(found.at_us, found.onset_us) if found.phase == "end" else None
        if off_us is not None:
            off_us = min(off_us, told.told_us + AHEAD_US)
        trigger = Trigger(told.station, told.member, found.onset_us, off_us)
        return said + self._said(self._events.take([trigger]), told.told_us)

    def due_us(self) -> int | None:
        """Return when an event is over."""
        return self._events.due_us()

    def advance(self, now_us: int) -> list[Said]:
        """End what is over."""
        return self._said(self._events.advance(now_us), now_us)

    def counts(self) -> Mapping[str, int]:
        """Triggers that came too late, from ahead of time, or were too many."""
        events = self._events
        return {"late": events.late, "ahead": self._ahead, "forgotten": events.forgotten}

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(_State(self._events.snapshot(), self._begun, self._ahead))

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        known = msgspec.msgpack.decode(state, type=_State)
        self._events.restore(known.events)
        self._begun, self._ahead = known.begun, known.ahead

    def _said(self, events: list[NetworkEvent], now_us: int) -> list[Said]:
        return [self._tell(event, now_us) for event in events]

    def _level(self, stations: int) -> Level:
        if 0 < self._p.red_stations <= stations:
            return "red"
        return "orange" if 0 < self._p.orange_stations <= stations else self._p.level

    def _tell(self, event: NetworkEvent, now_us: int) -> Found:
        """Return an event in words. Its identity is the onset that was told first."""
        n, all_stations = len(event.stations), len(set(self._members.values()))
        onset_us, _ = self._begun.get(event.event, (event.onset_us, ""))
        level = self._level(n)
        evidence: dict[str, Any] = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(self._p),
            "stations": list(event.stations),
            "of_stations": all_stations,
            "onset_us": event.onset_us,
            "until_us": event.until_us,
        }
        title = f"{n} of {all_stations} stations of {self._name} shake at once"
        if event.phase == "end":
            onset_us, level = self._begun.pop(event.event, (event.onset_us, level))
            why = "it was none, or part of another event" if event.withdrawn else "all are quiet again"
            evidence["why"] = why
            title = f"Network {self._name}: {why}"
        else:
            evidence["triggers"] = [
                {"station": one.station, "datastream": one.channel, "onset_us": one.on_us}
                for one in self._events.triggers_of(event.event)
            ]
            self._begun[event.event] = (onset_us, level)
        finding = Finding(
            phase=event.phase,
            level=level,
            onset_us=onset_us,
            at_us=now_us,
            title=title,
            value=float(n),
            threshold=float(self._p.least),
            evidence=evidence,
            rule=RULE,
        )
        return Found(finding=finding, unit="stations")


register(NetworkKind("coincidence", VERSION, CoincidenceParameters, CoincidenceNetwork, pace_s=0.5))
