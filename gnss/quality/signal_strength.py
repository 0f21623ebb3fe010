"""C/N0: its mean, and a drop of a whole band against the station's own recent level.

One satellite that fades is an obstruction or a set; most satellites of a band that drop together are
interference, or the antenna and its cable. A signal's level is a running mean of `LEVEL_S`; a satellite's
drop in a band is that level minus what came now; the band's drop is the median over its satellites.
While a band is down its levels stand still, so that the interferer does not become the norm, but for no
longer than `HOLD_S`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

LEVEL_S = 120.0
MATURE_S = 20.0
"""A level counts after so much time."""
HOLD_S = 600.0
HOLD_DROP_DB = 2.0
MIN_SATELLITES = 4

_BANDS = 5


@njit(cache=True, nogil=True)
def update(
    rows: Any,
    cell_row: Any,
    head: Any,
    following: Any,
    system: Any,
    signal: Any,
    cn0_dbhz: Any,
    band: Any,
    t_us: int,
    down_since_us: Any,
    drop_db: Any,
) -> tuple[float, int]:
    """Take an epoch into the levels.

    Parameters
    ----------
    rows, cell_row, head, following
        As `gnss.quality.tracking.assign` leaves them.
    system, signal, cn0_dbhz
        Columns of `Observations`, shape (n,); 0 or NaN is a C/N0 that was not sent.
    band
        `gnss.quality.bands.BAND`, shape (7, 33).
    down_since_us
        Memory, shape (5,), int64: when each band went down, -1 when it is not.
    drop_db
        Out: shape (5,): each band's drop, NaN where fewer than `MIN_SATELLITES` tell.

    Returns
    -------
    Sum of C/N0 over the signals and how many they are.
    """
    total, count = 0.0, 0
    drops = np.empty((_BANDS, len(head)))
    n = np.zeros(_BANDS, np.int64)
    for s in range(len(head)):
        c = head[s]
        told = 0
        while c >= 0:
            if cn0_dbhz[c] > 0.0:
                total += cn0_dbhz[c]
                count += 1
                row = rows[cell_row[c]]
                b = band[system[c], signal[c]]
                mature = t_us - row.cn0_since_us >= MATURE_S * 1e6
                if b >= 0 and mature and not told & (1 << b) and not np.isnan(row.cn0_level_dbhz):
                    told |= 1 << b
                    drops[b, n[b]] = row.cn0_level_dbhz - cn0_dbhz[c]
                    n[b] += 1
            c = following[c]

    for b in range(_BANDS):
        drop_db[b] = np.median(drops[b, : n[b]]) if n[b] >= MIN_SATELLITES else np.nan
        if not drop_db[b] >= HOLD_DROP_DB:
            down_since_us[b] = -1
        elif down_since_us[b] < 0:
            down_since_us[b] = t_us

    for c in range(len(cell_row)):
        if cell_row[c] < 0 or not cn0_dbhz[c] > 0.0:
            continue
        row = rows[cell_row[c]]
        b = band[system[c], signal[c]]
        if np.isnan(row.cn0_level_dbhz):
            row.cn0_level_dbhz = cn0_dbhz[c]
            row.cn0_since_us = t_us
        elif b < 0 or down_since_us[b] < 0 or t_us - down_since_us[b] > HOLD_S * 1e6:
            age_s = (t_us - row.cn0_since_us) * 1e-6
            dt_s = min((t_us - row.last_us) * 1e-6, LEVEL_S)
            gain = max(dt_s / LEVEL_S, min(1.0, dt_s / (age_s + dt_s)))
            row.cn0_level_dbhz += gain * (cn0_dbhz[c] - row.cn0_level_dbhz)
    return total, count
