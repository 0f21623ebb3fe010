"""Which streams of a sourcetable a person wants: by system, format, country, place and name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gnss.ntrip.sourcetable import StrEntry

EARTH_RADIUS_KM = 6371.0
"""Of the sphere: distances are good to half a percent."""
_SYSTEMS = {
    "GPS": "GPS", "NAVSTAR": "GPS",
    "GLO": "GLO", "GLONASS": "GLO", "GLN": "GLO",
    "GAL": "GAL", "GALILEO": "GAL",
    "BDS": "BDS", "BEIDOU": "BDS", "BD": "BDS", "COMPASS": "BDS", "CMP": "BDS",
    "QZS": "QZS", "QZSS": "QZS",
    "IRN": "IRN", "IRNSS": "IRN", "NAVIC": "IRN",
    "SBAS": "SBAS", "SBS": "SBAS",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; what is left empty matches all."""

    systems: frozenset[str] = frozenset()
    """All of them must be there, named as by `systems_of`."""
    format: str = ""
    """With what the format begins, blanks and case left aside: `rtcm3`."""
    countries: frozenset[str] = frozenset()
    """ISO 3166, three letters, in capitals."""
    box: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees; west may be greater than east (over the date line)."""
    near: tuple[float, float] | None = None
    """Latitude and longitude in degrees."""
    radius_km: float = math.inf
    """Around `near`."""
    pattern: str = ""
    """In mountpoint, identifier or network: a part of them, or with * and ? the whole."""

    def select(self, streams: list[StrEntry]) -> list[StrEntry]:
        """Return those that are wanted, the nearest first where `near` is given."""
        found = [one for one in streams if one.mountpoint and self._wants(one)]
        if self.near is not None:
            found.sort(key=lambda one: self.distance_km(one) or 0.0)
        return found

    def distance_km(self, stream: StrEntry) -> float | None:
        """Return how far a stream's station is from `near`; None: one of the two places is not known."""
        at = place_of(stream)
        return None if at is None or self.near is None else distance_km(*self.near, *at)

    def _wants(self, stream: StrEntry) -> bool:
        if not self.systems <= systems_of(stream.nav_system):
            return False
        if not _plain(stream.format).startswith(_plain(self.format)):
            return False
        if self.countries and stream.country.upper() not in self.countries:
            return False
        texts = stream.mountpoint, stream.identifier, stream.network
        if self.pattern and not any(_matches(text, self.pattern) for text in texts):
            return False
        return self._is_inside(stream)

    def _is_inside(self, stream: StrEntry) -> bool:
        if self.box is None and self.near is None:
            return True
        at = place_of(stream)
        if at is None:
            return False
        if self.box is not None:
            west, south, east, north = self.box
            is_between = west <= at[1] <= east if west <= east else at[1] >= west or at[1] <= east
            if not (south <= at[0] <= north and is_between):
                return False
        return self.near is None or distance_km(*self.near, *at) <= self.radius_km


def systems_of(text: str) -> frozenset[str]:
    """Return the satellite systems that a text names, each by one name: `GPS GLO GAL BDS QZS IRN SBAS`."""
    return frozenset(_SYSTEMS[word.upper()] for word in _WORD.findall(text) if word.upper() in _SYSTEMS)


def unknown_systems(text: str) -> list[str]:
    """Return the words of a text that name no satellite system."""
    return [word for word in re.split(r"[+,;/\s]+", text) if word and word.upper() not in _SYSTEMS]


def place_of(stream: StrEntry) -> tuple[float, float] | None:
    """Return latitude and longitude (-180 to 180) in degrees; None: the table does not tell.

    Tables write 0;0 for what is not known.
    """
    latitude, longitude = stream.latitude, stream.longitude
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 360):
        return None
    return latitude, longitude - 360 if longitude > 180 else longitude


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the great-circle distance of two places in degrees (haversine formula), in km."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = math.radians(other_longitude - longitude) / 2
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(half) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def _plain(text: str) -> str:
    return "".join(text.split()).lower()


def _matches(text: str, pattern: str) -> bool:
    text, pattern = text.lower(), pattern.lower()
    return fnmatchcase(text, pattern) if set(pattern) & set("*?") else pattern in text
