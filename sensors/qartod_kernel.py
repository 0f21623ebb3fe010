"""The kernel of `sensors.qartod`: one pass over the samples of many series, with their state in arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

PASS, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
LATE = -1
"""Revision of a sample that came after a newer one."""
CLOCK_TOLERANCE_US = 300_000_000
"""How much a device's clock may be ahead."""
BINS = 25
"""Steps of the window of the standard deviation."""

PARAMETERS = np.dtype(
    [
        ("ioos_qc", "u1"),
        ("on", "u1", (4,)),
        ("low", "f8"),
        ("high", "f8"),
        ("user_low", "f8"),
        ("user_high", "f8"),
        ("spike_suspect", "f8"),
        ("spike_fail", "f8"),
        ("rate_limit", "f8"),
        ("rate_fail", "f8"),
        ("rate_per_s", "f8"),
        ("deviations", "f8"),
        ("bin_us", "i8"),
        ("flat_suspect", "i8"),
        ("flat_fail", "i8"),
        ("flat_tolerance", "f8"),
        ("max_gap_us", "i8"),
    ]
)
"""Of one series; a limit that is not there is infinite. `on`: which of the four tests are made."""

STATE = np.dtype(
    [
        ("n", "i8"),  # samples since the start or the last gap
        ("first_us", "i8"),  # of the first sample that the standard deviation knows
        ("known", "i8"),  # such samples
        ("time_us", "i8"),  # the newest sample
        ("value", "f8"),
        ("received_at_us", "i8"),
        ("flags", "u1", (4,)),
        ("value_before", "f8"),  # the one before it
        ("ring_n", "i8"),  # samples in the ring of the flat line, and where the next one goes
        ("ring_at", "i8"),
    ]
)
"""Of one series; all zero before the first sample."""

_GROSS, _SPIKE, _RATE, _FLAT = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def clock_was_ahead(newest_us: int, time_us: int, received_at_us: int) -> bool:
    """Return whether the newest sample of a series came with a clock that has been set back since.

    Its time lies after now, the next sample's does not: the order begins anew with that one, or a single
    wrong time would make all true ones late.
    """
    limit_us = received_at_us + CLOCK_TOLERANCE_US
    return newest_us > limit_us and time_us <= limit_us


@njit(cache=True, nogil=True)
def judge(
    series: Any,
    time_us: Any,
    value: Any,
    received_at_us: Any,
    parameters: Any,
    state: Any,
    ring: Any,
    bins: Any,
    out: Any,
    out_flags: Any,
) -> tuple[int, int, int]:
    """Judge samples in order and move the state on.

    Parameters
    ----------
    series, time_us, value, received_at_us
        Samples, shape (n,); the series is a slot, -1: no tests.
    parameters, state
        Shape (slots,), `PARAMETERS` and `STATE`.
    ring
        Last values, shape (slots, width), for the flat line.
    bins
        Shape (slots, BINS, 4): index of the bin, number, mean and sum of squared deviations; width 0
        when no series needs a standard deviation.
    out
        Filled; columns of shape (2 n,): series, time_us, value, received_at_us, revision, overall flag.
    out_flags
        Filled; shape (2 n, 4).

    Returns
    -------
    Number of rows filled; samples that were repetitions (no row); samples that were late.
    """
    size, repeated, late = 0, 0, 0
    for i in range(len(series)):
        slot, t, v = series[i], time_us[i], value[i]
        if slot < 0:
            flag = NOT_EVALUATED if np.isfinite(v) else MISSING
            out_flags[size, :] = flag
            size = _emit(out, size, slot, t, v, received_at_us[i], 0, flag)
            continue
        p, s = parameters[slot], state[slot]
        flags = out_flags[size]
        if s.n > 0 and clock_was_ahead(s.time_us, t, received_at_us[i]):
            s.n = s.ring_n = s.ring_at = s.known = 0
        if s.n > 0 and t <= s.time_us:
            if t == s.time_us:
                repeated += 1
                continue
            late += 1
            flags[:] = NOT_EVALUATED if np.isfinite(v) else MISSING
            flags[_GROSS] = _gross_range(p, v)
            size = _emit(out, size, slot, t, v, received_at_us[i], LATE, _overall(p, flags, v))
            continue
        if s.n > 0 and t - s.time_us > p.max_gap_us:
            s.n = s.ring_n = s.ring_at = 0
        spike = _spike(p, s, v)
        if spike != NOT_EVALUATED:
            s.flags[_SPIKE] = spike
            flags[:] = s.flags
            revised = _overall(p, flags, s.value)
            size = _emit(out, size, slot, s.time_us, s.value, s.received_at_us, 1, revised)
            flags = out_flags[size]
        flags[_GROSS] = _gross_range(p, v)
        flags[_SPIKE] = NOT_EVALUATED if np.isfinite(v) else MISSING
        flags[_RATE] = _rate_of_change(p, s, bins[slot], t, v)
        flags[_FLAT] = _flat_line(p, s, ring[slot], v)
        _remember(p, s, ring[slot], bins[slot], t, v, received_at_us[i], flags)
        size = _emit(out, size, slot, t, v, received_at_us[i], 0, _overall(p, flags, v))
    return size, repeated, late


@njit(cache=True, nogil=True)
def _emit(
    out: Any, row: int, slot: int, t: int, v: float, received_at_us: int, revision: int, flag: int
) -> int:
    series, time_us, value, received, revisions, flags = out
    series[row], time_us[row], value[row] = slot, t, v
    received[row], revisions[row], flags[row] = received_at_us, revision, flag
    return row + 1


