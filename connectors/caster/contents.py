"""What a stream contains, learnt from its frames: for the sourcetable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_LEGACY = {1001: "GPS", 1002: "GPS", 1003: "GPS", 1004: "GPS"} | dict.fromkeys(range(1009, 1013), "GLO")
_DUAL = {1003, 1004, 1011, 1012}
_MSM = {107: "GPS", 108: "GLO", 109: "GAL", 110: "SBAS", 111: "QZS", 112: "BDS", 113: "IRN"}
_ORDER = ("GPS", "GLO", "GAL", "BDS", "QZS", "IRN", "SBAS")


@dataclass(frozen=True, slots=True)
class StreamContents:
    """Message types with their intervals, and what follows from them."""

    n_bytes: int = 0
    """Of all frames so far."""
    n_epochs: int = 0
    """Publications with frames so far."""
    _numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _rhythms: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def types(self) -> dict[int, float | None]:
        """Message numbers, and seconds between them; None: it came once."""
        numbers = self._numbers[self._numbers > 0].tolist()
        intervals_s = self._rhythms[: len(numbers), 1].tolist()
        return {n: None if math.isnan(s) else s for n, s in zip(numbers, intervals_s, strict=True)}

    @property
    def details(self) -> str:
        """Types with seconds between them, as sourcetables have it: `1005(10),1077(1)`."""
        return ",".join(f"{number}{_interval(s)}" for number, s in sorted(self.types.items()))

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


def _interval(interval_s: float | None) -> str:
    if interval_s is None:
        return ""
    return f"({round(interval_s)})" if interval_s >= 0.95 else f"({interval_s:.1g})"
