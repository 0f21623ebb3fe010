"""Frames of observations that say whether others of their epoch follow."""

from __future__ import annotations

import functools

from tests.rtcm_frames import frame


def observed(number: int, time: int, *, more: bool, length: int = 40) -> bytes:
    """Return a frame of observations: MSM or legacy, GPS or GLONASS, with any epoch time."""
    glonass = 1009 <= number <= 1012
    bits = number << 12 | 7
    bits = (bits << (27 if glonass else 30) | time) << 1 | more
    width = 12 + 12 + (27 if glonass else 30) + 1
    head = (bits << (-width % 8)).to_bytes((width + 7) // 8, "big")
    return frame(head + bytes(length - len(head)))


@functools.cache
def epoch(time: int, systems: int = 3, length: int = 60) -> bytes:
    """Return the frames of an epoch of several systems."""
    numbers = (1077, 1087, 1097, 1117, 1127)[:systems]
    return b"".join(observed(n, time, more=n != numbers[-1], length=length + n % 7) for n in numbers)