@njit(cache=True, nogil=True)
def _overall(p: Any, flags: Any, v: float) -> int:
    if not np.isfinite(v):
        return MISSING
    worst = 0
    for test in range(4):
        if p.on[test]:
            worst = max(worst, flags[test])
    return worst or NOT_EVALUATED


@njit(cache=True, nogil=True)
def _gross_range(p: Any, v: float) -> int:
    if not np.isfinite(v):
        return MISSING
    if not p.on[_GROSS]:
        return NOT_EVALUATED
    if v < p.low or v > p.high:
        return FAIL
    return SUSPECT if v < p.user_low or v > p.user_high else PASS


@njit(cache=True, nogil=True)
def _spike(p: Any, s: Any, v: float) -> int:
    """Return the verdict on the newest sample so far, now that its successor `v` is here."""
    if not p.on[_SPIKE] or s.n < 2 or not np.isfinite(v + s.value + s.value_before):
        return NOT_EVALUATED
    deviation = abs(s.value - (s.value_before + v) / 2)
    if deviation > p.spike_fail:
        return FAIL
    return SUSPECT if deviation > p.spike_suspect else PASS


@njit(cache=True, nogil=True)
def _rate_of_change(p: Any, s: Any, bins: Any, t: int, v: float) -> int:
    if not np.isfinite(v):
        return MISSING
    if not p.on[_RATE]:
        return NOT_EVALUATED
    if s.n == 0 or not np.isfinite(s.value):
        return PASS if p.ioos_qc else NOT_EVALUATED
    change = abs(v - s.value)
    if p.deviations > 0:
        if s.known == 0 or t - s.first_us < BINS * p.bin_us:
            return NOT_EVALUATED
        deviation = _standard_deviation(bins, t // p.bin_us)
        if np.isnan(deviation):
            return NOT_EVALUATED
        return SUSPECT if change > p.deviations * deviation else PASS
    if p.ioos_qc:
        seconds = (t - s.time_us) // 1_000_000
        rate = change / seconds if seconds > 0 else (np.inf if change > 0 else 0.0)
        periods = 1.0 / p.rate_per_s
    else:
        rate = change
        periods = max(1.0, (t - s.time_us) / 1e6 / p.rate_per_s)
    if rate > p.rate_fail * periods:
        return FAIL
    return SUSPECT if rate > p.rate_limit * periods else PASS


@njit(cache=True, nogil=True)
def _standard_deviation(bins: Any, newest: int) -> float:
    """Join the bins of the window (Chan, Golub and LeVeque 1979); NaN with fewer than two samples."""
    n, mean, squares = 0.0, 0.0, 0.0
    for i in range(BINS):
        at, more, more_mean, more_squares = bins[i, 0], bins[i, 1], bins[i, 2], bins[i, 3]
        if more == 0 or at <= newest - BINS or at > newest:
            continue
        delta = more_mean - mean
        squares += more_squares + delta * delta * n * more / (n + more)
        mean += delta * more / (n + more)
        n += more
    return np.sqrt(squares / (n - 1)) if n >= 2 else np.nan


@njit(cache=True, nogil=True)
def _flat_line(p: Any, s: Any, ring: Any, v: float) -> int:
    if not np.isfinite(v):
        return MISSING
    if not p.on[_FLAT]:
        return NOT_EVALUATED
    width = len(ring)
    if p.ioos_qc:
        verdict = PASS
        low = high = v
        for back in range(1, min(s.ring_n, p.flat_fail) + 1):
            earlier = ring[(s.ring_at - back) % width]
            if np.isfinite(earlier):
                low, high = min(low, earlier), max(high, earlier)
            if high - low >= p.flat_tolerance:
                break
            if back == p.flat_suspect:
                verdict = SUSPECT
            if back == p.flat_fail:
                verdict = FAIL
        return verdict
    if s.ring_n == 0:
        return NOT_EVALUATED
    alike = 0
    while alike < min(s.ring_n, p.flat_fail):
        earlier = ring[(s.ring_at - 1 - alike) % width]
        if not abs(v - earlier) < p.flat_tolerance:
            break
        alike += 1
    if alike >= p.flat_fail:
        return FAIL
    return SUSPECT if alike >= p.flat_suspect else PASS


@njit(cache=True, nogil=True)
def _remember(
    p: Any, s: Any, ring: Any, bins: Any, t: int, v: float, received_at_us: int, flags: Any
) -> None:
    if p.on[_FLAT]:
        ring[s.ring_at] = v
        s.ring_at = (s.ring_at + 1) % len(ring)
        s.ring_n = min(s.ring_n + 1, len(ring))
    if p.deviations > 0 and np.isfinite(v) and flags[_GROSS] != FAIL:
        if s.known == 0:
            s.first_us = t
        s.known += 1
        index = t // p.bin_us
        entry = bins[index % BINS]
        if entry[0] != index:
            entry[0], entry[1], entry[2], entry[3] = index, 0.0, 0.0, 0.0
        entry[1] += 1
        delta = v - entry[2]
        entry[2] += delta / entry[1]
        entry[3] += delta * (v - entry[2])
    s.value_before = s.value
    s.n += 1
    s.time_us, s.value, s.received_at_us = t, v, received_at_us
    s.flags[:] = flags
