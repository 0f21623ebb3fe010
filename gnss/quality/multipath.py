"""Code multipath: what is left of a pseudorange when two phases have taken geometry and ionosphere away.

For code k and phases i, j of one satellite (Estey and Meertens 1999, in the form for any code):

    M_k = P_k - L_i - (1 + f_i^2 / f_k^2) / (alpha - 1) * (L_i - L_j),    alpha = f_i^2 / f_j^2

i and j are the satellite's highest and lowest carrier when its arc begins, and stay so for the arc. M_k
holds the phases' ambiguities: a running mean takes them away, with the gain max(1 / n, dt / window), so
that the arc's first minutes have a plain mean and the later ones forget with a time constant of
`WINDOW_S` (50 epochs where that is longer). Multipath slower than that is not seen, and figures of other
windows or sampling intervals are not comparable. A signal counts after `WARM_UP_S` and ten epochs of arc.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.memory import NEVER_US
from gnss.quality.running_mean import mean_gain
from kernels.compiled import njit

WINDOW_S = 300.0
WARM_UP_S = 30.0
BREAK_M = 9.0
"""A residual above this begins a new arc: a slip that no test has seen."""

_MIN_POINTS = 10
_WINDOW_POINTS = 50
_MOST_POINTS = 32_767


@njit(cache=True, nogil=True, error_model="numpy")
def combine(
    range_m: float, phase_i_m: float, phase_j_m: float, f_k_hz: float, f_i_hz: float, f_j_hz: float
) -> float:
    """Return M_k in m, with the ambiguities still in it."""
    split_m = scaled_split_m(phase_i_m, phase_j_m, f_i_hz, f_j_hz)
    return range_m - phase_i_m - (1.0 + (f_i_hz / f_k_hz) ** 2) * split_m


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def scaled_split_m(phase_i_m: float, phase_j_m: float, f_i_hz: float, f_j_hz: float) -> float:
    """Return the part of M_k that is the same for all codes of a satellite, in m."""
    return (phase_i_m - phase_j_m) / ((f_i_hz / f_j_hz) ** 2 - 1.0)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def carriers(cells: Any, head: int, satellite: Any, rows: Any, t_us: int, max_gap_us: int) -> tuple[int, int]:
    """Return the cells of a satellite's highest and lowest carrier; begin an arc where one must begin.

    Parameters
    ----------
    cells, head
        Of the epoch, after `gnss.quality.slips.detect`; first cell of the satellite.
    satellite, rows
        Memory.

    Returns
    -------
    Cells, or (-1, -1) when the two phases of the arc are not both there.
    """
    if satellite.high == 0 or t_us - satellite.arc_us > max_gap_us:
        high, low = _extremes(cells, head)
        if high < 0 or cells[high].hz == cells[low].hz:
            satellite.high = 0
            return -1, -1
        satellite.high, satellite.low = cells[high].signal, cells[low].signal
        satellite.arc += 1
        satellite.arc_us = t_us
        return high, low
    high = low = -1
    i = head
    while i >= 0:
        cell = cells[i]
        if not np.isnan(cell.phase_m) and cell.hz > 0.0:
            if cell.signal == satellite.high:
                high = i
            elif cell.signal == satellite.low:
                low = i
        i = cell.following
    if high < 0 or low < 0:
        return -1, -1
    broken = (
        cells[high].slip
        or cells[low].slip
        or cells[high].half_cycle != rows[cells[high].row].half_cycle
        or cells[low].half_cycle != rows[cells[low].row].half_cycle
    )
    if broken:
        satellite.arc += 1
    satellite.arc_us = t_us
    return high, low


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _extremes(cells: Any, head: int) -> tuple[int, int]:
    high = low = -1
    i = head
    while i >= 0:
        cell = cells[i]
        if not np.isnan(cell.phase_m) and cell.hz > 0.0:
            if high < 0 or cell.hz > cells[high].hz:
                high = i
            if low < 0 or cell.hz < cells[low].hz:
                low = i
        i = cell.following
    return high, low


@njit(cache=True, nogil=True, error_model="numpy")
def update(row: Any, arc: int, cell: Any, high: Any, split_m: float, t_us: int) -> float:
    """Take the code of one cell into its arc.

    Parameters
    ----------
    row
        Memory, a `SIGNAL`.
    arc
        The satellite's, as `carriers` leaves it.
    cell, high
        `CELL` of the code and of the phase with the higher frequency.
    split_m
        Of the two phases, from `scaled_split_m`.

    Returns
    -------
    The residual in m; NaN before the warm-up is over, or without a code.
    """
    if np.isnan(cell.range_m) or not cell.hz > 0.0:
        return np.nan
    raw_m = cell.range_m - high.phase_m - (1.0 + (high.hz / cell.hz) ** 2) * split_m
    if row.mp_arc != arc or abs(raw_m - row.mp_mean_m) > BREAK_M or row.mp_last_us == NEVER_US:
        row.mp_arc = arc
        row.mp_mean_m = raw_m
        row.mp_count = 1
        row.mp_age_s = 0.0
    else:
        dt_s = (t_us - row.mp_last_us) * 1e-6
        if row.mp_count < _MOST_POINTS:
            row.mp_count += 1
        row.mp_age_s += dt_s
        gain = mean_gain(row.mp_count, dt_s, 1.0 / WINDOW_S, 1.0 / _WINDOW_POINTS)
        row.mp_mean_m += (raw_m - row.mp_mean_m) * gain
    row.mp_last_us = t_us
    if row.mp_count > _MIN_POINTS and row.mp_age_s >= WARM_UP_S:
        return float(raw_m - row.mp_mean_m)
    return np.nan
