"""What is remembered of a station between calls: records of fixed size, and the bytes that wait beside them.

The bytes are the frames of the open epoch, those of the held one, and the tail of the stream that is no whole
frame yet, one after the other.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US

TIMEOUT_US = 200_000
MAX_EPOCH_BYTES = 65_536
"""An epoch of all systems has about 5 kB; one that does not end is cut here."""
LATE_US = 10_000_000
"""A frame up to so far behind the newest epoch is a late one; further back it is another time."""
MAX_STEP_US = 3_600_000_000
"""A step by more is doubtful."""
DISTRUST_EPOCHS = 60
"""After frames that came behind the last one of their epoch, its mark is not believed for so many epochs."""

OPEN, HELD = 0, 1
"""Columns of the pending epochs, shape (n_stations, 2): the open one, and frames of another time that nothing
has confirmed yet."""
NO_ROW = -1
NUMBERS = 32
"""Message numbers of a station that are counted without a dictionary; a true one sends fewer."""
NO_NUMBER = -2

Record: TypeAlias = Any
"""One row of a structured array inside a kernel."""
Records: TypeAlias = NDArray[np.void]

STATION = np.dtype(
    [
        # time of the open epoch, else of the last one that was closed
        ("latest_us", "<i8"),
        ("reference_us", "<i8"),
        # reference of bytes without a receiving time: begins at reference_us, moves with the epochs
        ("running_us", "<i8"),
        # when the first byte of the tail was read
        ("tail_received_us", "<i8"),
        # of the tail in the stream
        ("offset", "<i8"),
        ("tail", "<i8"),
        # of the last epoch that was closed: index into `gnss.epoch_columns.CLOSED_BY`, or -1
        ("closed_by", "<i8"),
        ("distrust", "<i8"),
        ("frames", "<i8"),
        ("bad_frames", "<i8"),
        ("skipped_bytes", "<i8"),
        ("damaged_messages", "<i8"),
        ("unusable_times", "<i8"),
        ("late_frames", "<i8"),
        ("oversized_epochs", "<i8"),
    ]
)
"""State of a station; times in us UTC, `NO_TIME_US` where there is none; sizes and offsets in bytes."""

PENDING = np.dtype(
    [
        ("time_us", "<i8"),
        # when the first byte of its first frame was read, and the last byte of its last
        ("first_received_us", "<i8"),
        ("last_received_us", "<i8"),
        # offset in the stream of its first frame
        ("begin", "<i8"),
        # observation frames and their bytes
        ("count", "<i8"),
        ("size", "<i8"),
        # frames of all kinds, and failed candidates, that came since the epoch before
        ("frames", "<i8"),
        ("bad", "<i8"),
        # the multi-message bit says that the last frame is the last, and that one before it was
        ("ends", "<i8"),
        ("ended_before", "<i8"),
        # first and last of its frames as rows of the headers: within a call only
        ("head", "<i8"),
        ("tail", "<i8"),
    ]
)
"""An epoch that is not closed; without frames: what came since the last one was closed."""

CLOSED = np.dtype(
    [
        ("slot", "<i8"),
        ("time_us", "<i8"),
        ("received_at_us", "<i8"),
        ("closed_by", "<i8"),
        ("first", "<i8"),
        ("count", "<i8"),
        ("frames", "<i8"),
        ("bad_frames", "<i8"),
        ("begin", "<i8"),
        ("messages", "<i8"),
    ]
)
"""A closed epoch: as `EpochColumns`, with the station's slot, and how many observation frames it has."""

OTHER = np.dtype(
    [
        ("slot", "<i8"),
        ("frame", "<i8"),
        ("epoch_us", "<i8"),
        ("received_at_us", "<i8"),
        ("ordinal", "<i8"),
    ]
)
"""A frame that somebody wants and that is no observation; `frame` is its row among the call's frames."""

USED = np.dtype(
    [
        ("epochs", "<i8"),
        ("picked", "<i8"),
        ("cells", "<i8"),
        ("others", "<i8"),
        ("spilled", "<i8"),
        ("kept", "<i8"),
        ("slot", "<i8"),
    ]
)
"""How much of each output of a call is filled, and the slot of the station that is at work."""


def new_stations(n: int) -> Records:
    """Return the states of n stations of which nothing is known, shape (n,)."""
    stations = np.zeros(n, STATION)
    for name in ("latest_us", "reference_us", "running_us", "tail_received_us"):
        stations[name] = NO_TIME_US
    stations["closed_by"] = -1
    return stations


def new_pending(n: int) -> Records:
    """Return the pending epochs of n new stations, shape (n, 2)."""
    pending = np.zeros((n, 2), PENDING)
    for name in ("time_us", "first_received_us", "last_received_us"):
        pending[name] = NO_TIME_US
    pending["head"] = pending["tail"] = NO_ROW
    return pending
