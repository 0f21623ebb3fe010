"""From the gatherer to the rovers: whole valid frames, in order, unchanged, straight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from connectors.caster.contents import StreamContents


class Subscriber(Protocol):
    """A rover's connection."""

    def send(self, frames: bytes) -> bool:
        """Queue the bytes without waiting; False when it fell too far behind and was cut."""
        ...


@dataclass(slots=True)
class RelayCounters:
    """For `/metrics`."""

    rovers: int = 0
    """Connected to a stream now."""
    bytes_out: int = 0
    frames_out: int = 0
    cut: int = 0
    """Rovers that were cut because they could not follow."""


@dataclass(slots=True, eq=False)
class Relay:
    """Hands each publication of a station to all who listen to it. All calls come from the event loop.

    A rover that cannot follow is cut: its queue is its own, so nobody else notices. A new rover begins
    with the next publication, that is at the start of a frame.
    """

    clock_s: Callable[[], float]
    """Monotonic; it tells the intervals between messages."""
    counters: RelayCounters = field(default_factory=RelayCounters)
    listeners: list[Callable[[str, bytes], None]] = field(default_factory=list)
    """Get each publication of every station, before the rovers."""
    _rovers: dict[str, dict[Subscriber, None]] = field(default_factory=dict)
    _contents: dict[str, StreamContents] = field(default_factory=dict)

    def publish(self, station_id: str, frames: bytes) -> None:
        """Send whole valid frames of a station to its rovers."""
        for listener in self.listeners:
            listener(station_id, frames)
        contents = self._contents.get(station_id)
        if contents is None:
            contents = self._contents[station_id] = StreamContents()
        n_frames = contents.observe(frames, self.clock_s())
        rovers = self._rovers.get(station_id)
        if not rovers:
            return
        counters = self.counters
        for rover in tuple(rovers):  # a rover that is cut leaves meanwhile
            if rover.send(frames):
                counters.bytes_out += len(frames)
                counters.frames_out += n_frames
            else:
                counters.cut += 1
                self.unsubscribe(station_id, rover)

    def subscribe(self, station_id: str, rover: Subscriber) -> None:
        """Let a rover have what is published from now on."""
        self._rovers.setdefault(station_id, {})[rover] = None
        self.counters.rovers += 1

    def unsubscribe(self, station_id: str, rover: Subscriber) -> None:
        """Let a rover go; nothing happens when it has gone before."""
        rovers = self._rovers.get(station_id, {})
        if rover in rovers:
            del rovers[rover]
            self.counters.rovers -= 1
            if not rovers:
                del self._rovers[station_id]

    def contents_of(self, station_id: str) -> StreamContents:
        """What has been seen in a station's stream so far."""
        return self._contents.get(station_id, StreamContents())
