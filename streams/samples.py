"""Handling of sample columns that more than one room needs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.records import SampleBatch
from streams.sample_extras import of_rows, together

Int64 = NDArray[np.int64]


def merge(batches: Sequence[SampleBatch]) -> SampleBatch:
    """Return one batch with the rows of all, in order, and each datastream named once."""
    if len(batches) == 1:
        return batches[0]
    ids: dict[str, int] = {}
    series = []
    for batch in batches:
        renumber = np.array([ids.setdefault(i, len(ids)) for i in batch.datastream_ids], dtype=np.int32)
        series.append(renumber[batch.series])
    return SampleBatch(
        datastream_ids=list(ids),
        series=np.concatenate(series),
        time_us=np.concatenate([b.time_us for b in batches]),
        value=np.concatenate([b.value for b in batches]),
        received_at_us=np.concatenate([b.received_at_us for b in batches]),
        places=together([b.places for b in batches], [len(b) for b in batches]),
        waves=together([b.waves for b in batches], [len(b) for b in batches]),
    )


def rows_where(batch: SampleBatch, wanted: NDArray[np.bool_]) -> SampleBatch:
    """Return some rows, in their order; datastreams stay named."""
    rows = np.flatnonzero(wanted)
    return msgspec.structs.replace(
        batch,
        series=batch.series[wanted],
        time_us=batch.time_us[wanted],
        value=batch.value[wanted],
        received_at_us=batch.received_at_us[wanted],
        places=of_rows(batch.places, rows, len(batch)),
        waves=of_rows(batch.waves, rows, len(batch)),
    )


def bits_of(value: NDArray[np.float64]) -> Int64:
    """Return values so that NaN equals itself."""
    return np.ascontiguousarray(value, np.float64).view(np.int64)


def first_of_equal(series: NDArray[np.integer], time_us: Int64, bits: Int64) -> NDArray[np.bool_]:
    """Return which samples have no other with the same series, time and bits of the value before them."""
    order = np.lexsort((bits, time_us, series))
    first = np.ones(len(order), np.bool_)
    columns = (series, time_us, bits)
    first[order[1:]] = np.logical_or.reduce([np.diff(column[order]) != 0 for column in columns])
    return first
