"""Observations that were sent, as a batch of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streams.records import SampleBatch
from streams.sample_extras import Places

Sample = tuple[str, int, float, dict[str, Any] | None]
"""Datastream, time in microseconds, value (NaN: none) and place."""


def batch_of(samples: Sequence[Sample], now_us: int) -> SampleBatch:
    """Return samples that were received now as a batch."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(one[0] for one in samples))}
    places = [(row, one[3]) for row, one in enumerate(samples) if one[3] is not None]
    made = None
    if places:
        made = Places(
            rows=np.array([row for row, _ in places], np.int64),
            longitude=np.array([place["longitude"] for _, place in places], np.float64),
            latitude=np.array([place["latitude"] for _, place in places], np.float64),
            height_m=np.array([place.get("height_m", np.nan) for _, place in places], np.float64),
        )
    return SampleBatch(
        datastream_ids=list(numbers),
        series=np.array([numbers[one[0]] for one in samples], np.int32),
        time_us=np.array([one[1] for one in samples], np.int64),
        value=np.array([one[2] for one in samples], np.float64),
        received_at_us=np.full(len(samples), now_us, np.int64),
        places=made,
    )
