"""Earth-centred coordinates to longitude, latitude and height, and to the local horizon.

Ellipsoid: WGS 84 (NGA.STND.0036). That of CGCS2000 has the same major axis; its flattening moves a point by
less than 0.2 mm, so both serve here.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

SEMI_MAJOR_AXIS_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_AXIS_M = SEMI_MAJOR_AXIS_M * (1 - FLATTENING)
ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)
_SECOND_ECCENTRICITY_2 = ECCENTRICITY_2 / (1 - ECCENTRICITY_2)

Float64 = NDArray[np.float64]


@overload
def geodetic_to_ecef(
    longitude_deg: float, latitude_deg: float, height_m: float
) -> tuple[float, float, float]: ...
@overload
def geodetic_to_ecef(
    longitude_deg: Float64, latitude_deg: Float64, height_m: Float64
) -> tuple[Float64, Float64, Float64]: ...
def geodetic_to_ecef(
    longitude_deg: float | Float64, latitude_deg: float | Float64, height_m: float | Float64
) -> tuple[float | Float64, float | Float64, float | Float64]:
    """Return x, y, z in m of points given by degrees and ellipsoidal height; numbers or arrays."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    sin_lat, cos_lat = np.sin(latitude), np.cos(latitude)
    normal_m = SEMI_MAJOR_AXIS_M / np.sqrt(1 - ECCENTRICITY_2 * sin_lat**2)
    from_axis_m = (normal_m + height_m) * cos_lat
    z = (normal_m * (1 - ECCENTRICITY_2) + height_m) * sin_lat
    return from_axis_m * np.cos(longitude), from_axis_m * np.sin(longitude), z


@overload
def ecef_to_geodetic(x_m: float, y_m: float, z_m: float) -> tuple[float, float, float]: ...
@overload
def ecef_to_geodetic(x_m: Float64, y_m: Float64, z_m: Float64) -> tuple[Float64, Float64, Float64]: ...
def ecef_to_geodetic(
    x_m: float | Float64, y_m: float | Float64, z_m: float | Float64
) -> tuple[float | Float64, float | Float64, float | Float64]:
    """Return longitude and latitude in degrees and the ellipsoidal height in m; numbers or arrays.

    Bowring's iteration (Survey Review 23, 1976), exact to 1e-9 m from 100 km below the ellipsoid to
    satellites. Near the Earth's centre the latitude means nothing, but no value is infinite.
    """
    from_axis_m = np.hypot(x_m, y_m)
    reduced = np.arctan2(z_m * SEMI_MAJOR_AXIS_M, from_axis_m * SEMI_MINOR_AXIS_M)
    latitude = reduced
    for _ in range(4):
        latitude = np.arctan2(
            z_m + _SECOND_ECCENTRICITY_2 * SEMI_MINOR_AXIS_M * np.sin(reduced) ** 3,
            from_axis_m - ECCENTRICITY_2 * SEMI_MAJOR_AXIS_M * np.cos(reduced) ** 3,
        )
        reduced = np.arctan2((1 - FLATTENING) * np.sin(latitude), np.cos(latitude))
    sin_lat, cos_lat = np.sin(latitude), np.cos(latitude)
    height_m = (
        from_axis_m * cos_lat + z_m * sin_lat - SEMI_MAJOR_AXIS_M * np.sqrt(1 - ECCENTRICITY_2 * sin_lat**2)
    )
    return np.degrees(np.arctan2(y_m, x_m)), np.degrees(latitude), height_m


def ecef_to_enu(points_m: Float64, origin_m: Float64) -> Float64:
    """Return east, north, up in m of points, seen from an origin.

    Parameters
    ----------
    points_m
        Earth-centred, shape (..., 3).
    origin_m
        Earth-centred, shape (3,).

    Returns
    -------
    Shape (..., 3).
    """
    longitude, latitude, _ = ecef_to_geodetic(*(float(v) for v in origin_m))
    sin_lon, cos_lon = np.sin(np.radians(longitude)), np.cos(np.radians(longitude))
    sin_lat, cos_lat = np.sin(np.radians(latitude)), np.cos(np.radians(latitude))
    rotation = np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    enu: Float64 = (points_m - origin_m) @ rotation.T
    return enu
