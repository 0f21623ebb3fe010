"""A causal quadratic trend over the recent past of a series, kept up by sums; for kernels.

What a series would be now if it went on as it did: a quadratic by least squares over a window, carried on.
Sums of powers are added to and subtracted from, so a sample costs the same however long the window is; they
are made anew once in `CAPACITY` samples, before their digits are lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

SAMPLES = 120
"""A window holds about so many, evenly in time, however fast samples come."""
CAPACITY = 168
"""More cannot be in it: they are 0.75 / SAMPLES of its length apart, the last one may be no older."""
MIN_SAMPLES = 12
MIN_SPAN = 0.75
"""Share of the window that must lie between its first sample and the one that is judged."""
HOUR_US = 3_600_000_000

WINDOW = np.dtype(
    [
        ("head", "i8"),  # where the oldest is
        ("n", "i8"),
        ("until_renewal", "i8"),
        ("origin_us", "i8"),  # x is in hours from here
        ("base", "f8"),  # y is the value above this
        ("sums", "f8", (7,)),  # of x, x2, x3, x4, y, xy, x2y
        ("time_us", "i8", (CAPACITY,)),
        ("value", "f8", (CAPACITY,)),
    ]
)


@njit(cache=True, nogil=True)
def _add(w: Any, time_us: int, value: float, sign: float) -> None:
    x = (time_us - w.origin_us) / HOUR_US
    y = (value - w.base) * sign
    power = x * sign
    w.sums[4] += y
    w.sums[5] += x * y
    w.sums[6] += x * x * y
    for k in range(4):
        w.sums[k] += power
        power *= x


@njit(cache=True, nogil=True)
def _renew(w: Any) -> None:
    w.origin_us, w.base = w.time_us[w.head], w.value[w.head]
    w.sums[:] = 0.0
    for k in range(w.n):
        i = (w.head + k) % CAPACITY
        _add(w, w.time_us[i], w.value[i], 1.0)
    w.until_renewal = CAPACITY


@njit(cache=True, nogil=True)
def clear(w: Any) -> None:
    """Begin anew."""
    w.n = w.until_renewal = 0


@njit(cache=True, nogil=True)
def shift(w: Any, offset: float) -> None:
    """The zero of the instrument has moved."""
    for k in range(w.n):
        w.value[(w.head + k) % CAPACITY] += offset
    w.base += offset


@njit(cache=True, nogil=True)
def is_ready(w: Any, time_us: int, length_us: int) -> bool:
    """Forget what is older than the window; return whether it is full enough to judge a sample."""
    while w.n > 0 and w.time_us[w.head] < time_us - length_us:
        _add(w, w.time_us[w.head], w.value[w.head], -1.0)
        w.head = (w.head + 1) % CAPACITY
        w.n -= 1
    return bool(w.n >= MIN_SAMPLES and time_us - w.time_us[w.head] >= MIN_SPAN * length_us)


@njit(cache=True, nogil=True)
def learn(w: Any, time_us: int, value: float, length_us: int) -> None:
    """Add a sample of a time for which `is_ready` was asked, unless the last one is too near."""
    if w.n > 0:
        last_us = w.time_us[(w.head + w.n - 1) % CAPACITY]
        if time_us - last_us < 0.75 * length_us / SAMPLES:
            return
    i = (w.head + w.n) % CAPACITY
    w.time_us[i], w.value[i] = time_us, value
    w.n += 1
    w.until_renewal -= 1
    if w.until_renewal <= 0:
        _renew(w)
    else:
        _add(w, time_us, value, 1.0)


@njit(cache=True, nogil=True)
def _fit(w: Any) -> tuple[float, float, float, float, float, float]:
    """Return centre of x, mean of y, and of u = x - centre: slope, curvature, mean u2, mean u3 / mean u2.

    Polynomials that are orthogonal over the given times (Forsythe 1957) need no matrix.
    """
    n = w.n
    centre, mean = w.sums[0] / n, w.sums[4] / n
    x2, x3, x4 = w.sums[1] / n, w.sums[2] / n, w.sums[3] / n
    u2 = x2 - centre**2
    u3 = x3 - 3 * centre * x2 + 2 * centre**3
    u4 = x4 - 4 * centre * x3 + 6 * centre**2 * x2 - 3 * centre**4
    uy = w.sums[5] / n - centre * mean
    u2y = w.sums[6] / n - 2 * centre * w.sums[5] / n + centre**2 * mean - u2 * mean
    skew = u3 / u2
    return centre, mean, uy / u2, (u2y - skew * uy) / (u4 - skew * u3 - u2**2), u2, skew


@njit(cache=True, nogil=True)
def trend_at(w: Any, time_us: int) -> float:
    """Return the trend at a time; the window must be ready."""
    centre, mean, slope, curvature, u2, skew = _fit(w)
    u = (time_us - w.origin_us) / HOUR_US - centre
    return float(w.base + mean + slope * u + curvature * (u * u - skew * u - u2))


@njit(cache=True, nogil=True)
def deviation(w: Any) -> float:
    """Return the median absolute deviation of the window from its own trend."""
    residual = np.empty(w.n)
    for k in range(w.n):
        i = (w.head + k) % CAPACITY
        residual[k] = w.value[i] - trend_at(w, w.time_us[i])
    return float(np.median(np.abs(residual - np.median(residual))))


def columns(w: Any) -> dict[str, list[Any]]:
    """Return the window as evidence: samples, oldest first, and the trend fitted to them."""
    order = (int(w["head"]) + np.arange(int(w["n"]))) % CAPACITY
    time_us, value = w["time_us"][order], w["value"][order]
    hours = (time_us - time_us[-1]) / HOUR_US
    trend = np.polynomial.Polynomial.fit(hours, value, 2)(hours)
    return {
        "time_us": time_us.tolist(),
        "value": [round(v, 4) for v in value.tolist()],
        "trend": [round(v, 4) for v in trend.tolist()],
    }
