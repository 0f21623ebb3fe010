"""Viewers by what they asked for: an event is made once for all who asked for the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from dashboards.push import events
from dashboards.push.catalogue import Catalogue
from dashboards.push.cursor import Cursor, text_of
from dashboards.push.events import Form, Lists
from dashboards.push.marks import Marks
from dashboards.push.sorting import Sorter
from dashboards.push.viewer import Frame, Viewer
from streams.records import Record

log = structlog.get_logger()

ALIVE_TICKS = 30
"""Who was told nothing for so long is told that this program lives, and a newer id."""
_Key = tuple[tuple[str, ...], Form]


@dataclass(slots=True)
class _Group:
    viewers: set[Viewer] = field(default_factory=set)
    quiet_ticks: int = 0


class Groups:
    """All viewers that have been told everything up to now."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.failures = 0
        """Messages that could not be told."""
        self.events = 0
        """That were made."""
        self._catalogue = catalogue
        self._groups: dict[_Key, _Group] = {}
        self._sorter: Sorter | None = None
        """None: who asks for what has changed."""

    def join(self, viewer: Viewer) -> None:
        """Let a viewer take part, unless it has left."""
        if viewer.ended.is_set():
            return
        key = viewer.channels, viewer.form
        if key not in self._groups:
            self._groups[key] = _Group()
            self._sorter = None
        self._groups[key].viewers.add(viewer)

    def forget(self, viewer: Viewer) -> None:
        """Let a viewer go, if it took part."""
        key = viewer.channels, viewer.form
        group = self._groups.get(key)
        if group is None:
            return
        group.viewers.discard(viewer)
        if not group.viewers:
            del self._groups[key]
            self._sorter = None

    def tell(self, fresh: Iterable[tuple[Record, Marks]], cursor: Cursor) -> Iterator[tuple[Viewer, Frame]]:
        """Yield who gets which event of what came.

        Parameters
        ----------
        cursor
            How far everything was read with it.
        """
        fragments = {
            channel: events.fragment(channel, lists) for channel, lists in self._sorted(fresh).items()
        }
        identity, at_us = text_of(cursor), cursor.time_us
        alive: dict[Form, Frame] = {}
        for (channels, form), group in list(self._groups.items()):
            some = [fragments[channel] for channel in channels if channel in fragments]
            if some:
                group.quiet_ticks = 0
                frame = Frame(events.update(form, identity, at_us, some))
                self.events += 1
            else:
                group.quiet_ticks += 1
                if group.quiet_ticks < ALIVE_TICKS:
                    continue
                group.quiet_ticks = 0
                if form not in alive:
                    alive[form] = Frame(events.event(form, "alive", identity, at_us))
                frame = alive[form]
            for viewer in list(group.viewers):
                yield viewer, frame

    def _sorted(self, fresh: Iterable[tuple[Record, Marks]]) -> Lists:
        if self._sorter is None:
            wanted = {channel for channels, _ in self._groups for channel in channels}
            self._sorter = Sorter(wanted, self._catalogue)
        found: Lists = {}
        for batch, marks in fresh:
            try:
                self._sorter.sort(batch, marks, found)
            except Exception:
                self.failures += 1
                log.exception("a message cannot be told", kind=type(batch).__name__)
        return found
