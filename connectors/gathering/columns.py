"""What is known of each stream that is being read: one row of integers and some bytes a stream."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

REGION_BYTES = 16_384
"""That a stream can hold: several epochs. Only memory that was written to counts."""


class Column(enum.IntEnum):
    """What the numbers of a row (int64) mean. Times are microseconds of a monotonic clock, but for one."""

    IN_USE = 0
    FD = 1
    FILLED = 2
    """Bytes in the region."""
    SCANNED = 3
    """So many of them have been searched for frames."""
    CUT = 4
    """So many of them go on: they end where an epoch does."""
    IS_OPEN = 5
    """Whether the last frame says that more of its epoch follows."""
    SKIPPED = 6
    """Whether bytes in the region belong to no frame."""
    HELD_SINCE_US = 7
    LAST_US = 8
    """When data last came."""
    RECEIVED_AT_US = 9
    """The same by the wall clock, UTC."""
    BACKLOG_UNTIL_US = 10
    BUDGET_BYTES = 11
    """It may bring so much more now."""
    BUDGET_AT_US = 12
    BYTES = 13
    FRAMES = 14
    BAD = 15
    """These three since the last piece went on."""
    STALL_US = 16
    """Without data for so long, the connection is taken for dead."""
    IS_PAUSED = 17
    """It is not read at present, for no fault of its own or for sending too much."""
    CODING = 18
    CHUNK_PLACE = 19
    CHUNK_LEFT = 20
    CHUNK_DIGITS = 21
    CHUNK_LINE_BYTES = 22
    CHUNK_RETURNED = 23
    """Whether the line has a carriage return behind which only its end may follow."""
    OBSERVES = 24
    """Whether a frame with observations came since the last piece went on."""


class Coding(enum.IntEnum):
    """How a body is written."""

    PLAIN = 0
    CHUNKED = 1


class Place(enum.IntEnum):
    """Where in a chunked body the next byte stands (RFC 9112, section 7.1)."""

    SIZE = 0
    SIZE_DIGITS = 1
    SIZE_BLANKS = 2
    EXTENSION = 3
    DATA = 4
    BEHIND_DATA = 5
    END = 6
    BROKEN = 7


class Row(enum.IntEnum):
    """What is told of a piece that goes on (int64)."""

    SLOT = 0
    RAW_FROM = 1
    RAW_TO = 2
    FRAMES_FROM = 3
    FRAMES_TO = 4
    """Places in what was put out; both pairs are the same when no byte is outside of frames."""
    RECEIVED_AT_US = 5
    IS_BACKLOG = 6
    BYTES = 7
    FRAMES = 8
    BAD = 9
    OBSERVES = 10


class Ending(enum.IntEnum):
    """Why a socket is to be looked after; an errno when it is positive."""

    CLOSED = 0
    OVER_BUDGET = -1
    BODY_ENDED = -2
    BODY_BROKEN = -3
    STALLED = -4


UInt8 = NDArray[np.uint8]
Int64 = NDArray[np.int64]


def empty_states(n: int) -> Int64:
    """Return rows for `n` streams, shape (n, columns)."""
    return np.zeros((n, len(Column)), np.int64)


def empty_regions(n: int) -> UInt8:
    """Return the bytes of `n` streams, shape (n, REGION_BYTES); memory is used where it is written to."""
    return np.zeros((n, REGION_BYTES), np.uint8)
