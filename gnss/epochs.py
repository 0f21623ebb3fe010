"""Bytes of one station to epochs: `gnss.assembly.table` for one station, with an object for each epoch."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import cast

import msgspec
import numpy as np

from gnss.assembly.table import Assembled, Chunk, EpochTable
from gnss.epoch_columns import CLOSED_BY, NO_TIME_US
from gnss.epoch_parts import ClosedBy, Epoch
from gnss.observations import Observations
from gnss.rtcm.station import STATION_MESSAGES, StationPosition, decode_position

__all__ = ["ClosedBy", "Epoch", "EpochAssembler"]

_STATION = 0
_COLUMNS = tuple(field.name for field in fields(Observations) if field.name != "row")


class _State(msgspec.Struct):
    station: bytes
    told: int
    positions: list[tuple[int, StationPosition]]


class EpochAssembler:
    """Assembles the epochs of one station; keeps two epochs at most, and less than a frame of bytes."""

    def __init__(self) -> None:
        self._table = EpochTable(wanted=STATION_MESSAGES)
        self._told = 0
        """Frames of all kinds that epochs have told."""
        self._positions: list[tuple[int, StationPosition]] = []
        """The last one of the open epoch, and of the held one, with the ordinal of its frame."""

    @property
    def frames(self) -> int:
        """Valid frames so far."""
        return self._count("frames")

    @property
    def bad_frames(self) -> int:
        """Failed candidates (`FrameIndex.bad`) so far."""
        return self._count("bad_frames")

    @property
    def skipped_bytes(self) -> int:
        """Bytes that belong to no valid frame, so far."""
        return self._count("skipped_bytes")

    @property
    def damaged_messages(self) -> int:
        """Observation messages left out so far as their content is not possible (`MsmFrames.damaged`)."""
        return self._count("damaged_messages")

    @property
    def unusable_times(self) -> int:
        """Observation frames left out so far because no clock shows their time, or no other frame has it."""
        return self._count("unusable_times")

    @property
    def late_frames(self) -> int:
        """Observation frames left out so far because their epoch was closed before they came."""
        return self._count("late_frames")

    @property
    def oversized_epochs(self) -> int:
        """Epochs that were cut at `gnss.assembly.records.MAX_EPOCH_BYTES` so far."""
        return self._count("oversized_epochs")

    @property
    def messages(self) -> dict[int, int]:
        """How many frames of each message number came so far; -1: too short for a number."""
        counts = self._table.message_counts()
        return dict(zip(counts.message.tolist(), counts.frames.tolist(), strict=True))

    def feed(self, payload: bytes, *, received_at_us: int | None, reference_us: int | None) -> list[Epoch]:
        """Take the next bytes of the stream; return the epochs that they, or the time, closed.

        The arguments are those of a `Chunk`.
        """
        return self._epochs(self._table.feed([Chunk(_STATION, payload, received_at_us, reference_us)]))

    def on_time(self, now_us: int) -> list[Epoch]:
        """Return the epoch that waited for its end for more than 200 ms."""
        return self._epochs(self._table.on_time(now_us))

    def finish(self) -> list[Epoch]:
        """End the stream: return what is still open. More bytes may follow, as of a new connection."""
        return self._epochs(self._table.finish())

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(_State(self._table.snapshot(_STATION), self._told, self._positions))

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        ValueError
            It is no snapshot of this version; the state is as before.
        """
        try:
            read = msgspec.msgpack.decode(state, type=_State)
        except msgspec.MsgspecError as error:
            msg = "this is no state of an assembler: begin with a new one"
            raise ValueError(msg) from error
        self._table.restore(_STATION, read.station)
        self._told, self._positions = read.told, read.positions

    def _count(self, name: str) -> int:
        return int(getattr(self._table.counts(), name).sum())

    def _epochs(self, assembled: Assembled) -> list[Epoch]:
        """Return an object for each epoch."""
        self._learn(assembled)
        epochs, frames, seen = assembled.epochs, assembled.frames, assembled.epochs.observations
        edges = np.searchsorted(frames.epoch, np.arange(len(epochs) + 1)).tolist()
        some = []
        for i, (begin, end) in enumerate(pairwise(edges)):
            first, count = int(epochs.first[i]), int(epochs.count[i])
            rows = np.repeat(np.arange(end - begin, dtype=np.int32), frames.cells[begin:end])
            columns = {name: getattr(seen, name)[first : first + count] for name in _COLUMNS}
            received_at_us = int(epochs.received_at_us[i])
            some.append(
                Epoch(
                    time_us=int(epochs.time_us[i]),
                    received_at_us=None if received_at_us == NO_TIME_US else received_at_us,
                    closed_by=cast("ClosedBy", CLOSED_BY[epochs.closed_by[i]]),
                    message_numbers=tuple(frames.message[begin:end].tolist()),
                    observations=Observations(row=rows, **columns),
                    position=self._position(int(epochs.frames[i])),
                    frames=int(epochs.frames[i]),
                    bad_frames=int(epochs.bad_frames[i]),
                    begin=int(epochs.begin[i]),
                )
            )
        self._positions = self._newest(self._told + self._table.open_frames(_STATION))
        return some

    def _learn(self, assembled: Assembled) -> None:
        """Note the positions that came."""
        others = assembled.others
        for ordinal, payload in zip(others.ordinal.tolist(), others.payload, strict=True):
            position = decode_position(payload)
            if position is not None and any(position.ecef_m):
                self._positions.append((ordinal, position))

    def _position(self, frames: int) -> StationPosition | None:
        """Return the last position among the frames of the next epoch, which counts so many."""
        self._told += frames
        newest = [position for ordinal, position in self._positions if ordinal < self._told]
        self._positions = self._positions[len(newest) :]
        return newest[-1] if newest else None

    def _newest(self, border: int) -> list[tuple[int, StationPosition]]:
        """Return the last position before an ordinal, and the last one behind it."""
        before = [one for one in self._positions if one[0] < border]
        behind = self._positions[len(before) :]
        return before[-1:] + behind[-1:]
