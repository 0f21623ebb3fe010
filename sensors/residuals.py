"""The last residuals of a series: whether they persist, are slow enough for a tsunami, or are a fault.

A residual is what is left of a sample when the tide is taken away. For kernels; times are in microseconds.

Seismic waves shake a gauge with periods of seconds to three minutes, tsunamis take five to ninety
minutes. They are told apart by two things: within a half-wave of a tsunami all residuals are on one
side, and their mean stands out of what changes from sample to sample. The mean of n independent residuals has
the standard deviation s / sqrt(n), and their changes have s * sqrt(2); so the mean must exceed `OUTSTANDING`
times change / sqrt(2 n). The change is the larger of that among these samples and that of the past
half-hour, so waves that are too fast for the sampling (and look random) keep it up.

Samples further apart than `SLOW_US` cannot tell periods: a half-wave of a tsunami may be one of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

CAPACITY = 64
LEAST = 3
OF = 5
SHARE = 0.6
"""At least 3 of the last 5, or 60 % of more."""
OUTSTANDING = 4.0
"""Standard deviations of a mean of random residuals: chance in 16,000 for one mean of normal ones."""
MEMORY_US = 1_800_000_000
"""For how long changes count: strong seismic waves of a great earthquake pass for about half an hour."""
SLOW_US = 150_000_000
"""Half of the shortest tsunami's period."""
_STEP_SHARE = 0.7
_STILL_DEVIATIONS = 2.5

RESIDUALS = np.dtype(
    [
        ("n", "i8"),
        ("change2", "f8"),  # mean square of changes from sample to sample, over the memory
        ("time_us", "i8", (CAPACITY,)),
        ("value", "f8", (CAPACITY,)),
        ("residual", "f8", (CAPACITY,)),
        ("jump", "f8", (CAPACITY,)),  # change since the sample before
        ("side", "i1", (CAPACITY,)),  # 1 above, -1 below the thresholds, 0 between
    ]
)


@njit(cache=True, nogil=True)
def take(
    r: Any, time_us: int, value: float, residual: float, jump: float, threshold: float, keep_us: int
) -> None:
    """Add a judged sample; keep those of `keep_us`, five at least.

    Samples must be further apart than `keep_us` / `CAPACITY`, or the oldest of these are lost.
    """
    drop = 0
    while drop < r.n and (
        r.n - drop == CAPACITY or (r.n - drop >= OF and r.time_us[drop] < time_us - keep_us)
    ):
        drop += 1
    if drop:
        for k in range(r.n - drop):
            r.time_us[k], r.value[k] = r.time_us[k + drop], r.value[k + drop]
            r.residual[k], r.jump[k] = r.residual[k + drop], r.jump[k + drop]
            r.side[k] = r.side[k + drop]
        r.n -= drop
    since_us = time_us - r.time_us[r.n - 1] if r.n else 0
    r.change2 += min(since_us / MEMORY_US, 1.0) * (jump * jump - r.change2)
    r.time_us[r.n], r.value[r.n] = time_us, value
    r.residual[r.n], r.jump[r.n] = residual, jump
    r.side[r.n] = 0 if abs(residual) <= threshold else 1 if residual > 0 else -1
    r.n += 1


@njit(cache=True, nogil=True)
def clear(r: Any) -> None:
    """Begin anew."""
    r.n, r.change2 = 0, 0.0


@njit(cache=True, nogil=True)
def is_slow(r: Any) -> bool:
    """Return whether samples are too far apart to tell periods."""
    return bool(r.n > 1 and r.time_us[r.n - 1] - r.time_us[0] > SLOW_US * (r.n - 1))


@njit(cache=True, nogil=True)
def half_wave(r: Any, duration_us: int) -> int:
    """Return where a half-wave begins that persists until the newest sample, or -1.

    Enough samples exceed the threshold on one side, over long enough, none behind them on the other; of
    slow samples, on either side.
    """
    begin, exceed, last, side = 0, 0, 0, 0
    slow = is_slow(r)
    for k in range(r.n):
        if r.side[k] == 0:
            continue
        if r.side[k] != side and not (slow and exceed):
            begin, exceed, side = k, 0, r.side[k]
        exceed += 1
        last = k
    if exceed < max(LEAST, SHARE * r.n) or r.time_us[last] - r.time_us[begin] < duration_us:
        return -1
    return begin


@njit(cache=True, nogil=True)
def stands_out(r: Any, begin: int) -> bool:
    """Return whether the mean of the residuals from `begin` on stands out of their changes.

    That of slow samples need not.
    """
    if is_slow(r):
        return True
    mean = change2 = 0.0
    n = r.n - begin
    for k in range(begin, r.n):
        mean += r.residual[k] / n
        change2 += r.jump[k] ** 2 / n
    return bool(mean * mean * 2 * n >= OUTSTANDING**2 * max(change2, r.change2))


@njit(cache=True, nogil=True)
def reaches(r: Any, limit: float, duration_us: int) -> bool:
    """Return whether at least three samples reach a limit, over long enough."""
    first, last, count = 0, 0, 0
    for k in range(r.n):
        if abs(r.residual[k]) >= limit:
            first = k if count == 0 else first
            last = k
            count += 1
    return bool(count >= LEAST and r.time_us[last] - r.time_us[first] >= duration_us)


@njit(cache=True, nogil=True)
def level_reached(r: Any, level: Any, duration_us: int) -> int:
    """Return the index of the highest level that is reached, at least 0."""
    highest = 0
    for k in range(1, len(level)):
        if reaches(r, level[k], duration_us):
            highest = k
    return highest


@njit(cache=True, nogil=True)
def worst(r: Any) -> float:
    """Return the residual that is furthest from zero."""
    furthest = 0.0
    for k in range(r.n):
        if abs(r.residual[k]) > abs(furthest):
            furthest = r.residual[k]
    return furthest


@njit(cache=True, nogil=True)
def stands_still(r: Any, begin: int, noise: float) -> bool:
    """Return whether those that exceed differ by no more than noise of this standard deviation makes."""
    count, mean = 0, 0.0
    for k in range(begin, r.n):
        if r.side[k] != 0:
            count += 1
            mean += r.residual[k]
    mean /= count
    square = 0.0
    for k in range(begin, r.n):
        if r.side[k] != 0:
            square += (r.residual[k] - mean) ** 2
    return bool(np.sqrt(square / (count - 1)) <= _STILL_DEVIATIONS * noise)


@njit(cache=True, nogil=True)
def jumped(r: Any, begin: int) -> bool:
    """Return whether most of the first residual came from one sample to the next."""
    return bool(abs(r.jump[begin]) >= _STEP_SHARE * abs(r.residual[begin]))


@njit(cache=True, nogil=True)
def is_stuck(r: Any, resolution: float) -> bool:
    """Return whether the values themselves do not change."""
    low = high = r.value[0]
    for k in range(1, r.n):
        low, high = min(low, r.value[k]), max(high, r.value[k])
    return bool(high - low <= resolution)


def columns(r: Any, n: int) -> dict[str, list[Any]]:
    """Return the first `n` samples as evidence: they are still there when just cleared."""
    value, residual = r["value"][:n], r["residual"][:n]
    return {
        "time_us": r["time_us"][:n].tolist(),
        "value": [round(v, 4) for v in value.tolist()],
        "trend": [round(v, 4) for v in (value - residual).tolist()],
        "residual": [round(v, 4) for v in residual.tolist()],
        "exceeds": [side != 0 for side in r["side"][:n].tolist()],
    }
