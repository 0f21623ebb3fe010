"""Where a station is when nobody says so: from the codes of some of its epochs."""

from __future__ import annotations

import numpy as np

from gnss.epoch_columns import EpochColumns
from gnss.observations import PARTIAL
from gnss.quality.position import solve
from gnss.scoring.epochs import SkyOf

EPOCHS = 60
"""That are tried, spread evenly."""
LEAST_EPOCHS = 3

Place = tuple[float, float, float]


def mean_place(epochs: EpochColumns, sky: SkyOf) -> Place | None:
    """Return the median of single-point positions (ECEF, m); None: there were too few.

    Parameters
    ----------
    epochs
        Of one station.
    """
    o, found = epochs.observations, []
    start_m, out = np.zeros(3), np.zeros(8)
    chosen = np.unique(np.linspace(0, len(epochs) - 1, min(EPOCHS, len(epochs))).astype(np.int64))
    for e in chosen.tolist():
        now = sky(int(epochs.time_us[e]))
        rows = slice(int(epochs.first[e]), int(epochs.first[e] + epochs.count[e]))
        if now is None or (o.flags[rows] & PARTIAL).any():
            continue
        used = solve(
            o.system[rows], o.satellite[rows], o.signal[rows], o.range_m[rows], o.cn0_dbhz[rows],
            now.known & now.healthy, now.position_m, now.velocity_m_s, now.acceleration_m_s2, now.clock_s,
            now.clock_rate, now.group_delay_s, start_m, out,
        )  # fmt: skip
        if used:
            start_m = out[:3].copy()
            found.append(start_m)
    if len(found) < LEAST_EPOCHS:
        return None
    x_m, y_m, z_m = np.median(found, axis=0).tolist()
    return x_m, y_m, z_m
