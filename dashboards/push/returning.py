"""Viewers who come back, until they have been told all that is read here and take part again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from dashboards.push.catalogue import Catalogue
from dashboards.push.catching_up import Catchup, catch_up, is_here
from dashboards.push.channels import tells_changes
from dashboards.push.cursor import Cursor
from dashboards.push.events import Form
from dashboards.push.viewer import Frame, Viewer
from dashboards.push.window import Window

AHEAD_US = 30_000_000
"""So long a viewer waits for this server to read what it was told at another one."""
LONG_S, REST = 0.2, 3
"""Reading the window for those who come back rests for three times as long as it took, if that was long."""


class Returned(NamedTuple):
    """What becomes of viewers who were told the same."""

    viewers: list[Viewer]
    frames: list[Frame]
    """What they missed."""
    gap: Cursor | None
    """They are told a gap, and begin here; None: nothing is missing."""
    is_current: bool
    """They take part from now on."""


@dataclass(slots=True)
class Returning:
    """Those who have been told something, here or at another server, that this one may not have read."""

    window: Window
    catalogue: Catalogue
    failures: int = 0
    """Messages that could not be told again."""
    _new: dict[tuple[tuple[str, ...], Form, Cursor], Catchup] = field(default_factory=dict)
    _waiting: list[tuple[int, Catchup]] = field(default_factory=list)
    """Since when they wait."""
    _rest_until_s: float = 0.0

    def add(self, viewer: Viewer) -> None:
        """Take in a viewer with what it was told."""
        assert viewer.after is not None
        key = viewer.channels, viewer.form, viewer.after
        if key not in self._new:
            self._new[key] = Catchup(*key)
        self._new[key].viewers.append(viewer)

    async def go_on(self, cursor: Cursor, until: int) -> list[Returned]:
        """Read for all of them up to a cursor and a message's number; return what becomes of each.

        After an error those that were waiting have ended: they come back and begin again.
        """
        self._waiting += [(cursor.time_us, one) for one in self._new.values()]
        self._new.clear()
        clock_s: Callable[[], float] = asyncio.get_running_loop().time
        if not self._waiting or clock_s() < self._rest_until_s:
            return []
        waiting, self._waiting = self._waiting, []
        every = [one for _, one in waiting]
        for one in every:
            if not self._has_all(one):
                one.give_up()
        began_s = clock_s()
        try:
            self.failures += await catch_up(every, self.window, self.catalogue, until, cursor.time_us)
        except Exception:
            for viewer in (viewer for one in every for viewer in one.viewers):
                viewer.drop("failed")
            raise
        if (took_s := clock_s() - began_s) > LONG_S:
            self._rest_until_s = clock_s() + REST * took_s
        return [self._outcome(since_us, one, cursor) for since_us, one in waiting]

    def _outcome(self, since_us: int, one: Catchup, cursor: Cursor) -> Returned:
        viewers = one.viewers = [viewer for viewer in one.viewers if not viewer.ended.is_set()]
        is_current = is_here(one.floor, cursor.positions, one.sources)
        if not is_current and cursor.time_us - since_us > AHEAD_US:
            return Returned(viewers, [], cursor, is_current=False)
        if one.is_too_much:
            return Returned(viewers, [], one.start(cursor), is_current=False)
        frames, one.frames = one.frames, []
        if viewers and not is_current:
            self._waiting.append((since_us, one))
        return Returned(viewers, frames, None, is_current)

    def _has_all(self, one: Catchup) -> bool:
        """Return whether all is here that they have not been told yet."""
        if one.looked_at:
            return not self.window.has_lost(one.sources, one.looked_at)
        return self.window.holds(one.floor, one.sources, changes=tells_changes(one.channels))
