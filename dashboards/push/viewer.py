"""One who is told: what waits for them, within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from dashboards.push.cursor import Cursor
from dashboards.push.events import Form

MOST_EVENTS = 120
"""That may wait for a viewer: a minute."""
MOST_BYTES = 4_000_000
Reason = Literal["slow", "no_room", "failed"]


@dataclass(slots=True)
class Frame:
    """An event. It counts once, however many viewers it waits for."""

    data: bytes
    waits_for: int = 0


@dataclass(slots=True)
class Room:
    """What waits for all viewers together."""

    n_bytes: int = 0

    def enter(self, frame: Frame) -> None:
        """An event waits for one more viewer."""
        if not frame.waits_for:
            self.n_bytes += len(frame.data)
        frame.waits_for += 1

    def leave(self, frame: Frame) -> None:
        """An event waits for one viewer less."""
        frame.waits_for -= 1
        if not frame.waits_for:
            self.n_bytes -= len(frame.data)


@dataclass(slots=True, eq=False)
class Viewer:
    """Iterate over its events; that ends when the viewer was dropped or all stops."""

    channels: tuple[str, ...]
    form: Form
    after: Cursor | None
    """What it was told before; None: it begins now."""
    room: Room
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: Reason | None = None
    n_bytes: int = 0
    """That wait for it."""
    _frames: deque[Frame] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, frame: Frame) -> bool:
        """Add an event; False when the viewer was too slow, and is dropped or was before."""
        if self.ended.is_set():
            return False
        is_full = self._frames and self.n_bytes + len(frame.data) > MOST_BYTES
        if is_full or len(self._frames) >= MOST_EVENTS:
            self.drop("slow")
            return False
        self.room.enter(frame)
        self._frames.append(frame)
        self.n_bytes += len(frame.data)
        self._arrived.set()
        return True

    def drop(self, reason: Reason) -> None:
        """Send nothing more, and remember why."""
        self.dropped = reason
        self.end()

    def end(self) -> None:
        """Send nothing more."""
        for frame in self._frames:
            self.room.leave(frame)
        self._frames.clear()
        self.n_bytes = 0
        self.ended.set()
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._frames:
                frame = self._frames.popleft()
                self.n_bytes -= len(frame.data)
                self.room.leave(frame)
                yield frame.data
            if self.ended.is_set():
                return
