"""Coordinates against the worked examples of EPSG Guidance Note 7-2 (methods 9602 and 9836)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.geodesy import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M, ecef_to_enu, ecef_to_geodetic, geodetic_to_ecef

LONGITUDE = 2 + 7 / 60 + 46.38 / 3600
LATITUDE = 53 + 48 / 60 + 33.82 / 3600
ECEF_M = (3_771_793.968, 140_253.342, 5_124_304.349)


def test_epsg_example_of_geocentric_coordinates():
    assert geodetic_to_ecef(LONGITUDE, LATITUDE, 73.0) == pytest.approx(ECEF_M, abs=6e-4)
    longitude, latitude, height_m = ecef_to_geodetic(*ECEF_M)
    assert (longitude, latitude) == pytest.approx((LONGITUDE, LATITUDE), abs=1e-8)
    assert height_m == pytest.approx(73.0, abs=1e-3)


def test_epsg_example_of_topocentric_coordinates():
    origin = np.array([3_652_755.3058, 319_574.6799, 5_201_547.3536])
    enu = ecef_to_enu(np.array([ECEF_M, origin]), origin)
    assert enu[0] == pytest.approx([-189_013.869, -128_642.040, -4_220.171], abs=2e-3)
    assert enu[1] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize(
    ("ecef_m", "geodetic"),
    [
        ((SEMI_MAJOR_AXIS_M, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.0, -SEMI_MAJOR_AXIS_M - 10.0, 0.0), (-90.0, 0.0, 10.0)),
        ((0.0, 0.0, SEMI_MINOR_AXIS_M), (0.0, 90.0, 0.0)),
        ((0.0, 0.0, -SEMI_MINOR_AXIS_M + 5.0), (0.0, -90.0, -5.0)),
    ],
)
def test_axes(ecef_m, geodetic):
    assert ecef_to_geodetic(*ecef_m) == pytest.approx(geodetic, abs=1e-8)


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-1e5, 3.6e7))
def test_there_and_back(longitude, latitude, height_m):
    x, y, z = geodetic_to_ecef(longitude, latitude, height_m)
    again = geodetic_to_ecef(*ecef_to_geodetic(x, y, z))
    assert again == pytest.approx((x, y, z), abs=1e-7)


@given(st.floats(-1e8, 1e8), st.floats(-1e8, 1e8), st.floats(-1e8, 1e8))
def test_every_point_has_finite_coordinates(x, y, z):
    assert np.isfinite(ecef_to_geodetic(x, y, z)).all()


def test_arrays():
    longitude, latitude, height_m = ecef_to_geodetic(*np.array([ECEF_M, (SEMI_MAJOR_AXIS_M, 0.0, 0.0)]).T)
    assert longitude == pytest.approx([LONGITUDE, 0.0])
    assert latitude == pytest.approx([LATITUDE, 0.0])
    assert height_m == pytest.approx([73.0, 0.0], abs=1e-3)
