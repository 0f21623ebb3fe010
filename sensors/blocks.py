"""Samples of any pace to blocks of one pace, each the median of its samples; for kernels.

Blocks lie on a fixed grid of time. One is closed by the sample behind which, at the pace of the series, no
further one fits, so that a daily series waits for nothing; or by the first of a later block. Of very fast
samples some are kept, evenly in time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.compiled import njit
from sensors.median import median

KEPT = 16
"""A block holds so many samples at most, so that one wild sample in it does not count."""
BLOCKS = np.dtype(
    [
        ("last_us", "i8"),  # 0: nothing has come
        ("end_us", "i8"),  # of the block that is filled
        ("kept_us", "i8"),
        ("n", "i8"),
        ("is_closed", "i8"),
        ("first_us", "i8"),
        ("value", "f8", (KEPT,)),
        ("out_n", "i8"),  # blocks that the last sample closed
        ("out_us", "i8", (2,)),
        ("out", "f8", (2,)),
    ]
)
NOTHING, CLOSED, SET_BACK = range(3)
HUGE = 1e12
"""Nothing that is measured is as large; what is cannot be squared without loss."""


@njit(cache=True, nogil=True)
def take_sample(blocks: Any, interval_us: int, time_us: int, value: float) -> int:
    """Take a sample; a NaN keeps its place in time and is left out of the median.

    Returns
    -------
    NOTHING; CLOSED when blocks stand in `out`; SET_BACK when the sample is older than the last: nothing was
    done with it.
    """
    step_us = time_us - blocks.last_us
    if step_us <= 0 and blocks.last_us != 0:
        return SET_BACK
    closes = time_us + step_us >= blocks.end_us
    if not closes and time_us - blocks.kept_us < interval_us // KEPT:
        blocks.last_us = time_us
        return NOTHING
    blocks.out_n = 0
    if time_us >= blocks.end_us:
        _close(blocks)
        blocks.end_us = (time_us // interval_us + 1) * interval_us
        blocks.n = blocks.is_closed = 0
        closes = blocks.last_us != 0 and time_us + step_us >= blocks.end_us
    blocks.last_us = time_us
    if not blocks.is_closed:
        if blocks.n < KEPT:
            if blocks.n == 0:
                blocks.first_us = time_us
            blocks.value[blocks.n] = value
            blocks.n += 1
            blocks.kept_us = time_us
        if closes:
            _close(blocks)
    return CLOSED if blocks.out_n else NOTHING


@njit(cache=True, nogil=True)
def _close(blocks: Any) -> None:
    if blocks.n == 0 or blocks.is_closed:
        return
    blocks.out_us[blocks.out_n] = (blocks.first_us + blocks.kept_us) // 2
    n = 0
    for k in range(blocks.n):
        if not np.isnan(blocks.value[k]):
            blocks.value[n] = blocks.value[k]
            n += 1
    blocks.out[blocks.out_n] = median(blocks.value[:n]) if n else np.nan
    blocks.out_n += 1
    blocks.is_closed = 1
