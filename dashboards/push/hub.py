"""Tells what comes to those who asked for its channel: an event is made once, and is the same bytes to all.

Twice a second everything that came since goes out, one event for each set of channels that somebody has
asked for. Its id says how far everything was read, so a viewer that was cut goes on with it at any server
over the same topics, without a gap and without repetition; where the window does not reach back so far, it
is told a gap. Everything here runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec
import structlog

from connectors.caster.guesses import source_of
from dashboards import present
from dashboards.access.addresses import is_this_machine
from dashboards.live import ViewerLimitError
from dashboards.push import events
from dashboards.push.catalogue import Catalogue
from dashboards.push.catching_up import is_here
from dashboards.push.channels import Source, sources_of, tells_changes
from dashboards.push.cursor import Cursor, later, text_of
from dashboards.push.events import Form
from dashboards.push.groups import ALIVE_TICKS, Groups
from dashboards.push.marks import Marks
from dashboards.push.returning import Returning
from dashboards.push.viewer import Frame, Room, Viewer
from dashboards.push.window import SOURCES, Window
from streams.records import Record

log = structlog.get_logger()

TICK_S = 0.5
LATE_US = 30_000_000
"""What is told of a moment may have happened so much before it."""
MOST_VIEWERS = 2_000
MOST_BY_ADDRESS = 100
"""Of other machines: behind this one's address are proxies."""
MOST_BYTES = 128_000_000
"""That wait for all viewers together."""
GAP = (
    "What came between is not kept here: ask /api/v1/observations, /api/v1/windows, /api/v1/station-windows "
    "and /api/v1/alerts for it."
)


