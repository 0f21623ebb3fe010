"""Which rows of a commit count: each key once, and which of them are the newest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def last_of_each(
    key: NDArray[np.int32], time_us: NDArray[np.int64], rank: NDArray[np.int32] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which rows count, in the order of key and time, and which of those are the newest of their key.

    Of rows with the same key and time the one of the highest rank counts, of those the last.
    """
    if (key[1:] > key[:-1]).all():  # as from workers that tell one epoch of their stations
        return np.arange(len(key)), np.ones(len(key), np.bool_)
    order = np.lexsort((time_us, key) if rank is None else (rank, time_us, key))
    sorted_key, sorted_time = key[order], time_us[order]
    other_key = sorted_key[1:] != sorted_key[:-1]
    ends = np.append(other_key | (sorted_time[1:] != sorted_time[:-1]), True)
    newest = np.append(other_key, True)
    return order[ends], newest[ends]
