"""Triggers of many stations to events of a network.

Stations coincide, not channels: all channels of a station count once. An event is there when `least` stations
began within `window_s`, and goes on while one of them is triggered. It is said at once, and `update`d when
stations join or an earlier one becomes known; its `end` comes when nothing within the allowed lateness can
change it any more, and is the same in whatever order the triggers came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from sensors.detectors.finding import Phase

MOST_TRIGGERS = 1000
"""So many are remembered; more at once is no network but a fault, and the oldest are forgotten, counted."""


class Trigger(msgspec.Struct, frozen=True):
    """The on or the off of one channel."""

    station: str
    channel: str
    on_us: int
    off_us: int | None = None
    """None: it is still triggered."""


class NetworkEvent(msgspec.Struct, frozen=True):
    """What coincided."""

    phase: Phase
    event: int
    """The same number from begin to end; counts up."""
    onset_us: int
    """Of the first station."""
    until_us: int
    """The last station's off, as far as known."""
    stations: tuple[str, ...]
    """In the order of their onsets."""
    withdrawn: bool = False
    """At the end: what came late showed that it was none, or part of another event."""


class _Cluster(msgspec.Struct):
    onset_us: int
    until_us: int
    stations: tuple[str, ...]
    keys: frozenset[tuple[str, str, int]]


class _Said(msgspec.Struct):
    event: int
    cluster: _Cluster


class _State(msgspec.Struct, array_like=True):
    triggers: list[Trigger]
    said: list[_Said]
    newest_us: int | None
    closed_us: int | None
    events: int
    late: int
    forgotten: int


