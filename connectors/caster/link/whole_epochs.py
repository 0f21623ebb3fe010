"""Frames of a station are held until their epoch is whole, for some milliseconds at most. No I/O.

Each message of observations says whether others of the same epoch follow: MSM by its multiple message bit
(DF393), legacy messages by their synchronous GNSS flag (DF005); RTCM 10403, the heads of their tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from connectors.caster.frames_kernel import end_of_epoch

MOST_HELD_BYTES = 65_536


class Epoch(NamedTuple):
    """Whole frames that go on together."""

    received_at_us: int
    """When its first frames were received."""
    frames: bytes


@dataclass(slots=True)
class WholeEpochs:
    """Of one station."""

    _held: bytes = b""
    _since_us: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether something is held."""
        return bool(self._held)

    def feed(self, frames: bytes, received_at_us: int) -> Iterator[Epoch]:
        """Take whole valid frames, yield what goes on now: all up to the end of an epoch."""
        for piece in _bounded(frames):
            cut = int(end_of_epoch(np.frombuffer(piece, np.uint8), bool(self._held)))
            if cut:
                since_us = self._since_us if self._held else received_at_us
                yield Epoch(since_us, self._held + piece[:cut])
                self._held = b""
            if cut < len(piece):
                if not self._held:
                    self._since_us = received_at_us
                self._held += piece[cut:]
            if len(self._held) > MOST_HELD_BYTES:
                yield from self.give_up()

    def give_up(self) -> Iterator[Epoch]:
        """Yield what is held: the rest of its epoch does not come in time."""
        if self._held:
            epoch, self._held = Epoch(self._since_us, self._held), b""
            yield epoch


def frame_ends(frames: bytes) -> Iterator[int]:
    """Yield where each of several whole frames ends."""
    at, size = 0, len(frames)
    while at + 6 <= size:
        at += ((frames[at + 1] & 3) << 8 | frames[at + 2]) + 6
        yield at


def observed_at_ms(frames: bytes) -> dict[int, int]:
    """Return the newest epoch of each satellite system in frames, in ms of its week (DF004 and its like).

    Systems are named by their messages' numbers without the last digit. GLONASS, which tells the time of its
    day, is left out.
    """
    found = {}
    at = 0
    for end in frame_ends(frames):
        if end - at >= 13:
            number = frames[at + 3] << 4 | frames[at + 4] >> 4
            is_msm = 1071 <= number <= 1137 and 1 <= number % 10 <= 7 and number // 10 != 108
            if is_msm or 1001 <= number <= 1004:
                found[number // 10] = int.from_bytes(frames[at + 6 : at + 10], "big") >> 2
        at = end
    return found


def _bounded(frames: bytes) -> Iterator[bytes]:
    """Cut what one read brought, where a frame ends, if it is too much for one record."""
    begin = end = 0
    if len(frames) > MOST_HELD_BYTES:
        for here in frame_ends(frames):
            if here - begin > MOST_HELD_BYTES:
                yield frames[begin:end]
                begin = end
            end = here
    yield frames[begin:] if begin else frames
