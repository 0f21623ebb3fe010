"""NMEA 0183 in a stream of bytes: its sentences, and what GGA, RMC, ZDA, GSA and GSV say.

`NmeaSplitter` finds sentences between other data, as receivers mix them with RTCM; `parse_sentence` reads
one through the package pynmeagps. `gnss.ntrip.gga` is the other direction: the one sentence that
a client of a caster sends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import xor
from typing import Any

from pynmeagps import NMEAReader  # type: ignore[import-untyped]
from pynmeagps.exceptions import (  # type: ignore[import-untyped]
    NMEAMessageError,
    NMEAParseError,
    NMEATypeError,
)

from gnss.systems import System

MAX_SENTENCE_BYTES = 256
"""The standard says 82; receivers send longer ones."""

_BEGIN = b"$"
_SENTENCE = re.compile(rb"\$([A-Z][A-Z0-9]{2,9},[ -~]*)\*([0-9A-Fa-f]{2})")
_NOT_PRINTABLE = re.compile(rb"[^ -~]")
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KNOT_M_S = 1852.0 / 3600.0
_TALKERS = {
    "GP": System.GPS,
    "GL": System.GLONASS,
    "GA": System.GALILEO,
    "GB": System.BEIDOU,
    "BD": System.BEIDOU,
    "GQ": System.QZSS,
    "QZ": System.QZSS,
    "GI": System.NAVIC,
}
_SYSTEM_IDS = dict(
    enumerate((System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU, System.QZSS, System.NAVIC), start=1)
)
_SATELLITES_OF_GSA = 12
_SATELLITES_OF_GSV = 4


@dataclass(frozen=True, slots=True)
class Gga:
    """A position fix; None: not told."""

    time_of_day_us: int | None
    """UTC."""
    latitude: float | None
    """Degrees, north positive."""
    longitude: float | None
    quality: int
    """0 none, 1 single, 2 differential, 4 fixed, 5 float, 6 estimated, 7 manual, 8 simulated."""
    satellites: int | None
    hdop: float | None
    altitude_m: float | None
    """Above mean sea level."""
    geoid_m: float | None
    """Height of mean sea level above the ellipsoid."""
    age_s: float | None
    """Of the corrections."""
    station: int | None
    """Reference station of the corrections."""

    @property
    def height_m(self) -> float | None:
        """Height above the ellipsoid."""
        if self.altitude_m is None or self.geoid_m is None:
            return None
        return self.altitude_m + self.geoid_m


@dataclass(frozen=True, slots=True)
class Rmc:
    """Time, and whether the receiver calls its position valid."""

    time_us: int | None
    """UTC."""
    valid: bool
    latitude: float | None
    longitude: float | None
    speed_m_s: float | None


@dataclass(frozen=True, slots=True)
class Zda:
    """Time."""

    time_us: int | None
    """UTC."""


@dataclass(frozen=True, slots=True)
class Gsa:
    """Satellites that a fix uses."""

    system: System | None
    """None: of several, or not told."""
    fix: int
    """1 none, 2 two dimensions, 3 three."""
    used: int
    pdop: float | None


@dataclass(frozen=True, slots=True)
class Gsv:
    """Satellites in view; a group of sentences counts them all, each shows four."""

    system: System | None
    signal: str
    """NMEA signal id; "" where it is not told."""
    sentence: int
    """Of its group, from 1."""
    sentences: int
    in_view: int
    shown: int
    tracked: int
    """Of those shown, with a C/N0."""


Sentence = Gga | Rmc | Zda | Gsa | Gsv


class NmeaSplitter:
    """Finds sentences in a stream; what it gives does not depend on how the stream is cut."""

    def __init__(self) -> None:
        self._tail = b""
        self.sentences = 0
        """With a right checksum."""
        self.bad_checksums = 0
        """Sentences with a wrong one, or none."""
        self.foreign_bytes = 0
        """Bytes that belong to no sentence, line ends between sentences aside."""

    def feed(self, payload: bytes) -> list[bytes]:
        """Return the sentences that these bytes complete, from $ to the checksum.

        Keeps less than `MAX_SENTENCE_BYTES`.
        """
        data = self._tail + payload
        found: list[bytes] = []
        at = 0
        while True:
            begin = data.find(_BEGIN, at)
            self._pass_over(data[at : len(data) if begin < 0 else begin])
            if begin < 0:
                at = len(data)
                break
            end = _NOT_PRINTABLE.search(data, begin, begin + MAX_SENTENCE_BYTES)
            stop = end.start() if end else min(len(data), begin + MAX_SENTENCE_BYTES)
            again = data.find(_BEGIN, begin + 1, stop)
            if again >= 0:
                self._pass_over(data[begin:again])
                at = again
            elif end is None and stop - begin < MAX_SENTENCE_BYTES:
                at = begin
                break
            elif end is None or data[stop] not in b"\r\n":
                self._pass_over(data[begin:stop])
                at = stop
            else:
                self._take(data[begin:stop], found)
                at = stop
        self._tail = data[at:]
        return found

    def _take(self, line: bytes, found: list[bytes]) -> None:
        match = _SENTENCE.fullmatch(line)
        if match and reduce(xor, match[1]) == int(match[2], 16):
            self.sentences += 1
            found.append(line)
        elif re.match(rb"\$[A-Z][A-Z0-9]{2,9},", line):
            self.bad_checksums += 1
        else:
            self._pass_over(line)

    def _pass_over(self, some: bytes) -> None:
        self.foreign_bytes += len(some) - some.count(b"\r") - some.count(b"\n")


def parse_sentence(sentence: bytes) -> Sentence | None:
    """Return what a sentence says; None for another kind, or for content that makes no sense.

    Parameters
    ----------
    sentence
        As `NmeaSplitter.feed` gives it.
    """
    if sentence[3:6] not in _READERS:
        return None
    try:
        message = NMEAReader.parse(sentence + b"\r\n")
        return None if message is None else _READERS[sentence[3:6]](message)
    except (
        NMEAMessageError,
        NMEAParseError,
        NMEATypeError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):
        return None


def _gga(message: Any) -> Gga:
    position = _position(message)
    return Gga(
        time_of_day_us=_of_day_us(message.time),
        latitude=position[0],
        longitude=position[1],
        quality=_count(message.quality) or 0,
        satellites=_count(message.numSV),
        hdop=_number(message.HDOP),
        altitude_m=_number(message.alt),
        geoid_m=_number(message.sep),
        age_s=_number(message.diffAge),
        station=_count(message.diffStation),
    )


def _rmc(message: Any) -> Rmc:
    latitude, longitude = _position(message)
    speed = _number(message.spd)
    return Rmc(
        time_us=_whole_us(message.date, message.time),
        valid=message.status == "A",
        latitude=latitude,
        longitude=longitude,
        speed_m_s=None if speed is None else speed * _KNOT_M_S,
    )


def _zda(message: Any) -> Zda:
    numbers = [_count(part) for part in (message.year, message.month, message.day)]
    year, month, day = numbers
    if year is None or month is None or day is None:
        return Zda(None)
    return Zda(_whole_us(date(year, month, day), message.time))


def _gsa(message: Any) -> Gsa:
    numbers = [_count(getattr(message, f"svid_{i:02d}", None)) for i in range(1, _SATELLITES_OF_GSA + 1)]
    system = _SYSTEM_IDS.get(_count(getattr(message, "systemId", None)) or 0)
    return Gsa(
        system=system if system is not None else _TALKERS.get(message.talker),
        fix=_count(message.navMode) or 1,
        used=sum(1 for number in numbers if number),
        pdop=_number(message.PDOP),
    )


def _gsv(message: Any) -> Gsv:
    shown = [i for i in range(1, _SATELLITES_OF_GSV + 1) if _count(getattr(message, f"svid_{i:02d}", None))]
    return Gsv(
        system=_TALKERS.get(message.talker),
        signal=str(getattr(message, "signalID", "")),
        sentence=_count(message.msgNum) or 0,
        sentences=_count(message.numMsg) or 0,
        in_view=_count(message.numSV) or 0,
        shown=len(shown),
        tracked=sum(1 for i in shown if _number(getattr(message, f"cno_{i:02d}", None)) is not None),
    )


_READERS: dict[bytes, Callable[[Any], Sentence]] = {
    b"GGA": _gga,
    b"RMC": _rmc,
    b"ZDA": _zda,
    b"GSA": _gsa,
    b"GSV": _gsv,
}


def _position(message: Any) -> tuple[float | None, float | None]:
    latitude, longitude = _number(message.lat), _number(message.lon)
    if latitude is None or longitude is None or abs(latitude) > 90.0 or abs(longitude) > 180.0:
        return None, None
    return latitude, longitude


def _number(value: object) -> float | None:
    if isinstance(value, str):
        value = float(value) if value.strip() else None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None or not 0 <= number < 1 << 31 else int(number)


def _of_day_us(value: object) -> int | None:
    if not isinstance(value, time):
        return None
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _whole_us(day: object, of_day: object) -> int | None:
    of_day_us = _of_day_us(of_day)
    if not isinstance(day, date) or of_day_us is None:
        return None
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (midnight - _UNIX_EPOCH) // timedelta(microseconds=1) + of_day_us
