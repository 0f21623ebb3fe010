"""Steps of the receiver's clock by whole milliseconds.

Receivers that let their clock drift set it back by a millisecond now and then. Either codes and phases step
together, which the combinations of both do not feel, or codes alone do: then every code minus phase steps at
once, which must be taken away before slips and multipath are looked for. A step is the median over the
satellites of what their range (or code minus phase) did beyond what its rate foretold, when that is within
`TOLERANCE_MS` of whole milliseconds.

The rate is the phase's own from the epoch before, so that no Doppler is needed: satellites accelerate a
receiver's range by less than 0.2 m/s^2, some hundred metres over 30 s, while a millisecond is 300 km.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.medians import select
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

MS_M = SPEED_OF_LIGHT_M_S / 1000.0
TOLERANCE_MS = 0.02
MOST_MS = 100.0
LEAST_SATELLITES = 4


@njit(cache=True, nogil=True, error_model="numpy")
def _whole_ms(metres: float) -> float:
    ms = metres / MS_M
    whole = np.round(ms)
    return float(whole) if whole != 0.0 and abs(ms - whole) <= TOLERANCE_MS and abs(whole) <= MOST_MS else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _common_ms(steps: Any, n: int) -> float:
    """Return the whole ms of the median of n steps in m; 0 when most are none."""
    if n < LEAST_SATELLITES:
        return 0.0
    large = 0
    for k in range(n):
        large += abs(steps[k]) > 0.5 * MS_M
    return _whole_ms(select(steps, n, (n - 1) // 2)) if 2 * large >= n else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def detect(
    cells: Any,
    seen: Any,
    n_seen: int,
    satellites: Any,
    t_us: int,
    before_us: int,
    max_gap_us: int,
    scratch: Any,
) -> tuple[float, float]:
    """Compare an epoch with the one before.

    Parameters
    ----------
    cells, seen, n_seen
        As `gnss.quality.tracking.gather` leaves them.
    satellites
        Memory: each satellite's reference signal, its range and phase at `before_us` and its phase rate.
    before_us
        Time of the epoch before.
    scratch
        Shape (2, TRACKED).

    Returns
    -------
    The step of the phases and that of codes against phases, in whole ms; 0 none.
    """
    gap_us = t_us - before_us
    if not 0 < gap_us <= max_gap_us:
        return 0.0, 0.0
    gap_s = gap_us * 1e-6
    steps, splits = scratch[0], scratch[1]
    n: Any = np.int64(0)
    n_both: Any = np.int64(0)
    for k in range(n_seen):
        satellite = satellites[seen[k].slot]
        if satellite.reference == 0:
            continue
        i = seen[k].head
        while i >= 0 and cells[i].signal != satellite.reference:
            i = cells[i].following
        if i < 0 or np.isnan(cells[i].phase_m) or np.isnan(cells[i].range_m):
            continue
        change_m = cells[i].phase_m - satellite.phase_m
        splits[n] = cells[i].range_m - satellite.range_m - change_m
        n += 1
        if not np.isnan(satellite.phase_rate_m_s):
            steps[n_both] = change_m - satellite.phase_rate_m_s * gap_s
            n_both += 1
    return _common_ms(steps, n_both), _common_ms(splits, n)


@njit(cache=True, nogil=True, error_model="numpy")
def remember(
    cells: Any,
    seen: Any,
    n_seen: int,
    satellites: Any,
    t_us: int,
    before_us: int,
    max_gap_us: int,
    step_m: float,
) -> None:
    """Keep each satellite's reference signal for the next epoch.

    Parameters
    ----------
    step_m
        Step of the phases at this epoch: no part of their rate.
    """
    gap_us = t_us - before_us
    for k in range(n_seen):
        satellite = satellites[seen[k].slot]
        i = seen[k].head
        best = -1
        while i >= 0:
            cell = cells[i]
            if not np.isnan(cell.range_m) and not np.isnan(cell.phase_m):
                if cell.signal == satellite.reference:
                    best = i
                    break
                if best < 0 or cell.signal < cells[best].signal:
                    best = i
            i = cell.following
        if best < 0:
            satellite.reference = 0
            continue
        cell = cells[best]
        if cell.signal == satellite.reference and 0 < gap_us <= max_gap_us and cell.slip == 0:
            satellite.phase_rate_m_s = (cell.phase_m - step_m - satellite.phase_m) / (gap_us * 1e-6)
        else:
            satellite.phase_rate_m_s = np.nan
        satellite.reference = cell.signal
        satellite.range_m = cell.range_m
        satellite.phase_m = cell.phase_m
