"""What came last, as the bytes that it came as: from it viewers that were cut go on.

Memory is bounded by bytes and by time, for each source alone: many samples push no alert out. A message is
kept with its place, so that a cursor of any server says which of the messages here its viewer has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.push.channels import Source
from dashboards.push.cursor import VERSION, Cursor, Positions
from dashboards.push.marks import Marks, Memory
from streams import codec
from streams.records import AlertTransition, AlertTransitions, FlaggedSamples, Record, StationReports

KEPT_BYTES: Mapping[Source, int] = {
    Source.REPORTS: 32_000_000, Source.SAMPLES: 32_000_000, Source.ALERTS: 8_000_000
}  # fmt: skip
KEPT_US = 600_000_000
"""But alerts, which are few: they go only for room."""
ENTRY_BYTES = 400
"""That an entry takes besides its message."""
SOURCES: Mapping[type[Record], Source] = {
    StationReports: Source.REPORTS,
    FlaggedSamples: Source.SAMPLES,
    AlertTransitions: Source.ALERTS,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A message that was kept."""

    number: int
    """In the order in which messages came here, from 1."""
    source: Source
    partition: int
    offset: int
    message: bytes
    marks: Marks
    kept_us: int


@dataclass(slots=True)
class _Shelf:
    """One source."""

    begins: list[int]
    """Of each partition: the messages from this offset on are there."""
    sure: list[int]
    """From this offset on it is sure which verdicts are new."""
    next: list[int]
    is_middle: list[bool]
    """Something came before what was read first."""
    entries: deque[Entry] = field(default_factory=deque)
    n_bytes: int = 0
    gone: int = 0
    """Number of the last message that was let go."""

    @classmethod
    def of(cls, begins: Sequence[int]) -> _Shelf:
        return cls(list(begins), list(begins), list(begins), [begin > 0 for begin in begins])

    def drop(self) -> None:
        """Let the oldest message go."""
        oldest = self.entries.popleft()
        self.gone = oldest.number
        self.n_bytes -= len(oldest.message) + ENTRY_BYTES
        behind = oldest.offset + 1
        self.begins[oldest.partition] = max(self.begins[oldest.partition], behind)
        self.sure[oldest.partition] = max(self.sure[oldest.partition], behind)

    def forget(self, partition: int, begin: int) -> None:
        """Begin a partition anew."""
        self.entries = deque(one for one in self.entries if one.partition != partition)
        self.n_bytes = sum(len(one.message) + ENTRY_BYTES for one in self.entries)
        self.begins[partition] = self.sure[partition] = self.next[partition] = begin


class Window:
    """Keeps messages, and knows how far everything was read.

    Parameters
    ----------
    origin
        Whose offsets there are: the same at all servers that read the same.
    partitions
        Of each source.
    kept_bytes, kept_us
        How much is kept of each source, and for how long.
    """

    def __init__(
        self,
        origin: str,
        partitions: Mapping[Source, int],
        *,
        kept_bytes: Mapping[Source, int] = KEPT_BYTES,
        kept_us: int = KEPT_US,
    ) -> None:
        self.origin = origin
        self.number = 0
        """Of the message that came last."""
        self._shelves = [_Shelf.of([0] * partitions[source]) for source in Source]
        self._kept_bytes, self._kept_us = kept_bytes, kept_us
        self._memory = Memory()

    @property
    def n_bytes(self) -> int:
        """What is kept, with what keeping it takes."""
        return sum(shelf.n_bytes for shelf in self._shelves)

    def open(self, source: Source, begins: Mapping[int, int]) -> None:
        """Say at which offset reading begins in each partition; before, it is at 0."""
        self._shelves[source] = _Shelf.of([begins.get(p, 0) for p in range(len(self.positions[source]))])

    def reached(self, source: Source, places: Mapping[int, int]) -> None:
        """Say from which offset on reading goes on: what lies between the last message and there is none."""
        shelf = self._shelves[source]
        for partition, place in places.items():
            shelf.next[partition] = max(shelf.next[partition], place)

    def know(self, alerts: Iterable[AlertTransition]) -> None:
        """Know how alerts were before the first message."""
        self._memory.know(alerts)

    def take(
        self, source: Source, partition: int, offset: int | None, batch: Record, message: bytes, now_us: int
    ) -> tuple[Record, Marks]:
        """Keep a message; return what is new in it, and its marks.

        Parameters
        ----------
        offset
            Its place; None: behind the last one.
        message
            As it came; empty: it came as it is.
        """
        shelf = self._shelves[source]
        if offset is None:
            offset = shelf.next[partition]
        if offset < shelf.next[partition]:  # somebody has made the topic anew
            shelf.forget(partition, offset)
        new, marks = self._memory.mark(batch, partition, from_the_middle=shelf.is_middle[partition])
        if new is not batch or not message:
            message = codec.encode(new)
        self.number += 1
        shelf.entries.append(Entry(self.number, source, partition, offset, message, marks, now_us))
        shelf.n_bytes += len(message) + ENTRY_BYTES
        shelf.next[partition] = offset + 1
        if marks.is_unsure:
            shelf.sure[partition] = offset + 1
        while shelf.n_bytes > self._kept_bytes[source]:
            shelf.drop()
        if source is not Source.ALERTS:
            while shelf.entries and now_us - shelf.entries[0].kept_us > self._kept_us:
                shelf.drop()
        return new, marks

    @property
    def positions(self) -> Positions:
        """The next offset of each partition."""
        return tuple(tuple(shelf.next) for shelf in self._shelves)

    @property
    def begins(self) -> Positions:
        """From which offset on the messages of each partition are there."""
        return tuple(tuple(shelf.begins) for shelf in self._shelves)

    def cursor(self, now_us: int) -> Cursor:
        """Return how far everything was read."""
        return Cursor(VERSION, self.origin, now_us, self.positions)

    def serves(self, cursor: Cursor) -> bool:
        """Return whether a cursor counts as this window does."""
        shape = [len(some) for some in self.positions]
        is_ours = cursor.version == VERSION and cursor.origin == self.origin
        return is_ours and [len(some) for some in cursor.positions] == shape

    def holds(self, positions: Positions, sources: Collection[Source], *, changes: bool) -> bool:
        """Return whether all is here that came behind some places.

        Parameters
        ----------
        changes
            It is also to be known which verdicts are new.
        """
        for source in sources:
            shelf = self._shelves[source]
            begins = shelf.sure if changes and source is Source.REPORTS else shelf.begins
            if any(place < begin for place, begin in zip(positions[source], begins, strict=True)):
                return False
        return True

    def has_lost(self, sources: Collection[Source], number: int) -> bool:
        """Return whether a message of some sources was let go that came behind the one of a number."""
        return any(self._shelves[source].gone > number for source in sources)

    def entries(self, sources: Collection[Source], until: int) -> list[Entry]:
        """Return the messages of some sources up to a number, as they came."""
        found = [one for source in sources for one in self._shelves[source].entries if one.number <= until]
        return sorted(found, key=_number)


def _number(entry: Entry) -> int:
    return entry.number
