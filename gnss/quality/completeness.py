"""Observations that came against those that were to be expected.

By ephemeris: every healthy satellite above the horizon, and above the mask, is expected with the signals it
is known by here: those that this station saw for a minute in the last fortnight (or the one before); of a
satellite that it never saw, those that all satellites of the system have in common here. A satellite without
ephemeris is unknown, not missing; so is every satellite while the station's position is not known. Below the
mask receivers are free to look or not; the verdict hence asks for the mask.

Without an ephemeris: expected are the signals of this epoch and those that were tracked within the last
`EXPECTED_S` and have not set. A missing signal counts as set when its C/N0 level was below `SET_DBHZ`:
satellites fade before they set, while an interference or a lost message takes strong signals too. A signal
that was never tracked is unknown, not missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.memory import K_EXPECTED, K_EXPECTED_MASK, K_HAVE, K_HAVE_MASK
from gnss.rtcm.bits import leading_zeros, popcount
from kernels.compiled import njit

EXPECTED_S = 30.0
SET_DBHZ = 35.0
MASK_SINE = 0.17364817766693033
"""Of ten degrees."""
CAPABLE_S = 60.0
"""A signal that was tracked for so long belongs to its satellite."""
LEARN_US = 10_000_000
FORTNIGHT_US = 14 * 86_400_000_000

_EXPECTED, _CAME, _MASKED = np.uint64(1), np.uint64(16), np.uint64(32)
_COUNT = np.uint64(0xFFFF)
_NO_KIND = 255
_DUAL = 2
_USABLE_SATELLITES = 4


@njit(cache=True, nogil=True, error_model="numpy")
def expected_observations(rows: Any, t_us: int, window_us: int, set_dbhz: float) -> int:
    """Count the signals that were tracked before, have not set, and are not in the epoch at `t_us`.

    Parameters
    ----------
    rows
        Shape (n,) of `SIGNAL`, before or after the epoch was committed.
    """
    expected = 0
    for r in range(len(rows)):
        row = rows[r]
        if row.key < 0:
            continue
        away_us = t_us - row.last_us
        if 0 < away_us <= window_us and not row.cn0_level_dbhz < set_dbhz:
            expected += 1
    return expected


@njit(cache=True, nogil=True, error_model="numpy")
def turn_fortnight(station: Any, capability: Any, t_us: int) -> None:
    """Begin a new fortnight of learning when the last one is over."""
    fortnight = t_us // FORTNIGHT_US
    if fortnight == station.capability_from:
        return
    if fortnight == station.capability_from + 1:
        for j in range(len(capability)):
            capability[j, 1] = capability[j, 0]
            capability[j, 0] = 0
    elif station.capability_from:
        capability[:] = 0
    station.capability_from = fortnight


@njit(cache=True, nogil=True, error_model="numpy")
def learn(station: Any, capability: Any, cells: Any, n: int, rows: Any, t_us: int) -> None:
    """Learn which signals satellites have, after the epoch was committed; each ten seconds is enough."""
    if t_us // LEARN_US == station.learned_us // LEARN_US:
        return
    station.learned_us = t_us
    for i in range(n):
        row = rows[cells[i].row]
        if row.tracked_s >= CAPABLE_S:
            capability[row.key // 33, 0] |= np.uint32(1 << (row.key % 33 - 1))
    for system in range(7):
        common = np.uint32(0xFFFFFFFF)
        for j in range(system * 64, system * 64 + 64):
            known = capability[j, 0] | capability[j, 1]
            if known:
                common &= known
        # of a system that this station does not track nothing is expected
        station.common[system] = common if common != np.uint32(0xFFFFFFFF) else np.uint32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def by_ephemeris(
    seen: Any,
    n_seen: int,
    cells: Any,
    capability: Any,
    up: Any,
    n_up: int,
    sines: Any,
    kind_of: Any,
    kinds: Any,
    common: Any,
    now: Any,
    tally: Any,
    counts: Any,
) -> None:
    """Count what was to be expected by ephemeris, and what of it came.

    Parameters
    ----------
    seen, n_seen, cells
        Satellites of the epoch with their elevations, and their cells.
    capability
        Memory of the station, shape (448, 2), uint32.
    up, n_up
        Healthy satellites above the horizon, shape (448,).
    sines
        Of their elevations, shape (448,).
    kind_of, kinds
        Memory of the station: sums by system and signal.
    common
        Memory of the station: what all satellites of a system have, shape (7,), uint32.
    now, tally
        Scratch, shape (448,), uint32, and (256,), uint64: nought, as they are left.
    counts
        Out: shape (4,): expected and came above the horizon; the same above the mask.
    """
    for k in range(n_seen):
        now[seen[k].key] = seen[k].signals
    counts[:] = 0
    for i in range(n_up):
        j = up[i]
        system = j >> 6
        signals = capability[j, 0] | capability[j, 1]
        if not signals:
            signals = common[system]
        came = np.uint64(now[j])
        missing = np.uint64(signals) & ~came
        expected, n_came = _EXPECTED, popcount(came)
        n_expected = n_came + popcount(missing)
        counts[0] += n_expected
        counts[1] += n_came
        if sines[j] >= MASK_SINE:
            expected |= _EXPECTED << _MASKED
            counts[2] += n_expected
            counts[3] += n_came
        while missing:
            signal = 64 - leading_zeros(missing)
            missing ^= np.uint64(1) << np.uint64(signal - 1)
            tally[kind_of[system * 33 + signal]] += expected
    for k in range(n_seen):
        one = seen[k]
        now[one.key] = 0
        if not one.sine >= 0.0:
            continue
        # four counts in one number: an epoch has fewer than 2^16 of each
        told = _EXPECTED | (_EXPECTED << _CAME)
        if one.sine >= MASK_SINE:
            told |= told << _MASKED
        i = one.head
        while i >= 0:
            tally[cells[i].kind] += told
            i = cells[i].following
    for place in range(len(kinds)):
        told = tally[place]
        if told:
            kinds[place, K_EXPECTED] += np.int64(told & _COUNT)
            kinds[place, K_HAVE] += np.int64((told >> _CAME) & _COUNT)
            kinds[place, K_EXPECTED_MASK] += np.int64((told >> _MASKED) & _COUNT)
            kinds[place, K_HAVE_MASK] += np.int64((told >> (_CAME + _MASKED)) & _COUNT)
            tally[place] = 0
    tally[_NO_KIND] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def usable_systems(seen: Any, n_seen: int, cells: Any) -> tuple[int, int]:
    """Return the systems with at least four satellites of two carriers, as bits, and all such satellites.

    The definition of usable epochs in Anubis (G-Nut).
    """
    by_system = np.uint64(0)  # a byte each: there are 64 satellites at most
    total = 0
    for k in range(n_seen):
        bands = 0
        i = seen[k].head
        while i >= 0:
            cell = cells[i]
            if cell.band >= 0 and not np.isnan(cell.range_m) and not np.isnan(cell.phase_m):
                bands |= 1 << cell.band
            i = cell.following
        if popcount(np.uint64(bands)) >= _DUAL:
            by_system += np.uint64(1) << np.uint64(8 * (seen[k].key >> 6))
            total += 1
    systems = 0
    for system in range(7):
        if (by_system >> np.uint64(8 * system)) & np.uint64(255) >= _USABLE_SATELLITES:
            systems |= 1 << system
    return systems, total


def share(received: float, expected: float) -> float | None:
    """Return received over expected, at most 1; None where nothing could be expected."""
    return float(np.minimum(received / expected, 1.0)) if expected > 0 else None
