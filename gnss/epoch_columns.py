"""Epochs of many stations as columns: what an assembler or a RINEX file gives, and the judge reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.observations import Observations

NO_TIME_US = -(2**62)
"""No receiving time."""
CLOSED_BY = ("complete", "next", "timeout", "end", "size")
"""What closed an epoch, by the number in `EpochColumns.closed_by`."""


@dataclass(frozen=True, slots=True)
class EpochColumns:
    """One row for each epoch, oldest first for each station. All arrays of epochs have shape (n_epochs,)."""

    station: NDArray[np.int32]
    """The caller's number of the station."""
    time_us: NDArray[np.int64]
    """UTC."""
    received_at_us: NDArray[np.int64]
    """When the last of its bytes was read; `NO_TIME_US` without receiving times."""
    closed_by: NDArray[np.uint8]
    """Index into `CLOSED_BY`."""
    first: NDArray[np.int64]
    """First row of its observations."""
    count: NDArray[np.int32]
    """Rows of its observations, all of them together."""
    frames: NDArray[np.int32]
    """Valid frames of all kinds since the station's epoch before."""
    bad_frames: NDArray[np.int32]
    """Failed candidates since the station's epoch before."""
    begin: NDArray[np.int64]
    """Offset in the station's stream of its first frame."""
    observations: Observations
    """Of all epochs; `row` is the row of the epoch."""

    def __len__(self) -> int:
        return len(self.station)
