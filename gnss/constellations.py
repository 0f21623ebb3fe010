"""Nominal constellations for the simulator: how many satellites, on which orbits, with which signals.

Numbers, planes and signals are those of the real systems, thinned out a little: older GPS satellites lack L2C
or L5, BeiDou-2 and BeiDou-3 have different signals, and BeiDou's geostationary satellites have numbers that
their ephemerides' algorithm knows them by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import SEMI_MAJOR_AXIS_M
from gnss.orbits import EARTH_GM_M3_S2, EARTH_ROTATION_RAD_S, Elements
from gnss.systems import System

GLONASS_CHANNELS = (1, -4, 5, 6, 1, -4, 5, 6, -2, -7, 0, -1, -2, -7, 0, -1, 4, -3, 3, 2, 4, -3, 3, 2)
"""Frequency numbers of slots 1 to 24: antipodal satellites share one (GLONASS ICD 5.1)."""

_GPS_L1_L2, _GPS_L2C, _GPS_L5 = (2, 10), (2, 10, 16), (2, 10, 16, 23)
_BEIDOU_2, _BEIDOU_3, _BEIDOU_3_GEO = (2, 8, 14), (2, 8, 25, 31, 23), (2, 8)
SIGNALS: dict[System, tuple[int, ...]] = {
    System.GPS: _GPS_L5,
    System.GLONASS: (2, 8, 9),
    System.GALILEO: (2, 23, 15, 19, 8),
    System.QZSS: (2, 16, 23, 31),
    System.BEIDOU: (2, 8, 14, 25, 31, 23),
}
"""MSM signal ids that satellites of a system send: RINEX 1C 2W 2L 5Q, 1C 2C 2P, 1C 5Q 7Q 8Q 6C,
1C 2L 5Q 1L, 2I 6I 7I 7D 1P 5P. Not each satellite sends all: see `Constellation.signals`."""

_GEO_AXIS_M = (EARTH_GM_M3_S2 / EARTH_ROTATION_RAD_S**2) ** (1 / 3)


@dataclass(frozen=True, slots=True)
class Constellation:
    """Satellites of a system on one kind of orbit; arrays of shape (n,)."""

    system: System
    satellite: NDArray[np.uint8]
    channel: NDArray[np.int8]
    elements: Elements
    signals: tuple[tuple[int, ...], ...]
    """MSM signal ids of each satellite."""


def _walker(
    system: System,
    planes: int,
    height_km: float,
    inclination_deg: float,
    satellites: Sequence[int],
    signals: Sequence[tuple[int, ...]],
) -> Constellation:
    n = len(satellites)
    in_plane = n // planes
    plane = np.repeat(np.arange(planes), in_plane)
    slot = np.tile(np.arange(in_plane), planes)
    elements = Elements(
        np.full(n, SEMI_MAJOR_AXIS_M + height_km * 1e3),
        np.full(n, 0.002),
        np.full(n, np.radians(inclination_deg)),
        2 * np.pi * plane / planes,
        np.full(n, 0.7),
        2 * np.pi * (slot / in_plane + plane / n),
    )
    channel = np.zeros(n, np.int8)
    if system is System.GLONASS:
        channel[:] = GLONASS_CHANNELS
    return Constellation(system, np.array(satellites, np.uint8), channel, elements, tuple(signals))


def _geosynchronous(
    system: System,
    first: int,
    longitudes_deg: tuple[float, ...],
    eccentricity: float,
    inclination_deg: float,
    signals: tuple[int, ...],
) -> Constellation:
    n = len(longitudes_deg)
    # inclined ones of a group follow each other on one figure of eight
    anomaly = 2 * np.pi * np.arange(n) / n
    perigee = np.full(n, -np.pi / 2)  # apogee in the north
    elements = Elements(
        np.full(n, _GEO_AXIS_M),
        np.full(n, eccentricity),
        np.full(n, np.radians(inclination_deg)),
        np.radians(np.asarray(longitudes_deg)) - anomaly - perigee,
        perigee,
        anomaly,
    )
    satellite = np.arange(first, first + n, dtype=np.uint8)
    return Constellation(system, satellite, np.zeros(n, np.int8), elements, (signals,) * n)


def nominal() -> tuple[Constellation, ...]:
    """Return GPS (30), GLONASS (24), Galileo (24), QZSS (3) and BeiDou (24 MEO, 3 IGSO, 3 GEO).

    The elements are at `time_s = 0` of the simulator's own time; see `gnss.simulate.broadcast`.
    """
    gps_signals = [_GPS_L5 if k % 5 < 3 else _GPS_L2C if k % 5 == 3 else _GPS_L1_L2 for k in range(30)]
    beidou_meo = [*range(19, 38), *range(41, 46)]
    return (
        _walker(System.GPS, 6, 20_180.0, 55.0, range(1, 31), gps_signals),
        _walker(System.GLONASS, 3, 19_130.0, 64.8, range(1, 25), [SIGNALS[System.GLONASS]] * 24),
        _walker(System.GALILEO, 3, 23_222.0, 56.0, range(1, 25), [SIGNALS[System.GALILEO]] * 24),
        _geosynchronous(System.QZSS, 1, (127.0, 139.0, 135.0), 0.075, 43.0, SIGNALS[System.QZSS]),
        _walker(System.BEIDOU, 3, 21_528.0, 55.0, beidou_meo, [_BEIDOU_3] * 24),
        _geosynchronous(System.BEIDOU, 38, (118.0, 118.0, 118.0), 0.003, 55.0, _BEIDOU_3),
        _geosynchronous(System.BEIDOU, 3, (110.5, 160.0), 0.0003, 0.0, _BEIDOU_2),
        _geosynchronous(System.BEIDOU, 59, (140.0,), 0.0003, 0.0, _BEIDOU_3_GEO),
    )
