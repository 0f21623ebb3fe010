"""Bytes of many stations to epochs, decoded, in one call for all of them.

An epoch is all observations of a station at one time. It is complete when its last message says so (DF393,
DF005), when another epoch begins, or 200 ms after its first byte was read. What is decided of a station
depends on the order of its bytes alone (and on their receiving times, if they have some), neither on how they
were cut into pieces nor on other stations.

A message tells the time of the week (GLONASS: of the day). The whole time is the one nearest to when the
bytes were received; else nearest to a reference, which moves on with the epochs (`gnss.assembly.sorter` keeps
a single wrong time from doing that).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gnss.assembly.assembled import Assembled, Chunk, MessageCounts, StationCounts
from gnss.assembly.batch import FEED, FINISH, TICK
from gnss.assembly.layout import Steps
from gnss.assembly.memory import Memory
from gnss.assembly.records import OPEN, TIMEOUT_US
from gnss.assembly.run import NUMBERS, by_number, run
from gnss.epoch_columns import NO_TIME_US

__all__ = ["Assembled", "Chunk", "EpochTable", "MessageCounts", "StationCounts"]

Int64 = NDArray[np.int64]


class EpochTable:
    """Assembles the epochs of many stations; of each it keeps two epochs at most, and less than a frame.

    Not to be used by two threads at once.

    Parameters
    ----------
    wanted
        Numbers of the messages without observations that `Assembled.others` is to tell; None: all of them. An
        observation message that is damaged is one of these.
    """

    def __init__(self, wanted: Iterable[int] | None = ()) -> None:
        self._wanted = by_number(range(-1, NUMBERS - 1) if wanted is None else wanted)
        self._nothing: Assembled | None = None
        self._memory = Memory()

    def want(self, numbers: Iterable[int]) -> None:
        """Give out frames of these numbers, too, from now on."""
        self._wanted |= by_number(numbers)

    def __len__(self) -> int:
        return len(self._memory.slot_of)

    def __contains__(self, station: int) -> bool:
        return station in self._memory.slot_of

    @property
    def stations(self) -> list[int]:
        """The numbers of all stations, in the order in which they came."""
        return list(self._memory.slot_of)

    def feed(self, chunks: Sequence[Chunk]) -> Assembled:
        """Take the next bytes of some stations; return the epochs that they, or the time, closed.

        A station that is not known begins as new. Chunks of one station are taken in their order.

        Raises
        ------
        ValueError
            A station's number is negative or beyond 2,147,483,647.
        """
        columns = zip(*chunks, strict=True) if chunks else ((), (), (), ())
        return self.feed_columns(*map(list, columns))

    def feed_columns(
        self,
        stations: list[int],
        payloads: list[bytes],
        received: list[int | None],
        references: list[int | None],
    ) -> Assembled:
        """As `feed`, with the fields of the chunks as lists of equal length."""
        if not stations:
            return self._pass(FEED, [], NO_TIME_US)
        steps = Steps(
            kind=FEED,
            slot=self._memory.slots(stations),
            payload=payloads,
            received_us=np.array([NO_TIME_US if t is None else t for t in received], np.int64),
            reference_us=np.array([NO_TIME_US if t is None else t for t in references], np.int64),
        )
        return run(self._memory, steps, self._wanted)

    def on_time(self, now_us: ArrayLike, stations: Iterable[int] | None = None) -> Assembled:
        """Return the epochs that waited for their end for more than 200 ms.

        Parameters
        ----------
        now_us
            Of each given station, or one time for all of them.
        stations
            Numbers, each of them once; None: all stations. One that is not known is left out.
        """
        slots, known = self._known(stations)
        now = np.broadcast_to(np.asarray(now_us, np.int64), len(known))[known]
        first = self._memory.pending["first_received_us"][slots, OPEN]
        due = (first != NO_TIME_US) & (now - first > TIMEOUT_US)
        if not due.any():
            if self._nothing is None:
                self._nothing = self._pass(TICK, [], NO_TIME_US)
            return self._nothing
        return self._pass(TICK, slots[due].tolist(), now[due])

    def finish(self, stations: Iterable[int] | None = None) -> Assembled:
        """End streams: return what is still open. More bytes may follow, as of a new connection.

        `stations` are as in `on_time`.
        """
        return self._pass(FINISH, self._known(stations)[0].tolist(), NO_TIME_US)

    def snapshot(self, station: int) -> bytes:
        """Return the state of a station; that of a new one when it is not known."""
        return self._memory.snapshot(station)

    def restore(self, station: int, state: bytes) -> None:
        """Take back what `snapshot` gave, under any number.

        Raises
        ------
        ValueError
            It is no snapshot of this version; the station is as before.
        """
        self._memory.restore(station, state)

    def remove(self, station: int) -> None:
        """Forget a station, and what of it is still open."""
        self._memory.remove(station)

    def counts(self, stations: Iterable[int] | None = None) -> StationCounts:
        """Return what was counted of stations; `stations` as in `on_time`."""
        slots, _ = self._known(stations)
        records = self._memory.stations
        return StationCounts(
            station=self._memory.station_of[slots].astype(np.int64),
            frames=records["frames"][slots],
            bad_frames=records["bad_frames"][slots],
            skipped_bytes=records["skipped_bytes"][slots],
            damaged_messages=records["damaged_messages"][slots],
            unusable_times=records["unusable_times"][slots],
            late_frames=records["late_frames"][slots],
            oversized_epochs=records["oversized_epochs"][slots],
        )

    def message_counts(self, stations: Iterable[int] | None = None) -> MessageCounts:
        """Return how many frames of each message number came; `stations` as in `on_time`."""
        return self._memory.messages(self._known(stations)[0])

    def open_frames(self, station: int) -> int:
        """Return how many frames of all kinds wait for an epoch to close, but for the newest that are held.

        The ordinals (`OtherFrames`) of the frames that the next epoch counts end behind these.
        """
        slot = self._memory.slot_of.get(station)
        return 0 if slot is None else int(self._memory.pending["frames"][slot, OPEN])

    def _pass(self, kind: int, slots: list[int], received_us: ArrayLike) -> Assembled:
        """Take a step without bytes."""
        n = len(slots)
        times = np.broadcast_to(np.asarray(received_us, np.int64), n).copy()
        steps = Steps(kind, slots, [b""] * n, times, np.full(n, NO_TIME_US))
        return run(self._memory, steps, self._wanted)

    def _known(self, stations: Iterable[int] | None) -> tuple[Int64, NDArray[np.bool_]]:
        """Return the slots of those stations that are known, and of each given one whether it is."""
        slot_of = self._memory.slot_of
        if stations is None:
            return np.fromiter(slot_of.values(), np.int64, len(slot_of)), np.ones(len(slot_of), np.bool_)
        slots = np.array([slot_of.get(station, -1) for station in stations], np.int64)
        return slots[slots >= 0], slots >= 0
