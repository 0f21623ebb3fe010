"""Windows out of samples and sums: pure, on columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from storage.columns import FLAGS, Float64, SampleColumns, WindowColumns

PLAIN = ("mean", "min", "max", "sum", "count", "last")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)")


@dataclass(frozen=True, slots=True)
class Aggregates:
    """What is wanted of each window, in the order of the answer."""

    names: Sequence[str]

    @property
    def percentiles(self) -> dict[str, float]:
        """Return those that are percentiles, as shares."""
        return {name: float(match[1]) / 100 for name in self.names if (match := _PERCENTILE.fullmatch(name))}

    @classmethod
    def read(cls, text: str) -> Aggregates:
        """Return what a list with commas asks for.

        Raises
        ------
        ValueError
            One of them is not known; in words.
        """
        names = list(dict.fromkeys(part.strip() for part in text.split(",")))
        for name in names:
            if name not in PLAIN and not _PERCENTILE.fullmatch(name):
                raise ValueError(
                    f"{name[:40]!r} is not known: use {', '.join(PLAIN)} or a percentile such as p5, p50 or "
                    "p99.9, several with commas"
                )
        if len(names) > 20:
            raise ValueError(f"{len(names)} are too many: ask for at most 20 at once")
        return cls(names)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows with their percentiles, by time and series."""

    sums: WindowColumns
    percentiles: Float64
    """Shape (n, percentiles)."""

    def figures(self, wanted: Aggregates) -> dict[str, Float64]:
        """Return the aggregates by name; NaN where no sample counts (`count` is 0 there)."""
        sums = self.sums
        with np.errstate(invalid="ignore", divide="ignore"):
            plain = {
                "mean": sums.total / sums.n,
                "min": sums.low,
                "max": sums.high,
                "sum": sums.total,
                "count": sums.n.astype(np.float64),
                "last": sums.last,
            }
        named = dict(zip(wanted.percentiles, self.percentiles.T, strict=True))
        return {name: plain[name] if name in plain else named[name] for name in wanted.names}


def of_samples(
    samples: SampleColumns, window_us: int, shares: Sequence[float], *, only_good: bool
) -> Windows:
    """Return the windows of samples, which are in the order of time and series.

    A percentile is interpolated between the samples beside its place, as numpy's `linear` and PostgreSQL's
    `percentile_cont` have it.
    """
    if not len(samples):
        return Windows(_empty(), np.zeros((0, len(shares))))
    counts = np.isfinite(samples.value) & ((samples.flag == 1) | (not only_good))
    value = np.where(counts, samples.value, np.nan)
    begin_us = samples.time_us // window_us * window_us
    order = np.lexsort((value, samples.series, begin_us))  # what does not count is last
    samples, counts, value, begin_us = samples.taken(order), counts[order], value[order], begin_us[order]
    first = np.flatnonzero(np.append(True, (np.diff(begin_us) != 0) | (np.diff(samples.series) != 0)))
    n = np.add.reduceat(counts, first, dtype=np.int64)
    some = n > 0
    newest_us = np.maximum.reduceat(np.where(counts, samples.time_us, np.iinfo(np.int64).min), first)
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(samples))))
    is_last = counts & (samples.time_us == newest_us[group])
    last = np.full(len(first), np.nan)
    last[group[is_last]] = value[is_last]
    percentiles = np.full((len(first), len(shares)), np.nan)
    for column, share in enumerate(shares):
        place = share * np.maximum(n - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(n - 1, 0))
        low, high = value[first + below], value[first + above]
        percentiles[:, column] = low + (place - below) * (high - low)
    sums = WindowColumns(
        series=samples.series[first],
        time_us=begin_us[first],
        n=n,
        total=np.where(some, np.add.reduceat(np.where(counts, value, 0.0), first), np.nan),
        low=value[first],
        high=value[first + np.maximum(n - 1, 0)],
        last=last,
        flags=np.stack(
            [np.add.reduceat(samples.flag == flag, first, dtype=np.int64) for flag in FLAGS], axis=1
        ),
    )
    return Windows(sums, percentiles)


def with_gaps(windows: Windows, series: int, start_us: int, end_us: int, window_us: int) -> Windows:
    """Return one row for each window of a range and each series; those without samples have a count of 0."""
    begins = np.arange(start_us // window_us, -(-end_us // window_us)) * window_us
    rows, sums = len(begins) * series, windows.sums
    at = (sums.time_us - begins[0]) // window_us * series + sums.series if rows else np.zeros(0, np.int64)
    n, flags = np.zeros(rows, np.int64), np.zeros((rows, len(FLAGS)), np.int64)
    n[at], flags[at] = sums.n, sums.flags
    percentiles = np.full((rows, windows.percentiles.shape[1]), np.nan)
    percentiles[at] = windows.percentiles

    def spread(values: Float64) -> Float64:
        column = np.full(rows, np.nan)
        column[at] = values
        return column

    return Windows(
        WindowColumns(
            series=np.tile(np.arange(series, dtype=np.int32), len(begins)),
            time_us=np.repeat(begins, series),
            n=n,
            total=spread(sums.total),
            low=spread(sums.low),
            high=spread(sums.high),
            last=spread(sums.last),
            flags=flags,
        ),
        percentiles,
    )


def coverage(sums: WindowColumns, period_s: Float64, start_us: int, end_us: int, window_us: int) -> Float64:
    """Return of each window the share of the samples that its range lets expect; NaN without a period.

    Parameters
    ----------
    period_s
        Seconds between the samples of each series; 0: not known.
    start_us, end_us
        Of what was asked for: a window may lie in it with a part only.
    """
    begin_us = np.maximum(sums.time_us, start_us)
    length_s = (np.minimum(sums.time_us + window_us, end_us) - begin_us) / 1e6
    period = period_s[sums.series]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.maximum(length_s / period, 1.0)
    return np.where(period > 0, np.minimum(sums.n / expected, 1.0), np.nan)


def _empty() -> WindowColumns:
    none, no_time = np.zeros(0), np.zeros(0, np.int64)
    no_flags = np.zeros((0, len(FLAGS)), np.int64)
    return WindowColumns(np.zeros(0, np.int32), no_time, no_time, none, none, none, none, no_flags)


def moved(windows: Windows, first: int) -> Windows:
    """Return windows of series that stand so much further behind in a longer list."""
    sums = windows.sums
    return Windows(replace(sums, series=sums.series + np.int32(first)), windows.percentiles)


def no_percentiles(rows: int) -> Float64:
    """Return those of rows of which none was asked for."""
    return np.zeros((rows, 0))
