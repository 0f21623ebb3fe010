"""What frames tell at a glance of their epoch: when it was, how late it came, whether more of it follows."""

from __future__ import annotations

from connectors.caster.roaming.station_messages import messages_of, time_of_day_ms
from gnss.rtcm.msm_layout import MS_PER_DAY
from gnss.time import LEAP_UTC_US

_LEAP_MS = 1000 * len(LEAP_UTC_US)
_HEAD_BYTES = 13
"""Of a frame that tells a time: header, the first 56 bits, CRC."""


def epoch_ms(frames: bytes, number: int, begin: int, end: int) -> int | None:
    """Return the time of a frame's observations, in ms of GPS time's day; None: it has none."""
    if end - begin < _HEAD_BYTES:
        return None
    return time_of_day_ms(number, int.from_bytes(frames[begin + 6 : begin + 10], "big"))


def has_more(number: int, flags: int) -> bool:
    """Say whether more of an epoch follows a frame of observations, by its tenth byte (DF393, DF005)."""
    return bool(flags & (16 if 1009 <= number <= 1012 else 2))


def late_s(time_ms: int, received_at_us: int) -> float:
    """Return what lies between an epoch and its arrival, of days of GPS time: at most half a day."""
    half = MS_PER_DAY / 2
    return ((received_at_us / 1000.0 + _LEAP_MS - time_ms + half) % MS_PER_DAY - half) / 1000.0


def latency_s(frames: bytes, received_at_us: int) -> float | None:
    """Return how late the first epoch of some frames came; None: they have none."""
    for number, begin, end in messages_of(frames):
        if (time_ms := epoch_ms(frames, number, begin, end)) is not None:
            return late_s(time_ms, received_at_us)
    return None
