"""The tide at the sea floor, predicted from the last three hours (Mofjeld); for kernels.

The tsunami detection algorithm of the DART stations of NOAA (H. O. Mofjeld, Pacific Marine Environmental
Laboratory): a cubic through the ten-minute means of 0, 1, 2 and 3 hours ago, carried on by half a mean and
one sample of 15 s, to now. The weights are those of Lagrange's polynomial at 5.25 / 60 h.

A mean is that of the one-minute means within five minutes of its centre. Where samples are rare (every 15
minutes in the normal mode of a DART station) it is interpolated at the centre, the newest sample included.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

WEIGHTS = (1.16818457031250, -0.28197558593750, 0.14689746093750, -0.03310644531250)
SLOPES = (2.0121614583333334, -3.448984375, 1.861484375, -0.42466145833333335)
"""Per hour: the derivative of the same polynomial."""
AHEAD_US = 315_000_000
HALF_US = 300_000_000
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
LEAST = 5
"""With fewer samples a mean is interpolated."""
CAPACITY = 256
"""Minutes; 3 hours, 10 minutes and 15 seconds are needed."""

HISTORY = np.dtype(
    [
        ("base", "f8"),  # sums are of what is above it
        ("newest", "i8"),  # minute
        ("minute", "i4", (CAPACITY,)),  # since 1970
        ("count", "i4", (CAPACITY,)),  # samples in that minute; 0: unknown
        ("second", "f4", (CAPACITY,)),  # sum
        ("value", "f8", (CAPACITY,)),  # sum
    ]
)


@njit(cache=True, nogil=True)
def clear(h: Any) -> None:
    """Begin anew."""
    h.count[:] = 0
    h.newest = 0


@njit(cache=True, nogil=True)
def add(h: Any, time_us: int, value: float, sign: int) -> None:
    """Add a sample, or (sign -1) take one away that was added."""
    minute = time_us // MINUTE_US
    if h.newest == 0:
        h.base = value
    h.newest = max(h.newest, minute)
    k = minute % CAPACITY
    if h.minute[k] != minute:
        h.minute[k], h.count[k], h.second[k], h.value[k] = minute, 0, 0.0, 0.0
    h.count[k] += sign
    h.second[k] += sign * (time_us - minute * MINUTE_US) * 1e-6
    h.value[k] += sign * (value - h.base)


@njit(cache=True, nogil=True)
def shift(h: Any, before_us: int, offset: float) -> None:
    """The zero of the instrument has moved at that time: what was before is moved too."""
    minute = before_us // MINUTE_US
    for k in range(CAPACITY):
        if h.count[k] > 0 and h.minute[k] < minute:
            h.value[k] += offset * h.count[k]
        elif h.minute[k] == minute:
            h.count[k] = 0


@njit(cache=True, nogil=True)
def _time_us(h: Any, k: int) -> int:
    """Return the mean time of the samples of a minute."""
    return int(h.minute[k] * MINUTE_US + h.second[k] / h.count[k] * 1e6)


@njit(cache=True, nogil=True)
def mean_at(h: Any, centre_us: int, max_gap_us: int) -> float:
    """Return the ten-minute mean at a time; NaN where it cannot be known.

    Interpolation needs samples no further apart than `max_gap_us`.
    """
    mean = 0.0
    minutes, samples = 0, 0
    for minute in range((centre_us - HALF_US) // MINUTE_US, (centre_us + HALF_US) // MINUTE_US + 1):
        k = minute % CAPACITY
        if h.minute[k] == minute and h.count[k] > 0 and abs(_time_us(h, k) - centre_us) <= HALF_US:
            mean += h.value[k] / h.count[k]
            minutes += 1
            samples += h.count[k]
    if samples >= LEAST:
        return float(h.base + mean / minutes)
    centre = centre_us // MINUTE_US
    reach = min(max_gap_us // MINUTE_US, CAPACITY - 1)
    before = after = -1
    for minute in range(centre, centre - reach - 1, -1):
        k = minute % CAPACITY
        if h.minute[k] == minute and h.count[k] > 0 and _time_us(h, k) <= centre_us:
            before = k
            break
    for minute in range(centre, min(centre + reach, h.newest) + 1):
        k = minute % CAPACITY
        if h.minute[k] == minute and h.count[k] > 0 and _time_us(h, k) >= centre_us:
            after = k
            break
    if before < 0 or after < 0:
        return np.nan
    before_us, after_us = _time_us(h, before), _time_us(h, after)
    if after_us - before_us > max_gap_us:
        return np.nan
    low = h.value[before] / h.count[before]
    share = (centre_us - before_us) / max(after_us - before_us, 1)
    return float(h.base + low + share * (h.value[after] / h.count[after] - low))


@njit(cache=True, nogil=True)
def predict(h: Any, time_us: int, max_gap_us: int, nodes: Any) -> tuple[float, float]:
    """Return the tide at a time and its slope per hour; NaN where it cannot be known.

    `nodes`, shape (4,), gets the means that it is made of, the newest first.
    """
    tide = slope = 0.0
    for k in range(4):
        nodes[k] = mean_at(h, time_us - AHEAD_US - k * HOUR_US, max_gap_us)
        tide += WEIGHTS[k] * nodes[k]
        slope += SLOPES[k] * nodes[k]
    return tide, slope


def columns(h: Any) -> dict[str, list[Any]]:
    """Return the one-minute means as evidence, oldest first."""
    known = np.flatnonzero((h["count"] > 0) & (h["minute"] > h["newest"] - CAPACITY))
    known = known[np.argsort(h["minute"][known])]
    count = h["count"][known]
    time_us = h["minute"][known].astype(np.int64) * MINUTE_US
    time_us += np.rint(h["second"][known] / count * 1e6).astype(np.int64)
    return {
        "time_us": time_us.tolist(),
        "value": [round(v, 4) for v in (h["base"] + h["value"][known] / count).tolist()],
    }
