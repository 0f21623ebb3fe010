"""Which epochs of a stream belong to a file."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.rinex.piece import Part, chosen
from gnss.time import GPS_EPOCH_US, SECOND_US, utc_to_gps

TOLERANCE_US = 5_000
"""How far from a multiple of the interval an epoch may be: clocks of receivers are steered to some ms."""


class Picker:
    """Chooses the epochs of one station and period.

    Parameters
    ----------
    begin_us, end_us
        UTC; epochs before and from the end on are left out.
    number
        Of the station in `EpochColumns.station`; epochs of other stations are passed over.
    interval_s
        Only epochs at multiples of it in GPS time are written; None: all.

    Raises
    ------
    ValueError
        The period or the interval has no length.
    """

    def __init__(self, begin_us: int, end_us: int, number: int, interval_s: float | None = None) -> None:
        if end_us <= begin_us:
            raise ValueError("end_us must be behind begin_us")
        if interval_s is not None and not interval_s > 0.0:
            raise ValueError("an interval must be more than 0 s")
        self._begin_us, self._end_us, self._number = begin_us, end_us, number
        self._step_us = 0 if interval_s is None else max(1, round(interval_s * SECOND_US))
        self.left_out: Counter[str] = Counter()
        """Epochs that were left out, by reason."""

    def pick(self, epochs: EpochColumns) -> Part | None:
        """Return the epochs of the period; None: there is none."""
        ours = epochs.station == self._number
        inside = ours & (epochs.time_us >= self._begin_us) & (epochs.time_us < self._end_us)
        self.left_out["epochs outside of the period"] += int(np.count_nonzero(ours & ~inside))
        rows = np.flatnonzero(inside)
        return chosen(epochs, rows) if len(rows) else None

    def is_written(self, time_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether epochs are at multiples of the interval, of the same shape."""
        if not self._step_us:
            return np.ones(len(time_us), bool)
        tolerance_us = max(0, min(TOLERANCE_US, self._step_us // 2 - 1))
        behind_us = (utc_to_gps(time_us) - GPS_EPOCH_US + tolerance_us) % self._step_us
        found: NDArray[np.bool_] = behind_us <= 2 * tolerance_us
        return found
