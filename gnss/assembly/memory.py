"""What a table remembers: a slot for each station in arrays, and the bytes that wait, if there are some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.assembly.assembled import MessageCounts
from gnss.assembly.blocks import Blocks
from gnss.assembly.records import (
    HELD,
    MAX_EPOCH_BYTES,
    NO_NUMBER,
    NO_ROW,
    NUMBERS,
    OPEN,
    PENDING,
    STATION,
    new_pending,
    new_stations,
)
from gnss.epoch_parts import frame_headers
from gnss.rtcm.framing import MAX_FRAME_BYTES, find_frames

_FIRST_SLOTS = 16
_MAX_STATION = 2**31 - 1
_VERSION = 1

Int64 = NDArray[np.int64]


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    station: bytes
    pending: bytes
    number: bytes
    count: bytes
    spilled: dict[int, int]
    kept: bytes


class Memory:
    """State of all stations of a table; arrays by slot."""

    def __init__(self) -> None:
        self.stations, self.pending = new_stations(0), new_pending(0)
        self.number = np.empty((0, NUMBERS), np.int16)
        """Message numbers of each station, `NO_NUMBER` behind the last; `count` has their frames."""
        self.count = np.empty((0, NUMBERS), np.int64)
        self.station_of = np.empty(0, np.int32)
        self.slot_of: dict[int, int] = {}
        self.kept: dict[int, bytes] = {}
        """The bytes that wait."""
        self._spilled: dict[int, Counter[int]] = {}
        """Frames of message numbers that found no room in the columns."""
        self._free: list[int] = []
        self.blocks = Blocks()

    def slots(self, stations: Iterable[int]) -> list[int]:
        """Return the slots of stations; one that is not known gets a new one.

        Raises
        ------
        ValueError
            A number is negative or beyond 2,147,483,647.
        """
        try:
            return [self.slot_of[station] for station in stations]
        except KeyError:
            return [self._slot(station) for station in stations]

    def remove(self, station: int) -> None:
        """Forget a station."""
        slot = self.slot_of.pop(station, None)
        if slot is not None:
            self._clear(slot)
            self._free.append(slot)

    def waiting(self, slots: Int64) -> Int64:
        """Return how many bytes wait, of the same shape."""
        sizes = self.pending["size"][slots].sum(axis=1) + self.stations["tail"][slots]
        return np.asarray(sizes, np.int64)

    def keep(self, slots: Int64, kept: NDArray[np.uint8]) -> None:
        """Take the bytes that wait of stations, each of them once, one after the other."""
        size = self.waiting(slots)
        if self.kept:
            for slot in slots[size == 0].tolist():
                self.kept.pop(slot, None)
        some = np.flatnonzero(size)
        end = np.cumsum(size[some])
        columns = slots[some].tolist(), (end - size[some]).tolist(), end.tolist()
        for slot, i, j in zip(*columns, strict=True):
            self.kept[slot] = kept[i:j].tobytes()

    def spill(self, slots_and_numbers: NDArray[np.int32]) -> None:
        """Count frames of message numbers beyond the columns; slots and numbers, shape (n, 2)."""
        for slot, number in slots_and_numbers.tolist():
            self._spilled.setdefault(slot, Counter())[number] += 1

    def messages(self, slots: Int64) -> MessageCounts:
        """Return how many frames of each message number came to stations."""
        rows, columns = np.nonzero(self.number[slots] != NO_NUMBER)
        counts = MessageCounts(
            station=self.station_of[slots[rows]].astype(np.int64),
            message=self.number[slots[rows], columns].astype(np.int64),
            frames=self.count[slots[rows], columns],
        )
        more = [
            (self.station_of[slot], number, n)
            for slot in sorted(set(self._spilled).intersection(slots.tolist()))
            for number, n in sorted(self._spilled[slot].items())
        ]
        if not more:
            return counts
        station, message, frames = np.array(more, np.int64).T
        return MessageCounts(
            station=np.concatenate((counts.station, station)),
            message=np.concatenate((counts.message, message)),
            frames=np.concatenate((counts.frames, frames)),
        )

    def snapshot(self, station: int) -> bytes:
        """Return the state of a station; that of a new one when it is not known."""
        memory = self
        if station not in self.slot_of:
            memory = Memory()
        slot = memory.slots((station,))[0]
        state = _Snapshot(
            version=_VERSION,
            station=memory.stations[slot].tobytes(),
            pending=memory.pending[slot].tobytes(),
            number=memory.number[slot].tobytes(),
            count=memory.count[slot].tobytes(),
            spilled=dict(sorted(memory._spilled.get(slot, {}).items())),
            kept=memory.kept.get(slot, b""),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, station: int, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        ValueError
            It is no snapshot of this version.
        """
        try:
            told = msgspec.msgpack.decode(state, type=_Snapshot)
            records = np.frombuffer(told.station, STATION, 1)[0], np.frombuffer(told.pending, PENDING, 2)
            numbers = np.frombuffer(told.number, np.int16, NUMBERS)
            counts = np.frombuffer(told.count, np.int64, NUMBERS)
            is_good = told.version == _VERSION and _agree(*records, told.kept)
        except (msgspec.MsgspecError, ValueError):
            is_good = False
        if not is_good:
            msg = "this is no state of a station that this version wrote: begin the station as new"
            raise ValueError(msg)
        slot = self.slots((station,))[0]
        self._clear(slot)
        self.stations[slot], self.pending[slot] = records
        self.number[slot], self.count[slot] = numbers, counts
        if told.spilled:
            self._spilled[slot] = Counter(told.spilled)
        if told.kept:
            self.kept[slot] = told.kept

    def _slot(self, station: int) -> int:
        slot = self.slot_of.get(station)
        if slot is not None:
            return slot
        if not 0 <= station <= _MAX_STATION:
            msg = f"station {station}: number stations from 0 to {_MAX_STATION}"
            raise ValueError(msg)
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.slot_of[station], self.station_of[slot] = slot, station
        return slot

    def _clear(self, slot: int) -> None:
        self.stations[slot], self.pending[slot] = new_stations(1)[0], new_pending(1)[0]
        self.number[slot], self.count[slot] = NO_NUMBER, 0
        self.kept.pop(slot, None)
        self._spilled.pop(slot, None)

    def _grow(self) -> None:
        n = len(self.stations)
        more = max(n, _FIRST_SLOTS)
        self.stations = np.concatenate((self.stations, new_stations(more)))
        self.pending = np.concatenate((self.pending, new_pending(more)))
        self.number = np.concatenate((self.number, np.full((more, NUMBERS), NO_NUMBER, np.int16)))
        self.count = np.concatenate((self.count, np.zeros((more, NUMBERS), np.int64)))
        self.station_of = np.concatenate((self.station_of, np.full(more, -1, np.int32)))
        self._free = list(range(n + more - 1, n - 1, -1))


def _agree(station: np.void, pending: NDArray[np.void], kept: bytes) -> bool:
    """Return whether the bytes that wait are what the records say: the kernels rely on it."""
    tail = int(station["tail"])
    if not 0 <= tail < MAX_FRAME_BYTES or tail > len(kept) or (pending["head"] != NO_ROW).any():
        return False
    at = 0
    for epoch in (pending[OPEN], pending[HELD]):
        size, count = int(epoch["size"]), int(epoch["count"])
        if not 0 <= size <= MAX_EPOCH_BYTES:
            return False
        part = np.frombuffer(kept[at : at + size], np.uint8)
        index = find_frames(part, final=True)
        if (
            index.skipped_bytes
            or len(part) != size
            or not count == len(index) == len(frame_headers(part, index))
        ):
            return False
        at += size
    return at + tail == len(kept)
