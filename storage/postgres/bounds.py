"""From when on the newest sample of each datastream is to be looked for: renewed by few commits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RENEW_US = 3_600_000_000
"""A bound may be so much older than the newest sample: a search looks at one partition more at most."""
MOST_KEYS = 1 << 20
"""Datastreams with larger numbers are not remembered: each commit renews theirs."""
_NEVER_US = np.iinfo(np.int64).min
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]


class Bounds:
    """What this process knows to stand in `datastream_latest`, or something older."""

    def __init__(self) -> None:
        self._time_us = np.zeros(0, np.int64)

    def are_due(self, key: Int32, time_us: Int64) -> NDArray[np.bool_]:
        """Return for which datastreams the time of their newest sample is to be written."""
        due = np.ones(len(key), np.bool_)
        known = key < len(self._time_us)
        newest_us, bound_us = time_us[known], self._time_us[key[known]]
        is_later_hour = (newest_us > bound_us) & (newest_us // RENEW_US != bound_us // RENEW_US)
        due[known] = is_later_hour | (bound_us == _NEVER_US)
        return due

    def written(self, key: Int32, time_us: Int64) -> None:
        """Take what a commit has written, each datastream once."""
        some = key < MOST_KEYS
        key, time_us = key[some], time_us[some]
        if not len(key):
            return
        size = 1 << int(key.max()).bit_length()
        if size > len(self._time_us):
            more = np.full(size - len(self._time_us), _NEVER_US, np.int64)
            self._time_us = np.concatenate([self._time_us, more])
        self._time_us[key] = np.maximum(self._time_us[key], time_us)
