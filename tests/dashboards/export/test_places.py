"""Parts of the map, against other ways to say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.export.places import Region, point, polygon
from gnss.area import is_inside
from gnss.geodesy import geodetic_to_ecef
from storage.rows import Box

corner = st.tuples(st.integers(-20, 20).map(float), st.integers(-20, 20).map(float))
places = st.lists(st.tuples(st.floats(-21, 21), st.floats(-21, 21)), min_size=1, max_size=30)


@given(st.lists(corner, min_size=3, max_size=12), places)
def test_a_polygon_holds_what_it_holds_of_one(ring, some):
    longitude, latitude = np.array(some).T
    told = Region(ring=ring).holds(longitude, latitude)
    assert told.tolist() == [is_inside(x, y, ring) for x, y in some]


@given(st.tuples(st.floats(-179, 179), st.floats(-85, 85)), places, st.floats(100, 1e6))
def test_a_circle_holds_what_is_nearer(centre, offsets, radius_m):
    """Against chords through the ellipsoid, which are within 0.7 % of the sphere's arcs up to here."""
    longitude = np.clip([centre[0] + dx * 0.1 for dx, _ in offsets], -180, 180)
    latitude = np.clip([centre[1] + dy * 0.1 for _, dy in offsets], -90, 90)
    told = Region(centre=centre, radius_m=radius_m).holds(longitude, latitude)
    at = np.stack(geodetic_to_ecef(longitude, latitude, np.zeros(len(longitude))))
    origin = np.array(geodetic_to_ecef(*centre, 0.0))[:, None]
    chord_m = np.linalg.norm(at - origin, axis=0)
    assert told[chord_m < 0.99 * radius_m].all()
    assert not told[chord_m > 1.01 * radius_m].any()


def test_a_box_may_go_over_180_degrees():
    longitude, latitude = np.array([179.0, -179.0, 0.0, np.nan]), np.array([0.0, 0.0, 0.0, np.nan])
    assert Region(box=Box(178, -1, -178, 1)).holds(longitude, latitude).tolist() == [True, True, False, False]
    assert Region(box=Box(-1, -1, 1, 1)).holds(longitude, latitude).tolist() == [False, False, True, False]


def test_without_a_part_everything_is_held_also_what_is_nowhere():
    assert Region().holds(np.array([np.nan, 1.0]), np.array([np.nan, 1.0])).tolist() == [True, True]


def test_geocentric_points_are_places():
    x_y_z = ",".join(str(float(one)) for one in geodetic_to_ecef(121.5, 31.2, 50.0))
    assert point(x_y_z, 4479) == pytest.approx((121.5, 31.2))


@pytest.mark.parametrize(
    "text",
    ["", "POLYGON", "POLYGON((1 2, 3 4, 5))", "POLYGON((1 2 3, 4 5 6, 7 8 9))", "POLYGON((a b, c d, e f))",
     "POLYGON((0 0, 1 0, 1 91))", "POLYGON((-170 0, 170 0, 0 5))", "POLYGON((nan 0, 1 0, 1 1))",
     f"POLYGON(({', '.join('0 0' for _ in range(1001))}))"],
)  # fmt: skip
def test_what_is_no_polygon_is_refused(text):
    with pytest.raises(ValueError, match=r"polygon|corner|wider"):
        polygon(text)
