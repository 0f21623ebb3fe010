"""One stream, fed by whoever reads it: bytes to pieces that end where an epoch does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from connectors.gathering.columns import (
    REGION_BYTES,
    Column,
    Int64,
    Row,
    UInt8,
    empty_regions,
    empty_states,
)
from connectors.gathering.epochs_kernel import Scratch, arrive, put_out, scratch, search
from connectors.gathering.sockets_kernel import BACKLOG_US, HOLD_IN_BACKLOG_US, HOLD_US


class Piece(NamedTuple):
    """What goes on together: whole epochs, unless the rest of one did not come in time."""

    payload: bytes
    """All bytes as they came."""
    frames: bytes
    """The valid frames among them."""
    received_at_us: int
    """When the last of them were read; UTC."""
    is_backlog: int
    """They had waited for seconds: this program or the line stood still."""
    n_bytes: int
    n_frames: int
    n_bad: int
    """Since the piece before, with those that are still held: bytes, frames, and failed candidates."""
    observes: int = 0
    """Whether there were observations in RTCM 3 among those."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a call of a kernel needs beside a stream's own."""

    out: UInt8
    rows: Int64
    found: Scratch = field(default_factory=scratch)

    @staticmethod
    def of(n_bytes: int, n_rows: int) -> Room:
        """Return room for pieces of so many bytes together."""
        return Room(np.zeros(n_bytes, np.uint8), np.zeros((n_rows, len(Row)), np.int64))

    def pieces(self, n: int) -> Iterator[tuple[int, Piece]]:
        """Yield the stream and the piece of each of the first `n` rows."""
        out = memoryview(self.out)  # type: ignore[arg-type]  # it has a buffer
        for slot, begin, end, frames_from, frames_to, *rest in self.rows[:n].tolist():
            payload = bytes(out[begin:end])
            frames = payload if frames_from == begin else bytes(out[frames_from:frames_to])
            yield slot, Piece(payload, frames, *rest)


def feed(
    state: Int64, region: UInt8, data: bytes, mono_us: int, received_at_us: int, room: Room
) -> Iterator[Piece]:
    """Take bytes of one stream; yield what goes on. Those that fill all that can be held are a backlog."""
    if len(data) >= REGION_BYTES:
        state[Column.BACKLOG_UNTIL_US] = mono_us + BACKLOG_US
    read = np.frombuffer(data, np.uint8)
    at = 0
    while at < len(read):
        filled = int(state[Column.FILLED])
        some = read[at : at + REGION_BYTES - filled]
        region[filled : filled + len(some)] = some
        at += len(some)
        arrive(state, region, len(some), mono_us, received_at_us, room.found)
        yield from _piece(state, region, mono_us, room)


def finish(state: Int64, region: UInt8, mono_us: int, room: Room) -> Iterator[Piece]:
    """End one stream: what waited for more bytes is searched as it is."""
    search(state, region, True, room.found)
    yield from _piece(state, region, mono_us, room)


def _piece(state: Int64, region: UInt8, mono_us: int, room: Room) -> Iterator[Piece]:
    if state[Column.CUT]:
        put_out(0, state, region, mono_us, room.out, 0, room.rows[0], room.found)
        for _, piece in room.pieces(1):
            yield piece


class EpochCutter:
    """Cuts one stream; keeps less than `REGION_BYTES`. No I/O and no clock."""

    def __init__(self) -> None:
        self._state = empty_states(1)[0]
        self._region = empty_regions(1)[0]
        self._room = Room.of(2 * REGION_BYTES, 1)

    @property
    def is_holding(self) -> bool:
        """Whether whole frames wait for the rest of their epoch."""
        return bool(self._state[Column.SCANNED])

    def feed(self, data: bytes, mono_us: int, received_at_us: int) -> Iterator[Piece]:
        """Take what was read; yield what goes on.

        Parameters
        ----------
        data
            Bytes of the stream. Those that fill all that can be held are a backlog.
        mono_us, received_at_us
            When they came, by a monotonic clock and by the wall clock.
        """
        return feed(self._state, self._region, data, mono_us, received_at_us, self._room)

    def due_us(self) -> int:
        """Return when what is held goes on in any case, by the monotonic clock."""
        since_us = int(self._state[Column.HELD_SINCE_US])
        in_backlog = since_us < self._state[Column.BACKLOG_UNTIL_US]
        return since_us + (HOLD_IN_BACKLOG_US if in_backlog else HOLD_US)

    def let_go(self, mono_us: int) -> Iterator[Piece]:
        """Yield what is held: the rest of its epoch does not come in time."""
        self._state[Column.CUT], self._state[Column.IS_OPEN] = self._state[Column.SCANNED], 0
        return _piece(self._state, self._region, mono_us, self._room)

    def finish(self, mono_us: int) -> Iterator[Piece]:
        """End the stream: what waited for more bytes is searched as it is. The cutter is then as new."""
        yield from finish(self._state, self._region, mono_us, self._room)
        self._state[:] = 0
