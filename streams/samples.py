"""Handling of sample columns that more than one room needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.records import SampleBatch


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
    )
