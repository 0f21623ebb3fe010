"""Whole milliseconds of ranges that were sent without them (MSM1 to MSM3, 1001, 1003, 1009 and 1011).

A range less its prediction is the receiver's clock error, modulo 1 ms, and nearly the same for all satellites
of an epoch. It lies on a circle: a clock near half a millisecond is near both ends of the span. So the clock
is first found on the circle, as the middle of the shortest arc that holds more than half of the satellites
(the "shorth", Andrews et al., Robust Estimates of Location, 1972), and all ranges are then put beside their
prediction plus this one clock. They stay together whatever the clock is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gnss.observations import PARTIAL, Observations
from gnss.rtcm.bits import Integer
from gnss.rtcm.legacy_layout import MODULUS_MM, SYSTEM_LAYOUT
from gnss.rtcm.signals import N_SYSTEMS, SPEED_OF_LIGHT_M_S
from kernels.compiled import njit

MILLISECOND_M = SPEED_OF_LIGHT_M_S / 1000.0
MAX_MISFIT_M = MILLISECOND_M / 4
"""A range this far from its prediction plus the clock has a wrong prediction: it could be any millisecond."""
SATELLITE_NUMBERS = 256

Float64 = NDArray[np.float64]


def partial_modulus_m(message: int) -> float:
    """Return what ranges and phases of a message type are sent modulo of, in metres.

    Raises
    ------
    ValueError
        The type sends whole ranges, or none.
    """
    if message in {1009, 1011}:
        return float(SYSTEM_LAYOUT[1, MODULUS_MM]) / 1000.0
    if message in {1001, 1003} or (1071 <= message <= 1137 and 1 <= message % 10 <= 3):
        return MILLISECOND_M
    msg = f"{message} sends whole ranges or none: only MSM1 to MSM3, 1001, 1003, 1009 and 1011 have a modulus"
    raise ValueError(msg)


@njit(cache=True, nogil=True)
def _on_circle(remainders: Float64) -> float:
    """Return the middle of the shortest arc of 0 to 1 that holds more than half of the sorted values."""
    n = remainders.size
    half = n // 2 + 1
    best, first = 2.0, 0
    for i in range(n):
        j = i + half - 1
        arc = (remainders[j] if j < n else remainders[j - n] + 1.0) - remainders[i]
        if arc < best:
            best, first = arc, i
    return float(remainders[first] + best / 2.0)


@njit(cache=True, nogil=True)
def restore_epoch(
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    predicted_range_m: Float64,
    range_m: Float64,
    phase_m: Float64,
    flags: NDArray[np.uint8],
    asked: NDArray[np.uint8],
) -> float:
    """Restore one epoch in place.

    Parameters
    ----------
    system, satellite, predicted_range_m, range_m, phase_m, flags
        As for `restore_whole_ms`; shape (n,).
    asked
        Scratch, shape (7, 256): nought, as it is left.

    Returns
    -------
    The receiver's clock in ms, beside what the predictions hold of it; NaN: nothing could be restored.
    """
    n = len(range_m)
    remainders, whole_ms = np.empty(n), np.empty(n)
    n_remainders = n_whole = 0
    for i in range(n):
        value = phase_m[i] if np.isnan(range_m[i]) else range_m[i]
        clock_ms = (value - predicted_range_m[i]) / MILLISECOND_M
        if not np.isfinite(clock_ms) or system[i] >= N_SYSTEMS:
            continue
        if asked[system[i], satellite[i]]:
            continue  # one signal speaks for its satellite
        asked[system[i], satellite[i]] = 1
        remainders[n_remainders] = clock_ms - np.floor(clock_ms)
        n_remainders += 1
    for i in range(n):
        if system[i] < N_SYSTEMS:
            asked[system[i], satellite[i]] = 0
    if n_remainders == 0:
        return np.nan
    clock = _on_circle(np.sort(remainders[:n_remainders]))
    clock -= np.floor(clock + 0.5)
    for i in range(n):
        clock_ms = (range_m[i] - predicted_range_m[i]) / MILLISECOND_M
        if not flags[i] & PARTIAL and np.isfinite(clock_ms):
            whole_ms[n_whole] = np.floor(clock_ms - clock + 0.5)
            n_whole += 1
    if n_whole:
        clock += np.sort(whole_ms[:n_whole])[n_whole // 2]
    for i in range(n):
        value = phase_m[i] if np.isnan(range_m[i]) else range_m[i]
        misses_m = predicted_range_m[i] + clock * MILLISECOND_M - value
        if not flags[i] & PARTIAL or not np.isfinite(misses_m):
            continue
        added_m = np.floor(misses_m / MILLISECOND_M + 0.5) * MILLISECOND_M
        if abs(misses_m - added_m) < MAX_MISFIT_M:
            range_m[i] += added_m
            phase_m[i] += added_m
            flags[i] &= np.uint8(255 - PARTIAL)
    return float(clock)


@njit(cache=True, nogil=True)
def _restore(
    epoch: NDArray[np.int32],
    system: NDArray[np.uint8],
    satellite: NDArray[np.uint8],
    predicted_range_m: Float64,
    range_m: Float64,
    phase_m: Float64,
    flags: NDArray[np.uint8],
) -> None:
    """Restore in place; all of shape (n,), the rows of an epoch one behind the other."""
    asked = np.zeros((N_SYSTEMS, SATELLITE_NUMBERS), np.uint8)
    begin: Integer = 0
    while begin < len(epoch):
        end = begin
        while end < len(epoch) and epoch[end] == epoch[begin]:
            end += 1
        restore_epoch(
            system[begin:end], satellite[begin:end], predicted_range_m[begin:end], range_m[begin:end],
            phase_m[begin:end], flags[begin:end], asked,
        )  # fmt: skip
        begin = end


def restore_whole_ms(observations: Observations, predicted_range_m: Float64) -> Observations:
    """Return observations whose `PARTIAL` ranges and phases have their whole milliseconds, without the flag.

    Parameters
    ----------
    observations
        `row` is the row of the epoch, as in `gnss.epoch_columns.EpochColumns`, and the rows of an epoch stand
        one behind the other.
    predicted_range_m
        Geometric range less the satellite's clock, right to some 70 km up to one clock error of the receiver
        for all satellites of an epoch; shape (n,). NaN: not known.

    Returns
    -------
    The same columns with new ranges, phases and flags. A row stays as it is, with `PARTIAL`, where there is
    no prediction, or one that does not fit those of most other satellites. The receiver's clock error comes
    out within half a millisecond, unless the epoch also has whole ranges that tell more: near half a
    millisecond it may step by a whole one from epoch to epoch, for all satellites together. A clock in the
    predictions moves that limit.
    """
    partial = observations.flags & PARTIAL
    if not partial.any():
        return observations
    range_m, phase_m = observations.range_m.copy(), observations.phase_m.copy()
    flags = observations.flags.copy()
    _restore(
        np.array(observations.row, np.int32),
        np.array(observations.system, np.uint8),
        np.array(observations.satellite, np.uint8),
        np.array(predicted_range_m, np.float64),
        range_m,
        phase_m,
        flags,
    )
    return replace(observations, range_m=range_m, phase_m=phase_m, flags=flags)
