"""Single-point position of a station from the codes of one epoch.

Each satellite gives one range (`gnss.quality.code_ranges`): the combination of two codes that is free of the
ionosphere, or one code. While the signal travelled the distance rho the Earth turned by omega rho/c, which
turns the satellite's place into the Earth-fixed frame of reception. The place is found by weighted least
squares without the ranges that do not agree (`gnss.quality.position_fit`).

Fit for judging a station to some metres, without ambiguities or corrections.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gnss.geodesy import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M
from gnss.quality.code_choice import GROUPS, SLOTS
from gnss.quality.code_ranges import MOST, X, Y, Z, combine, gather
from gnss.quality.position_fit import (
    COLUMNS,
    RESIDUAL,
    WEIGHT,
    count_used,
    fit,
    least_squares,
    put_geometry,
    vertical,
)
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

LOWEST_M, HIGHEST_M = -1000.0, 12_000.0
"""Heights at which a station may stand."""
MOST_RMS_M = 30.0
MOST_PDOP = 30.0
ROUNDS = 12

_NEAR_M = 10.0
"""A step smaller than this needs no new geometry: the curvature left out is 2 um."""
_SURE_M = 1e5
"""After a step smaller than this the horizon is known."""
_GPS = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _report(
    a: Any, n: int, group: Any, sums: Any, members: Any, step: Any, x: float, y: float, z: float,
    candidates: int, out: Any,
) -> int:  # fmt: skip
    """Fill `out` when the fit makes a position of a station; return its satellites, else 0.

    Spoils the fit.
    """
    used, _ = count_used(a, n, group, members)
    _, _, _, height_m = vertical(x, y, z)
    clock_s = sums[_GPS, 4] / SPEED_OF_LIGHT_M_S if sums[_GPS, 0] > 0.0 else np.nan
    squares = 0.0
    for i in range(n):
        if a[WEIGHT, i] > 0.0:
            squares += a[RESIDUAL, i] * a[RESIDUAL, i]
            a[WEIGHT, i] = 1.0
    rms_m = math.sqrt(squares / used)
    pdop = math.sqrt(least_squares(a, n, group, sums, step))
    is_placed = LOWEST_M < height_m < HIGHEST_M and 0.0 < pdop < MOST_PDOP
    if not (is_placed and rms_m < MOST_RMS_M and 2 * used > candidates):
        return 0
    out[0], out[1], out[2], out[3] = x, y, z, rms_m
    out[4], out[5], out[6], out[7] = used, clock_s, pdop, 0.0
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _from(a: Any, n: int, group: Any, x: float, y: float, z: float, on_earth: bool, out: Any) -> int:
    """Solve from a start; `on_earth` when it is known to be near."""
    sums, members, step = np.empty((GROUPS, 5)), np.empty(GROUPS, np.int64), np.empty(3)
    for _ in range(ROUNDS):
        put_geometry(a, n, x, y, z, on_earth)
        candidates = fit(a, n, group, sums, members, step, on_earth)
        if candidates == 0:
            return 0
        x, y, z = x + step[0], y + step[1], z + step[2]
        moved_m = math.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2)
        if on_earth and moved_m < _NEAR_M:
            return _report(a, n, group, sums, members, step, x, y, z, candidates, out)
        radius_m = math.sqrt(x * x + y * y + z * z)
        if not 1e5 < radius_m < 1e7:
            return 0
        on_earth = moved_m < _SURE_M and _is_on_earth(radius_m)
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _is_on_earth(radius_m: float) -> bool:
    return SEMI_MINOR_AXIS_M - 20_000.0 < radius_m < SEMI_MAJOR_AXIS_M + 20_000.0


@njit(cache=True, nogil=True, error_model="numpy")
def solve(
    system: Any,
    satellite: Any,
    signal: Any,
    range_m: Any,
    cn0_dbhz: Any,
    sky_usable: Any,
    sky_position_m: Any,
    sky_velocity_m_s: Any,
    sky_acceleration_m_s2: Any,
    sky_clock_s: Any,
    sky_clock_rate: Any,
    sky_group_delay_s: Any,
    start_m: Any,
    out: Any,
) -> int:
    """Find the position of a station from one epoch.

    Parameters
    ----------
    system, satellite, signal, range_m, cn0_dbhz
        Columns of `gnss.observations.Observations`, shape (n,). Ranges that are not whole (`PARTIAL`) must be
        NaN. A C/N0 of NaN or 0 was not sent; below `LEAST_CN0_DBHZ` a code is left out.
    sky_usable, sky_position_m, sky_velocity_m_s, sky_acceleration_m_s2, sky_clock_s, sky_clock_rate
        Columns of the sky at the epoch's time, shapes (448,) and (448, 3), by row system * 64 + satellite
        - 1: whether it is healthy and its place is known; Earth-fixed position and its derivatives in the
        turning frame; clock with relativity and without group delay, in s ahead of system time; its rate.
    sky_group_delay_s
        Shape (448, 2): of the ephemeris, as `gnss.ephemeris` has them (GLONASS: delta tau_n first).
    start_m
        Earth-fixed, m, shape (3,): where the station is to some 10 km. Not on the Earth (zeros, NaN):
        unknown, which costs some times more.
    out
        Out: shape (8,): x, y, z in m (Earth-fixed); RMS of the residuals in m; satellites used; the
        receiver's clock in s ahead of GPS time (NaN without GPS); PDOP; 0. Left as it is without a position.

    Returns
    -------
    Satellites used; 0: no position, because there are fewer than four (and one more for each further
    system), they stand too much in a line, most disagree, or it would not be on the ground.
    """
    group, row, slots = np.empty(MOST, np.int64), np.empty(MOST, np.int64), np.empty(MOST, np.int64)
    code_m, a = np.empty((MOST, SLOTS)), np.empty((COLUMNS, MOST))
    n = gather(system, satellite, signal, range_m, cn0_dbhz, sky_usable, group, row, slots, code_m)
    if n < 4:
        return 0
    n = combine(
        n, sky_position_m, sky_velocity_m_s, sky_acceleration_m_s2, sky_clock_s, sky_clock_rate,
        sky_group_delay_s, group, row, slots, code_m, a,
    )  # fmt: skip
    if n < 4:
        return 0
    x, y, z = start_m[0], start_m[1], start_m[2]
    near = _is_on_earth(math.sqrt(x * x + y * y + z * z))  # a constant would compile the solver twice
    if near:
        used = _from(a, n, group, x, y, z, near, out)
        if used:
            return used
        near = False
    # the point below the middle of all satellites
    x, y, z = float(np.mean(a[X, :n])), float(np.mean(a[Y, :n])), float(np.mean(a[Z, :n]))
    radius_m = math.sqrt(x * x + y * y + z * z)
    if not radius_m > 1.0:
        return 0
    down = SEMI_MINOR_AXIS_M / radius_m
    return _from(a, n, group, x * down, y * down, z * down, near, out)
