"""Places and clocks of satellites by their broadcast ephemerides, all satellites of a table at once.

Sources: IS-GPS-200, table 20-IV (user algorithm) and 20.3.3.3.3 (clock), with the constants of each system:
Galileo OS SIS ICD 5.1.1, BDS-SIS-ICD-B1I 5.2.4.12 (also the geostationary satellites), IS-QZSS-PNT 5.5,
IRNSS SIS ICD appendix A; RTCA DO-229 A.4.4.11 (SBAS). GLONASS is in `gnss.glonass_orbits`.

Places are Earth-fixed at the moment asked for, in the frame of each system: WGS 84, GTRF, CGCS2000 and
PZ-90.11 differ by centimetres. Times are GPS time; that the systems' times differ by some ns is left to the
receiver's clock offset of each system.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.ephemeris import BEIDOU_BEHIND_GPS_S, Ephemeris, KeplerEphemeris
from gnss.glonass_orbits import integrate
from gnss.rtcm.bits import Integer
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.systems import System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US
from kernels.compiled import njit

Float64 = NDArray[np.float64]

KEPLER, GEOSTATIONARY, INTEGRATED, QUADRATIC = range(4)
"""Kinds of orbits: the usual one, that of BeiDou's geostationary satellites, GLONASS, SBAS."""
BEIDOU_GEOSTATIONARY = frozenset({*range(1, 6), *range(59, 64)})
"""BDS-SIS-ICD-B1I, 3.2.1 and table 4-1: satellites on geostationary orbits."""

_GPS_GM, _GPS_ROTATION = 3.986005e14, 7.2921151467e-5
_GALILEO_GM, _GALILEO_ROTATION = 3.986004418e14, 7.2921151467e-5
_BEIDOU_GM, _BEIDOU_ROTATION = 3.986004418e14, 7.2921150e-5
_CONSTANTS = {System.GALILEO: (_GALILEO_GM, _GALILEO_ROTATION), System.BEIDOU: (_BEIDOU_GM, _BEIDOU_ROTATION)}
_COS_TILT, _SIN_TILT = math.cos(math.radians(-5.0)), math.sin(math.radians(-5.0))

# columns of `OrbitColumns.elements`: the clock is the same in all kinds
_CLOCK, _RATE, _ACCELERATION, _GM, _ROTATION = range(5)
_SQRT_AXIS, _ECCENTRICITY, _MEAN_ANOMALY, _MEAN_MOTION, _PERIGEE, _NODE, _NODE_RATE = range(5, 12)
_INCLINATION, _INCLINATION_RATE, _CUC, _CUS, _CRC, _CRS, _CIC, _CIS, _TOE_S = range(12, 21)
_STATE, _FORCE = 5, 11
_COLUMNS = 21


class OrbitColumns(NamedTuple):
    """Ephemerides laid out for the kernel, arrays of shape (n, ...); `orbit_columns` makes them."""

    kind: NDArray[np.uint8]
    toe_gps_us: NDArray[np.int64]
    toc_gps_us: NDArray[np.int64]
    elements: Float64
    """Shape (n, 21): columns as this file names them."""
    node_state: Float64
    """Shape (n, 6): of `INTEGRATED`, place and velocity at whole steps from its reference time, as far as the
    last call went. Written by the kernel; what it gives does not depend on it."""
    node_step: NDArray[np.int64]
    """How many steps that is; negative before the reference time."""


class States(NamedTuple):
    """Places and clocks, arrays of shape (n, ...)."""

    position_m: Float64
    """Shape (n, 3)."""
    velocity_m_s: Float64
    """Shape (n, 3), in the rotating frame."""
    acceleration_m_s2: Float64
    """Shape (n, 3), in the rotating frame; right to 1e-3 m/s^2."""
    clock_s: Float64
    """How much the clock is ahead, with relativity, without group delays."""
    clock_rate: Float64
    """s/s."""


def orbit_columns(ephemerides: Sequence[Ephemeris]) -> OrbitColumns:
    """Return ephemerides laid out for `states`."""
    n = len(ephemerides)
    columns = OrbitColumns(
        np.zeros(n, np.uint8),
        np.array([e.toe_gps_us for e in ephemerides], np.int64),
        np.array([e.toe_gps_us for e in ephemerides], np.int64),
        np.zeros((n, _COLUMNS)),
        np.zeros((n, 6)),
        np.zeros(n, np.int64),
    )
    for i, e in enumerate(ephemerides):
        row = columns.elements[i]
        row[_CLOCK], row[_RATE] = e.clock_s, e.clock_rate
        if isinstance(e, KeplerEphemeris):
            is_geostationary = e.system is System.BEIDOU and e.satellite in BEIDOU_GEOSTATIONARY
            columns.kind[i] = GEOSTATIONARY if is_geostationary else KEPLER
            columns.toc_gps_us[i] = e.toc_gps_us
            row[_ACCELERATION] = e.clock_acceleration
            row[_GM], row[_ROTATION] = _CONSTANTS.get(e.system, (_GPS_GM, _GPS_ROTATION))
            row[_SQRT_AXIS:] = _kepler_row(e, float(row[_GM]))
        else:
            columns.kind[i] = INTEGRATED if e.system is System.GLONASS else QUADRATIC
            row[_STATE : _STATE + 6] = columns.node_state[i] = (*e.position_m, *e.velocity_m_s)
            row[_FORCE : _FORCE + 3] = e.acceleration_m_s2
    return columns


