"""Rows of minutes put together: sorted, and as rows of hours where a period is long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from gnss.quality.period import MinuteFigures
from gnss.time import SECOND_US

HOUR_S = 3600.0

Float64 = NDArray[np.float64]


def combine_minutes(some: Sequence[MinuteFigures], rows_s: float) -> MinuteFigures:
    """Return the rows of all parts, each of `rows_s`, in the order of time.

    State and score are the worst of a row's parts; epochs and slips add; shares, satellites and C/N0 are
    means and multipath is a root mean square, weighted by epochs; latency and ROTI are medians of the parts'
    medians. What no part knows is NaN.
    """
    names = [field.name for field in fields(MinuteFigures)]
    rows = MinuteFigures(**{name: np.concatenate([getattr(part, name) for part in some]) for name in names})
    row_us = round(rows_s * SECOND_US)
    times = rows.time_us // row_us * row_us
    order = np.argsort(times, kind="stable")
    begins, counts = np.unique(times, return_counts=True)
    if len(begins) == len(times):
        sorted_rows = {name: getattr(rows, name)[order] for name in names}
        return MinuteFigures(**sorted_rows | {"time_us": begins})
    ends = np.cumsum(counts)
    groups = [order[end - count : end] for end, count in zip(ends, counts, strict=True)]
    weight = np.maximum(rows.epochs, 0).astype(np.float64)

    def each(values: Float64, figure: Callable[[Float64, Float64], float]) -> Float64:
        return np.array([_known(values[group], weight[group], figure) for group in groups])

    return MinuteFigures(
        time_us=begins,
        state=np.array([rows.state[group].max() for group in groups], np.uint8),
        score=each(rows.score, lambda v, _: float(v.min())),
        epochs=np.array([rows.epochs[group].sum() for group in groups], np.int32),
        epochs_expected=np.array([rows.epochs_expected[group].sum() for group in groups], np.int32),
        observations_share=each(rows.observations_share, _mean),
        satellites=each(rows.satellites, _mean),
        cn0_dbhz=each(rows.cn0_dbhz, _mean),
        multipath_m=np.sqrt(each(np.square(rows.multipath_m), _mean)),
        slips=np.array([rows.slips[group].sum() for group in groups], np.int32),
        latency_s=each(rows.latency_s, _median),
        roti_tecu_min=each(rows.roti_tecu_min, _median),
    )


def _known(values: Float64, weight: Float64, figure: Callable[[Float64, Float64], float]) -> float:
    known = np.isfinite(values)
    return figure(values[known], weight[known]) if known.any() else np.nan


def _mean(values: Float64, weight: Float64) -> float:
    if len(values) == 1:
        return float(values[0])
    total = float(weight.sum())
    return float((values * weight).sum()) / total if total > 0 else float(values.mean())


def _median(values: Float64, _: Float64) -> float:
    return float(np.median(values))
