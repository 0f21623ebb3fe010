"""What an epoch is made of: pending frames, and their decoding once it is closed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.observations import MsmFrames, Observations
from gnss.rtcm.bits import frozen
from gnss.rtcm.framing import OVERHEAD_BYTES, FrameIndex, find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.msm_header import read_headers
from gnss.rtcm.station import StationPosition

ClosedBy = Literal["complete", "next", "timeout", "end", "size"]
"""The multi-message bit, the begin of another epoch, 200 ms, the end of the stream, too many bytes."""

_COLUMNS = tuple(field.name for field in fields(Observations) if field.name != "row")
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
    """Of its MSM frames, in their order."""
    observations: Observations
    """All of them; `row` counts the MSM frames of this epoch."""
    position: StationPosition | None
    """The last 1005 or 1006 that came since the epoch before."""
    frames: int
    """Valid frames of all kinds since the epoch before."""
    bad_frames: int
    """Failed candidates (`FrameIndex.bad`) since the epoch before."""
    begin: int
    """Offset in the stream of its first frame."""


class MsmFrame(msgspec.Struct, frozen=True):
    """An MSM frame with its time."""

    data: bytes
    number: int
    ends: bool
    """DF393 is 0: no more MSM of this epoch follow."""
    time_us: int
    of_day: bool
    """It told the time of the day only."""
    begin: int
    """Offset in the stream."""
    first_received_us: int | None
    """When its first byte was read."""
    last_received_us: int | None


class PendingEpoch(msgspec.Struct):
    """Frames of an epoch that is not closed, and what came since the epoch before.

    Without frames: what came since the last epoch was closed.
    """

    frames: list[MsmFrame] = []
    size: int = 0
    """Bytes of the frames."""
    n_frames: int = 0
    """Of all kinds."""
    n_bad: int = 0
    position: StationPosition | None = None

    @property
    def time_us(self) -> int | None:
        """UTC, once there is a frame."""
        return self.frames[0].time_us if self.frames else None

    def add(self, frame: MsmFrame) -> None:
        """Add a frame of this epoch's time."""
        self.frames.append(frame)
        self.size += len(frame.data)
        self.n_frames += 1

    def take_over(self, other: PendingEpoch, *, newer: bool) -> None:
        """Count what came with another one, which is newer or older, but not its frames."""
        self.n_frames += other.n_frames
        self.n_bad += other.n_bad
        if newer or self.position is None:
            self.position = other.position or self.position

    def bits_agree(self) -> bool:
        """Whether DF393 is 0 in the last frame and only there."""
        return self.frames[-1].ends and not any(frame.ends for frame in self.frames[:-1])


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


def bad_before(buffer: NDArray[np.uint8], index: FrameIndex) -> list[int]:
    """Return how many of the failed candidates stand before each of n frames and behind all: n + 1 counts."""
    counts = [0] * (len(index) + 1)
    if index.bad:
        ends = index.start + index.length + OVERHEAD_BYTES
        begins = np.concatenate(([0], ends[:-1]))
        for i in np.flatnonzero(begins[: len(index)] != index.start).tolist():
            counts[i] = find_frames(buffer[begins[i] : ends[i]], final=True).bad
        counts[-1] = index.bad - sum(counts)
    return counts


def decode_epochs(closed: list[tuple[PendingEpoch, ClosedBy]]) -> list[Epoch]:
    """Decode closed epochs, all in one call."""
    if not closed:
        return []
    data = [frame.data for pending, _ in closed for frame in pending.frames]
    sizes = np.array([len(frame) for frame in data], np.int64)
    start = np.cumsum(sizes) - sizes
    length = (sizes - OVERHEAD_BYTES).astype(np.int32)
    headers, observations = decode_msm(np.frombuffer(b"".join(data), np.uint8), start, length)
    first_cell = np.concatenate(([0], np.cumsum(headers.cells))).tolist()
    epochs, row = [], 0
    for pending, closed_by in closed:
        behind = row + len(pending.frames)
        epochs.append(
            Epoch(
                time_us=pending.frames[0].time_us,
                received_at_us=pending.frames[-1].last_received_us,
                closed_by=closed_by,
                message_numbers=tuple(frame.number for frame in pending.frames),
                observations=_part(observations, first_cell[row], first_cell[behind], row),
                position=pending.position,
                frames=pending.n_frames,
                bad_frames=pending.n_bad,
                begin=pending.frames[0].begin,
            )
        )
        row = behind
    return epochs


def _part(observations: Observations, begin: int, end: int, first_row: int) -> Observations:
    if begin == 0 and end == len(observations):
        return observations
    columns = {name: getattr(observations, name)[begin:end] for name in _COLUMNS}
    return Observations(row=observations.row[begin:end] - np.int32(first_row), **columns)
