"""What frames tell at a glance of their epochs: when these were, how late they came, whether more follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from connectors.caster.frames_kernel import NO_TIME, first_time_ms, list_messages
from gnss.rtcm.msm_layout import MS_PER_DAY
from gnss.time import LEAP_UTC_US

_LEAP_MS = 1000 * len(LEAP_UTC_US)
_rows = np.zeros((256, 5), np.int64)


class Glanced(NamedTuple):
    """One frame of several."""

    number: int
    begin: int
    end: int
    time_ms: int | None
    """Of its observations, ms of GPS time's day; None: it has none."""
    has_more: int
    """More of its epoch follows."""


def messages_of(frames: bytes) -> Iterator[Glanced]:
    """Yield the messages of whole frames."""
    begin, size = 0, len(frames)
    while begin + 6 <= size:
        found, until = list_messages(np.frombuffer(frames, np.uint8, offset=begin), _rows)
        for number, at, end, time_ms, more in _rows[:found].tolist():
            time = None if time_ms == NO_TIME else time_ms
            yield Glanced(number, begin + at, begin + end, time, more)
        begin += int(until)


def late_s(time_ms: int, received_at_us: int) -> float:
    """Return what lies between an epoch and its arrival, of days of GPS time: at most half a day."""
    half = MS_PER_DAY / 2
    return ((received_at_us / 1000.0 + _LEAP_MS - time_ms + half) % MS_PER_DAY - half) / 1000.0


def time_of(frames: bytes) -> int | None:
    """Return when the first observations in some frames were made, ms of GPS time's day; None: none were."""
    time_ms = int(first_time_ms(np.frombuffer(frames, np.uint8)))
    return None if time_ms == NO_TIME else time_ms


def latency_s(frames: bytes, received_at_us: int) -> float | None:
    """Return how late the first epoch of some frames came; None: they have none."""
    time_ms = time_of(frames)
    return None if time_ms is None else late_s(time_ms, received_at_us)
