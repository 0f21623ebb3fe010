"""Viewers that come back: what they missed is read from the window once, for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from dashboards.push import events
from dashboards.push.catalogue import Catalogue
from dashboards.push.channels import Source, sources_of
from dashboards.push.cursor import Cursor, Positions, later, text_of
from dashboards.push.events import Form, Lists
from dashboards.push.sorting import Sorter
from dashboards.push.viewer import Frame, Viewer
from dashboards.push.window import Window
from streams import codec

log = structlog.get_logger()

MOST_BYTES = 2_000_000
"""Of what one viewer is told again; of more it is told that there is a gap."""
MOST_BYTES_TOGETHER = 64_000_000
EVENT_ITEMS = 1_000
"""In one event, about."""
SLICE_S = 0.02
"""After so long others have their turn."""


@dataclass(slots=True, eq=False)
class Catchup:
    """Viewers that ask for the same and have been told the same."""

    channels: tuple[str, ...]
    form: Form
    cursor: Cursor
    """What they were told."""
    viewers: list[Viewer] = field(default_factory=list)
    sources: frozenset[Source] = frozenset()
    looked_at: int = 0
    """Number of the last message that was looked at for them."""
    frames: list[Frame] = field(default_factory=list)
    n_bytes: int = 0
    is_too_much: bool = False
    _lists: Lists = field(default_factory=dict)
    _items: int = 0

    def __post_init__(self) -> None:
        self.sources = sources_of(self.channels)

    @property
    def floor(self) -> Positions:
        """What lies before it, they have."""
        return self.cursor.positions

    def start(self, cursor: Cursor) -> Cursor:
        """Return where they begin if they are told no more of what they missed."""
        return msgspec.structs.replace(cursor, positions=later(self.floor, cursor.positions))

    def add(self, channel: str, lists: dict[str, list[object]]) -> None:
        """Take what one message tells a channel."""
        if self.is_too_much:
            return
        mine = self._lists.setdefault(channel, {})
        for name, items in lists.items():
            mine.setdefault(name, []).extend(items)
            self._items += len(items)

    def cut(self, positions: Positions, at_us: int, least: int = 1) -> None:
        """Make an event of what was taken, if it is enough.

        Parameters
        ----------
        positions
            How far everything was looked at.
        """
        if self._items < least or self.is_too_much:
            return
        # its time stays: a later one might be after what was told
        cursor = msgspec.structs.replace(self.cursor, positions=later(self.floor, self._own(positions)))
        fragments = [events.fragment(channel, lists) for channel, lists in sorted(self._lists.items())]
        frame = Frame(events.update(self.form, text_of(cursor), at_us, fragments))
        self.frames.append(frame)
        self.n_bytes += len(frame.data)
        self._lists, self._items = {}, 0
        if self.n_bytes > MOST_BYTES:
            self.give_up()

    def give_up(self) -> None:
        """It is too much: they are told so."""
        self.is_too_much = True
        self.frames.clear()
        self._lists, self._items, self.n_bytes = {}, 0, 0

    def _own(self, positions: Positions) -> Positions:
        """Return places, but of what was not looked at what they had before."""
        return tuple(positions[s] if s in self.sources else self.floor[s] for s in Source)


def is_here(floor: Positions, positions: Positions, sources: Iterable[Source]) -> bool:
    """Return whether all of some sources was read here that lies before a floor."""
    return all(
        place <= read
        for source in sources
        for place, read in zip(floor[source], positions[source], strict=True)
    )


async def catch_up(
    some: Sequence[Catchup], window: Window, catalogue: Catalogue, until: int, now_us: int
) -> int:
    """Fill the frames of all with what the window has for them, up to a message's number.

    Returns
    -------
    int
        How many messages could not be read or sorted.
    """
    loop = asyncio.get_running_loop()
    by_channel: dict[str, list[Catchup]] = {}
    for one in some:
        for channel in one.channels:
            by_channel.setdefault(channel, []).append(one)
    sources = frozenset().union(*(one.sources for one in some))
    lowest = _lowest(some, sources, window.begins)
    reached = [list(places) for places in window.begins]
    sorter = Sorter(by_channel, catalogue)
    failures, began_s, together = 0, loop.time(), 0
    for entry in window.entries(sources, until):
        source, partition, offset = entry.source, entry.partition, entry.offset
        reached[source][partition] = offset + 1
        if offset < lowest[source][partition]:
            continue
        found: Lists = {}
        try:
            sorter.sort(codec.decode(entry.message), entry.marks, found)
        except Exception:
            failures += 1
            log.exception("a message cannot be told again", source=source.name, offset=offset)
            continue
        touched: set[Catchup] = set()
        for channel, lists in found.items():
            for one in by_channel[channel]:
                if entry.number > one.looked_at and offset >= one.floor[source][partition]:
                    one.add(channel, lists)
                    touched.add(one)
        places = tuple(map(tuple, reached))
        for one in touched:
            before = one.n_bytes
            one.cut(places, now_us, EVENT_ITEMS)
            together += one.n_bytes - before
            if together > MOST_BYTES_TOGETHER:
                together -= one.n_bytes
                one.give_up()
        if loop.time() - began_s > SLICE_S:
            await asyncio.sleep(0)
            began_s = loop.time()
    places = tuple(map(tuple, reached))
    for one in some:
        one.cut(places, now_us)
        one.looked_at = until
    return failures


def _lowest(some: Iterable[Catchup], sources: Collection[Source], begins: Positions) -> list[list[int]]:
    """Return from which offset on somebody needs the messages of each partition."""
    return [
        [
            min((one.floor[source][p] for one in some if source in one.sources), default=0)
            for p in range(len(begins[source]))
        ]
        if source in sources
        else [0] * len(begins[source])
        for source in Source
    ]
