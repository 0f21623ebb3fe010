"""What a rover needs of a base before its first epoch: the newest of each message, as received. No I/O.

A base tells its place, antenna and biases each 5 to 60 s, and an ephemeris perhaps each minute. A rover that
comes to it in between could not use its epochs until then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.caster.frames_kernel import STATION_ORDER
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.msm_layout import MS_PER_DAY

EPHEMERIDES_AGE_S = 7200.0
"""An ephemeris that nobody repeated for so long serves nobody (GPS, BeiDou and Galileo: 1 to 4 h)."""
MOST_EPHEMERIDES = 256
_EPHEMERIDES = frozenset(EPHEMERIS_MESSAGES)


@dataclass(slots=True)
class StationMessages:
    """Of one base."""

    _of_station: dict[int, bytes] = field(default_factory=dict)
    _ephemerides: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    """By message and satellite, with the time when it came; the one that came last stands last."""

    def keep(self, number: int, satellite: int, frame: bytes, now_s: float) -> None:
        """Keep a frame with a message of `frames_kernel.Kept`, which came at `now_s` (monotonic)."""
        if number in _EPHEMERIDES:
            self._keep_ephemeris(number << 6 | satellite, frame, now_s)
        else:
            self._keep_of_station(number, frame)

    def first(self, now_s: float) -> bytes:
        """Return what a rover is to get before the first epoch: of the station, then ephemerides."""
        oldest_s = now_s - EPHEMERIDES_AGE_S
        kept = [self._of_station[number] for number in STATION_ORDER if number in self._of_station]
        kept += [frame for at_s, frame in self._ephemerides.values() if at_s >= oldest_s]
        return b"".join(kept)

    def position(self) -> bytes | None:
        """Return the message, without frame, in which the station tells its place."""
        frame = self._of_station.get(1006) or self._of_station.get(1005)
        return None if frame is None else frame[3:-3]

    def _keep_of_station(self, number: int, frame: bytes) -> None:
        known = self._of_station.get(number)
        if known == frame:
            return
        if known is not None and known[4:6] != frame[4:6]:  # DF003: all of the other station is void
            self._of_station.clear()
        self._of_station[number] = frame

    def _keep_ephemeris(self, key: int, frame: bytes, now_s: float) -> None:
        if len(frame) < 12:
            return
        known = self._ephemerides.pop(key, None)
        if known is not None and known[1] == frame:
            frame = known[1]
        elif len(self._ephemerides) >= MOST_EPHEMERIDES:
            del self._ephemerides[next(iter(self._ephemerides))]
        self._ephemerides[key] = now_s, frame


def is_newer(time_ms: int, than_ms: int) -> bool:
    """Say which of two times of a day is the later one, over midnight too."""
    return 0 < (time_ms - than_ms) % MS_PER_DAY < MS_PER_DAY // 2
