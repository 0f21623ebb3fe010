"""From the gatherer to the rovers: whole epochs, in order, unchanged, straight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from connectors.caster.audience import Audience, RelayCounters, Subscriber
from connectors.caster.contents import StreamContents
from connectors.caster.frames_kernel import count_frames
from connectors.caster.published import Looked, Published


@dataclass(slots=True, eq=False)
class Relay:
    """Hands each publication of a station to all who listen to it. All calls come from the event loop.

    A rover that cannot follow has epochs left out and is cut at last: its queue is its own, so nobody else
    notices. A new rover begins with the next publication, that is at the start of an epoch.
    """

    clock_s: Callable[[], float]
    """Monotonic; it tells the intervals between messages."""
    counters: RelayCounters = field(default_factory=RelayCounters)
    listeners: list[Callable[[str, bytes], None]] = field(default_factory=list)
    """Get each publication of every station, before the rovers."""
    lookers: list[Callable[[Looked], None]] = field(default_factory=list)
    """Get what all publications held, some time after them; at once when they ask for it by `look`."""
    _audiences: dict[str, Audience] = field(default_factory=dict)
    _published: Published = field(default_factory=Published)

    def publish(self, station_id: str, frames: bytes) -> None:
        """Send whole valid frames of a station, at best all of an epoch, to its rovers: one send to each."""
        if self._published.add(station_id, frames, self.clock_s()):
            self.look()
        for listener in self.listeners:
            listener(station_id, frames)
        if frames and (audience := self._audiences.get(station_id)) is not None:
            audience.publish(frames, int(count_frames(np.frombuffer(frames, np.uint8))))

    def look(self) -> None:
        """Look at all that was published so far."""
        for looked in self._published.look():
            for looker in self.lookers:
                looker(looked)

    def tell_again(self, station_ids: Iterable[str]) -> None:
        """Let lookers get all ephemerides of some stations again, with the next ones that are published."""
        self._published.tell_again(station_ids)

    def subscribe(self, station_id: str, rover: Subscriber) -> None:
        """Let a rover have what is published from now on."""
        audience = self._audiences.get(station_id)
        if audience is None:
            audience = self._audiences[station_id] = Audience(self.counters)
        audience.add(rover)

    def unsubscribe(self, station_id: str, rover: Subscriber) -> None:
        """Let a rover go; nothing happens when it has gone before."""
        audience = self._audiences.get(station_id)
        if audience is not None:
            audience.remove(rover)
            if not audience:
                del self._audiences[station_id]

    def contents_of(self, station_id: str) -> StreamContents:
        """What has been seen in a station's stream so far."""
        self.look()
        return self._published.of(station_id)
