"""Where positions lie against known coordinates: mean and spread over the last while, kernels.

The weights fade exponentially (D. H. D. West, Comm. ACM 22, 1979, with a factor for what came before). A
single wild position is left out; the third in a row is believed, since then the antenna has moved.
"""

from __future__ import annotations

import math
from typing import Any

from gnss.quality.position_fit import vertical
from kernels.compiled import njit

WEIGHT, EAST, NORTH, UP, EAST_M2, NORTH_M2, UP_M2, WILD = range(8)
"""Fields of the state: sum of weights (the newest position has 1), means in m, variances in m^2, and how many
wild positions came in a row. All zero: nothing came yet."""
MATURE = 10.0
"""Weight from which on a position can be called wild."""
WILD_SPREADS = 5.0
LEAST_SPREAD_M = 0.5
"""Standard deviations below this are taken as this when a position is called wild."""
MOST_M = 1e8
"""No offset on the Earth is so long."""
_FOREVER_S = 1e12
BELIEVED = 3
"""So many wild positions in a row are no accident."""


@njit(cache=True, nogil=True, error_model="numpy")
def east_north_up(position_m: Any, reference_m: Any) -> tuple[float, float, float]:
    """Return the offset of a position from a reference on the ground in m, to 1e-5 of its length.

    Parameters
    ----------
    position_m, reference_m
        Earth-fixed, m, shape (at least 3,).
    """
    up_x, up_y, up_z, _ = vertical(reference_m[0], reference_m[1], reference_m[2])
    level = math.sqrt(up_x * up_x + up_y * up_y)
    east_x, east_y = (-up_y / level, up_x / level) if level > 0.0 else (0.0, 1.0)
    dx, dy, dz = (
        position_m[0] - reference_m[0],
        position_m[1] - reference_m[1],
        position_m[2] - reference_m[2],
    )
    north = -up_z * east_y * dx + up_z * east_x * dy + (up_x * east_y - up_y * east_x) * dz
    return east_x * dx + east_y * dy, north, up_x * dx + up_y * dy + up_z * dz


@njit(cache=True, nogil=True, error_model="numpy")
def update_offsets(
    state_row: Any, east_m: float, north_m: float, up_m: float, dt_s: float, window_s: float
) -> bool:
    """Take an offset into the mean and the variance.

    Parameters
    ----------
    state_row
        Memory, shape (8,), float64: the fields that this module names.
    east_m, north_m, up_m
        Offset; one of `MOST_M` or more, or NaN, is left out.
    dt_s
        Since the offset before; less than 0 or NaN counts as 0.
    window_s
        After so long a weight is 1/e; not above 0: everything before is forgotten.

    Returns
    -------
    Whether the offset was taken.
    """
    if not abs(east_m) + abs(north_m) + abs(up_m) < MOST_M:
        return False
    fade = 1.0
    if dt_s > 0.0:
        fade = math.exp(-min(dt_s, _FOREVER_S) / window_s) if window_s > 0.0 else 0.0
    weight = state_row[WEIGHT] * fade
    state_row[WEIGHT] = weight
    offset = (east_m, north_m, up_m)
    is_wild = False
    for i in range(3):
        spread = max(math.sqrt(state_row[EAST_M2 + i]), LEAST_SPREAD_M)
        is_wild |= weight >= MATURE and abs(offset[i] - state_row[EAST + i]) > WILD_SPREADS * spread
    if is_wild and state_row[WILD] < BELIEVED - 1:
        state_row[WILD] += 1.0
        return False
    if not is_wild:
        state_row[WILD] = 0.0
    state_row[WEIGHT] = weight + 1.0
    kept = weight / (weight + 1.0)
    for i in range(3):
        ahead = offset[i] - state_row[EAST + i]
        state_row[EAST + i] += ahead / (weight + 1.0)
        state_row[EAST_M2 + i] = kept * (state_row[EAST_M2 + i] + ahead * ahead / (weight + 1.0))
    return True
