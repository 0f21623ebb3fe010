"""Geometries in filters: well-known text, looked at before a database gets it."""

from __future__ import annotations

import math
import re

from dashboards.problems import ProblemError

MOST_CORNERS = 1_000
_SHAPE = re.compile(
    r"\s*(?:SRID=4326;)?\s*(POINT|LINESTRING|POLYGON)\s*(\(.*\))\s*", re.IGNORECASE | re.DOTALL
)
_RING = re.compile(r"\(([^()]*)\)")


def checked_wkt(text: str) -> str:
    """Return a POINT, LINESTRING or POLYGON written anew from its numbers: longitude and latitude in degrees.

    Raises
    ------
    ProblemError
        400 it is none of these, or is not closed, or has too many corners.
    """
    if text.count(",") >= MOST_CORNERS:
        raise ProblemError(400, f"A geography has {MOST_CORNERS} corners at most.")
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise _refusal(text)
    kind, body = match[1].upper(), match[2]
    if kind != "POLYGON":
        corners = _corners(body[1:-1], text)
        if len(corners) != 1 if kind == "POINT" else len(corners) < 2:
            raise _refusal(text)
        return f"{kind} ({_written(corners)})"
    rings = [_corners(ring, text) for ring in _RING.findall(body[1:-1])]
    if not rings or _RING.sub("", body[1:-1]).strip(" ,"):
        raise _refusal(text)
    if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise ProblemError(
            400, "A polygon's ring has three corners at least, and the first one again at its end."
        )
    return f"POLYGON ({', '.join(f'({_written(ring)})' for ring in rings)})"


def _corners(text: str, whole: str) -> list[tuple[float, float]]:
    corners = []
    for corner in text.split(","):
        try:
            x, y = map(float, corner.split()[:2])
        except ValueError:
            raise _refusal(whole) from None
        if not (math.isfinite(x) and math.isfinite(y) and abs(x) <= 360 and abs(y) <= 90):
            raise _refusal(whole)
        corners.append((x, y))
    return corners


def _written(corners: list[tuple[float, float]]) -> str:
    return ", ".join(f"{x!r} {y!r}" for x, y in corners)


def _refusal(text: str) -> ProblemError:
    return ProblemError(
        400,
        f"{text[:40]!r} is no geography that can be used: write POINT (121.5 31.2), LINESTRING (1 2, 3 4) or "
        "POLYGON ((1 2, 3 4, 5 2, 1 2)), longitude first.",
    )
