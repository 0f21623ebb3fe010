"""From satellites to one station: ranges, directions, and the delays of troposphere and ionosphere.

Ionosphere: a thin shell at 350 km whose vertical content follows the local time of the place where the ray
pierces it (lowest before sunrise, steepest in the morning, highest at two in the afternoon) and the latitude,
with a travelling wave of 20 minutes. A storm adds waves of one to three minutes of each ray's own phase.
Invented, but of the size and smoothness of a quiet mid-latitude day; nothing in it has a step.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.broadcast_orbits import States
from gnss.orbits import EARTH_ROTATION_RAD_S
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.troposphere import mapping, zenith_delay_m
from kernels.compiled import njit

SHELL = 6371.0 / (6371.0 + 350.0)
NIGHT_TECU, DAY_TECU = 6.0, 24.0
HIGHEST_H, STEEPNESS = 14.0, 2.2
WAVE_TECU, WAVE_S = 0.15, 1200.0
STORM_S = (150.0, 95.0, 70.0)
"""Periods of a storm's waves."""
ROTI_STEP_S = 30.0
"""ROTI is the spread of rates over such steps."""
DIFFERENCE_S = 0.5
"""Rates are differences over twice this."""
_TRAVEL_S = 0.08
_DAY_S = 86_400.0

Float64 = NDArray[np.float64]


def _storm_tecu() -> float:
    """Return the amplitude of each wave of a storm with a ROTI of 1 TECU/min.

    The difference of a wave over `ROTI_STEP_S` is a wave of 2 sin(pi step / period) its amplitude.
    """
    squares = sum((2.0 * math.sin(math.pi * ROTI_STEP_S / period)) ** 2 / 2.0 for period in STORM_S)
    return ROTI_STEP_S / 60.0 / math.sqrt(squares)


STORM_TECU = _storm_tecu()


class Place(NamedTuple):
    """Where an antenna is at the time of the sky."""

    ecef_m: Float64
    axes: Float64
    """Shape (3, 3): unit vectors to the east, north and up."""
    longitude: float
    latitude: float
    """Radians."""
    height_m: float
    velocity_m_s: Float64
    """Earth-centred."""


class Rays(NamedTuple):
    """One row for each satellite, arrays of shape (satellites,); NaN below the horizon."""

    sine: Float64
    """Of the elevation."""
    azimuth: Float64
    range_m: Float64
    """Code without ionosphere and noise: geometry, clocks, troposphere."""
    rate_m_s: Float64
    electrons_tecu: Float64
    """Along the ray."""


@njit(cache=True, nogil=True)
def _vertical_tecu(longitude: float, latitude: float, day_s: float) -> float:
    local_h = day_s / 3600.0 + math.degrees(longitude) / 15.0
    day = math.exp(STEEPNESS * (math.cos(2.0 * math.pi / 24.0 * (local_h - HIGHEST_H)) - 1.0))
    belt = 0.4 + 0.6 * math.exp(-((math.degrees(latitude) / 35.0) ** 2))
    wave = WAVE_TECU * math.sin(2.0 * math.pi * day_s / WAVE_S + 40.0 * latitude + 30.0 * longitude)
    return NIGHT_TECU + DAY_TECU * belt * day + wave


@njit(cache=True, nogil=True)
def electrons_tecu(sine: float, azimuth: float, longitude: float, latitude: float, day_s: float) -> float:
    """Return the electrons along a ray on a quiet day, in TECU.

    Parameters
    ----------
    sine
        Of the elevation.
    longitude, latitude
        Of the antenna, radians.
    day_s
        UTC time of the day.
    """
    elevation = math.asin(sine)
    at_shell = SHELL * math.cos(elevation)
    away = math.pi / 2.0 - elevation - math.asin(at_shell)
    sin_lat = math.sin(latitude) * math.cos(away) + math.cos(latitude) * math.sin(away) * math.cos(azimuth)
    pierced = math.asin(max(-1.0, min(1.0, sin_lat)))
    turn = math.atan2(
        math.sin(away) * math.sin(azimuth) * math.cos(latitude),
        math.cos(away) - math.sin(latitude) * math.sin(pierced),
    )
    return _vertical_tecu(longitude + turn, pierced, day_s) / math.sqrt(1.0 - at_shell * at_shell)