def states(columns: OrbitColumns, time_gps_us: int, offset_s: Float64 | float = 0.0) -> States:
    """Return where satellites are.

    Parameters
    ----------
    columns
        n satellites.
    time_gps_us
        GPS time.
    offset_s
        What is added to it for each satellite, shape (n,), or for all.
    """
    n = len(columns.kind)
    out = States(np.empty((n, 3)), np.empty((n, 3)), np.empty((n, 3)), np.empty(n), np.empty(n))
    offsets = np.broadcast_to(np.asarray(offset_s, np.float64), n).copy()
    compute_states(columns, time_gps_us, offsets, np.arange(n), out)
    return out


@njit(cache=True, nogil=True)
def sin_elevation(positions_m: Float64, receiver_m: Float64, up: Float64) -> Float64:
    """Return the sine of the elevation of satellites.

    Parameters
    ----------
    positions_m
        Earth-fixed, shape (k, 3), float64. That of the moment of reception instead of sending is good to
        0.002 degrees.
    receiver_m
        Earth-fixed, shape (3,), float64.
    up
        Unit normal of the ellipsoid there, shape (3,), float64.

    Returns
    -------
    Shape (k,); NaN where the position is.
    """
    sines = np.empty(len(positions_m))
    for i in range(len(positions_m)):
        x = positions_m[i, 0] - receiver_m[0]
        y = positions_m[i, 1] - receiver_m[1]
        z = positions_m[i, 2] - receiver_m[2]
        sines[i] = (x * up[0] + y * up[1] + z * up[2]) / math.sqrt(x * x + y * y + z * z)
    return sines


