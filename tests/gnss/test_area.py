"""Areas against another program's point in polygon."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely import Point, Polygon

from gnss.area import is_inside, unfit

WUHAN = [[114.0, 30.2], [114.8, 30.2], [114.8, 30.9], [114.0, 30.9]]

places = st.tuples(st.floats(100, 130), st.floats(20, 40)).map(list)


@given(places, st.integers(3, 12), st.floats(0.1, 8), st.randoms(use_true_random=False), places)
def test_it_agrees_with_shapely(center, corners, size, random, place):
    angles = sorted(random.uniform(0, 2 * math.pi) for _ in range(corners))
    ring = []
    for angle in angles:
        radius = size * random.uniform(0.2, 1.0)
        ring.append([center[0] + radius * math.cos(angle), center[1] + radius * math.sin(angle)])
    assume(unfit(ring) is None)
    polygon = Polygon(ring)
    assume(polygon.is_valid)
    assume(polygon.exterior.distance(Point(place)) > 1e-9)
    assert is_inside(*place, ring) == polygon.contains(Point(place))
    assert is_inside(*place, [*ring, ring[0]]) == polygon.contains(Point(place)), "closed as in GeoJSON"


def test_corners_at_the_height_of_a_place_are_counted_once():
    diamond = [[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    assert is_inside(0.0, 0.0, diamond)
    assert not is_inside(-2.0, 0.0, diamond)
    assert not is_inside(2.0, 0.0, diamond)
    assert not is_inside(-2.0, 1.0, diamond)


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        ([], "fewer than three"),
        ([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]], "fewer than three"),
        ([*WUHAN, [181.0, 0.0]], "no place"),
        ([*WUHAN, [0.0, math.nan]], "no place"),
        ([*WUHAN, [0.0]], "no place"),
        ([[179.0, 0.0], [-179.0, 0.0], [-179.0, 1.0]], "cut it there"),
    ],
)
def test_what_encloses_nothing_is_said(ring, words):
    assert words in (unfit(ring) or "")
    assert unfit(WUHAN) is None
