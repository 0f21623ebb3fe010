"""What a rover needs of a base before its first epoch: the newest of each message, as received. No I/O.

A base tells its place, antenna and biases each 5 to 60 s, and an ephemeris perhaps each minute. A rover that
comes to it in between could not use its epochs until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.msm_layout import MS_PER_DAY

STATION_ORDER = (1005, 1006, 1007, 1008, 1033, 1230)
EPHEMERIDES_AGE_S = 7200.0
"""An ephemeris that nobody repeated for so long serves nobody (GPS, BeiDou and Galileo: 1 to 4 h)."""
MOST_EPHEMERIDES = 256
GLONASS_TO_GPS_MS = 18_000 - 3 * 3_600_000
"""GLONASS tells the time of Moscow's day; 18 leap seconds, as since 2017. Only neighbours are compared."""
BEIDOU_TO_GPS_MS = 14_000

_EPHEMERIDES = frozenset(EPHEMERIS_MESSAGES)
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
        time_ms = None
        for number, begin, end in messages_of(frames):
            if number in _EPHEMERIDES:
                self._keep_ephemeris(number, frames[begin:end], now_s)
            elif number in STATION_ORDER:
                self._keep_of_station(number, frames[begin:end])
            elif time_ms is None and end - begin >= 13:
                time_ms = _time_of_day_ms(number, int.from_bytes(frames[begin + 6 : begin + 10], "big"))
        return time_ms

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


def messages_of(frames: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each of several whole frames; those without a message are left out."""
    at, size = 0, len(frames)
    while at + 6 <= size:
        length = (frames[at + 1] & 3) << 8 | frames[at + 2]
        if length >= 2:
            yield frames[at + 3] << 4 | frames[at + 4] >> 4, at, at + length + 6
        at += length + 6


def is_newer(time_ms: int, than_ms: int) -> bool:
    """Say which of two times of a day is the later one, over midnight too."""
    return 0 < (time_ms - than_ms) % MS_PER_DAY < MS_PER_DAY // 2


def _time_of_day_ms(number: int, word: int) -> int | None:
    """Return the time of a message by the 32 bits behind its number and station (DF004 and its like)."""
    if 1001 <= number <= 1004:
        return (word >> 2) % MS_PER_DAY
    if 1009 <= number <= 1012:
        return ((word >> 5) + GLONASS_TO_GPS_MS) % MS_PER_DAY
    if not 1071 <= number <= 1137 or not 1 <= number % 10 <= 7:
        return None
    if number < 1080 or number >= 1130 or 1090 <= number < 1120:
        return (word >> 2) % MS_PER_DAY
    if number < 1090:
        return ((word >> 2 & 0x7FF_FFFF) + GLONASS_TO_GPS_MS) % MS_PER_DAY
    of_week_ms = word >> 2
    if of_week_ms >= (1 << 30) - BEIDOU_TO_GPS_MS:  # a sender that forgot where the week begins
        of_week_ms -= 1 << 30
    return (of_week_ms + BEIDOU_TO_GPS_MS) % MS_PER_DAY
