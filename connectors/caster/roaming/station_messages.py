"""What a rover needs of a base before its first epoch: the newest of each message, as received. No I/O.

A base tells its place, antenna and biases each 5 to 60 s, and an ephemeris perhaps each minute. A rover that
comes to it in between could not use its epochs until then.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from connectors.caster.frames_kernel import NO_TIME, STATION_ORDER, find_kept
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.msm_layout import MS_PER_DAY

EPHEMERIDES_AGE_S = 7200.0
"""An ephemeris that nobody repeated for so long serves nobody (GPS, BeiDou and Galileo: 1 to 4 h)."""
MOST_EPHEMERIDES = 256
MOST_KEPT = 512
"""Of one epoch; no station sends so many at once."""

_EPHEMERIDES = frozenset(EPHEMERIS_MESSAGES)
_places = np.zeros((MOST_KEPT, 3), np.int64)
_WITH_FOUR_BITS = 1044
"""QZSS satellites have numbers of four bits (DF429), all others of six."""


@dataclass(slots=True)
class StationMessages:
    """Of one base."""

    _of_station: dict[int, bytes] = field(default_factory=dict)
    _ephemerides: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    """By message and satellite, with the time when it came; the one that came last stands last."""

    def take(self, frames: bytes, now_s: float) -> int | None:
        """Keep what is to be kept of whole valid frames.

        Returns
        -------
        The time of their first observations, in ms of GPS time's day; None: there are none.
        """
        found, time_ms = find_kept(np.frombuffer(frames, np.uint8), _places)
        for number, begin, end in _places[:found].tolist() if found else ():
            if number in _EPHEMERIDES:
                self._keep_ephemeris(number, frames[begin:end], now_s)
            else:
                self._keep_of_station(number, frames[begin:end])
        return None if time_ms == NO_TIME else int(time_ms)

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

    def _keep_ephemeris(self, number: int, frame: bytes, now_s: float) -> None:
        if len(frame) < 12:
            return
        satellite = frame[4] & 15
        if number != _WITH_FOUR_BITS:
            satellite = satellite << 2 | frame[5] >> 6
        key = number << 6 | satellite
        known = self._ephemerides.pop(key, None)
        if known is not None and known[1] == frame:
            frame = known[1]
        elif len(self._ephemerides) >= MOST_EPHEMERIDES:
            del self._ephemerides[next(iter(self._ephemerides))]
        self._ephemerides[key] = now_s, frame


def is_newer(time_ms: int, than_ms: int) -> bool:
    """Say which of two times of a day is the later one, over midnight too."""
    return 0 < (time_ms - than_ms) % MS_PER_DAY < MS_PER_DAY // 2
