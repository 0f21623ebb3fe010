"""Sums of a station to the figures of its report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import N_SIGNALS
from gnss.quality.latency_bins import percentiles_s
from gnss.quality.measure import REGISTERED
from gnss.quality.memory import KIND_SUMS
from gnss.quality.minutes import MINUTE_US
from gnss.quality.period import ElevationFigures, Latencies, MinuteFigures, PositionFigures, SignalFigures

Rows = NDArray[Any]
_FLOATS = frozenset({"multipath_squares", "cn0_sum", "cn0_squares"})
_SUMMED = (
    "epochs", "expected", "observations", "observations_expected", "satellites", "slips", "cn0_sum",
    "cn0_count", "roti_sum", "roti_count",
)  # fmt: skip


def signal_figures(kind_of: NDArray[np.uint8], kinds: NDArray[np.float64]) -> SignalFigures:
    """Return the sums of a station by signal; both as a row of `gnss.quality.memory.Memory` has them."""
    place_of = np.flatnonzero(kind_of < len(kinds))
    sums = kinds[kind_of[place_of]]
    some = sums.any(axis=1)
    place_of, sums = place_of[some], sums[some]
    columns: dict[str, Any] = {
        name: sums[:, k].copy() if name in _FLOATS else np.rint(sums[:, k]).astype(np.int64)
        for k, name in enumerate(KIND_SUMS)
    }
    return SignalFigures(
        system=(place_of // N_SIGNALS).astype(np.uint8),
        signal=(place_of % N_SIGNALS).astype(np.uint8),
        **columns,
    )


def elevation_figures(elevation: NDArray[np.float32]) -> ElevationFigures:
    """Return the sums of a station by elevation, which a row of `gnss.quality.memory.Memory` has."""
    sums = elevation.astype(np.float64)
    return ElevationFigures(
        cn0_sum=sums[..., 0],
        cn0_count=np.rint(sums[..., 1]).astype(np.int64),
        multipath_squares=sums[..., 2],
        multipath_count=np.rint(sums[..., 3]).astype(np.int64),
    )


def minute_figures(rows: Rows) -> MinuteFigures:
    """Return the minutes of one station in order of time; parts of one minute are put together.

    Parameters
    ----------
    rows
        Shape (n,) of `gnss.quality.period_memory.MINUTE`, in the order in which they were closed.
    """
    rows = rows[np.argsort(rows["minute"], kind="stable")]
    minute, begin = np.unique(rows["minute"], return_index=True)
    n = len(minute)

    def sums(name: str) -> NDArray[np.float64]:
        values = rows[name].astype(np.float64)
        return values if n == len(rows) else np.add.reduceat(values, begin)

    total = {name: sums(name) for name in _SUMMED}
    score = np.where(rows["score"] < 0, np.inf, rows["score"])
    state = rows["state"]
    multipath_m, latency_s = (rows[name].astype(np.float64) for name in ("multipath_m", "latency_s"))
    if n < len(rows):
        score, state = np.minimum.reduceat(score, begin), np.maximum.reduceat(state, begin)
        multipath_m = _last_known(multipath_m, begin)
        latency_s = _weighted(latency_s, rows["latency_count"], begin)
    with np.errstate(invalid="ignore", divide="ignore"):
        return MinuteFigures(
            time_us=minute * MINUTE_US,
            state=state.astype(np.uint8),
            score=np.where(np.isinf(score), np.nan, score),
            epochs=total["epochs"].astype(np.int32),
            epochs_expected=total["expected"].astype(np.int32),
            observations_share=np.minimum(total["observations"] / total["observations_expected"], 1.0),
            satellites=total["satellites"] / total["epochs"],
            cn0_dbhz=total["cn0_sum"] / total["cn0_count"],
            multipath_m=multipath_m,
            slips=total["slips"].astype(np.int32),
            latency_s=latency_s,
            roti_tecu_min=total["roti_sum"] / total["roti_count"],
        )


def _last_known(values: NDArray[np.float64], begin: NDArray[np.int64]) -> NDArray[np.float64]:
    known = np.where(np.isnan(values), -1, np.arange(len(values)))
    last = np.maximum.reduceat(known, begin)
    return np.where(last < 0, np.nan, values[last])


def _weighted(
    values: NDArray[np.float64], weights: NDArray[np.int32], begin: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of the parts' medians: the epochs of both are not kept."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: NDArray[np.float64] = np.add.reduceat(np.where(weights > 0, values * weights, 0.0), begin)
        return mean / np.add.reduceat(weights, begin)


def latencies(period: Any, counts: NDArray[np.int32]) -> Latencies | None:
    """Return the latencies of a period; None: no epoch had a receiving time.

    Parameters
    ----------
    period
        A `gnss.quality.period_memory.PERIOD`.
    counts
        By `gnss.quality.latency_bins`.
    """
    if not period["latency_count"]:
        return None
    low_s, median_s, p95_s, p99_s = percentiles_s(counts, (0.05, 0.5, 0.95, 0.99))
    return Latencies(
        count=int(period["latency_count"]),
        median_s=median_s,
        p95_s=p95_s,
        p99_s=p99_s,
        max_s=float(period["latency_max_s"]),
        jitter_s=p95_s - low_s,
    )


def position_figures(period: Any, placed: int, reference: str) -> PositionFigures | None:
    """Return the offset of a period's positions; None: there were none.

    The judgements tell means and variances of the last quarter of an hour, fading; their mean, and the mean
    variance with the variance of the means, are those of the period.
    """
    n = int(period["positions"])
    if not n:
        return None
    mean = period["offset_sum"] / n
    of_means = np.maximum(period["offset_squares"] / n - mean**2, 0.0)
    east_sd, north_sd, up_sd = np.sqrt(of_means + period["offset_variances"] / n).tolist()
    east_m, north_m, up_m = mean.tolist()
    return PositionFigures(
        count=n,
        east_m=east_m,
        north_m=north_m,
        up_m=up_m,
        east_sd_m=east_sd,
        north_sd_m=north_sd,
        up_sd_m=up_sd,
        reference="registry" if placed == REGISTERED else reference,
    )


def known(value: float) -> float | None:
    """Return a value, or None for NaN."""
    return None if math.isnan(value) else float(value)
