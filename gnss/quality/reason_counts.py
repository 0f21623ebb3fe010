"""Findings of judgements by code, without their words: kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.quality.judgements import (
    CLOCK_BEHIND,
    CLOCK_STEP,
    GOOD_POINTS,
    HELD_BAD,
    HELD_DEGRADED,
    I_FRAME_ERRORS,
    INDICATORS,
    NO_MULTIPATH,
    NOT_LIVE,
    NOT_WARM,
    NOTHING_CAME,
    STORM,
)
from gnss.quality.period_memory import (
    C_CLOCK,
    C_CLOCK_STEP,
    C_HOLD,
    C_LATENCY_UNKNOWN,
    C_MULTIPATH_UNKNOWN,
    C_NO_OBSERVATIONS,
    C_STORM,
    C_WARM_UP,
)
from kernels.compiled import njit

_INDICATORS = len(INDICATORS)
_ABOVE_ALL_POINTS = 1000.0


@njit(cache=True, nogil=True)
def codes_of(row: Any, codes: Any) -> int:
    """Write the codes of a judgement's findings (`gnss.quality.verdict.findings`); return how many.

    Parameters
    ----------
    row
        A `JUDGEMENT`.
    codes
        Out: places in `gnss.quality.period_memory.CODES`, shape (at least all of them,).
    """
    remarks, n = row.remarks, 0
    if remarks & NOTHING_CAME:
        codes[0] = C_NO_OBSERVATIONS
        n = 1
        if row.points[I_FRAME_ERRORS] < GOOD_POINTS:
            codes[1] = I_FRAME_ERRORS
            n = 2
        return n
    if remarks & NOT_WARM:
        codes[0] = C_WARM_UP
        return 1
    for i in range(_INDICATORS):
        if row.points[i] < GOOD_POINTS:
            codes[n] = i
            n += 1
    for bits, code in (
        (NOT_LIVE, C_LATENCY_UNKNOWN),
        (CLOCK_BEHIND, C_CLOCK),
        (NO_MULTIPATH, C_MULTIPATH_UNKNOWN),
        (CLOCK_STEP, C_CLOCK_STEP),
        (STORM, C_STORM),
        (HELD_BAD | HELD_DEGRADED, C_HOLD),
    ):
        if remarks & bits:
            codes[n] = code
            n += 1
    return n


@njit(cache=True, nogil=True)
def count_reasons(period: Any, row: Any, weight_s: float, minute: int, codes: Any) -> bool:
    """Count the findings of a judgement; return whether one was not told in this minute yet.

    Parameters
    ----------
    period
        A `PERIOD` of its station.
    row
        A `JUDGEMENT`.
    weight_s
        Seconds that it tells of.
    codes
        Scratch, as for `codes_of`.
    """
    is_new = False
    for k in range(codes_of(row, codes)):
        code = codes[k]
        if period.code_points[code] == np.inf:
            period.code_first_us[code] = row.time_us
            period.code_points[code] = _ABOVE_ALL_POINTS
        period.code_s[code] += weight_s
        period.code_last_us[code] = max(period.code_last_us[code], row.time_us)
        if code < _INDICATORS and row.points[code] < period.code_points[code]:
            period.code_points[code] = row.points[code]
            period.code_value[code] = row.values[code]
            period.code_threshold[code] = row.thresholds[code]
        if minute > period.code_minute[code]:
            period.code_minute[code] = minute
            is_new = True
    return is_new
