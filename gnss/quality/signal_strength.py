"""C/N0: its mean, a drop of a whole band, and a loss against the station's own template by elevation.

Drop: one satellite that fades is an obstruction or a set; most satellites of a band that drop together are
interference, or the antenna and its cable. A signal's level is a running mean of `LEVEL_S`; a satellite's
drop in a band is that level minus what came now; the band's drop is the median over its satellites.
While a band is down its levels stand still, so that the interferer does not become the norm, but for no
longer than `HOLD_S`.

Template: the mean C/N0 of each system, band and ten degrees of elevation over `TEMPLATE_DAYS`. What a minute
shows less than the template tells of slow losses (water in a cable, an ageing antenna, snow) that a drop
cannot see. A bin counts after `TEMPLATE_MATURE_DAYS` of one satellite's time; it is fed each five seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.medians import median
from kernels.compiled import njit

LEVEL_S = 120.0
MATURE_S = 20.0
"""A level counts after so much time."""
HOLD_S = 600.0
HOLD_DROP_DB = 2.0
MIN_SATELLITES = 4
TEMPLATE_DAYS = 30.0
TEMPLATE_MATURE_DAYS = 0.05
BIN_DEG = 10.0

_BANDS = 5
_BIN_SINES = np.sin(np.radians(BIN_DEG * np.arange(1, 9)))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _byte(packed: Any, b: int) -> Any:
    return (packed >> np.uint64(8 * b)) & np.uint64(255)


@njit(cache=True, nogil=True, error_model="numpy")
def update(
    cells: Any,
    n: int,
    seen: Any,
    n_seen: int,
    rows: Any,
    t_us: int,
    down_since_us: Any,
    drops: Any,
    drop_db: Any,
) -> tuple[float, int]:
    """Take an epoch into the levels.

    Parameters
    ----------
    cells, n, seen, n_seen
        As `gnss.quality.tracking.gather` leaves them; a C/N0 of 0 or NaN was not sent.
    rows
        Memory, shape (ROWS,) of `SIGNAL`.
    down_since_us
        Memory, shape (5,), int64: when each band went down, -1 when it is not.
    drops
        Scratch, shape (5, TRACKED).
    drop_db
        Out: shape (5,): each band's drop, NaN where fewer than `MIN_SATELLITES` tell.

    Returns
    -------
    Sum of C/N0 over the signals and how many they are.
    """
    total, count = 0.0, 0
    told_by = np.uint64(0)  # a byte each: there are 80 satellites at most
    for k in range(n_seen):
        told = 0
        i = seen[k].head
        while i >= 0:
            cell = cells[i]
            if cell.cn0_dbhz > 0.0:
                total += cell.cn0_dbhz
                count += 1
                row = rows[cell.row]
                b = int(cell.band)
                level = row.cn0_level_dbhz
                if b >= 0 and row.cn0_age_s >= MATURE_S and not told & (1 << b) and not np.isnan(level):
                    told |= 1 << b
                    drops[b, _byte(told_by, b)] = level - cell.cn0_dbhz
                    told_by += np.uint64(1) << np.uint64(8 * b)
            i = cell.following

    for b in range(_BANDS):
        n_told = _byte(told_by, b)
        drop_db[b] = median(drops[b], n_told) if n_told >= MIN_SATELLITES else np.nan
        if not drop_db[b] >= HOLD_DROP_DB:
            down_since_us[b] = -1
        elif down_since_us[b] < 0:
            down_since_us[b] = t_us

    for i in range(n):
        cell = cells[i]
        if not cell.cn0_dbhz > 0.0:
            continue
        row = rows[cell.row]
        b = int(cell.band)
        if np.isnan(row.cn0_level_dbhz):
            row.cn0_level_dbhz = cell.cn0_dbhz
            row.cn0_age_s = 0.0
            continue
        dt_s = (t_us - row.last_us) * 1e-6
        gain_s = min(dt_s, LEVEL_S)
        if b < 0 or down_since_us[b] < 0 or t_us - down_since_us[b] > HOLD_S * 1e6:
            gain = gain_s * (1.0 / LEVEL_S)
            if row.cn0_age_s + gain_s < LEVEL_S:
                gain = min(1.0, gain_s / (row.cn0_age_s + gain_s))
            row.cn0_level_dbhz += gain * (cell.cn0_dbhz - row.cn0_level_dbhz)
        row.cn0_age_s += dt_s
    return total, count


@njit(cache=True, nogil=True, error_model="numpy")
def elevation_bin(sine: float) -> int:
    """Return the bin of ten degrees of an elevation given by its sine; -1 below the horizon or unknown."""
    if not sine >= 0.0:
        return -1
    place = 0
    while place < len(_BIN_SINES) and sine >= _BIN_SINES[place]:
        place += 1
    return place


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def compare_template(
    template: Any, system: int, band: int, place: int, cn0_dbhz: float, dt_s: float
) -> float:
    """Take a C/N0 into the template of a station; return how much less it is than the template, in dB.

    Parameters
    ----------
    template
        Memory, shape (7, 5, 9, 2), float32: mean and weight in days.
    place
        From `elevation_bin`.
    dt_s
        Time that this value stands for.

    Returns
    -------
    NaN where the template is not mature.
    """
    mean, days = template[system, band, place, 0], template[system, band, place, 1]
    step_days = dt_s * (1.0 / 86_400.0)
    days = min(days + step_days, TEMPLATE_DAYS)
    template[system, band, place, 1] = days
    template[system, band, place, 0] = mean + (cn0_dbhz - mean) * np.float32(step_days / days)
    return mean - cn0_dbhz if days >= TEMPLATE_MATURE_DAYS else np.nan
