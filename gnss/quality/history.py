"""A station against its own past: hourly means of its figures, and how unusual this hour's is.

IGS marks a station whose latest multipath is more than two standard deviations off its mean of 45 days;
with several figures an hour two deviations happen every day, so that more is asked here, and a least
departure that matters to anybody.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

FIGURES = ("multipath", "cn0", "slips", "observations")
WORDS = ("code multipath", "mean C/N0", "share of satellites that slip", "share of the expected observations")
UNITS = ("m", "dB-Hz", "", "")
LEAST = np.array([0.10, 1.5, 0.02, 0.03])
"""Departures below are never unusual."""
WORSE = np.array([1.0, -1.0, 1.0, -1.0])
"""1: more is worse."""
DAYS = 45.0
MATURE_HOURS = 24
LEAST_POINTS = 600
"""Values of an hour (or a third of what its interval allows) before it is compared."""
HOUR_US = 3_600_000_000
MEAN, SQUARE, HOURS, SUM, COUNT = range(5)


@njit(cache=True, nogil=True, error_model="numpy")
def update(history: Any, station: Any, t_us: int, values: Any) -> tuple[int, float]:
    """Take the figures of an epoch; return the most unusual one of this hour and by how many deviations.

    Parameters
    ----------
    history
        Memory of a station, shape (4, 5).
    values
        Shape (4,), by `FIGURES`; NaN: not known.

    Returns
    -------
    Index into `FIGURES` (-1: none can be told), deviations in the direction that is worse.
    """
    hour = t_us // HOUR_US
    if hour != station.history_hour:
        for k in range(len(values)):
            one = history[k]
            if one[COUNT] >= 30 and hour > station.history_hour:
                value = one[SUM] / one[COUNT]
                hours = min(one[HOURS] + 1.0, DAYS * 24.0)
                off = value - one[MEAN]
                one[MEAN] += off / hours
                one[SQUARE] += ((off * off) - one[SQUARE]) / hours if hours > 1.0 else 0.0
                one[HOURS] = hours
            one[SUM] = 0.0
            one[COUNT] = 0.0
        station.history_hour = hour
    which, most = -1, 0.0
    least_points = min(LEAST_POINTS, HOUR_US // 3 // station.interval_us)
    for k in range(len(values)):
        one = history[k]
        if not np.isnan(values[k]):
            one[SUM] += values[k]
            one[COUNT] += 1.0
        if one[HOURS] < MATURE_HOURS or one[COUNT] < least_points:
            continue
        off = (one[SUM] / one[COUNT] - one[MEAN]) * WORSE[k]
        spread = np.sqrt(one[SQUARE])
        if off >= LEAST[k]:
            deviations = off / max(spread, LEAST[k] / 4.0)
            if which < 0 or deviations > most:
                which, most = k, deviations
        elif which < 0:
            which = k
    return which, most
