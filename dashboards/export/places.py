"""Parts of the map that are asked for, and places in the reference systems that are asked for.

EPSG:4490 (CGCS2000) and EPSG:4326 (WGS 84) have the same figures here: their definitions differ by
centimetres, and of what moves with the plates no place is given as of another epoch. EPSG:4479 is CGCS2000
with geocentric x, y, z; it needs an ellipsoidal height, and a place without one has none in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss import area
from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from storage.rows import Box

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""
MOST_CORNERS = 1_000
_POLYGON = re.compile(r"\s*POLYGON\s*\(\s*\(([^()]*)\)\s*\)\s*", re.IGNORECASE)
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the map; what is None does not narrow it."""

    box: Box | None = None
    ring: Sequence[tuple[float, float]] | None = None
    centre: tuple[float, float] | None = None
    """Longitude and latitude."""
    radius_m: float = 0.0

    def __bool__(self) -> bool:
        return self.box is not None or self.ring is not None or self.centre is not None

    def holds(self, longitude: Float64, latitude: Float64) -> NDArray[np.bool_]:
        """Return which places lie in it; one that is not known (NaN) lies nowhere."""
        inside = np.isfinite(longitude) & np.isfinite(latitude)
        if not self:
            return np.ones_like(inside)
        if self.box is not None:
            west, south, east, north = self.box
            past_west, before_east = longitude >= west, longitude <= east
            across = past_west | before_east if west > east else past_west & before_east
            inside &= across & (latitude >= south) & (latitude <= north)
        if self.centre is not None:
            inside &= _distance_m(longitude, latitude, *self.centre) <= self.radius_m
        if self.ring is not None:
            inside &= _are_inside(longitude, latitude, self.ring)
        return inside

    def frame(self) -> Box | None:
        """Return a box around it, which a database can search; None: there is no useful one."""
        if self.box is not None:
            return self.box
        if self.ring is not None:
            longitudes, latitudes = zip(*self.ring, strict=True)
            return Box(min(longitudes), min(latitudes), max(longitudes), max(latitudes))
        return None


def polygon(text: str) -> Sequence[tuple[float, float]]:
    """Return the ring of a polygon in WKT, as `POLYGON((120 30, 123 30, 123 32))`.

    Raises
    ------
    ValueError
        It is none, or none that can be told; in words.
    """
    match = _POLYGON.fullmatch(text)
    try:
        ring = [
            (float(x), float(y)) for x, y in (one.split() for one in (match[1] if match else "").split(","))
        ]
    except ValueError:
        ring = []
    if not ring:
        raise ValueError(
            "is no polygon: write POLYGON((120 30, 123 30, 123 32, 120 30)), longitude before latitude"
        )
    if len(ring) > MOST_CORNERS:
        raise ValueError(f"has {len(ring)} corners: give at most {MOST_CORNERS}")
    if reason := area.unfit(ring):
        raise ValueError(reason)
    return ring


def point(text: str, crs: int) -> tuple[float, float]:
    """Return longitude and latitude of a point: `longitude,latitude`, or `x,y,z` in m in EPSG:4479.

    Raises
    ------
    ValueError
        It is none; in words.
    """
    try:
        figures = [float(part) for part in text.split(",")]
    except ValueError:
        figures = []
    if crs == GEOCENTRIC:
        if len(figures) != 3 or not all(map(math.isfinite, figures)) or math.hypot(*figures) < 1e6:
            raise ValueError("is no point in EPSG:4479: write x,y,z in m")
        longitude, latitude, _ = ecef_to_geodetic(*figures)
        return float(longitude), float(latitude)
    if len(figures) != 2 or not (-180 <= figures[0] <= 180 and -90 <= figures[1] <= 90):
        raise ValueError("is no point: write longitude,latitude in degrees, for instance 121.5,31.2")
    return figures[0], figures[1]


GEOCENTRIC = 4479
SYSTEMS = (4490, 4326, GEOCENTRIC)


def geocentric(longitude: Float64, latitude: Float64, height_m: Float64) -> tuple[Float64, Float64, Float64]:
    """Return x, y, z in m, EPSG:4479; NaN where the ellipsoidal height is (or the place is not known)."""
    return geodetic_to_ecef(longitude, latitude, height_m)


def _are_inside(
    longitude: Float64, latitude: Float64, ring: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """Return which places lie in a ring, as `gnss.area.is_inside` says of one."""
    inside = np.zeros(len(longitude), np.bool_)
    x1, y1 = ring[-1]
    for x2, y2 in ring:
        between = (y1 > latitude) != (y2 > latitude)
        if between.any():
            inside ^= between & (longitude < x1 + (latitude - y1) * (x2 - x1) / (y2 - y1))
        x1, y1 = x2, y2
    return inside


def _distance_m(longitude: Float64, latitude: Float64, to_longitude: float, to_latitude: float) -> Float64:
    """Return distances along a sphere (haversine), within 0.6 % of those along the ellipsoid."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    lon0, lat0 = math.radians(to_longitude), math.radians(to_latitude)
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat) * math.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    distance: Float64 = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return distance
