"""What a stream contains, learnt from its frames: for the sourcetable."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_TYPES = 64
_SMOOTHING = 0.2
_SAME_EPOCH_S = 0.02
"""Messages of a type that come closer together belong to one epoch (its data were split over several)."""
_LEGACY = {1001: "GPS", 1002: "GPS", 1003: "GPS", 1004: "GPS"} | dict.fromkeys(range(1009, 1013), "GLO")
_DUAL = {1003, 1004, 1011, 1012}
_MSM = {107: "GPS", 108: "GLO", 109: "GAL", 110: "SBAS", 111: "QZS", 112: "BDS", 113: "IRN"}
_ORDER = ("GPS", "GLO", "GAL", "BDS", "QZS", "IRN", "SBAS")


@dataclass(slots=True)
class MessageRhythm:
    """When a message type came, and how often it comes."""

    last_s: float
    interval_s: float | None = None


@dataclass(slots=True)
class StreamContents:
    """Message types with their intervals, and what follows from them."""

    types: dict[int, MessageRhythm] = field(default_factory=dict)
    n_bytes: int = 0
    """Of all frames so far."""

    def observe(self, frames: bytes, now_s: float) -> int:
        """Look at whole RTCM 3 frames that came at `now_s` (monotonic); return their number.

        A frame is 0xD3, six zero bits, ten bits of length, the message, 24 bits of CRC; a message begins
        with its number in twelve bits (RTCM 10403, section 4).
        """
        self.n_bytes += len(frames)
        position, count, end = 0, 0, len(frames) - 5
        while position < end:
            length = (frames[position + 1] & 3) << 8 | frames[position + 2]
            if length >= 2:
                self._note(frames[position + 3] << 4 | frames[position + 4] >> 4, now_s)
            position += length + 6
            count += 1
        return count

    def _note(self, number: int, now_s: float) -> None:
        rhythm = self.types.get(number)
        if rhythm is None:
            if len(self.types) < MAX_TYPES:
                self.types[number] = MessageRhythm(now_s)
            return
        passed_s = now_s - rhythm.last_s
        if passed_s < _SAME_EPOCH_S:
            return
        rhythm.last_s = now_s
        if rhythm.interval_s is None:
            rhythm.interval_s = passed_s
        else:
            rhythm.interval_s += _SMOOTHING * (passed_s - rhythm.interval_s)

    @property
    def details(self) -> str:
        """Types with seconds between them, as sourcetables have it: `1005(10),1077(1)`."""
        return ",".join(f"{number}{_interval(self.types[number])}" for number in sorted(self.types))

    @property
    def systems(self) -> str:
        """Satellite systems whose observations are sent: `GPS+GLO+GAL+BDS`."""
        found = {_LEGACY.get(number) or _msm_system(number) for number in self.types}
        return "+".join(system for system in _ORDER if system in found)

    @property
    def carrier(self) -> int:
        """Carrier phase as sourcetables have it: 0 none, 1 one frequency, 2 two (MSM2 to 7 carry all)."""
        if any(n in _DUAL or (_msm_system(n) and n % 10 > 1) for n in self.types):
            return 2
        return int(any(n in _LEGACY for n in self.types))

    @property
    def format(self) -> str:
        """Version of RTCM 3 that has these messages."""
        if any(_msm_system(number) for number in self.types):
            return "RTCM 3.2"
        return "RTCM 3.1" if self.types else "RTCM 3"


def _msm_system(number: int) -> str | None:
    return _MSM.get(number // 10) if 1 <= number % 10 <= 7 else None


def _interval(rhythm: MessageRhythm) -> str:
    if rhythm.interval_s is None:
        return ""
    if rhythm.interval_s >= 0.95:
        return f"({round(rhythm.interval_s)})"
    return f"({rhythm.interval_s:.1g})"
