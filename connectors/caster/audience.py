"""The rovers of one station: those that have taken all they were sent, and those that are behind.

The first are served by a kernel that sends to their sockets, one call an epoch. Who does not take an epoch
whole gets the rest through its transport, and whatever follows, until nothing is queued there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from connectors.caster.send_kernel import send_all

SLICE = 512
"""Rovers that are served before others on the event loop have their turn: some milliseconds."""


Outcome = Literal["sent", "left out", "withheld", "cut", "gone"]
"""What became of an epoch for a rover that is not sent to at once: left out since too much is queued already;
withheld by the limits of its account; the rover cut since it has long been behind; or it is leaving."""


class Subscriber(Protocol):
    """A rover's connection."""

    def socket(self) -> int:
        """Return the file descriptor that bytes may be sent to at once; -1: not now, something is queued.

        A connection must be unsubscribed before its descriptor is closed: another could get the same number.
        Who writes to its transport by another way subscribes it anew behind that.
        """
        ...

    def send(self, frames: bytes) -> Outcome:
        """Queue an epoch, or leave it out, or cut the rover; never wait."""
        ...

    def send_rest(self, rest: memoryview) -> None:
        """Queue what is left of an epoch that has begun."""
        ...


@dataclass(slots=True)
class RelayCounters:
    """For `/metrics`."""

    rovers: int = 0
    """Connected to a stream now."""
    bytes_out: int = 0
    frames_out: int = 0
    epochs_out: int = 0
    """Sends to a rover: an epoch, or what else was published at once."""
    left_out: int = 0
    """Epochs that a rover did not get, since it was behind."""
    cut: int = 0
    """Rovers that were cut because they could not follow."""


class Audience:
    """All rovers of a station. All calls come from the event loop."""

    def __init__(self, counters: RelayCounters) -> None:
        self._counters = counters
        self._following: list[Subscriber] = []
        self._sockets = np.empty(8, np.int32)
        """Of `_following`, and some room."""
        self._place: dict[Subscriber, int] = {}
        """Of each in `_following`."""
        self._behind: dict[Subscriber, None] = {}
        self._frames, self._n_frames = b"", 0
        self._next = 0
        """The first of `_following` that has not been sent `_frames`."""
        self._turn: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._following) + len(self._behind)

    def add(self, rover: Subscriber) -> None:
        """Let a rover have what is published from now on."""
        self._behind[rover] = None  # its answer's head may be queued
        self._counters.rovers += 1

    def remove(self, rover: Subscriber) -> None:
        """Let a rover go; nothing happens when it has gone before."""
        if rover in self._behind:
            del self._behind[rover]
        elif rover in self._place:
            self._take_out(rover)
        else:
            return
        self._counters.rovers -= 1

    def publish(self, frames: bytes, n_frames: int) -> None:
        """Send whole frames to all; to many of them in slices, before what is published next."""
        while self._next < len(self._following):
            self._send_slice()
        self._frames, self._n_frames = frames, n_frames
        self._next = 0
        for rover in tuple(self._behind):
            self._send_behind(rover)
        self._go_on()

    def _send_behind(self, rover: Subscriber) -> None:
        if (fd := rover.socket()) >= 0:
            del self._behind[rover]
            self._append(rover, fd)
            return
        outcome = rover.send(self._frames)
        if outcome == "sent":
            self._count(1)
        elif outcome == "left out":
            self._counters.left_out += 1
        elif outcome != "withheld":
            self._counters.cut += outcome == "cut"
            self.remove(rover)

    def _go_on(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self._next < len(self._following):
            self._send_slice()
        if self._next < len(self._following):
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        else:
            self._frames = b""

    def _send_slice(self) -> None:
        begin, end = self._next, min(self._next + SLICE, len(self._following))
        short = send_all(self._sockets[begin:end], self._frames)
        self._next = end
        self._count(end - begin)
        if len(short):
            rest = memoryview(self._frames)
            for rover, taken in [(self._following[begin + i], taken) for i, taken in short.tolist()]:
                self._take_out(rover)
                self._behind[rover] = None
                rover.send_rest(rest[taken:])

    def _count(self, rovers: int) -> None:
        counters = self._counters
        counters.epochs_out += rovers
        counters.bytes_out += rovers * len(self._frames)
        counters.frames_out += rovers * self._n_frames

    def _append(self, rover: Subscriber, fd: int) -> None:
        place = len(self._following)
        if place == len(self._sockets):
            self._sockets = np.concatenate((self._sockets, np.empty_like(self._sockets)))
        self._following.append(rover)
        self._sockets[place] = fd
        self._place[rover] = place

    def _take_out(self, rover: Subscriber) -> None:
        place = self._place.pop(rover)
        if place < self._next:  # the gap moves behind those that have been sent to
            self._next -= 1
            self._move(self._next, place)
            place = self._next
        self._move(len(self._following) - 1, place)
        self._following.pop()

    def _move(self, begin: int, end: int) -> None:
        if begin != end:
            rover = self._following[end] = self._following[begin]
            self._sockets[end] = self._sockets[begin]
            self._place[rover] = end
