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
from numba import njit

WINDOW_S = 300.0
WARM_UP_S = 30.0
BREAK_M = 9.0
"""A residual above this begins a new arc: a slip that no test has seen."""

_MIN_POINTS = 10
_WINDOW_POINTS = 50


@njit(cache=True, nogil=True)
def combine(
    range_m: float, phase_i_m: float, phase_j_m: float, f_k_hz: float, f_i_hz: float, f_j_hz: float
) -> float:
    """Return M_k in m, with the ambiguities still in it."""
    alpha = (f_i_hz / f_j_hz) ** 2
    factor = (1.0 + (f_i_hz / f_k_hz) ** 2) / (alpha - 1.0)
    return range_m - phase_i_m - factor * (phase_i_m - phase_j_m)


@njit(cache=True, nogil=True)
def update(
    rows: Any,
    satellites: Any,
    cell_row: Any,
    head: Any,
    following: Any,
    system: Any,
    signal: Any,
    channel: Any,
    range_m: Any,
    phase_m: Any,
    half_cycle: Any,
    slip: Any,
    frequency_hz: Any,
    channel_step_hz: Any,
    t_us: int,
    max_gap_us: int,
) -> tuple[float, int]:
    """Take an epoch into the arcs.

    Parameters
    ----------
    rows, satellites, cell_row, head, following
        As `gnss.quality.tracking.assign` leaves them; `satellites` of shape (7 * 64,).
    system, signal, channel, range_m, phase_m, half_cycle
        Columns of `Observations`, shape (n,).
    slip
        From `gnss.quality.slips.detect`, shape (n,).
    frequency_hz, channel_step_hz
        `gnss.quality.bands`, shape (7, 33).

    Returns
    -------
    Sum of the squared residuals in m^2 of the signals that are past their warm-up, and how many they are.
    """
    squares, count = 0.0, 0
    hz = np.zeros(len(system))
    for c in range(len(system)):
        if cell_row[c] < 0:
            continue
        step_hz = channel_step_hz[system[c], signal[c]]
        known = system[c] != 1 or (-7 <= channel[c] <= 13)
        hz[c] = frequency_hz[system[c], signal[c]] + step_hz * channel[c] if known else 0.0

    for s in range(len(head)):
        if head[s] < 0:
            continue
        pair = satellites[s]
        if pair.high == 0 or t_us - pair.arc_us > max_gap_us:
            high, low = _extremes(head[s], following, phase_m, hz)
            if high < 0 or hz[high] == hz[low]:
                pair.high = 0
                continue
            pair.high, pair.low = signal[high], signal[low]
            pair.arc += 1
        else:
            high = low = -1
            c = head[s]
            while c >= 0:
                if not np.isnan(phase_m[c]) and hz[c] > 0.0:
                    if signal[c] == pair.high:
                        high = c
                    elif signal[c] == pair.low:
                        low = c
                c = following[c]
            if high < 0 or low < 0:
                continue
            broken = (
                slip[high]
                or slip[low]
                or half_cycle[high] != rows[cell_row[high]].half_cycle
                or half_cycle[low] != rows[cell_row[low]].half_cycle
            )
            if broken:
                pair.arc += 1
        pair.arc_us = t_us

        c = head[s]
        while c >= 0:
            if not np.isnan(range_m[c]) and hz[c] > 0.0:
                raw_m = combine(range_m[c], phase_m[high], phase_m[low], hz[c], hz[high], hz[low])
                row = rows[cell_row[c]]
                if row.mp_arc != pair.arc or abs(raw_m - row.mp_mean_m) > BREAK_M:
                    row.mp_arc = pair.arc
                    row.mp_mean_m = raw_m
                    row.mp_count = 1
                    row.mp_since_us = t_us
                else:
                    row.mp_count += 1
                    dt_s = (t_us - row.mp_last_us) * 1e-6
                    window_s = max(WINDOW_S, _WINDOW_POINTS * dt_s)
                    row.mp_mean_m += (raw_m - row.mp_mean_m) * max(1.0 / row.mp_count, dt_s / window_s)
                row.mp_last_us = t_us
                if row.mp_count > _MIN_POINTS and t_us - row.mp_since_us >= WARM_UP_S * 1e6:
                    squares += (raw_m - row.mp_mean_m) ** 2
                    count += 1
            c = following[c]
    return squares, count


@njit(cache=True, nogil=True)
def _extremes(first: int, following: Any, phase_m: Any, hz: Any) -> tuple[int, int]:
    high = -1
    low = -1
    c = first
    while c >= 0:
        if not np.isnan(phase_m[c]) and hz[c] > 0.0:
            if high < 0 or hz[c] > hz[high]:
                high = c
            if low < 0 or hz[c] < hz[low]:
                low = c
        c = following[c]
    return high, low
