"""An epoch of one station as an object, and the headers of its frames."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnss.observations import MsmFrames, Observations
from gnss.rtcm.bits import frozen
from gnss.rtcm.framing import FrameIndex
from gnss.rtcm.msm_header import read_headers
from gnss.rtcm.station import StationPosition

ClosedBy = Literal["complete", "next", "timeout", "end", "size"]
"""The multi-message bit, the begin of another epoch, 200 ms, the end of the stream, too many bytes."""

_HEADER_COLUMNS = tuple(field.name for field in fields(MsmFrames) if field.name != "damaged")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a station observed at one time."""

    time_us: int
    """UTC."""
    received_at_us: int | None
    """When the last of its bytes was read; None without receiving times."""
    closed_by: ClosedBy
    message_numbers: tuple[int, ...]
    """Of its observation frames, in their order."""
    observations: Observations
    """All of them; `row` counts the observation frames of this epoch."""
    position: StationPosition | None
    """The last 1005 or 1006 that came since the epoch before."""
    frames: int
    """Valid frames of all kinds since the epoch before."""
    bad_frames: int
    """Failed candidates (`FrameIndex.bad`) since the epoch before."""
    begin: int
    """Offset in the stream of its first frame."""


def frame_headers(buffer: NDArray[np.uint8], index: FrameIndex) -> MsmFrames:
    """Return the headers of all observation messages of a buffer, shape (m,), without their observations."""
    n = len(index)
    columns = MsmFrames(
        frame=np.empty(n, np.int32),
        message=np.empty(n, np.int16),
        system=np.empty(n, np.uint8),
        reference_station=np.empty(n, np.int16),
        time_ms=np.empty(n, np.int64),
        more_follow=np.empty(n, np.uint8),
        clock_steering=np.empty(n, np.uint8),
        cells=np.empty(n, np.int32),
    )
    each = [getattr(columns, name) for name in _HEADER_COLUMNS]
    start, length = frozen(index.start, np.int64), frozen(index.length, np.int32)
    rows, _, damaged = read_headers(frozen(buffer, np.uint8), start, length, *each)
    return MsmFrames(**{name: getattr(columns, name)[:rows] for name in _HEADER_COLUMNS}, damaged=damaged)
