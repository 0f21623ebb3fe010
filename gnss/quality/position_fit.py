"""A station's place by least squares from one range of each satellite, without those that do not agree.

The receiver's clock of each group of satellites is eliminated by the weighted means of the group, which
leaves three unknowns. Wrong ranges are found by their residual against the median of all: first a fit that
minimises absolute residuals (iteratively reweighted: E. J. Schlossmacher, J. Am. Stat. Assoc. 68, 1973),
which a minority of gross errors cannot carry away, then least squares of those that agree.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gnss.geodesy import SEMI_MAJOR_AXIS_M, SEMI_MINOR_AXIS_M
from gnss.orbits import EARTH_ROTATION_RAD_S
from gnss.quality.code_choice import GROUPS
from gnss.quality.code_ranges import GAIN, IONO, MOST, ORBIT, RANGE, X, Y, Z
from gnss.quality.medians import median
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.troposphere import mapping, zenith_delay_m
from kernels.compiled import njit

MASK_DEG = 10.0
CODE_M = 0.1
"""Noise of a code at zenith, and as much again divided by the sine of the elevation."""
IONOSPHERE_M = 4.0
"""What the ionosphere may do to a single code at zenith on L1."""
REJECT = 5.0
"""A range is wrong when its residual is so many times the scale of all: 1.4826 times their median."""
LEAST_SCALE = 0.3
"""The scale is at least this (in standard deviations of the model), so that exact ranges are not judged by
their rounding."""

EX, EY, EZ, PREFIT, BASE, WEIGHT, RESIDUAL = range(7, 14)
"""Further rows of the table: how much less the range with its troposphere is for each metre along each axis
(nearly the direction of the satellite), what they leave of the range (m), weight by the model (1/m^2; 0 below
the mask), weight in the fit, residual (m)."""
COLUMNS = 14

_CALM, _CALM_SCALE = 3.0, 1.5
"""Least squares with a scale of at most this, and all residuals within so many scales, hides no gross errors:
three of thirty raise the scale of all with them, but not so far."""
_ROBUST_ROUNDS = 30
_ROBUST_FROM = 0.5
_SETTLED_M = 0.1
_REJECTIONS = 6
_AIR_M = 8500.0
"""Height over which the troposphere's delay falls to a third."""
_THIN_LAYER = (6_371.0 / (6_371.0 + 350.0)) ** 2
"""Of an ionosphere at 350 km."""
_SIN_MASK = math.sin(math.radians(MASK_DEG))
_AXES_2 = (SEMI_MAJOR_AXIS_M / SEMI_MINOR_AXIS_M) ** 2


