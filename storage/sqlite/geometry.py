"""Where a point lies to a geometry, for a database that has no functions for it. Planar, in degrees."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise

from gnss.area import is_inside

Point = tuple[float, float]
_NUMBERS = re.compile(r"-?[\d.]+(?:[eE][-+]?\d+)?")
_RING = re.compile(r"\(([^()]*)\)")


@lru_cache(64)
def _parts(wkt: str) -> tuple[str, tuple[tuple[Point, ...], ...]]:
    """Return the kind of a geometry and its rows of corners: one for points and lines, rings of polygons."""
    kind = wkt.partition("(")[0].strip().upper()
    rows = []
    for ring in _RING.findall(wkt):
        corners = [tuple(map(float, _NUMBERS.findall(corner)[:2])) for corner in ring.split(",")]
        rows.append(tuple((x, y) for x, y in corners))
    return kind, tuple(rows)


def about_point(question: str, longitude: float | None, latitude: float | None, wkt: str) -> float | None:
    """Return whether the point is to the geometry as the question says, or its distance.

    Parameters
    ----------
    question
        distance, intersects, disjoint, equals, within, contains, touches, overlaps or crosses: what PostGIS
        answers under the same names (OGC 06-103r4).
    wkt
        A POINT, LINESTRING or POLYGON.
    """
    if longitude is None or latitude is None:
        return None
    point = (longitude, latitude)
    kind, rows = _parts(wkt)
    edge = _edge_distance(point, kind, rows)
    on_boundary = edge == 0 if kind == "POLYGON" else kind == "LINESTRING" and point in _ends(rows[0])
    inside = kind == "POLYGON" and edge > 0 and sum(is_inside(*point, ring) for ring in rows) % 2 == 1
    meets = inside or edge == 0
    if question == "distance":
        return 0.0 if inside else edge
    same = kind == "POINT" and meets
    return {
        "intersects": meets,
        "disjoint": not meets,
        "equals": same,
        "within": meets and not on_boundary,
        "contains": same,
        "touches": on_boundary,
    }.get(question, False)


def _ends(line: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the boundary of a line: a closed one has none."""
    return () if line[0] == line[-1] else (line[0], line[-1])


def _edge_distance(point: Point, kind: str, rows: tuple[tuple[Point, ...], ...]) -> float:
    """Return how far it is to the point, the line, or the nearest edge of the polygon."""
    if kind == "POINT":
        return math.dist(point, rows[0][0])
    return min(_to_edge(point, a, b) for row in rows for a, b in pairwise(row))


def _to_edge(point: Point, a: Point, b: Point) -> float:
    (x, y), (x1, y1), (x2, y2) = point, a, b
    length_2 = (x2 - x1) ** 2 + (y2 - y1) ** 2
    if length_2 == 0:
        return math.dist(point, a)
    along = max(0.0, min(1.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length_2))
    return math.dist(point, (x1 + along * (x2 - x1), y1 + along * (y2 - y1)))
