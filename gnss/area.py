"""Areas on the map: rings of corners, longitude and latitude in degrees, and what lies inside."""

from __future__ import annotations

import math
from collections.abc import Sequence

Ring = Sequence[Sequence[float]]


def unfit(ring: Ring) -> str | None:
    """Return why a ring of corners encloses no area that can be told, as the end of a sentence; else None.

    A ring may be closed by its first corner, as GeoJSON has it, or not.
    """
    if not all(
        len(corner) == 2 and math.isfinite(corner[0]) and -180 <= corner[0] <= 180 and -90 <= corner[1] <= 90
        for corner in ring
    ):
        return "has a corner that is no place; write [longitude, latitude] in degrees"
    if len({(corner[0], corner[1]) for corner in ring}) < 3:
        return "has fewer than three corners; give at least three"
    longitudes = [corner[0] for corner in ring]
    if max(longitudes) - min(longitudes) > 180:
        return (
            "is wider than 180 degrees; divide it, and where it crosses 180 degrees of longitude cut it there"
        )
    return None


def is_inside(longitude: float, latitude: float, ring: Ring) -> bool:
    """Return whether a place lies in a ring, by the even-odd rule (Shimrat, CACM 5, 1962).

    Edges are straight in longitude and latitude; a place exactly on one may count either way.
    """
    inside = False
    before = ring[-1]
    for corner in ring:
        (x1, y1), (x2, y2) = before, corner
        if (y1 > latitude) != (y2 > latitude) and longitude < x1 + (latitude - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
        before = corner
    return inside
