"""Days, seasons and months of a borehole: medians of both, their slope, heat of 12 months."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

HOURS = 24
HOUR_US = 3_600_000_000
DAY_US = HOURS * HOUR_US
YEAR_US = 31_557_600_000_000
"""365.25 days: seasons and months are equal parts of it, counted from 1970."""
MONTHS = 12
SEASONS = 4
KEPT_SEASONS = 64
"""Sixteen years."""
KEPT_DAYS = 92
REJECTED, EXTRACTED = 1, 2
_KEPT_MONTHS = 13

GROUND = [
    ("day", "i8", (2,)),  # of the field and of the reference
    ("day_n", "i8", (2,)),
    ("hour", "i8", (2, HOURS)),
    ("hour_value", "f8", (2, HOURS)),
    ("before_day", "i8"),  # the reference's last full day
    ("before_value", "f8"),
    ("season", "i8"),
    ("days", "i8"),  # in this season
    ("day_value", "f8", (KEPT_DAYS,)),
    ("seasons", "i8"),
    ("season_of", "i8", (KEPT_SEASONS,)),
    ("median", "f8", (KEPT_SEASONS,)),
    ("slope", "f8"),
    ("pairs", "i8"),
    ("has_total", "i8", (2,)),
    ("total", "f8", (2,)),
    ("peak", "f8", (2,)),  # before the meter fell
    ("first_month", "i8", (2,)),
    ("heat_month", "i8", (2, _KEPT_MONTHS)),
    ("heat", "f8", (2, _KEPT_MONTHS)),
]


@njit(cache=True, nogil=True)
def new_day(s: Any, which: int, time_us: int, value: float) -> tuple[int, float]:
    """Take a sample of the field (0) or the reference (1); return the day it closes and its median, or NaN.

    Of each hour the first sample counts, so that a spike does not.
    """
    day, hour = time_us // DAY_US, time_us // HOUR_US
    closed, median = s.day[which], np.nan
    if s.day_n[which] > 0 and day != closed:
        median = daily(s, which, closed)
        if which == 1:
            s.before_day, s.before_value = closed, median
        s.day_n[which] = 0
    s.day[which] = day
    n = s.day_n[which]
    if n == 0 or (n < HOURS and s.hour[which, n - 1] != hour):
        s.hour[which, n], s.hour_value[which, n] = hour, value
        s.day_n[which] += 1
    return closed, median


@njit(cache=True, nogil=True)
def daily(s: Any, which: int, day: int) -> float:
    """Return the median of a day, full or not, or NaN."""
    if s.day_n[which] > 0 and s.day[which] == day:
        return float(np.median(s.hour_value[which, : s.day_n[which]]))
    if which == 1 and s.before_day == day:
        return float(s.before_value)
    return np.nan


@njit(cache=True, nogil=True)
def close_day(s: Any, day: int, value: float) -> None:
    """Put a day into its season; a season that ends becomes a median, if a third of it is known."""
    season = day * DAY_US * SEASONS // YEAR_US
    if season != s.season:
        if s.days >= KEPT_DAYS // 3 and season > s.season:
            at = s.seasons % KEPT_SEASONS
            s.season_of[at], s.median[at] = s.season, np.median(s.day_value[: s.days])
            s.seasons += 1
            _slope(s)
        s.season, s.days = season, 0
    if s.days < KEPT_DAYS:
        s.day_value[s.days] = value
        s.days += 1


@njit(cache=True, nogil=True)
def _slope(s: Any) -> None:
    n = min(s.seasons, KEPT_SEASONS)
    slopes = np.empty(n * n)
    pairs = 0
    for i in range(n):
        for j in range(n):
            apart = s.season_of[j] - s.season_of[i]
            if apart > 0 and apart % SEASONS == 0:
                slopes[pairs] = (s.median[j] - s.median[i]) * SEASONS / apart
                pairs += 1
    s.pairs = pairs
    s.slope = np.median(slopes[:pairs]) if pairs > 0 else 0.0


@njit(cache=True, nogil=True)
def seasonal_slope(s: Any, least_pairs: int) -> float:
    """Return the slope in units a year, or NaN while too few years are known."""
    return float(s.slope) if s.seasons > 0 and s.pairs >= least_pairs else np.nan


@njit(cache=True, nogil=True)
def add_heat(s: Any, which: int, time_us: int, total: float) -> None:
    """Take a meter's total. One that falls has been reset, unless it comes back to where it was."""
    month = time_us * MONTHS // YEAR_US
    if s.has_total[which] == 0:
        s.has_total[which], s.first_month[which] = 1, month
        grown = 0.0
    else:
        grown = total - s.total[which]
        if grown < 0.0:
            s.peak[which] = s.total[which]
            grown = max(total, 0.0)
        elif total >= s.peak[which] > s.total[which]:
            grown = total - s.peak[which]
    s.total[which] = total
    at = month % _KEPT_MONTHS
    if s.heat_month[which, at] != month:
        s.heat_month[which, at], s.heat[which, at] = month, 0.0
    s.heat[which, at] += grown


@njit(cache=True, nogil=True)
def imbalance(s: Any, day: int) -> float:
    """Return that of the last twelve full months, or NaN while they are not known."""
    month = day * DAY_US * MONTHS // YEAR_US
    sums = np.zeros(2)
    for which in range(2):
        if s.has_total[which] == 0 or month - s.first_month[which] <= MONTHS:
            return np.nan
        for earlier in range(month - MONTHS, month):
            if s.heat_month[which, earlier % _KEPT_MONTHS] == earlier:
                sums[which] += s.heat[which, earlier % _KEPT_MONTHS]
    most = sums.max()
    return float((sums[0] - sums[1]) / most) if most > 0.0 else np.nan


def season_medians(state: Any) -> dict[str, list[Any]]:
    """Return the seasons' medians as evidence, oldest first: begin of the season and median."""
    n = int(state["seasons"])
    order = np.arange(max(0, n - KEPT_SEASONS), n) % KEPT_SEASONS
    return {
        "time_us": (state["season_of"][order] * YEAR_US // SEASONS).tolist(),
        "value": [round(one, 3) for one in state["median"][order].tolist()],
    }
