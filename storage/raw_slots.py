"""Chunks of many stations by 10-second slots of their own time, and when each slot is to be written. Pure.

A slot is over when its station goes on to another one, by the clock, with its stream, or when it is full.
Slots of all stations end at once; each live station's are due at a time of its own within the `SPREAD_US`
after it, since thousands of files at once hold up everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from zlib import crc32

from storage.objects import object_path
from storage.raw_reader import time_of
from streams.records import RawChunk

SLOT_US = 10_000_000
GRACE_US = 5_000_000
"""How long after its end a slot waits for chunks that stood in a queue."""
SPREAD_US = 9_000_000
_STEP_US = 250_000
"""Between the times of stations: slots that are due together are in one list."""
STATION_BUFFER_BYTES = 2**20
WAITING_LIMIT_BYTES = 256 * 2**20
"""Finished slots that could not be written; beyond it chunks are dropped and counted."""


@dataclass(slots=True)
class Slot:
    """Chunks of one station in one slot; a slot that was finished may go on in another one of these."""

    station_id: str
    slot_us: int
    end_us: int
    is_live: bool
    """Its times are receiving times, so the clock can finish it."""
    path: str
    """Of its object."""
    size: int = 0
    chunks: list[RawChunk] = field(default_factory=list)

    def goes_behind(self, before: Slot) -> bool:
        """Return whether it goes into the same object as one of its station, and is later than that."""
        return before.slot_us < self.slot_us and before.path == self.path


class Slots:
    """Slots of all stations. None of a station is given before one of it that was finished earlier."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        """Bytes that were not taken since there was no room for them."""
        self._open: dict[str, Slot] = {}
        self._live: dict[int, list[str]] = {}
        """Stations by the begin of live slots: nobody is looked at before the clock can finish something."""
        self._waiting: dict[int, list[Slot]] = {}
        """Finished slots by the time when they are due; what is read again is due at once."""
        self._again: list[Slot] = []
        """What was put back: older than all of its stations that waits."""
        self._waiting_bytes = 0
        self._last_due_us: dict[str, int] = {}
        """Of each station that has some waiting."""

    def add(self, chunks: Iterable[RawChunk]) -> None:
        """Take chunks. Without any time they belong to the year 1970."""
        opened = self._open
        for chunk in chunks:
            time_us = chunk.received_at_us
            slot = opened.get(chunk.station_id)
            if slot is None or time_us is None or not slot.slot_us <= time_us < slot.end_us:
                slot = self._slot_of(chunk, slot)
            size = len(chunk.payload)
            if self._waiting_bytes > WAITING_LIMIT_BYTES:
                self.dropped_bytes += size
            elif size:
                slot.chunks.append(chunk)
                slot.size += size
            if slot.size >= STATION_BUFFER_BYTES or chunk.end_of_stream:
                self._finish(slot)

    def due(self, now_us: int) -> list[Slot]:
        """Return what is due, in the order in which it is to be written; it is no longer here then."""
        for slot_us in [one for one in self._live if one + SLOT_US + GRACE_US <= now_us]:
            for station_id in self._live.pop(slot_us):
                slot = self._open.get(station_id)
                if slot is not None and slot.slot_us == slot_us:
                    self._finish(slot)
        due = [self._waiting.pop(due_us) for due_us in sorted(self._waiting) if due_us <= now_us]
        slots = [*self._again, *chain.from_iterable(due)]
        self._again.clear()
        self._waiting_bytes -= sum([slot.size for slot in slots])
        if not self._waiting:
            self._last_due_us.clear()
        return slots

    def all(self) -> list[Slot]:
        """Return everything, as `due` does."""
        for slot in list(self._open.values()):
            self._finish(slot)
        self._live.clear()
        return self.due(max(self._waiting, default=0))

    def put_back(self, slots: Iterable[Slot]) -> None:
        """Take back what `due` or `all` gave and could not be written; it is given first the next time."""
        for slot in slots:
            self._again.append(slot)
            self._waiting_bytes += slot.size

    def _slot_of(self, chunk: RawChunk, slot: Slot | None) -> Slot:
        """Return the slot of a chunk: that of its station, or a new one."""
        time_us = time_of(chunk)
        slot_us = time_us - time_us % SLOT_US
        if slot is not None:
            if slot.slot_us == slot_us:
                return slot
            self._finish(slot)
        name, is_live = chunk.station_id, chunk.received_at_us is not None
        slot = self._open[name] = Slot(name, slot_us, slot_us + SLOT_US, is_live, object_path(name, slot_us))
        if is_live:
            self._live.setdefault(slot_us, []).append(name)
        return slot

    def _finish(self, slot: Slot) -> None:
        del self._open[slot.station_id]
        if not slot.chunks:
            return
        due_us = self._last_due_us.get(slot.station_id, 0)
        if slot.is_live and slot.size < STATION_BUFFER_BYTES:
            due_us = max(due_us, slot.end_us + crc32(slot.station_id.encode()) * _STEP_US % SPREAD_US)
        self._last_due_us[slot.station_id] = due_us
        self._waiting.setdefault(due_us, []).append(slot)
        self._waiting_bytes += slot.size
