"""What came against what was to be expected.

Epochs: the registry says how often a station observes; its first epoch says at which phase. Time is cut
into slots of one interval (of one second where the interval is shorter), and a slot without an epoch is
a missed one.

Observations, without an ephemeris: expected are the signals of this epoch and those that were tracked
within the last `EXPECTED_S` and have not set. A missing signal counts as set when its C/N0 level was
below `SET_DBHZ`: satellites fade before they set, while an interference or a lost message takes
strong signals too. A signal that was never tracked is unknown, not missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

EXPECTED_S = 30.0
SET_DBHZ = 35.0

_SECOND_US = 1_000_000
_STRIDES = ((600, 1), (6 * 3600, 60), (31 * 86_400, 3600))


@njit(cache=True, nogil=True)
def expected_observations(rows: Any, t_us: int, window_us: int, set_dbhz: float) -> int:
    """Count the signals that an epoch at `t_us` should hold (see the module).

    Parameters
    ----------
    rows
        Shape (n,) of `gnss.quality.tracking.ROW`; those with `mark_us == t_us` are in the epoch.
    """
    expected = 0
    for r in range(len(rows)):
        row = rows[r]
        if row.key < 0:
            continue
        away_us = t_us - row.last_us
        if row.mark_us == t_us or (0 < away_us <= window_us and not row.cn0_level_dbhz < set_dbhz):
            expected += 1
    return expected


@dataclass(slots=True)
class EpochGrid:
    """The times at which a station should observe."""

    interval_s: float
    anchor_us: int = 0
    """Time of slot 0."""

    @property
    def step_us(self) -> int:
        """Length of a slot."""
        return max(self.interval_us, _SECOND_US)

    @property
    def interval_us(self) -> int:
        """Time between epochs."""
        return max(round(self.interval_s * 1e6), 1000)

    @property
    def epochs_a_slot(self) -> int:
        """Epochs that a slot should hold."""
        return max(round(self.step_us / self.interval_us), 1)

    def slot(self, t_us: int) -> int:
        """Return the slot of a time; an epoch may be early by 0.4 intervals."""
        return (t_us - self.anchor_us + self.interval_us * 2 // 5) // self.step_us

    def time_us(self, slot: int) -> int:
        """Return the beginning of a slot."""
        return self.anchor_us + slot * self.step_us

    def epochs_by(self, t_us: int) -> int:
        """Return how many epochs the slot of `t_us` should hold by then."""
        into_us = t_us + self.interval_us * 2 // 5 - self.time_us(self.slot(t_us))
        return min(into_us // self.interval_us + 1, self.epochs_a_slot)

    def next_missed(self, slot: int, last_epoch_slot: int) -> int | None:
        """Return the slot after `slot` that is reported in an outage.

        Every slot for ten minutes, then one a minute for six hours, one an hour for a month, then none: the
        verdict stands until an epoch comes. So the reports on a gap are bounded, however it is replayed.
        """
        away_s = (slot + 1 - last_epoch_slot) * self.step_us // _SECOND_US
        for until_s, stride_s in _STRIDES:
            if away_s <= until_s:
                stride = max(stride_s * _SECOND_US // self.step_us, 1)
                return last_epoch_slot + -(-(slot + 1 - last_epoch_slot) // stride) * stride
        return None


def share(received: float, expected: float) -> float | None:
    """Return received over expected, at most 1; None where nothing could be expected."""
    return float(np.minimum(received / expected, 1.0)) if expected > 0 else None
