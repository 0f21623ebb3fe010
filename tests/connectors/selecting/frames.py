"""Epochs of observations that say whose they are: heads of MSM7, as RTCM 10403 has them, and some bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from connectors.gathering.cutter import Piece
from tests.rtcm_frames import frame, split

DAY_MS = 86_400_000
GPS, GLONASS, BEIDOU = 1077, 1087, 1127
LEAP_MS = 18_000


class Told(NamedTuple):
    """What one frame says."""

    number: int
    time_ms: int
    """Of GPS time's day; of a message that is no observation 0."""
    source: int


def observations(number: int, time_ms: int, source: int, *, more: bool) -> bytes:
    """Return a frame; the time is one of GPS time's day (DF004, DF034, DF427)."""
    if number == GLONASS:
        word = (time_ms - LEAP_MS + 3 * 3_600_000) % DAY_MS
    elif number == BEIDOU:
        word = (time_ms + 3 * DAY_MS - 14_000) % (7 * DAY_MS)
    else:
        word = time_ms + 3 * DAY_MS
    bits = number << 44 | source << 32 | word << 2 | int(more) << 1
    return frame(bits.to_bytes(7, "big") + bytes([source, 0, 0]))


def epoch(time_ms: int, source: int, numbers: tuple[int, ...] = (GPS, GLONASS, BEIDOU)) -> list[bytes]:
    """Return the frames of an epoch."""
    return [observations(n, time_ms % DAY_MS, source, more=n != numbers[-1]) for n in numbers]


def position(source: int, x_m: float) -> bytes:
    """Return a 1005 of a reference point."""
    bits = 0
    for value, width in (
        (1005, 12), (source, 12), (0, 6), (7, 3), (0, 1), (round(x_m * 1e4), 38), (0, 2),
        (50_000_000_000, 38), (0, 2), (30_000_000_000, 38),
    ):  # fmt: skip
        bits = bits << width | value & ((1 << width) - 1)
    return frame(bits.to_bytes(19, "big"))


def told(frames: bytes) -> Iterator[Told]:
    """Yield what each frame says, read apart from the code that is tested."""
    for one in split(frames):
        bits = int.from_bytes(one[3:10], "big")
        number, word = bits >> 44, bits >> 2 & 0x3FFFFFFF
        source = bits >> 32 & 0xFFF
        if number == 1005:
            yield Told(number, 0, source)
            continue
        time_ms = word % DAY_MS
        if number == GLONASS:
            time_ms = ((word & 0x7FFFFFF) - 3 * 3_600_000 + LEAP_MS) % DAY_MS
        elif number == BEIDOU:
            time_ms = (word + 14_000) % DAY_MS
        yield Told(number, time_ms, source)


def piece(frames: bytes, received_at_us: int) -> Piece:
    """Return frames as a connector brings them."""
    return Piece(frames, frames, received_at_us, 0, len(frames), len(list(split(frames))), 0)
