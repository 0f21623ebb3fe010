"""A long answer in stretches of time, each small enough for memory: nothing is held open between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dashboards.export import aggregates
from dashboards.export.aggregates import Windows
from storage.columns import SampleColumns
from storage.paging import MAX_WINDOWS
from storage.store import Store

MOST_ROWS = 50_000
"""Of a stretch, where it can be divided."""
MOST_SUMS = 2_000_000
"""Minutes of samples that are read for a stretch, as columns."""
MOST_REPORT_SUMS = 100_000
"""Minutes of stations, as rows."""
_FIRST_WIDTH_US = 3_600_000_000


def sample_slices(store: Store, keys: Sequence[int], start_us: int, end_us: int) -> Iterator[SampleColumns]:
    """Yield the samples of a range by time. How wide a stretch is follows from how many came before."""
    width_us = _FIRST_WIDTH_US
    while start_us < end_us:
        until_us = min(start_us + width_us, end_us)
        found = store.sample_columns(keys, start_us, until_us, limit=MOST_ROWS + 1)
        if len(found) > MOST_ROWS:
            if until_us - start_us > 1:
                width_us = max(1, (until_us - start_us) // 4)
                continue
            found = store.sample_columns(keys, start_us, until_us, limit=len(keys) + 1)
        start_us = until_us
        if 4 * len(found) <= MOST_ROWS:
            width_us *= 4
        yield found


def window_slices(
    store: Store,
    keys: Sequence[int],
    start_us: int,
    end_us: int,
    window_s: int,
    *,
    only_good: bool,
    with_gaps: bool,
) -> Iterator[tuple[Windows, int, int]]:
    """Yield the windows of a range by time and series, and the stretch that they are of."""
    for one in stretches(start_us, end_us, window_s, len(keys), MOST_SUMS):
        some = keys[one.first : one.behind]
        sums = store.window_columns(some, one.start_us, one.end_us, window_s, only_good=only_good)
        windows = Windows(sums, aggregates.no_percentiles(len(sums)))
        if with_gaps:
            windows = aggregates.with_gaps(windows, len(some), one.start_us, one.end_us, window_s * 1_000_000)
        yield aggregates.moved(windows, one.first), one.start_us, one.end_us


def percentile_slices(
    store: Store,
    keys: Sequence[int],
    start_us: int,
    end_us: int,
    window_s: int,
    shares: Sequence[float],
    *,
    only_good: bool,
    with_gaps: bool,
    most_samples: int,
) -> Iterator[tuple[Windows, int, int]]:
    """Yield the windows of a range by time, out of samples; of a stretch there are at most `most_samples`."""
    window_us = window_s * 1_000_000
    n_windows = 1
    while start_us < end_us:
        until_us = min((start_us // window_us + n_windows) * window_us, end_us)
        limit = most_samples if n_windows == 1 else MOST_ROWS
        found = store.sample_columns(keys, start_us, until_us, limit=limit + 1)
        if len(found) > limit and n_windows > 1:
            n_windows = max(1, n_windows // 4)
            continue
        windows = aggregates.of_samples(found, window_us, shares, only_good=only_good)
        if with_gaps:
            windows = aggregates.with_gaps(windows, len(keys), start_us, until_us, window_us)
        yield windows, start_us, until_us
        start_us = until_us
        if 4 * len(found) <= MOST_ROWS and n_windows * len(keys) < MOST_ROWS:
            n_windows *= 4


class Stretch(NamedTuple):
    """A part of a range, some whole windows, and of the series asked for."""

    start_us: int
    end_us: int
    first: int
    """Place of the first series."""
    behind: int


def stretches(start_us: int, end_us: int, window_s: int, series: int, most_sums: int) -> Iterator[Stretch]:
    """Yield parts of a range by time: many windows of all series, or one window of some.

    Parameters
    ----------
    most_sums
        Minutes that may have to be read for a part, in the worst case that nothing longer is summed up yet.
    """
    window_us = window_s * 1_000_000
    cells = max(1, min(MOST_ROWS, most_sums // max(1, window_s // 60)))
    length_us = min(max(1, cells // series), MAX_WINDOWS) * window_us
    while start_us < end_us:
        until_us = min(start_us // window_us * window_us + length_us, end_us)
        for first in range(0, series, cells):
            yield Stretch(start_us, until_us, first, min(first + cells, series))
        start_us = until_us
