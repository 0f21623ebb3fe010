"""Which stations are near a place, without a look at all of them. No I/O."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import geodetic_to_ecef

CELL_KM = 50.0
MOST_CELLS = 20_000
"""That are remembered; rovers that claim to be everywhere make them anew."""
_HALF_DIAGONAL_KM = CELL_KM * math.sqrt(3.0) / 2.0

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]


def point_km(longitude: float, latitude: float) -> Float64:
    """Return a place on the ellipsoid, earth-centred, in km: shape (3,).

    Distances are straight lines between such points: 1 m shorter than along the ground at 100 km.
    """
    return np.array(geodetic_to_ecef(longitude, latitude, 0.0)) / 1000.0


class Near:
    """Stations by cubes of `CELL_KM`: a cube remembers which could be within the radius of a place in it.

    Parameters
    ----------
    places_km
        Of all stations, shape (n, 3), by `point_km`.
    radius_km
        What counts as near.
    """

    def __init__(self, places_km: Float64, radius_km: float) -> None:
        self._places_km = places_km
        self._reach_km = radius_km + _HALF_DIAGONAL_KM
        self._cells: dict[tuple[int, int, int], Rows] = {}

    def rows(self, place_km: Float64) -> Rows:
        """Return the rows of all stations within the radius, and of some beyond it."""
        x, y, z = place_km.tolist()
        cell = int(x // CELL_KM), int(y // CELL_KM), int(z // CELL_KM)
        found = self._cells.get(cell)
        if found is None:
            middle_km = (np.array(cell) + 0.5) * CELL_KM
            apart_km = np.linalg.norm(self._places_km - middle_km, axis=1)
            if len(self._cells) >= MOST_CELLS:
                self._cells.clear()
            found = self._cells[cell] = np.flatnonzero(apart_km <= self._reach_km)
        return found
