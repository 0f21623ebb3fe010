"""Multipath over whole arcs: for files, where the mean of an arc is known before its residuals are taken.

The combination is that of `gnss.quality.multipath`. There, a running mean follows the stream, and what is
slower than its window is not seen; here each arc loses its own mean, so that slow multipath stays and the
figures are larger. The two are reported beside each other and never mixed: neither says the other is wrong.

An arc is broken by what the engine finds while it takes the same epochs (`gnss.quality.slips`: lock times and
loss of lock indicators, geometry-free and wide-lane slips), by a change of the half-cycle flag, by a gap, and
by a value further than `BREAK_M` from the arc's mean so far. A slip counts also when it was found while the
other phase was missing. Steps of the receiver's clock are taken away as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.quality.engine_cells import Cells
from gnss.quality.memory import SATELLITES
from gnss.quality.multipath import BREAK_M, combine
from gnss.quality.slips import WIDE_SLIP
from gnss.rtcm.signals import N_SIGNALS
from gnss.systems import System
from kernels.compiled import njit

LEAST_POINTS = 10
"""Points of an arc that counts. A mean takes 1/n of the variance of n points with it: at ten points the RMS
of independent noise is 5 % too small, in an arc of one it would be nought."""

Pair = tuple[int, int]
"""The signals whose phases are i and j in `gnss.quality.multipath.combine`."""
UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WholeArcs:
    """Residuals of each observation, and figures of each signal."""

    residual_m: Float64
    """Code less the mean of its arc, shape (n_observations,); NaN: unknown, or the arc is too short."""
    arc: Int32
    """Number of the arc, from 0, shape (n_observations,); -1: none. Each code has its own."""
    system: UInt8
    """Shape (n_signals,), as in all that follow: signals that have a residual or a short arc, in the order of
    systems and signals."""
    signal: UInt8
    rms_m: Float64
    """Root mean square of the residuals; NaN without any."""
    count: Int64
    """Residuals."""
    arcs: Int64
    """Arcs with residuals."""
    short: Int64
    """Observations in arcs that are too short."""


def whole_arc_residuals(
    epochs: EpochColumns,
    cells: Cells,
    *,
    max_gap_s: float,
    pairs: Mapping[tuple[int, int], Pair] | None = None,
    least_points: int = LEAST_POINTS,
    break_m: float = BREAK_M,
) -> WholeArcs:
    """Return the multipath of each code, less the mean of its arc.

    Parameters
    ----------
    epochs
        Of one station, oldest first.
    cells
        Of the same epochs: from `engine_cells`, or with arcs that somebody else broke.
    max_gap_s
        Longest gap within an arc. In files 1.5 intervals are best: a phase that was away for a few epochs may
        come back with another ambiguity and no indicator, and arcs of hours lose nothing by a cut. (The
        engine's own is ten intervals, at least ten seconds: a running mean recovers.)
    pairs
        Phases by system and signal of the code; codes that are not named get no residuals. None: those that
        the engine takes, the satellite's highest and lowest carrier when its arc began.
    least_points
        Points of an arc that counts.
    break_m
        A value further from the mean of the arc so far begins a new one.
    """
    o = epochs.observations
    residual_m, arc = np.full(len(o), np.nan), np.full(len(o), -1, np.int32)
    short = np.zeros(len(o), np.bool_)
    n_arcs = _residuals(
        epochs.time_us, epochs.first, epochs.count, o.system, o.satellite, o.signal, cells, _table(pairs),
        pairs is None, round(max_gap_s * 1e6), least_points, break_m, residual_m, arc, short,
    )  # fmt: skip
    return WholeArcs(residual_m, arc, *_figures(o.system, o.signal, residual_m, arc, short, int(n_arcs)))


def _table(pairs: Mapping[tuple[int, int], Pair] | None) -> UInt8:
    """Return pairs by system and signal, shape (7, 33, 2); 0: none."""
    table = np.zeros((len(System), N_SIGNALS, 2), np.uint8)
    for (system, signal), pair in (pairs or {}).items():
        table[system, signal] = pair
    return table


def _figures(
    system: UInt8, signal: UInt8, residual_m: Float64, arc: Int32, short: NDArray[np.bool_], n_arcs: int
) -> tuple[UInt8, UInt8, Float64, Int64, Int64, Int64]:
    """Return the columns of `WholeArcs` from `system` on."""
    known = np.isfinite(residual_m)
    kind = system.astype(np.int64) * N_SIGNALS + signal
    n_kinds = len(System) * N_SIGNALS
    count = np.bincount(kind[known], minlength=n_kinds)
    squares = np.bincount(kind[known], residual_m[known] ** 2, minlength=n_kinds)
    left_out = np.bincount(kind[short], minlength=n_kinds)
    kind_of_arc = np.full(n_arcs, -1, np.int64)
    kind_of_arc[arc[known]] = kind[known]
    arcs = np.bincount(kind_of_arc[kind_of_arc >= 0], minlength=n_kinds)
    some = np.flatnonzero(count + left_out)
    rms_m = np.sqrt(squares[some] / np.where(count[some], count[some], np.nan))
    return (
        (some // N_SIGNALS).astype(np.uint8),
        (some % N_SIGNALS).astype(np.uint8),
        rms_m,
        count[some],
        arcs[some],
        left_out[some],
    )


@njit(cache=True, nogil=True)
def _head(system: int, satellite: int, signal: int, hz: float) -> int:
    """Return the first key of a satellite, to which signals are added; -1: a cell that is not used."""
    if not hz > 0.0 or system >= SATELLITES // 64 or not 1 <= satellite <= 64 or not 1 <= signal < N_SIGNALS:
        return -1
    return (int(system) * 64 + int(satellite) - 1) * N_SIGNALS


@njit(cache=True, nogil=True)
def _residuals(
    time_us: Any,
    first: Any,
    count: Any,
    system: Any,
    satellite: Any,
    signal: Any,
    cells: Cells,
    pairs: Any,
    own_pairs: bool,
    gap_us: int,
    least_points: int,
    break_m: float,
    residual_m: Any,
    arc: Any,
    short: Any,
) -> int:
    """Follow the arcs of each code, then take the mean of each away; return the arcs.

    Parameters
    ----------
    time_us, first, count
        Epochs, shape (n_epochs,).
    system, satellite, signal
        Observations, shape (n,).
    pairs
        Shape (7, 33, 2); not read with `own_pairs`.
    residual_m, arc, short
        Out, shape (n,).
    """
    n_keys = SATELLITES * N_SIGNALS
    place = np.full(n_keys, -1, np.int64)  # observation of a signal in the epoch
    breaks = np.zeros(n_keys, np.int64)  # of a signal's phase, so far
    half_cycle = np.zeros(n_keys, np.uint8)
    of_code = np.full(n_keys, -1, np.int64)  # arc, its pair, their breaks, its last time
    pair_of = np.zeros(n_keys, np.int64)
    breaks_of = np.zeros(n_keys, np.int64)
    last_us = np.zeros(n_keys, np.int64)
    # ambiguities may be large: sums are of differences to the first value of the arc
    anchor_m, total_m, points = np.zeros(len(arc)), np.zeros(len(arc)), np.zeros(len(arc), np.int64)
    n_arcs = 0
    for e in range(len(time_us)):
        begin, end = first[e], first[e] + count[e]
        for c in range(begin, end):
            head = _head(system[c], satellite[c], signal[c], cells.hz[c])
            if head < 0:
                continue
            key = head + signal[c]
            place[key] = c
            if cells.slip[c] != 0 or cells.half_cycle[c] != half_cycle[key]:
                breaks[key] += 1
            half_cycle[key] = cells.half_cycle[c]
            if cells.slip[c] == WIDE_SLIP and cells.low[c] != 0:
                breaks[head + cells.low[c]] += 1
        for c in range(begin, end):
            head = _head(system[c], satellite[c], signal[c], cells.hz[c])
            if head < 0:
                continue
            i, j = pairs[system[c], signal[c], 0], pairs[system[c], signal[c], 1]
            if own_pairs:
                i, j = cells.high[c], cells.low[c]
            at_i, at_j = place[head + i], place[head + j]
            if i == 0 or j == 0 or at_i < begin or at_j < begin or cells.hz[at_i] == cells.hz[at_j]:
                continue
            raw_m = combine(
                cells.range_m[c], cells.phase_m[at_i], cells.phase_m[at_j], cells.hz[c], cells.hz[at_i],
                cells.hz[at_j],
            )  # fmt: skip
            if np.isnan(raw_m):
                continue
            key, pair = head + signal[c], int(i) * N_SIGNALS + int(j)
            broken = breaks[head + i] + breaks[head + j]
            a = of_code[key]
            if (
                a < 0
                or pair_of[key] != pair
                or breaks_of[key] != broken
                or time_us[e] - last_us[key] > gap_us
                or abs(raw_m - anchor_m[a] - total_m[a] / points[a]) > break_m
            ):
                a = n_arcs
                n_arcs += 1
                anchor_m[a] = raw_m
                of_code[key], pair_of[key], breaks_of[key] = a, pair, broken
            last_us[key] = time_us[e]
            total_m[a] += raw_m - anchor_m[a]
            points[a] += 1
            residual_m[c], arc[c] = raw_m - anchor_m[a], a
    for c in range(len(arc)):
        a = arc[c]
        if a < 0:
            continue
        if points[a] < least_points:
            residual_m[c] = np.nan
            short[c] = True
        else:
            residual_m[c] -= total_m[a] / points[a]
    return n_arcs
