"""The kernels of `streams.recent_samples`: the newest samples of many series, a row of arrays each."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit

SERIES = np.dtype(
    [
        ("newest_us", "i8"),  # the highest time so far, of samples that were left out, too
        ("heard", "i8"),  # rises from one series to the next that got a sample
        ("count", "i8"),  # samples in the ring, and where the next one goes
        ("at", "i8"),
    ]
)
"""Of one series; `newest_us` is the lowest number before the first sample, all else zero."""


@njit(cache=True, nogil=True)
def mark_known(row: Any, time_us: Any, bits: Any, series: Any, ring: Any, new: Any) -> int:
    """Find samples that came before; move the newest times on.

    Parameters
    ----------
    row, time_us, bits
        Samples, shape (n,): the row of their series, and the value so that NaN equals itself.
    series
        Shape (rows,), `SERIES`.
    ring
        Shape (rows, width, 2): time and bits of what came last.
    new
        Shape (n,); becomes False where the ring has the sample.

    Returns
    -------
    How many were not newer than all before them of their series: only these can repeat another of the batch.
    """
    behind = 0
    for i in range(len(row)):
        s, t = series[row[i]], time_us[i]
        if t > s.newest_us:
            s.newest_us = t
            continue
        behind += 1
        known = ring[row[i]]
        for k in range(s.count):
            if known[k, 0] == t and known[k, 1] == bits[i]:
                new[i] = False
                break
    return behind


@njit(cache=True, nogil=True)
def remember(row: Any, time_us: Any, bits: Any, heard: Any, new: Any, series: Any, ring: Any) -> None:
    """Put new samples into the rings, over the oldest; arguments as of `mark_known`, `heard` by sample."""
    width = ring.shape[1]
    for i in range(len(row)):
        if new[i]:
            s, known = series[row[i]], ring[row[i]]
            known[s.at, 0], known[s.at, 1] = time_us[i], bits[i]
            s.at = (s.at + 1) % width
            s.count = min(s.count + 1, width)
            s.heard = heard[i]


@njit(cache=True, nogil=True)
def oldest_first(row: Any, series: Any, ring: Any, out: Any) -> None:
    """Copy what the rings of some rows hold one after the other; `out` has the shape (all samples, 2)."""
    width, filled = ring.shape[1], 0
    for r in row:
        s, known = series[r], ring[r]
        at = s.at if s.count == width else 0
        for _ in range(s.count):
            out[filled, 0], out[filled, 1] = known[at, 0], known[at, 1]
            filled += 1
            at = at + 1 if at + 1 < width else 0
