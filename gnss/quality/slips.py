"""Cycle slips: from lock times, from the geometry-free and from the Melbourne-Wuebbena combination.

Lock time: an indicator stands for an interval of times [low, high). A signal that was reported with
`low` at t0 and did not lose lock is locked for at least `low + (t1 - t0)` at t1; where the upper end of
the indicator at t1 is below that, the lock was certainly lost. t0 is the last report of that signal,
not the last epoch. (DF402 and DF407 of RTCM 10403.x.) A signal whose lock time was 0 was not locked and
cannot lose its lock. RINEX tells the loss itself (`LOST_LOCK`).

Geometry-free: since its last report, the phase range of every signal of a satellite changed by the same
geometry and clocks, and by ionosphere that differs by less than centimetres. A signal that departs from
the satellite's median has slipped. Receiver clock jumps are common to all signals and cancel. Two signals
that slip by the same number of metres are not seen (for instance 77 cycles of L1 and 60 of L2).

Melbourne-Wuebbena: the wide-lane cycles of the satellite's highest and lowest carrier, with a running mean
and spread (Blewitt 1990, GRL 17(3), TurboEdit): an arc has slipped when three values in a row are off by more
than four spreads and a cycle; it sees what the geometry-free combination cannot.

A satellite that slips again and again is an obstruction or low; many that slip together are a fault of
the station. The verdict hence asks for the share of the satellites that slipped, leaving out signals
below `WEAK_DBHZ` and satellites below the mask, where the elevation is known.

A half-cycle flag (DF420) is no slip; a phase whose flag is or was set, and one that is or was not locked, is
left out of the tests of phases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.observations import LOST_LOCK
from gnss.quality.medians import select
from gnss.quality.memory import NEVER_US
from gnss.quality.running_mean import mean_gain
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

WEAK_DBHZ = 35.0
LOCK_TOLERANCE_MS = 10.0
"""How much an encoder may be behind with its lock times."""
PHASE_JUMP_M = 0.05
"""RTKLIB's default for the geometry-free test."""
PHASE_RATE_M_S = 0.043
"""400 cm/min of ionospheric delay on L1, as L1 - L2 sees it. The threshold is the larger of the jump and the
rate times the seconds since the last report."""
CONTINUOUS, LOCK_SLIP, PHASE_SLIP, WIDE_SLIP = 0, 1, 2, 3
WIDE_SPREADS = 4.0
WIDE_LEAST_CYCLES = 1.0
WIDE_DOUBTS = 3
"""Values in a row that tell a slip: codes wander, for some epochs, in reflections."""
WIDE_POINTS = 20
"""Values of an arc before its spread is believed."""
WIDE_WINDOW_S, WIDE_WINDOW_POINTS = 300.0, 50.0
"""After so long, and so many values at least, mean and spread forget: a setting satellite's grows."""

_MAX_SIGNALS = 33
_PER_LIGHT_S_M = 1.0 / SPEED_OF_LIGHT_M_S


