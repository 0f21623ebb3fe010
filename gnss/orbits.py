"""Satellite positions on Keplerian orbits, and azimuth and elevation at a station.

Source: IS-GPS-200, table 20-IV (user algorithm), without the harmonic corrections, which are arguments of
broadcast ephemerides and not of the simulated constellations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import ecef_to_enu
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S

EARTH_GM_M3_S2 = 3.986004418e14
EARTH_ROTATION_RAD_S = 7.2921151467e-5

Float64 = NDArray[np.float64]


class Elements(NamedTuple):
    """Keplerian elements of n satellites, arrays of shape (n,); angles in radians."""

    semi_major_axis_m: Float64
    eccentricity: Float64
    inclination: Float64
    node: Float64
    """Longitude of the ascending node at `time_s = 0`, in the Earth-fixed frame of that moment."""
    perigee: Float64
    mean_anomaly: Float64
    """At `time_s = 0`."""


def eccentric_anomaly(mean_anomaly: Float64, eccentricity: Float64) -> Float64:
    """Solve Kepler's equation by Newton's method; exact to 1e-12 rad for eccentricities below 0.5."""
    anomaly = mean_anomaly + eccentricity * np.sin(mean_anomaly)
    for _ in range(6):
        anomaly -= (anomaly - eccentricity * np.sin(anomaly) - mean_anomaly) / (
            1.0 - eccentricity * np.cos(anomaly)
        )
    return anomaly


def positions(elements: Elements, time_s: float | Float64) -> Float64:
    """Return Earth-fixed positions in metres, shape (n, 3), at seconds since the elements' time.

    `time_s` may be an array of shape (n,): each satellite at a time of its own (of transmission).
    """
    a, e = elements.semi_major_axis_m, elements.eccentricity
    mean = elements.mean_anomaly + np.sqrt(EARTH_GM_M3_S2 / a**3) * time_s
    ecc = eccentric_anomaly(np.mod(mean, 2 * np.pi), e)
    true = np.arctan2(np.sqrt(1 - e**2) * np.sin(ecc), np.cos(ecc) - e)
    latitude = true + elements.perigee
    radius = a * (1 - e * np.cos(ecc))
    x, y = radius * np.cos(latitude), radius * np.sin(latitude)
    node = elements.node - EARTH_ROTATION_RAD_S * time_s
    cos_i, sin_i = np.cos(elements.inclination), np.sin(elements.inclination)
    return np.stack(
        (
            x * np.cos(node) - y * cos_i * np.sin(node),
            x * np.sin(node) + y * cos_i * np.cos(node),
            y * sin_i,
        ),
        axis=-1,
    )


def ranges(elements: Elements, time_s: float, receiver_m: Float64) -> tuple[Float64, Float64]:
    """Return geometric ranges (n,) in metres and satellite positions (n, 3) in the frame of reception.

    Light time is solved by iteration and the Earth's rotation during it (Sagnac effect) is applied.
    """
    travel_s = np.full(len(elements.semi_major_axis_m), 0.075)
    at = positions(elements, time_s - travel_s)
    for _ in range(3):
        angle = EARTH_ROTATION_RAD_S * travel_s
        cos_a, sin_a = np.cos(angle), np.sin(angle)
        raw = positions(elements, time_s - travel_s)
        at = np.stack(
            (raw[:, 0] * cos_a + raw[:, 1] * sin_a, raw[:, 1] * cos_a - raw[:, 0] * sin_a, raw[:, 2]), axis=-1
        )
        travel_s = np.linalg.norm(at - receiver_m, axis=1) / SPEED_OF_LIGHT_M_S
    return travel_s * SPEED_OF_LIGHT_M_S, at


def azimuth_elevation(satellites_m: Float64, receiver_m: Float64) -> tuple[Float64, Float64]:
    """Return azimuth (0 to 2 pi, from north over east) and elevation in radians, shape (n,)."""
    east, north, up = ecef_to_enu(satellites_m, receiver_m).T
    return np.mod(np.arctan2(east, north), 2 * np.pi), np.arctan2(up, np.hypot(east, north))
