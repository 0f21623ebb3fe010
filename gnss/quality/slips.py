"""Cycle slips: from lock times, and from the geometry-free combination of phases.

Lock time: an indicator stands for an interval of times [low, high). A signal that was reported with
`low` at t0 and did not lose lock is locked for at least `low + (t1 - t0)` at t1; where the upper end of
the indicator at t1 is below that, the lock was certainly lost. t0 is the last report of that signal,
not the last epoch. (DF402 and DF407 of RTCM 10403.x.) A signal whose lock time was 0 was not locked and
cannot lose its lock.

Geometry-free: since its last report, the phase range of every signal of a satellite changed by the same
geometry and clocks, and by ionosphere that differs by less than centimetres. A signal that departs from
the satellite's median has slipped. Receiver clock jumps are common to all signals and cancel. Two signals
that slip by the same number of metres are not seen (for instance 77 cycles of L1 and 60 of L2).

A satellite that slips again and again is an obstruction or low; many that slip together are a fault of
the station. The verdict hence asks for the share of the satellites that slipped, leaving out signals
below `WEAK_DBHZ`, which stands for the elevation mask that an ephemeris would allow.

A half-cycle flag (DF420) is no slip; a phase whose flag is or was set, and one that is or was not locked, is
left out of the second test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnss.systems import UNKNOWN_CHANNEL

WEAK_DBHZ = 35.0
CONTINUOUS, LOCK_SLIP, PHASE_SLIP = 0, 1, 2

_GLONASS = 1
_MAX_SIGNALS = 33


@njit(cache=True, nogil=True)
def lock_upper_ms(indicator: int, low_ms: float) -> float:
    """Return the end of the interval of lock times in ms that an indicator stands for.

    Parameters
    ----------
    indicator
        DF402 (0 to 15) or DF407 (0 to 704) as sent. Which of both follows from `low_ms`; where it does
        not (0), the wider interval is taken.
    low_ms
        Smallest lock time of the indicator.
    """
    if indicator <= 0:
        return 32.0
    if indicator <= 15 and low_ms == 2.0 ** (indicator + 4):
        return np.inf if indicator == 15 else 2.0 * low_ms
    if indicator >= 704:
        return np.inf
    return low_ms + 2.0 ** max(indicator // 32 - 1, 0)


@njit(cache=True, nogil=True)
def detect(
    rows: Any,
    cell_row: Any,
    head: Any,
    following: Any,
    system: Any,
    phase_m: Any,
    lock_ms: Any,
    lock_indicator: Any,
    half_cycle: Any,
    channel: Any,
    t_us: int,
    max_gap_us: int,
    lock_tolerance_ms: float,
    phase_jump_m: float,
    phase_rate_m_s: float,
    slip: Any,
) -> int:
    """Compare an epoch with the last report of each of its signals.

    Parameters
    ----------
    rows, cell_row, head, following
        As `gnss.quality.tracking.assign` leaves them.
    system, phase_m, lock_ms, lock_indicator, half_cycle, channel
        Columns of `Observations`, shape (n,).
    max_gap_us
        A signal that was away for longer begins a new arc: an interruption, not a slip.
    lock_tolerance_ms
        How much an encoder may be behind with its lock times.
    phase_jump_m, phase_rate_m_s
        The threshold is the larger of the jump and the rate times the seconds since the last report.
    slip
        Out: shape (n,), uint8, `CONTINUOUS`, `LOCK_SLIP` or `PHASE_SLIP`.

    Returns
    -------
    Signals that slipped.
    """
    slips = 0
    for c in range(len(cell_row)):
        slip[c] = CONTINUOUS
        if cell_row[c] < 0 or lock_ms[c] < 0:
            continue
        row = rows[cell_row[c]]
        gap_us = t_us - row.last_us
        if gap_us > max_gap_us or not row.lock_low_ms > 0.0:
            continue
        least_ms = row.lock_low_ms + gap_us / 1000.0 - lock_tolerance_ms
        if lock_upper_ms(lock_indicator[c], lock_ms[c]) <= least_ms:
            slip[c] = LOCK_SLIP
            slips += 1

    change_m = np.empty(_MAX_SIGNALS)
    cells = np.empty(_MAX_SIGNALS, np.int64)
    for s in range(len(head)):
        n = 0
        since_us = -1
        c = head[s]
        while c >= 0:
            row = rows[cell_row[c]]
            usable = (
                slip[c] == CONTINUOUS
                and not np.isnan(phase_m[c])
                and not np.isnan(row.phase_m)
                and lock_ms[c] != 0
                and row.lock_low_ms != 0.0
                and half_cycle[c] == 0
                and row.half_cycle == 0
                and t_us - row.last_us <= max_gap_us
                and not (system[c] == _GLONASS and channel[c] == UNKNOWN_CHANNEL)
            )
            if usable and (since_us < 0 or row.last_us == since_us):
                since_us = row.last_us
                change_m[n] = phase_m[c] - row.phase_m
                cells[n] = c
                n += 1
            c = following[c]
        if n < 2:
            continue
        median_m = np.sort(change_m[:n])[(n - 1) // 2]
        threshold_m = max(phase_jump_m, phase_rate_m_s * (t_us - since_us) * 1e-6)
        for i in range(n):
            if abs(change_m[i] - median_m) > threshold_m:
                slip[cells[i]] = PHASE_SLIP
                slips += 1
    return slips


@njit(cache=True, nogil=True)
def slipped_satellites(
    rows: Any, satellites: Any, cell_row: Any, head: Any, following: Any, slip: Any, t_us: int, window_us: int
) -> int:
    """Count the satellites of this epoch that slipped within the window.

    Parameters
    ----------
    rows, cell_row, head, following
        As `gnss.quality.tracking.assign` leaves them.
    satellites
        Memory, shape (7 * 64,) of `gnss.quality.tracking.SATELLITE`.
    slip
        From `detect`.
    """
    count = 0
    for s in range(len(head)):
        c = head[s]
        while c >= 0:
            if slip[c] != CONTINUOUS and not rows[cell_row[c]].cn0_level_dbhz < WEAK_DBHZ:
                satellites[s].slip_us = t_us
            c = following[c]
        if head[s] >= 0 and t_us - satellites[s].slip_us < window_us:
            count += 1
    return count