@njit(cache=True, nogil=True, error_model="numpy")
def lock_upper_ms(indicator: int, low_ms: float) -> float:
    """Return the end of the interval of lock times in ms that an indicator stands for.

    Parameters
    ----------
    indicator
        DF402 (0 to 15), DF407 (0 to 704) or that of a legacy message (0 to 127) as sent. Which of them
        follows from `low_ms`; where it does not (0), the interval of DF402 is taken.
    low_ms
        Smallest lock time of the indicator.
    """
    if indicator <= 0:
        return 32.0
    if indicator <= 15 and low_ms == 1 << (indicator + 4):
        return np.inf if indicator == 15 else 2.0 * low_ms
    if indicator <= 127 and low_ms >= 1000.0:  # DF013 and its relatives, in whole seconds
        return np.inf if indicator == 127 else min(low_ms + 1000.0 * (1 << (indicator // 24)), 937_000.0)
    if indicator >= 704:
        return np.inf
    return low_ms + (1 << max(indicator // 32 - 1, 0))


@njit(cache=True, nogil=True, error_model="numpy")
def _by_lock(cells: Any, n: int, rows: Any, t_us: int, max_gap_us: int) -> int:
    slips = 0
    for i in range(n):
        cell = cells[i]
        row = rows[cell.row]
        gap_us = t_us - row.last_us
        if gap_us > max_gap_us:
            continue
        if cell.lock_ms < 0:
            if cell.flags & LOST_LOCK:
                cell.slip = LOCK_SLIP
                slips += 1
            continue
        if row.lock_low_ms <= 0:
            continue
        least_ms = row.lock_low_ms + gap_us * 1e-3 - LOCK_TOLERANCE_MS
        if lock_upper_ms(cell.lock_indicator, cell.lock_ms) <= least_ms:
            cell.slip = LOCK_SLIP
            slips += 1
    return slips


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _is_comparable(cell: Any, row: Any, t_us: int, max_gap_us: int) -> bool:
    """Whether a signal's change of phase since its last report means anything."""
    return bool(
        cell.slip == CONTINUOUS
        and not np.isnan(cell.phase_m)
        and not np.isnan(row.phase_m)
        and cell.lock_ms != 0
        and row.lock_low_ms != 0
        and cell.half_cycle == 0
        and row.half_cycle == 0
        and t_us - row.last_us <= max_gap_us
        and cell.hz > 0.0
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _departing(
    cells: Any, head: int, rows: Any, t_us: int, since_us: int, max_gap_us: int, threshold_m: float
) -> int:
    """Mark the signals of one satellite whose phase departs from the median of the satellite's."""
    change_m, which, n = np.empty(_MAX_SIGNALS), np.empty(_MAX_SIGNALS, np.int64), 0
    i = head
    while i >= 0:
        cell = cells[i]
        row = rows[cell.row]
        if row.last_us == since_us and _is_comparable(cell, row, t_us, max_gap_us):
            change_m[n] = cell.phase_m - row.phase_m
            which[n] = i
            n += 1
        i = cell.following
    median_m = select(change_m.copy(), n, (n - 1) // 2)
    slips = 0
    for a in range(n):
        if abs(change_m[a] - median_m) > threshold_m:
            cells[which[a]].slip = PHASE_SLIP
            slips += 1
    return slips


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _by_phases(cells: Any, head: int, rows: Any, t_us: int, max_gap_us: int) -> int:
    """Find the signals of one satellite that slipped; return how many.

    Compared are those that were last reported together with the first one.
    """
    n = 0
    since_us = -1
    least_m, most_m = np.inf, -np.inf
    i = head
    while i >= 0:
        cell = cells[i]
        row = rows[cell.row]
        if _is_comparable(cell, row, t_us, max_gap_us) and (since_us < 0 or row.last_us == since_us):
            since_us = row.last_us
            change_m = cell.phase_m - row.phase_m
            least_m, most_m = min(least_m, change_m), max(most_m, change_m)
            n += 1
        i = cell.following
    threshold_m = max(PHASE_JUMP_M, PHASE_RATE_M_S * (t_us - since_us) * 1e-6)
    if n < 2 or most_m - least_m <= threshold_m:
        return 0
    return int(_departing(cells, head, rows, t_us, since_us, max_gap_us, threshold_m))


@njit(cache=True, nogil=True, error_model="numpy")
def detect(cells: Any, n: int, seen: Any, n_seen: int, rows: Any, t_us: int, max_gap_us: int) -> int:
    """Compare an epoch with the last report of each of its signals; mark `slip` in the cells.

    Parameters
    ----------
    cells, n, seen, n_seen
        As `gnss.quality.tracking.gather` leaves them.
    rows
        Shape (ROWS,) of `SIGNAL`.
    max_gap_us
        A signal that was away for longer begins a new arc: an interruption, not a slip.

    Returns
    -------
    Signals that slipped.
    """
    slips = _by_lock(cells, n, rows, t_us, max_gap_us)
    for k in range(n_seen):
        slips += _by_phases(cells, seen[k].head, rows, t_us, max_gap_us)
    return slips


@njit(cache=True, nogil=True, error_model="numpy")
def wide_lane_cycles(
    range_i_m: float, range_j_m: float, phase_i_m: float, phase_j_m: float, f_i_hz: float, f_j_hz: float
) -> float:
    """Return the Melbourne-Wuebbena combination in cycles of the wide lane, with its ambiguity."""
    # (phases / (f_i - f_j) - codes / (f_i + f_j)) / wide lane, with one division
    ratio = (f_i_hz - f_j_hz) / (f_i_hz + f_j_hz)
    phases = f_i_hz * phase_i_m - f_j_hz * phase_j_m
    codes = f_i_hz * range_i_m + f_j_hz * range_j_m
    return (phases - ratio * codes) * _PER_LIGHT_S_M


@njit(cache=True, nogil=True, error_model="numpy")
def by_wide_lane(satellite: Any, high: Any, low: Any, t_us: int, max_gap_us: int) -> bool:
    """Take the two carriers of a satellite's arc into its wide-lane mean; return whether it slipped.

    Parameters
    ----------
    satellite
        Memory, a `SATELLITE`; its `arc` is the one of these two phases.
    high, low
        Their `CELL`, `range_m` and `phase_m` known.
    """
    value = wide_lane_cycles(high.range_m, low.range_m, high.phase_m, low.phase_m, high.hz, low.hz)
    if satellite.wide_arc != satellite.arc or t_us - satellite.wide_us > max_gap_us:
        satellite.wide_arc = satellite.arc
        satellite.wide_count = 0
        satellite.wide_doubt = 0
    dt_s = (t_us - satellite.wide_us) * 1e-6 if satellite.wide_count else 0.0
    satellite.wide_us = t_us
    count = satellite.wide_count
    if count == 0:
        satellite.wide_mean = value
        satellite.wide_square = 0.0
        satellite.wide_count = 1
        return False
    off = value - satellite.wide_mean
    most = max(WIDE_SPREADS**2 * satellite.wide_square, WIDE_LEAST_CYCLES**2)
    if count >= WIDE_POINTS and off * off > most:
        satellite.wide_doubt += 1
        if satellite.wide_doubt >= WIDE_DOUBTS:
            satellite.wide_mean = value
            satellite.wide_square = 0.0
            satellite.wide_count = 1
            satellite.wide_doubt = 0
            return True
        return False
    satellite.wide_doubt = 0
    count += 1
    satellite.wide_count = count
    gain = mean_gain(count, dt_s, 1.0 / WIDE_WINDOW_S, 1.0 / WIDE_WINDOW_POINTS)
    satellite.wide_mean += gain * off
    satellite.wide_square += gain * (off * off - satellite.wide_square)
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def mark_satellites(
    cells: Any, seen: Any, n_seen: int, rows: Any, satellites: Any, mask_sine: float, t_us: int
) -> None:
    """Note which satellites have a slip in this epoch.

    Parameters
    ----------
    cells, seen, n_seen
        As `detect` and `by_wide_lane` leave them.
    rows, satellites
        Memory of the station.
    mask_sine
        Satellites below do not count; those of unknown elevation do.
    """
    for k in range(n_seen):
        one = seen[k]
        i = -1 if one.sine < mask_sine else one.head
        while i >= 0:
            cell = cells[i]
            if cell.slip != CONTINUOUS and not rows[cell.row].cn0_level_dbhz < WEAK_DBHZ:
                satellites[one.slot].slip_us = t_us
            i = cell.following


@njit(cache=True, nogil=True, error_model="numpy")
def slipped_satellites(seen: Any, n_seen: int, satellites: Any, t_us: int, window_us: int) -> int:
    """Count the satellites of this epoch that slipped within the window, as `mark_satellites` noted."""
    count = 0
    for k in range(n_seen):
        slip_us = satellites[seen[k].slot].slip_us
        if slip_us != NEVER_US and t_us - slip_us < window_us:
            count += 1
    return count