@njit(cache=True, nogil=True, error_model="numpy")
def vertical(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Return the unit vector upwards and the height in m of a place near the ground (not the Earth's centre).

    The vector is exact on the ellipsoid and right to 1e-5 rad at 10 km, the height to 0.1 m.
    """
    scaled = math.sqrt(x * x + y * y + z * z * _AXES_2)
    normal = math.sqrt(x * x + y * y + z * z * _AXES_2 * _AXES_2)
    return x / normal, y / normal, z * _AXES_2 / normal, (scaled - SEMI_MAJOR_AXIS_M) * scaled / normal


@njit(cache=True, nogil=True, error_model="numpy")
def put_geometry(a: Any, n: int, x: float, y: float, z: float, on_earth: bool) -> None:
    """Put directions, what is left of the ranges, and weights into the table, for a receiver at x, y, z.

    Not `on_earth`: the place is a guess, so there is no horizon yet; all weigh the same.
    """
    up_x, up_y, up_z, height_m = vertical(x, y, z)
    zenith_m = zenith_delay_m(height_m, up_z) if on_earth else 0.0
    for i in range(n):
        px, py, pz = a[X, i], a[Y, i], a[Z, i]
        dx, dy, dz = px - x, py - y, pz - z
        angle = EARTH_ROTATION_RAD_S / SPEED_OF_LIGHT_M_S * math.sqrt(dx * dx + dy * dy + dz * dz)
        half = 0.5 * angle * angle
        dx += angle * py - half * px
        dy -= angle * px + half * py
        distance = math.sqrt(dx * dx + dy * dy + dz * dz)
        ex, ey, ez = dx / distance, dy / distance, dz / distance
        a[EX, i], a[EY, i], a[EZ, i] = ex, ey, ez
        prefit = a[RANGE, i] - distance
        weight = 1.0
        if on_earth:
            sine = ex * up_x + ey * up_y + ez * up_z
            if sine < _SIN_MASK:
                weight = 0.0
            else:
                delay_m = zenith_m * mapping(sine)
                prefit -= delay_m
                # the delay is less further up
                thinner = delay_m / _AIR_M
                a[EX, i], a[EY, i], a[EZ, i] = ex + thinner * up_x, ey + thinner * up_y, ez + thinner * up_z
                noise = CODE_M * (1.0 + 1.0 / sine) * a[GAIN, i]
                variance = noise * noise + a[ORBIT, i] * a[ORBIT, i]
                if a[IONO, i] > 0.0:
                    iono = IONOSPHERE_M * a[IONO, i]
                    variance += iono * iono / (1.0 - _THIN_LAYER * (1.0 - sine * sine))
                weight = 1.0 / variance
        a[PREFIT, i], a[BASE, i] = prefit, weight


@njit(cache=True, nogil=True, error_model="numpy")
def least_squares(a: Any, n: int, group: Any, sums: Any, step: Any) -> float:
    """Solve for the step and the clocks with the weights in the table; fill the residuals of all.

    Parameters
    ----------
    sums
        Scratch and out: shape (GROUPS, 5): of each group the sum of weights, and the weighted means of the
        direction and of what is left; then the clock in m in the last (NaN for a group without weight).
    step
        Out: shape (3,).

    Returns
    -------
    Trace of the inverse of the normal matrix; 0 when the geometry gives no solution.
    """
    sums[:] = 0.0
    for i in range(n):
        w, g = a[WEIGHT, i], group[i]
        sums[g, 0] += w
        sums[g, 1] += w * a[EX, i]
        sums[g, 2] += w * a[EY, i]
        sums[g, 3] += w * a[EZ, i]
        sums[g, 4] += w * a[PREFIT, i]
    for g in range(GROUPS):
        if sums[g, 0] > 0.0:
            for j in range(1, 5):
                sums[g, j] /= sums[g, 0]
    xx = xy = xz = yy = yz = zz = bx = by = bz = 0.0
    for i in range(n):
        w, g = a[WEIGHT, i], group[i]
        ex, ey, ez = a[EX, i] - sums[g, 1], a[EY, i] - sums[g, 2], a[EZ, i] - sums[g, 3]
        left = w * (a[PREFIT, i] - sums[g, 4])
        xx += w * ex * ex
        xy += w * ex * ey
        xz += w * ex * ez
        yy += w * ey * ey
        yz += w * ey * ez
        zz += w * ez * ez
        bx -= left * ex
        by -= left * ey
        bz -= left * ez
    # inverse by cofactors
    c_xx, c_xy, c_xz = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    determinant = xx * c_xx + xy * c_xy + xz * c_xz
    size = (xx + yy + zz) / 3.0
    if not determinant > 1e-9 * size * size * size:
        return 0.0
    c_yy, c_yz, c_zz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    sx = (c_xx * bx + c_xy * by + c_xz * bz) / determinant
    sy = (c_xy * bx + c_yy * by + c_yz * bz) / determinant
    sz = (c_xz * bx + c_yz * by + c_zz * bz) / determinant
    step[0], step[1], step[2] = sx, sy, sz
    for g in range(GROUPS):
        sums[g, 4] += sums[g, 1] * sx + sums[g, 2] * sy + sums[g, 3] * sz
    for i in range(n):
        moved = a[EX, i] * sx + a[EY, i] * sy + a[EZ, i] * sz
        a[RESIDUAL, i] = a[PREFIT, i] + moved - sums[group[i], 4]
    return (c_xx + c_yy + c_zz) / determinant if math.isfinite(sx + sy + sz) else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _scale(a: Any, n: int, sizes: Any) -> tuple[float, float]:
    """Return the scale of the residuals (in standard deviations of the model) and the largest of them."""
    m, largest = 0, 0.0
    for i in range(n):
        if a[BASE, i] > 0.0:
            sizes[m] = abs(a[RESIDUAL, i]) * math.sqrt(a[BASE, i])
            largest = max(largest, sizes[m])
            m += 1
    return max(1.4826 * median(sizes, m), LEAST_SCALE), largest


@njit(cache=True, nogil=True, error_model="numpy")
def count_used(a: Any, n: int, group: Any, members: Any) -> tuple[int, int]:
    """Return the satellites that tell of the place, and their groups; one alone tells of its clock only."""
    members[:] = 0
    for i in range(n):
        if a[WEIGHT, i] > 0.0:
            members[group[i]] += 1
    used = groups = 0
    for g in range(GROUPS):
        if members[g] > 1:
            used += members[g]
            groups += 1
    return used, groups


@njit(cache=True, nogil=True, error_model="numpy")
def fit(a: Any, n: int, group: Any, sums: Any, members: Any, step: Any, on_earth: bool) -> int:
    """Solve with the satellites that agree; on a guessed place nobody is left out yet.

    Returns
    -------
    Satellites that could have been used, 0 when there is no solution. The weights stay in the table: 0 for
    the satellites that do not agree.
    """
    sizes = np.empty(MOST)
    for i in range(n):
        a[WEIGHT, i] = a[BASE, i]
    candidates, groups = count_used(a, n, group, members)
    spare = candidates - groups - 3
    if spare < 0 or least_squares(a, n, group, sums, step) == 0.0:
        return 0
    if spare == 0:
        return candidates
    # with few more ranges than unknowns the residuals are smaller than the errors
    limit = REJECT * math.sqrt(candidates / spare)
    scale, largest = _scale(a, n, sizes)
    if largest <= _CALM * scale and (scale <= _CALM_SCALE or not on_earth):
        return candidates
    for _ in range(_ROBUST_ROUNDS):
        before_x, before_y, before_z = step[0], step[1], step[2]
        for i in range(n):
            root = math.sqrt(a[BASE, i])
            a[WEIGHT, i] = a[BASE, i] / max(abs(a[RESIDUAL, i]) * root, _ROBUST_FROM)
        if least_squares(a, n, group, sums, step) == 0.0:
            return 0
        if abs(step[0] - before_x) + abs(step[1] - before_y) + abs(step[2] - before_z) < _SETTLED_M:
            break
    if not on_earth:
        return candidates
    for _ in range(_REJECTIONS):
        scale, largest = _scale(a, n, sizes)
        changed = False
        for i in range(n):
            agrees = abs(a[RESIDUAL, i]) * math.sqrt(a[BASE, i]) <= limit * scale
            weight = a[BASE, i] if agrees else 0.0
            changed |= weight != a[WEIGHT, i]
            a[WEIGHT, i] = weight
        if not changed:
            break
        used, groups = count_used(a, n, group, members)
        if used - groups < 3 or least_squares(a, n, group, sums, step) == 0.0:
            return 0
    return candidates
