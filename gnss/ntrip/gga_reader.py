"""Where a rover says that it is: GGA sentences (NMEA 0183) in what it sends upstream, however that is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor

MOST_BODY_BYTES = 150
"""Between `$` and `*`. The standard allows 79; receivers with more decimals need some more."""

FIXED, FLOATING = 4, 5
"""Qualities: carrier-phase ambiguities are integers, or are not yet."""

_SENTENCE = re.compile(rb"\$([^$*\r\n]{1,%d})(?:\*([0-9A-Fa-f]{2})|(?=[$\r\n]))" % MOST_BODY_BYTES)
_BEGUN = re.compile(rb"\$[^$*\r\n]{0,%d}(?:\*[0-9A-Fa-f]?)?" % MOST_BODY_BYTES)
_GGA = re.compile(rb"[A-Z][A-Z0-9]GGA,")
_ANGLE = re.compile(rb"(\d{1,3})(\d\d(?:\.\d{0,12})?)")
_AGE = re.compile(rb"\d{1,5}(?:\.\d{0,6})?")
_NUMBER = re.compile(rb"-?\d{1,7}(?:\.\d{0,12})?")


@dataclass(frozen=True, slots=True)
class RoverPosition:
    """A rover's own position."""

    longitude: float
    """Degrees, east positive."""
    latitude: float
    """Degrees, north positive."""
    height_m: float | None
    """Above the ellipsoid: the sentence's height above the geoid and the geoid's own; None: not told."""
    quality: int
    """1 alone, 2 differential, 4 fixed, 5 float, and more; never 0."""
    age_s: float | None = None
    """Of the corrections that it used; None: not told."""


@dataclass(slots=True)
class GgaReader:
    """Reads what one rover sends; keeps less than one sentence."""

    sentences: int = 0
    """GGA sentences that were understood, those without a position too."""
    bad: int = 0
    """GGA sentences with a wrong checksum or fields that cannot be."""
    positions: int = 0
    """Of the sentences, with a position."""
    fixed: int = 0
    """Of these, with quality 4."""
    floating: int = 0
    """Of these, with quality 5."""
    quality: int | None = None
    """Of the last sentence, 0 without a position; None: there was none."""
    others: int = 0
    """Sentences of other kinds."""
    garbage_bytes: int = 0
    """What belongs to no sentence."""
    _rest: bytes = b""

    def feed(self, data: bytes) -> RoverPosition | None:
        """Return the last position that these bytes complete; None: they complete none."""
        data = self._rest + data
        found = None
        at = 0
        for match in _SENTENCE.finditer(data):
            self._skip(data[at : match.start()])
            at = match.end()
            found = self._take(match[1], match[2]) or found
        begin = max(data.rfind(b"$"), at)
        if data[begin : begin + 1] != b"$" or _BEGUN.fullmatch(data, begin) is None:
            begin = len(data)
        self._skip(data[at:begin])
        self._rest = data[begin:]
        return found

    def _skip(self, data: bytes) -> None:
        self.garbage_bytes += len(data) - data.count(b"\r") - data.count(b"\n")

    def _take(self, body: bytes, checksum: bytes | None) -> RoverPosition | None:
        if not _GGA.match(body):
            self.others += 1
            return None
        try:
            position = _position(body, checksum)
        except ValueError:
            self.bad += 1
            return None
        self.sentences += 1
        self.quality = 0 if position is None else position.quality
        if position is not None:
            self.positions += 1
            self.fixed += position.quality == FIXED
            self.floating += position.quality == FLOATING
        return position


def parse_gga(sentence: str) -> RoverPosition | None:
    """Return the position of one whole sentence, as `Ntrip-GGA` has it; None: it tells none.

    Raises
    ------
    ValueError
        It is no GGA sentence, its checksum is wrong, or a field cannot be.
    """
    match = _SENTENCE.match(sentence.strip().encode("latin-1", "replace") + b"\r")
    if match is None or not _GGA.match(match[1]):
        raise ValueError("this is no GGA sentence")
    return _position(match[1], match[2])


def _position(body: bytes, checksum: bytes | None) -> RoverPosition | None:
    """Return what a sentence tells, by the places of its fields (NMEA 0183, GGA)."""
    if checksum is not None and int(checksum, 16) != reduce(xor, body):
        raise ValueError("the checksum is wrong")
    fields = body.split(b",")
    if len(fields) < 7:
        raise ValueError("fields are missing")
    quality = fields[6]
    if quality in {b"", b"0"}:
        return None
    if not quality.isdigit() or len(quality) > 2:
        raise ValueError("the quality is no number")
    latitude = _degrees(fields[2], fields[3], b"NS", 90.0)
    longitude = _degrees(fields[4], fields[5], b"EW", 180.0)
    height_m = None
    if len(fields) > 11 and _NUMBER.fullmatch(fields[9]):
        geoid_m = float(fields[11]) if _NUMBER.fullmatch(fields[11]) else 0.0
        height_m = float(fields[9]) + geoid_m
    age_s = float(fields[13]) if len(fields) > 13 and _AGE.fullmatch(fields[13]) else None
    return RoverPosition(longitude, latitude, height_m, int(quality), age_s)


def _degrees(text: bytes, side: bytes, sides: bytes, most: float) -> float:
    match = _ANGLE.fullmatch(text)
    if match is None or len(side) != 1 or side not in sides:
        raise ValueError("an angle cannot be read")
    minutes = float(match[2])
    degrees = int(match[1]) + minutes / 60.0
    if minutes >= 60.0 or degrees > most:
        raise ValueError("an angle cannot be")
    return degrees if side == sides[:1] else -degrees