@dataclass(slots=True)
class Coincidence:
    """Events of one network.

    Parameters
    ----------
    least
        Stations that make an event.
    window_s
        Time that waves need across the network: its aperture by the slowest phase, about 3 km/s.
    allowed_lateness_s
        A trigger that comes later than this is left out, counted in `late`.
    most_s
        A trigger without an off ends after so long.
    """

    least: int = 3
    window_s: float = 3.0
    allowed_lateness_s: float = 10.0
    most_s: float = 120.0
    late: int = 0
    forgotten: int = 0
    _triggers: dict[tuple[str, str, int], Trigger] = field(default_factory=dict)
    _said: list[_Said] = field(default_factory=list)
    _newest_us: int | None = None
    _closed_us: int | None = None
    """Everything up to here has been decided."""
    _events: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.least < 1 or min(self.window_s, self.most_s) <= 0 or self.allowed_lateness_s < 0:
            raise ValueError("least, window_s and most_s must be above 0, allowed_lateness_s not below")

    def take(self, triggers: Iterable[Trigger]) -> list[NetworkEvent]:
        """Take ons and offs, an off with the on it belongs to; return what there is to say."""
        found: list[NetworkEvent] = []
        for trigger in triggers:
            key = (trigger.station, trigger.channel, trigger.on_us)
            known = self._triggers.get(key)
            if known is None and trigger.on_us < self._watermark_us():
                # The off of a trigger that nobody joined comes when that has been decided.
                self.late += trigger.off_us is None or trigger.off_us < self._watermark_us()
                continue
            if known is None or trigger.off_us is not None:
                self._triggers[key] = trigger
            if len(self._triggers) > MOST_TRIGGERS:
                del self._triggers[min(self._triggers, key=lambda key: key[2])]
                self.forgotten += 1
            found += self.advance(trigger.on_us if trigger.off_us is None else trigger.off_us)
        return found

    def advance(self, time_us: int) -> list[NetworkEvent]:
        """Event time reached `time_us`, told by whatever stations send."""
        self._newest_us = time_us if self._newest_us is None else max(self._newest_us, time_us)
        return self._look()

    def due_us(self) -> int | None:
        """Return when time alone ends an event that goes on; None: none does."""
        if not self._said:
            return None
        return self._said[0].cluster.until_us + round(self.allowed_lateness_s * 1e6) + 1

    def triggers_of(self, event: int) -> list[Trigger]:
        """Return what an event that goes on is made of, the first first."""
        said = next((one for one in self._said if one.event == event), None)
        keys = frozenset() if said is None else said.cluster.keys
        return sorted((self._triggers[key] for key in keys if key in self._triggers), key=_order)

    def snapshot(self) -> bytes:
        """Return the state."""
        state = _State(
            list(self._triggers.values()),
            self._said,
            self._newest_us,
            self._closed_us,
            self._events,
            self.late,
            self.forgotten,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        msgspec.MsgspecError
            Another version wrote it.
        """
        known = msgspec.msgpack.decode(state, type=_State)
        self._triggers = {(one.station, one.channel, one.on_us): one for one in known.triggers}
        self._said, self._events = known.said, known.events
        self._newest_us, self._closed_us = known.newest_us, known.closed_us
        self.late, self.forgotten = known.late, known.forgotten

    def _watermark_us(self) -> int:
        newest_us = self._newest_us
        return -(2**62) if newest_us is None else newest_us - round(self.allowed_lateness_s * 1e6)

    def _look(self) -> list[NetworkEvent]:
        found: list[NetworkEvent] = []
        clusters = self._clusters()
        said, self._said = self._said, []
        for cluster in clusters:
            mine = next((one for one in said if one.cluster.keys & cluster.keys), None)
            if mine is None:
                self._events += 1
                mine = _Said(self._events, cluster)
                found.append(_event("begin", mine))
            else:
                said.remove(mine)
                before = (mine.cluster.onset_us, mine.cluster.stations)
                mine.cluster = cluster
                if before != (cluster.onset_us, cluster.stations):
                    found.append(_event("update", mine))
            self._said.append(mine)
        found += [_event("end", one, withdrawn=True) for one in said]
        return found + self._close()

    def _close(self) -> list[NetworkEvent]:
        """End what cannot change any more, and forget what it was made of."""
        watermark_us = self._watermark_us()
        found = []
        while self._said and self._said[0].cluster.until_us < watermark_us:
            over = self._said.pop(0)
            found.append(_event("end", over))
            self._closed_us = over.cluster.until_us
        # A trigger that is older than any window that is still open makes nothing any more.
        open_us = watermark_us - round(self.window_s * 1e6)
        kept = {key for one in self._said for key in one.cluster.keys}
        self._triggers = {
            key: one
            for key, one in self._triggers.items()
            if key in kept
            or (one.on_us >= open_us and (self._closed_us is None or one.on_us > self._closed_us))
        }
        return found

    def _clusters(self) -> list[_Cluster]:
        """Return the events among the triggers: greedily from the first on."""
        ordered = sorted(self._triggers.values(), key=_order)
        window_us = round(self.window_s * 1e6)
        clusters: list[_Cluster] = []
        within: Counter[str] = Counter()
        """Triggers of each station among ordered[first:behind]."""
        first = behind = 0
        while first < len(ordered):
            while behind < len(ordered) and ordered[behind].on_us <= ordered[first].on_us + window_us:
                within[ordered[behind].station] += 1
                behind += 1
            end = first + 1
            if len(within) >= self.least:
                cluster = self._cluster(ordered, first)
                clusters.append(cluster)
                end = first + len(cluster.keys)
            for one in ordered[first : min(end, behind)]:
                within[one.station] -= 1
                if not within[one.station]:
                    del within[one.station]
            first, behind = end, max(behind, end)
        return clusters

    def _cluster(self, ordered: list[Trigger], first: int) -> _Cluster:
        """Return the event that begins with this trigger, in whose window enough stations are."""
        onset_us = ordered[first].on_us
        window_us = onset_us + round(self.window_s * 1e6)
        until_us = window_us
        stations: dict[str, None] = {}
        keys = []
        for one in islice(ordered, first, None):
            if one.on_us > until_us:
                break
            stations[one.station] = None
            keys.append((one.station, one.channel, one.on_us))
            if one.on_us <= window_us:
                longest_us = one.on_us + round(self.most_s * 1e6)
                until_us = max(until_us, longest_us if one.off_us is None else min(one.off_us, longest_us))
        return _Cluster(onset_us, until_us, tuple(stations), frozenset(keys))


def _order(trigger: Trigger) -> tuple[int, str, str]:
    return trigger.on_us, trigger.station, trigger.channel


def _event(phase: Phase, said: _Said, *, withdrawn: bool = False) -> NetworkEvent:
    cluster = said.cluster
    return NetworkEvent(phase, said.event, cluster.onset_us, cluster.until_us, cluster.stations, withdrawn)
