"""Rain kept in bins: sums over windows, the event it belongs to, and what fell on the days before.

Amounts are whole nanometres (1e-6 mm), so that sums over years of rain do not drift.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

BIN_US = 300_000_000
BINS = 288
"""A day in bins of five minutes."""
WINDOWS = 6
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NM = 1e6
"""In a millimetre."""

RAIN = [
    ("bin", "i8"),
    ("bins", "i8", (BINS,)),
    ("sum", "i8", (WINDOWS,)),
    ("event_us", "i8"),  # its begin
    ("wet_us", "i8"),  # the last rain
    ("event", "i8"),
    ("wet", "i8"),  # samples with rain of this event
    ("day", "i8"),
    ("today", "i8"),
    ("before", "f8"),  # effective rain of the days before, nm
]
RAIN_LIMITS = [
    ("window_bins", "i8", (WINDOWS,)),
    ("dry_us", "i8"),
    ("keep", "f8"),
    ("day_begin_us", "i8"),
]


@njit(cache=True, nogil=True)
def pass_time(limit: Any, s: Any, time_us: int) -> None:
    """Let bins, the event and days go by; a clock set back empties all but the days before.

    Rain of the time up to a boundary belongs before it.
    """
    now = (time_us - 1) // BIN_US
    if now < s.bin or now - s.bin >= BINS:
        s.bins[:] = 0
        s.sum[:] = 0
        if now < s.bin:
            s.event = s.wet = 0
        s.bin = now
    while s.bin < now:
        s.bin += 1
        for k in range(WINDOWS):
            s.sum[k] -= s.bins[(s.bin - limit.window_bins[k]) % BINS] if limit.window_bins[k] > 0 else 0
        s.bins[s.bin % BINS] = 0
    if s.event > 0 and time_us - s.wet_us > limit.dry_us:
        s.event = s.wet = 0
    day = (time_us - 1 - limit.day_begin_us) // DAY_US
    if day > s.day:
        s.before = (s.before + s.today) * limit.keep ** min(day - s.day, 1000)
    if day != s.day:
        s.today, s.day = 0, day


@njit(cache=True, nogil=True)
def add_rain(limit: Any, s: Any, time_us: int, period_us: int, amount: int) -> None:
    """Add what fell evenly in the period that ends at `time_us`; time has passed to there."""
    last = (time_us - 1) // BIN_US
    first = min((time_us - period_us) // BIN_US, last)
    n = last - first + 1
    for b in range(max(first, s.bin - BINS + 1), last + 1):
        part = amount // n + (1 if b - first < amount % n else 0)
        s.bins[b % BINS] += part
        for k in range(WINDOWS):
            if b > s.bin - limit.window_bins[k]:
                s.sum[k] += part
    if s.event == 0:
        s.event_us = time_us - period_us
    s.event += amount
    s.wet += 1
    s.wet_us = time_us
    today_us = time_us - limit.day_begin_us - s.day * DAY_US
    s.today += int(amount * min(1.0, today_us / period_us))
    left_us, kept = period_us - today_us, limit.keep
    while left_us > 0 and kept > 1e-6:
        s.before += amount * (min(left_us, DAY_US) / period_us) * kept
        left_us, kept = left_us - DAY_US, kept * limit.keep


@njit(cache=True, nogil=True)
def most_ever_mm(duration_h: float) -> float:
    """Return about the most rain ever measured on Earth in a duration.

    The envelope 422 mm D^0.475 of the world's records. Source: WMO-No. 168, after Jennings (1950).
    """
    return float(422.0 * max(duration_h, 1.0 / 60.0) ** 0.475)


def effective_mm(state: Any) -> float:
    """Return today's rain and the effective rain of the days before."""
    return float(state["before"] + state["today"]) / NM


def depths_mm(state: Any, points: int = BINS) -> dict[str, list[Any]]:
    """Return the newest bins as evidence, oldest first: begin and depth of each."""
    order = np.arange(int(state["bin"]) - points + 1, int(state["bin"]) + 1)
    return {
        "time_us": (order * BIN_US).tolist(),
        "value": [round(depth, 3) for depth in (state["bins"][order % BINS] / NM).tolist()],
    }
