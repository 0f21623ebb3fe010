"""Nominal constellations for the simulator: how many satellites, on which orbits, with which signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import SEMI_MAJOR_AXIS_M
from gnss.orbits import EARTH_GM_M3_S2, EARTH_ROTATION_RAD_S, Elements
from gnss.systems import System

GLONASS_CHANNELS = (1, -4, 5, 6, 1, -4, 5, 6, -2, -7, 0, -1, -2, -7, 0, -1, 4, -3, 3, 2, 4, -3, 3, 2)
"""Frequency numbers of slots 1 to 24: antipodal satellites share one (GLONASS ICD 5.1)."""

SIGNALS: dict[System, tuple[int, ...]] = {
    System.GPS: (2, 10, 16, 23),
    System.GLONASS: (2, 3, 8, 9),
    System.GALILEO: (2, 23, 15, 19, 8),
    System.QZSS: (2, 16, 23, 31),
    System.BEIDOU: (2, 8, 14, 31, 23),
}
"""MSM signal ids that a simulated satellite sends: RINEX 1C 2W 2L 5Q, 1C 1P 2C 2P, 1C 5Q 7Q 8Q 6C,
1C 2L 5Q 1L, 2I 6I 7I 1P 5P."""


@dataclass(frozen=True, slots=True)
class Constellation:
    """All satellites of a system; arrays of shape (n,)."""

    system: System
    satellite: NDArray[np.uint8]
    channel: NDArray[np.int8]
    elements: Elements


def _walker(
    system: System, planes: int, in_plane: int, height_km: float, inclination_deg: float, phasing: float
) -> Constellation:
    n = planes * in_plane
    plane = np.repeat(np.arange(planes), in_plane)
    slot = np.tile(np.arange(in_plane), planes)
    elements = Elements(
        np.full(n, SEMI_MAJOR_AXIS_M + height_km * 1e3),
        np.full(n, 0.002),
        np.full(n, np.radians(inclination_deg)),
        2 * np.pi * plane / planes,
        np.full(n, 0.7),
        2 * np.pi * (slot / in_plane + phasing * plane / n),
    )
    channel = np.zeros(n, np.int8)
    if system is System.GLONASS:
        channel[:] = GLONASS_CHANNELS
    return Constellation(system, np.arange(1, n + 1, dtype=np.uint8), channel, elements)


def _inclined_geosynchronous(
    system: System, first: int, longitudes_deg: tuple[float, ...], eccentricity: float
) -> Constellation:
    n = len(longitudes_deg)
    axis_m = (EARTH_GM_M3_S2 / EARTH_ROTATION_RAD_S**2) ** (1 / 3)
    anomaly = 2 * np.pi * np.arange(n) / n
    perigee = np.full(n, -np.pi / 2)  # apogee in the north
    elements = Elements(
        np.full(n, axis_m),
        np.full(n, eccentricity),
        np.full(n, np.radians(43.0 if eccentricity > 0.01 else 55.0)),
        np.radians(np.asarray(longitudes_deg)) - anomaly - perigee,
        perigee,
        anomaly,
    )
    return Constellation(system, np.arange(first, first + n, dtype=np.uint8), np.zeros(n, np.int8), elements)


def nominal() -> tuple[Constellation, ...]:
    """Return GPS (30), GLONASS (24), Galileo (24), QZSS (3) and BeiDou (24 MEO, 3 IGSO)."""
    return (
        _walker(System.GPS, 6, 5, 20_180.0, 55.0, 1.0),
        _walker(System.GLONASS, 3, 8, 19_130.0, 64.8, 1.0),
        _walker(System.GALILEO, 3, 8, 23_222.0, 56.0, 1.0),
        _inclined_geosynchronous(System.QZSS, 1, (127.0, 139.0, 135.0), 0.075),
        _walker(System.BEIDOU, 3, 8, 21_528.0, 55.0, 1.0),
        _inclined_geosynchronous(System.BEIDOU, 38, (118.0, 118.0, 118.0), 0.003),
    )