def _kepler_row(e: KeplerEphemeris, gm: float) -> tuple[float, ...]:
    behind_s = BEIDOU_BEHIND_GPS_S if e.system is System.BEIDOU else 0
    own_us = e.toe_gps_us - GPS_EPOCH_US - behind_s * SECOND_US
    return (
        e.sqrt_axis,
        e.eccentricity,
        e.mean_anomaly,
        math.sqrt(gm) / e.sqrt_axis**3 + e.mean_motion_difference,
        e.perigee,
        e.node,
        e.node_rate,
        e.inclination,
        e.inclination_rate,
        e.cuc,
        e.cus,
        e.crc_m,
        e.crs_m,
        e.cic,
        e.cis,
        own_us % WEEK_US * 1e-6,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def compute_states(
    columns: OrbitColumns, time_gps_us: Integer, offset_s: Float64, rows: NDArray[np.int64], out: States
) -> None:
    """Compute where satellites are; see `states`.

    Parameters
    ----------
    columns
        n satellites; their `node_state` and `node_step` are written.
    time_gps_us
        GPS time.
    offset_s
        Added for each satellite, shape (n,), float64.
    rows
        Row of `out` for each satellite, shape (n,), int64.
    out
        Filled in these rows.
    """
    for i in range(len(columns.kind)):
        row = columns.elements[i]
        kind = columns.kind[i]
        after_s = (time_gps_us - columns.toe_gps_us[i]) * 1e-6 + offset_s[i]
        clock_after_s = (time_gps_us - columns.toc_gps_us[i]) * 1e-6 + offset_s[i]
        clock = row[_CLOCK] + clock_after_s * (row[_RATE] + clock_after_s * row[_ACCELERATION])
        rate = row[_RATE] + 2.0 * clock_after_s * row[_ACCELERATION]
        position, velocity = out.position_m[rows[i]], out.velocity_m_s[rows[i]]
        acceleration = out.acceleration_m_s2[rows[i]]
        if kind == INTEGRATED:
            columns.node_step[i] = integrate(
                row[_STATE:], columns.node_state[i], columns.node_step[i], after_s,
                position, velocity, acceleration,
            )  # fmt: skip
        elif kind == QUADRATIC:
            for k in range(3):
                force = row[_FORCE + k]
                position[k] = row[_STATE + k] + after_s * (row[_STATE + 3 + k] + 0.5 * after_s * force)
                velocity[k] = row[_STATE + 3 + k] + after_s * force
                acceleration[k] = force
        else:
            relative_s, relative_rate = _kepler(row, kind, after_s, position, velocity)
            clock += relative_s
            rate += relative_rate
            _two_body(row, position, velocity, acceleration)
        out.clock_s[rows[i]], out.clock_rate[rows[i]] = clock, rate


@njit(cache=True, nogil=True, error_model="numpy")
def _kepler(row: Any, kind: Integer, after_s: float, position: Any, velocity: Any) -> tuple[float, float]:
    """Fill place and velocity by the user algorithm and its derivative; return relativity of the clock.

    That is -2 sqrt(GM a) e sin E / c^2 in s, and its rate.
    """
    e, root = row[_ECCENTRICITY], row[_SQRT_AXIS]
    axis = root * root
    mean = row[_MEAN_ANOMALY] + row[_MEAN_MOTION] * after_s
    ecc = mean + e * math.sin(mean)
    for _ in range(8):
        step = (ecc - e * math.sin(ecc) - mean) / (1.0 - e * math.cos(ecc))
        ecc -= step
        if abs(step) < 1e-13:
            break
    sin_ecc, cos_ecc = math.sin(ecc), math.cos(ecc)
    nearness = 1.0 - e * cos_ecc
    ecc_rate = row[_MEAN_MOTION] / nearness
    flat = math.sqrt(1.0 - e * e)
    latitude = math.atan2(flat * sin_ecc, cos_ecc - e) + row[_PERIGEE]
    latitude_rate = flat * ecc_rate / nearness
    sin_2, cos_2 = math.sin(2.0 * latitude), math.cos(2.0 * latitude)
    twice = 2.0 * latitude_rate
    u = latitude + row[_CUS] * sin_2 + row[_CUC] * cos_2
    u_rate = latitude_rate + twice * (row[_CUS] * cos_2 - row[_CUC] * sin_2)
    r = axis * nearness + row[_CRS] * sin_2 + row[_CRC] * cos_2
    r_rate = axis * e * sin_ecc * ecc_rate + twice * (row[_CRS] * cos_2 - row[_CRC] * sin_2)
    tilt = row[_INCLINATION] + row[_INCLINATION_RATE] * after_s + row[_CIS] * sin_2 + row[_CIC] * cos_2
    tilt_rate = row[_INCLINATION_RATE] + twice * (row[_CIS] * cos_2 - row[_CIC] * sin_2)
    turning = row[_NODE_RATE] - (row[_ROTATION] if kind == KEPLER else 0.0)
    node = row[_NODE] + turning * after_s - row[_ROTATION] * row[_TOE_S]
    sin_u, cos_u = math.sin(u), math.cos(u)
    x, y = r * cos_u, r * sin_u
    x_rate, y_rate = r_rate * cos_u - y * u_rate, r_rate * sin_u + x * u_rate
    sin_i, cos_i = math.sin(tilt), math.cos(tilt)
    sin_n, cos_n = math.sin(node), math.cos(node)
    across, across_rate = y * cos_i, y_rate * cos_i - y * sin_i * tilt_rate
    position[0] = x * cos_n - across * sin_n
    position[1] = x * sin_n + across * cos_n
    position[2] = y * sin_i
    velocity[0] = x_rate * cos_n - across_rate * sin_n - position[1] * turning
    velocity[1] = x_rate * sin_n + across_rate * cos_n + position[0] * turning
    velocity[2] = y_rate * sin_i + y * cos_i * tilt_rate
    if kind == GEOSTATIONARY:
        _to_earth(row[_ROTATION], after_s, position, velocity)
    per_sine = -2.0 * math.sqrt(row[_GM]) * e * root / SPEED_OF_LIGHT_M_S**2
    return per_sine * sin_ecc, per_sine * cos_ecc * ecc_rate


@njit(cache=True, nogil=True)
def _to_earth(rotation: float, after_s: float, position: Any, velocity: Any) -> None:
    """Turn a geostationary satellite's frame, tilted by 5 degrees, to that of the Earth, in place."""
    sin_t, cos_t = math.sin(rotation * after_s), math.cos(rotation * after_s)
    x, y, z = position[0], position[1], position[2]
    y, z = y * _COS_TILT + z * _SIN_TILT, z * _COS_TILT - y * _SIN_TILT
    position[0], position[1], position[2] = x * cos_t + y * sin_t, y * cos_t - x * sin_t, z
    x, y, z = velocity[0], velocity[1], velocity[2]
    y, z = y * _COS_TILT + z * _SIN_TILT, z * _COS_TILT - y * _SIN_TILT
    velocity[0] = x * cos_t + y * sin_t + rotation * position[1]
    velocity[1] = y * cos_t - x * sin_t - rotation * position[0]
    velocity[2] = z


@njit(cache=True, nogil=True, error_model="numpy")
def _two_body(row: Any, position: Any, velocity: Any, acceleration: Any) -> None:
    """Fill the acceleration in the rotating frame by the Earth's mass alone; its oblateness is 5e-5 m/s^2."""
    x, y, z = position[0], position[1], position[2]
    rotation = row[_ROTATION]
    pull = -row[_GM] / math.sqrt(x * x + y * y + z * z) ** 3
    acceleration[0] = (pull + rotation * rotation) * x + 2.0 * rotation * velocity[1]
    acceleration[1] = (pull + rotation * rotation) * y - 2.0 * rotation * velocity[0]
    acceleration[2] = pull * z
