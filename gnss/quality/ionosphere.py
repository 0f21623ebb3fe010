"""Rate of the ionospheric delay, and its irregularity: ROT and ROTI.

The geometry-free phase of a satellite's two carriers, i minus j, every `STEP_S`:

    ROT = d(L_i - L_j) / dt / (40.3e16 * (1 / f_j^2 - 1 / f_i^2))        TECU a second

and ROTI the standard deviation of ROT (in TECU a minute) over five minutes (Pi et al. 1997, GRL 24(18)).
A station's figure is the median over its satellites. A storm raises ROTI at most stations of a region at
once: the verdict compares with the median of the network, so that no station is blamed for the sky.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.medians import select
from kernels.compiled import njit

STEP_S = 30.0
POINTS = 10
LEAST_POINTS = 6
METRES_A_TECU = 40.3e16
"""Times 1 / f^2: delay in m of one TECU."""
NETWORK_STATIONS = 5
"""A network has a median of at least so many."""


@njit(cache=True, nogil=True, error_model="numpy")
def update(satellite: Any, high: Any, low: Any, t_us: int) -> None:
    """Take the two carriers of a satellite's arc; `roti` of its memory follows.

    Parameters
    ----------
    satellite
        Memory, a `SATELLITE`; its `arc` is the one of these two phases.
    high, low
        Their `CELL`.
    """
    free_m = high.phase_m - low.phase_m
    gap_s = (t_us - satellite.free_us) * 1e-6
    if gap_s > 4 * STEP_S:
        satellite.rot_count = 0
        satellite.roti = np.nan
    if satellite.free_arc != satellite.arc or gap_s > 4 * STEP_S:
        satellite.free_arc = satellite.arc  # no rate over a slip; those before it still count
    elif gap_s < STEP_S - 0.5:
        return
    else:
        metres = METRES_A_TECU * (1.0 / low.hz**2 - 1.0 / high.hz**2)
        rot = (free_m - satellite.free_m) / metres / gap_s * 60.0
        points = satellite.rot
        count = min(satellite.rot_count, POINTS - 1)
        for k in range(count, 0, -1):
            points[k] = points[k - 1]
        points[0] = rot
        satellite.rot_count = count + 1
        if count + 1 >= LEAST_POINTS:
            mean = 0.0
            for k in range(count + 1):
                mean += points[k]
            mean /= count + 1
            square = 0.0
            for k in range(count + 1):
                square += (points[k] - mean) ** 2
            satellite.roti = np.sqrt(square / (count + 1))
    satellite.free_m = free_m
    satellite.free_us = t_us


@njit(cache=True, nogil=True, error_model="numpy")
def of_station(seen: Any, n_seen: int, satellites: Any, mask_sine: float, scratch: Any) -> float:
    """Return the median ROTI over the satellites of an epoch, in TECU/min; NaN for fewer than four.

    Satellites below the mask are left out; those of unknown elevation are not.
    """
    n: Any = np.int64(0)
    for k in range(n_seen):
        roti = satellites[seen[k].slot].roti
        if not np.isnan(roti) and not seen[k].sine < mask_sine:
            scratch[n] = roti
            n += 1
    return select(scratch, n, n // 2) if n >= 4 else np.nan


def network_median(values: Any) -> float | None:
    """Return the median over stations of ROTI (shape (n,), NaN unknown); None for fewer than five."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) >= NETWORK_STATIONS else None