@njit(cache=True, nogil=True)
def _slant(
    states: States, i: int, place: Place, zenith_m: float, clock_s: float, later_s: float, out: Any
) -> float:
    """Return the code at `later_s` behind the sky's time; fill the sight line in local axes, shape (3,)."""
    received_s = later_s - clock_s
    x = place.ecef_m[0] + received_s * place.velocity_m_s[0]
    y = place.ecef_m[1] + received_s * place.velocity_m_s[1]
    z = place.ecef_m[2] + received_s * place.velocity_m_s[2]
    p, v, a = states.position_m[i], states.velocity_m_s[i], states.acceleration_m_s2[i]
    travel = _TRAVEL_S
    dx = dy = dz = 0.0
    for _ in range(4):
        since = received_s - travel
        half = 0.5 * since * since
        px = p[0] + since * v[0] + half * a[0]
        py = p[1] + since * v[1] + half * a[1]
        pz = p[2] + since * v[2] + half * a[2]
        angle = EARTH_ROTATION_RAD_S * travel
        c, s = math.cos(angle), math.sin(angle)
        dx, dy, dz = px * c + py * s - x, py * c - px * s - y, pz - z
        travel = math.sqrt(dx * dx + dy * dy + dz * dz) / SPEED_OF_LIGHT_M_S
    metres = travel * SPEED_OF_LIGHT_M_S
    for k in range(3):
        axis = place.axes[k]
        out[k] = (axis[0] * dx + axis[1] * dy + axis[2] * dz) / metres
    satellite_s = states.clock_s[i] + (received_s - travel) * states.clock_rate[i]
    code_m = metres + SPEED_OF_LIGHT_M_S * (clock_s - satellite_s) + zenith_m * mapping(out[2])
    return float(code_m)


@njit(cache=True, nogil=True)
def rays(states: States, place: Place, clocks_s: Any, day_s: float, roti: float, seed: int, out: Any) -> None:
    """Fill `Rays` for one station at the time of the sky.

    Parameters
    ----------
    clocks_s
        How much the receiver's clock is ahead, at the time and `DIFFERENCE_S` before and behind it, shape
        (3,): at the time first.
    day_s
        UTC time of the day.
    roti
        Of a storm, TECU/min; 0 for none.
    seed
        Of the station: phases of the storm's waves.
    out
        `Rays`, filled.
    """
    zenith_m = zenith_delay_m(place.height_m, math.sin(place.latitude))
    line, other = np.empty(3), np.empty(3)
    for i in range(len(states.clock_s)):
        metres = _slant(states, i, place, zenith_m, clocks_s[0], 0.0, line)
        if line[2] < 0.0:
            out.sine[i] = out.azimuth[i] = out.range_m[i] = out.rate_m_s[i] = out.electrons_tecu[i] = np.nan
            continue
        before = _slant(states, i, place, zenith_m, clocks_s[1], -DIFFERENCE_S, other)
        behind = _slant(states, i, place, zenith_m, clocks_s[2], DIFFERENCE_S, other)
        azimuth = math.atan2(line[0], line[1]) % (2.0 * math.pi)
        tecu = electrons_tecu(line[2], azimuth, place.longitude, place.latitude, day_s)
        if roti > 0.0:
            for k in range(len(STORM_S)):
                phase = 2.399963 * (i + 1) * (k + 1) + 0.7 * seed
                tecu += roti * STORM_TECU * math.sin(2.0 * math.pi * day_s / STORM_S[k] + phase)
        out.sine[i], out.azimuth[i], out.range_m[i] = line[2], azimuth, metres
        out.rate_m_s[i] = (behind - before) / (2.0 * DIFFERENCE_S)
        out.electrons_tecu[i] = tecu


def new_rays(satellites: int) -> Rays:
    """Return room for the rays of one epoch."""
    return Rays(*(np.empty(satellites) for _ in range(len(Rays._fields))))
