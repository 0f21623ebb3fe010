"""The registry as the judges of stations have it: the configuration, and the changes of commands over it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gnss.quality.registry import Registered
from sensors.model import Station
from streams.definitions import StationDefinition
from streams.objects import Objects
from streams.records import Changes, RawChunk


class _Snapshot(msgspec.Struct):
    changes: bytes
    now_us: int
    waiting: list[str]
    parted: list[str]


class StationRegister:
    """What is registered, who is paused or deleted, and whom to wait for when that is over."""

    def __init__(self, stations: Iterable[Station]) -> None:
        self._base = {station.id: station for station in stations}
        self._objects = Objects({}, ("station",))
        self._off: set[str] = {station.id for station in self._base.values() if station.paused}
        self._waiting: set[str] = set()
        self.now_us = 0
        """The highest receiving time that was seen."""
        self.parted: set[str] = set()
        """Stations that were judged here before they were paused or deleted."""
        self.left_out = 0
        """Chunks of stations that are paused or deleted."""

    @property
    def unreadable(self) -> int:
        """Changes that a newer program wrote."""
        return self._objects.unreadable

    @property
    def stations(self) -> list[Station]:
        """All that the configuration names, and all that were changed."""
        changed = (change.id for change in self._objects.standing.changes)
        return [self.station(name) for name in dict.fromkeys([*self._base, *changed])]

    def station(self, station_id: str) -> Station:
        """Return what is registered; an unknown one promises an epoch a second."""
        change = self._objects.change(("station", station_id))
        if change is not None and change.verb != "revert":
            made = self._objects.find("station", station_id, StationDefinition)
            return Station(id=station_id, name=station_id) if made is None else made.station(station_id)
        return self._base.get(station_id) or Station(id=station_id, name=station_id)

    def is_off(self, station_id: str) -> bool:
        """Return whether a station is paused or deleted: neither judged nor missed."""
        return station_id in self._off

    def take(self, changes: Changes) -> list[str]:
        """Take changes; return the stations that they are about."""
        taken = [station_id for _, station_id in self._objects.take(changes)]
        for station_id in taken:
            self._look(station_id)
        return taken

    def hear(self, chunks: list[RawChunk]) -> list[RawChunk]:
        """Return the chunks that are to be judged, and see what time it is."""
        self.now_us = max(self.now_us, max((c.received_at_us or 0 for c in chunks), default=0))
        if not self._off:
            return chunks
        heard = [chunk for chunk in chunks if chunk.station_id not in self._off]
        self.left_out += len(chunks) - len(heard)
        return heard

    def wait_for(self, station_id: str) -> None:
        """Remember that a station was live when it was paused."""
        change = self._objects.change(("station", station_id))
        if change is None or change.after is not None:
            self._waiting.add(station_id)

    def is_back(self, station_id: str) -> bool:
        """Return, once, whether a station that was live before its pause goes on."""
        if station_id not in self._waiting or station_id in self._off:
            return False
        self._waiting.discard(station_id)
        return True

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(
            _Snapshot(self._objects.snapshot(), self.now_us, sorted(self._waiting), sorted(self.parted))
        )

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave; nothing of an older program."""
        if state:
            found = msgspec.msgpack.decode(state, type=_Snapshot)
            self._objects.restored(found.changes)
            self.now_us, self._waiting, self.parted = found.now_us, set(found.waiting), set(found.parted)
        for station in self.stations:
            self._look(station.id)

    def _look(self, station_id: str) -> None:
        change = self._objects.change(("station", station_id))
        is_deleted = change is not None and change.verb != "revert" and change.after is None
        if is_deleted:
            self._waiting.discard(station_id)
        if is_deleted or self.station(station_id).paused:
            self._off.add(station_id)
        else:
            self._off.discard(station_id)


def registered(station: Station) -> Registered:
    """Return what a station's stream is held against."""
    place = station.longitude, station.latitude, station.height_m
    return Registered.at(*place, antenna=station.antenna, receiver=station.receiver)


def begins_anew(before: Station, after: Station) -> bool:
    """Return whether what was learnt of a station serves no more: its place or its promises differ."""
    return any(
        getattr(before, name) != getattr(after, name)
        for name in ("longitude", "latitude", "height_m", "interval_s", "messages")
    )