class PushHub:
    """Takes messages, and viewers.

    Parameters
    ----------
    window
        What is kept.
    catalogue
        Where datastreams belong.
    viewer_limit, address_limit
        Viewers at a time, and of one address.
    """

    def __init__(
        self,
        window: Window,
        catalogue: Catalogue,
        *,
        viewer_limit: int = MOST_VIEWERS,
        address_limit: int = MOST_BY_ADDRESS,
    ) -> None:
        self.window = window
        self.catalogue = catalogue
        self._failures = 0
        self.dropped: Counter[str] = Counter()
        self.resumed = 0
        self.gaps = 0
        """Viewers that came back too late."""
        self._limits = viewer_limit, address_limit
        self._room = Room()
        self._addresses: Counter[str] = Counter()
        self._viewers: set[Viewer] = set()
        self._groups = Groups(catalogue)
        self._arrivals: dict[Viewer, None] = {}
        self._returning = Returning(window, catalogue)
        self._fresh: list[tuple[Record, Marks]] = []
        self._missing: set[Source] = set()
        """Of which not all is read yet that came before this program began."""
        self._ticks = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def failures(self) -> int:
        """Messages that could not be told."""
        return self._failures + self._groups.failures + self._returning.failures

    @property
    def events(self) -> int:
        """Events that were made for viewers."""
        return self._groups.events

    @property
    def waiting_bytes(self) -> int:
        """Of events that wait for viewers."""
        return self._room.n_bytes

    @property
    def closed(self) -> bool:
        """Whether the program is stopping."""
        return self._closed

    # --- what comes -----------------------------------------------------------------------------------

    def failed(self) -> None:
        """Count what could not be told."""
        self._failures += 1

    def expect(self, *sources: Source) -> None:
        """Tell nobody anything before all of these was read up to now."""
        self._missing |= set(sources)

    def is_read(self, *sources: Source) -> None:
        """All of these was read up to now."""
        self._missing -= set(sources)

    def take(
        self,
        batch: Record,
        now_us: int,
        *,
        partition: int = 0,
        offset: int | None = None,
        message: bytes = b"",
    ) -> None:
        """Take a message; what no channel tells is passed over (as `Window.take`)."""
        source = SOURCES.get(type(batch))
        if source is None or self._closed:
            return
        try:
            self._fresh.append(self.window.take(source, partition, offset, batch, message, now_us))
        except Exception:
            self._failures += 1
            log.exception("a message cannot be pushed", kind=type(batch).__name__)
        if self._missing:
            self._fresh.clear()

    def listen(self, batches: Sequence[Record], now_us: int) -> None:
        """Take the outputs of a round of this process."""
        for batch in batches:
            self.take(batch, now_us)

    # --- who is told ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def viewer(
        self, channels: tuple[str, ...], form: Form, after: Cursor | None = None, address: str = ""
    ) -> Iterator[Viewer]:
        """Take part from now on, or behind what was told before.

        Raises
        ------
        ViewerLimitError
            There are too many viewers, there or at all, or the program is stopping.
        """
        most, most_by_address = self._limits
        source = source_of(address)
        if self._closed:
            raise ViewerLimitError("it is stopping")
        if len(self._viewers) >= most:
            raise ViewerLimitError("too many are watching")
        if self._addresses[source] >= most_by_address and not is_this_machine(address):
            raise ViewerLimitError("too many are watching from your address")
        viewer = Viewer(channels, form, after, self._room)
        self._viewers.add(viewer)
        self._addresses[source] += 1
        self._arrivals[viewer] = None
        try:
            yield viewer
        finally:
            viewer.end()
            self._forget(viewer)
            self._addresses[source] -= 1
            if not self._addresses[source]:
                del self._addresses[source]

    def close(self) -> None:
        """End all, so that a server can stop; call it before the server is asked to."""
        self._closed = True
        for viewer in list(self._viewers):
            viewer.end()

    async def step(self, now_us: int) -> None:
        """Tell what came since the last step, and take in who has come."""
        self._ticks += 1
        fresh, self._fresh = self._fresh, []
        if self._missing:
            self._reassure(now_us)
            return
        cursor, until = self.window.cursor(now_us), self.window.number
        for viewer, frame in self._groups.tell(fresh, cursor):
            self._push(viewer, frame)
        arrivals, self._arrivals = self._arrivals, {}
        for viewer in arrivals:
            if not viewer.ended.is_set():
                self._begin(viewer, cursor)
        await self._lead_back(cursor, until)

    # --- inside ---------------------------------------------------------------------------------------

    def _begin(self, viewer: Viewer, cursor: Cursor) -> None:
        """Let a viewer begin, or go on."""
        after = viewer.after
        if after is None:
            self._greet(viewer, cursor, cursor)
        elif not self.window.serves(after):
            self._tell_gap(viewer, cursor, cursor)
        elif not self.window.holds(
            after.positions, sources_of(viewer.channels), changes=tells_changes(viewer.channels)
        ):
            # what it was told before this server read it is not told again
            start = msgspec.structs.replace(cursor, positions=later(after.positions, cursor.positions))
            self._tell_gap(viewer, start, cursor)
        else:
            told = events.event(
                viewer.form, "begin", text_of(after), cursor.time_us, channels=viewer.channels, resumed=True
            )
            self.resumed += 1
            if self._push(viewer, Frame(told)):
                self._returning.add(viewer)

    async def _lead_back(self, cursor: Cursor, until: int) -> None:
        """Tell those who came back what they missed up to now, and let them take part."""
        for viewers, frames, gap, is_current in await self._returning.go_on(cursor, until):
            for viewer in viewers:
                if gap is not None:
                    self._tell_gap(viewer, gap, cursor)
                    continue
                for frame in frames:
                    self._push(viewer, frame)
                if is_current:
                    self._groups.join(viewer)

    def _greet(self, viewer: Viewer, start: Cursor, cursor: Cursor) -> None:
        """Let a viewer begin; one that was told elsewhere what was not read here yet waits for that."""
        told = events.event(
            viewer.form, "begin", text_of(start), cursor.time_us, channels=viewer.channels, resumed=False
        )
        viewer.after = start
        if not self._push(viewer, Frame(told)):
            return
        if is_here(start.positions, cursor.positions, sources_of(viewer.channels)):
            self._groups.join(viewer)
        else:
            self._returning.add(viewer)

    def _tell_gap(self, viewer: Viewer, start: Cursor, cursor: Cursor) -> None:
        """Say from when to when something is missing, and let the viewer begin."""
        assert viewer.after is not None
        self.gaps += 1
        begin = present.time_of(max(min(viewer.after.time_us, cursor.time_us) - LATE_US, 0))
        end = present.time_of(cursor.time_us)
        told = events.event(viewer.form, "gap", "", cursor.time_us, begin=begin, end=end, detail=GAP)
        if self._push(viewer, Frame(told)):
            self._greet(viewer, start, cursor)

    def _push(self, viewer: Viewer, frame: Frame) -> bool:
        if viewer.push(frame):
            if self._room.n_bytes > MOST_BYTES:
                self._make_room()
            return True
        self._count(viewer)
        return False

    def _make_room(self) -> None:
        """Drop those for whom most waits, when all together is too much."""
        while self._room.n_bytes > MOST_BYTES and self._viewers:
            slowest = max(self._viewers, key=lambda viewer: viewer.n_bytes)
            slowest.drop("no_room")
            self._count(slowest)

    def _count(self, viewer: Viewer) -> None:
        if viewer in self._viewers and viewer.dropped is not None:
            self.dropped[viewer.dropped] += 1
        self._forget(viewer)

    def _forget(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        self._arrivals.pop(viewer, None)
        self._groups.forget(viewer)

    def _reassure(self, now_us: int) -> None:
        """Let those who wait for the first reading know that this program lives."""
        if self._ticks % ALIVE_TICKS == 0:
            for viewer in list(self._arrivals):
                self._push(viewer, Frame(events.event(viewer.form, "alive", "", now_us)))


async def run_push(hub: PushHub, clock_us: Callable[[], int]) -> None:
    """Tell twice a second until cancelled or the hub is closed."""
    while not hub.closed:
        await asyncio.sleep(TICK_S)
        try:
            await hub.step(clock_us())
        except Exception:
            hub.failed()
            log.exception("viewers cannot be told")
