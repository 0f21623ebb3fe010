"""What an `EpochTable` takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


class Chunk(NamedTuple):
    """The next bytes of one station's stream."""

    station: int
    """The caller's number of it, 0 to 2,147,483,647."""
    payload: bytes
    """Any piece of the stream."""
    received_at_us: int | None
    """When it was read. None in a replay: no epoch is closed by time then."""
    reference_us: int | None
    """Roughly when it was observed, right to three and a half days (half a day for a stream of GLONASS
    alone). Not read when there is a receiving time. The same value may come again and again, also for a
    capture of weeks; another value begins another recording."""


@dataclass(frozen=True, slots=True)
class EpochFrames:
    """The observation frames of epochs, in the order of their observations. All arrays: shape (n_frames,)."""

    epoch: Int32
    """Row of the epoch."""
    message: NDArray[np.int16]
    system: NDArray[np.uint8]
    """As `MsmFrames.system`."""
    reference_station: NDArray[np.int16]
    """DF003."""
    clock_steering: NDArray[np.uint8]
    """DF411, as `MsmFrames.clock_steering`."""
    cells: Int32
    """Observations of the frame."""

    def __len__(self) -> int:
        return len(self.epoch)


@dataclass(frozen=True, slots=True)
class OtherFrames:
    """Valid frames without observations, of the wanted numbers, in the order of each station's stream.

    All columns have shape (n_others,).
    """

    station: Int32
    message: NDArray[np.int16]
    epoch_us: Int64
    """Time of the station's newest epoch when the frame came, UTC; `NO_TIME_US` before the first one."""
    received_at_us: Int64
    """When its last byte was read; `NO_TIME_US` without receiving times."""
    ordinal: Int64
    """Valid frames of all kinds that its station had sent before."""
    payload: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.station)


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a call brought. Stations stand in the order in which the call named them."""

    epochs: EpochColumns
    """The epochs that it closed, with their observations."""
    frames: EpochFrames
    others: OtherFrames

    def messages(self) -> tuple[Int32, NDArray[np.int16], Int64]:
        """Return row of the station, number and epoch of each frame, those of observations first."""
        at, epochs = self.frames.epoch, self.epochs
        return (
            np.concatenate([epochs.station[at].astype(np.int32), self.others.station]),
            np.concatenate([self.frames.message, self.others.message]),
            np.concatenate([epochs.time_us[at], self.others.epoch_us]),
        )


@dataclass(frozen=True, slots=True)
class StationCounts:
    """What was counted of stations since they began. All arrays have shape (n_stations,) and are int64."""

    station: Int64
    frames: Int64
    """Valid frames."""
    bad_frames: Int64
    """Failed candidates (`FrameIndex.bad`)."""
    skipped_bytes: Int64
    """Bytes that belong to no valid frame."""
    damaged_messages: Int64
    """Observation messages left out because their content is not possible (`MsmFrames.damaged`)."""
    unusable_times: Int64
    """Observation frames left out because no clock shows their time, or no other frame has it."""
    late_frames: Int64
    """Observation frames left out because their epoch was closed before they came."""
    oversized_epochs: Int64
    """Epochs that were cut at `gnss.assembly.records.MAX_EPOCH_BYTES`."""

    def __len__(self) -> int:
        return len(self.station)


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """How many frames of each message number came, one row for each number of a station: shape (n,)."""

    station: Int64
    message: Int64
    """-1: too short for a number."""
    frames: Int64

    def __len__(self) -> int:
        return len(self.station)
