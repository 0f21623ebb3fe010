"""The live stream: what happened in the last half second, encoded once, the same bytes to every viewer.

A viewer first gets the event `state` (everything), then four times a second an event `update` (what changed).
One that cannot keep up is dropped and begins anew with `state` when it comes back. Everything here runs
in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from dashboards import present
from dashboards.newest_samples import NewestSamples
from streams.records import (
    AlertTransition,
    AlertTransitions,
    FlaggedSamples,
    Record,
    StationFigures,
    StationReport,
    StationReports,
)

log = structlog.get_logger()
T = TypeVar("T")

TICK_S = 0.25
QUEUE_LIMIT = round(30 / TICK_S)
"""Updates that may wait for a viewer: half a minute."""
FIGURES_LIMIT = round(500 * TICK_S)
"""Stations whose verdict is as before and whose figures are renewed in one update: 500 a second."""
RARE_US = 2_000_000
"""A station with longer between its epochs is shown when there is room, since it is not heard again soon."""
SAMPLES_LIMIT = round(1_000 * TICK_S)
"""Datastreams whose newest sample goes into one update: 1,000 a second."""


DATASTREAMS_REMEMBERED = 100_000
"""Names come from devices: of more of them, the one that was heard longest ago is forgotten first."""


class ViewerLimitError(RuntimeError):
    """No more viewers are taken. Trying again later helps."""


class Viewer:
    """The updates that wait for one viewer. Iterate; it ends when the viewer was dropped or all stops."""

    def __init__(self, limit: int) -> None:
        self.dropped = False
        self.ended = asyncio.Event()
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()

    def push(self, frame: bytes) -> bool:
        """Add an update; False when the viewer was too slow and is dropped."""
        if len(self._frames) >= self._limit:
            self.dropped = True
            self.end()
            return False
        self._frames.append(frame)
        self._arrived.set()
        return True

    def end(self) -> None:
        """Send nothing more."""
        self._frames.clear()
        self.ended.set()
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._frames:
                yield self._frames.popleft()
            if self.ended.is_set():
                return


class LiveHub:
    """Hands every update to every viewer.

    Parameters
    ----------
    queue_limit
        Updates that may wait for one viewer before it is dropped.
    viewer_limit
        Viewers at a time.
    """

    def __init__(self, queue_limit: int = QUEUE_LIMIT, viewer_limit: int = 2_000) -> None:
        self.dropped_viewers = 0
        self.updates = 0
        self._queue_limit = queue_limit
        self._viewer_limit = viewer_limit
        self._viewers: set[Viewer] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def closed(self) -> bool:
        """Whether the program is stopping."""
        return self._closed

    def publish(self, event: str, payload: bytes) -> None:
        """Send an event to all viewers. `payload` is JSON without line breaks."""
        self.updates += 1
        update = frame(event, payload, self.updates)
        for viewer in list(self._viewers):
            if not viewer.push(update):
                self.dropped_viewers += 1
                self._viewers.discard(viewer)

    @contextlib.contextmanager
    def viewer(self) -> Iterator[Viewer]:
        """Take part from now on.

        Raises
        ------
        ViewerLimitError
            There are too many viewers, or the program is stopping.
        """
        if self._closed or len(self._viewers) >= self._viewer_limit:
            raise ViewerLimitError("it is stopping" if self._closed else "too many are watching")
        viewer = Viewer(self._queue_limit)
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """End all live streams, so that a server can stop; call it before the server is asked to."""
        self._closed = True
        for viewer in list(self._viewers):
            viewer.end()


class LiveFeed:
    """Gathers what the pipeline says and makes an update each `TICK_S` of it.

    A changed verdict goes out with the next update; figures alone are renewed for a bounded number of
    stations and datastreams an update, the longest unsent first, so that an update stays small however
    many there are. Only what goes out is made ready for people: most of what comes is replaced before.
    """

    def __init__(self) -> None:
        self.failures = 0
        """Batches and updates that could not be shown."""
        self.last_epochs_us: dict[str, int] = {}
        """The last epoch that came, by station."""
        self._newest: dict[str, StationReport] = {}
        self._changed: dict[str, StationReport] = {}
        self._renewed: dict[str, StationReport] = {}
        self._heard: dict[str, None] = {}
        """Stations that told something since the last update."""
        self._rare: dict[str, None] = {}
        """Stations that wait to be shown and will not be heard again for a while."""
        self._told: dict[str, int] = {}
        """The update in which a station was shown last."""
        self._updates = 0
        self._figures: dict[str, StationFigures] = {}
        self._samples = NewestSamples(DATASTREAMS_REMEMBERED)
        self._alerts: dict[str, AlertTransition] = {}
        self._acknowledged: dict[str, AlertTransition] = {}

    def listen(self, batches: Sequence[Record]) -> None:
        """Take the outputs of a round: a listener of the runtime. One that cannot be shown is counted."""
        for batch in batches:
            try:
                self.add(batch)
            except Exception:
                self.failures += 1
                log.exception("a batch cannot be shown", kind=type(batch).__name__)

    def add(self, batch: Record) -> None:
        """Take a batch; those that no page shows are passed over."""
        if isinstance(batch, StationReports):
            self._add_reports(batch.reports)
            for figures in batch.figures:
                self._figures[figures.station_id] = figures
        elif isinstance(batch, FlaggedSamples):
            self._samples.add(batch)
        elif isinstance(batch, AlertTransitions):
            for transition in batch.transitions:
                self._add_alert(transition)

    def newest(self, station_id: str) -> StationReport | None:
        """Return the newest verdict that was heard of a station, unless it is stale; from any thread."""
        return self._newest.get(station_id)

    def tick(self, now_us: int) -> bytes:
        """Return the update since the last tick as JSON; it says the time even when nothing changed."""
        reports = [*self._changed.values(), *self._take_renewed()]
        self._changed.clear()
        alerts, self._alerts = self._alerts, {}  # what cannot be shown is not tried again for ever
        old = [r for r in self._newest.values() if present.is_stale(r, now_us)]
        for report in old:
            self._forget(report.station_id)
        figures = _take(self._figures, FIGURES_LIMIT)
        update: dict[str, Any] = {
            "at": present.time_of(now_us),
            "stations": [
                *(present.verdict(r, self.last_epochs_us.get(r.station_id)) for r in reports),
                *(present.stale(r, self.last_epochs_us.get(r.station_id)) for r in old),
            ],
            "figures": [present.figures(one) for _, one in figures],
            "observations": [present.live_observation(*one) for one in self._samples.take(SAMPLES_LIMIT)],
            "alerts": [present.alert(t, self._acknowledged.get(t.alert_id)) for t in alerts.values()],
        }
        for transition in alerts.values():
            if transition.state == "closed":
                self._acknowledged.pop(transition.alert_id, None)
        return msgspec.json.encode(update)

    def _add_reports(self, reports: Sequence[StationReport]) -> None:
        epochs_us, newest, changed = self.last_epochs_us, self._newest, self._changed
        for report in reports:
            name, epoch_us = report.station_id, report.epoch_us
            if report.epochs and epochs_us.get(name, epoch_us) <= epoch_us:
                epochs_us[name] = epoch_us
            known = newest.get(name)
            if known is not None and epoch_us < known.epoch_us:
                continue  # a late epoch: the seconds after it are judged already
            newest[name] = report
            if name in changed or known is None or not _is_same_verdict(known, report):
                self._renewed.pop(name, None)
                changed[name] = report
            else:
                self._renewed[name] = report
                self._heard[name] = None
                if epoch_us - known.epoch_us > RARE_US:
                    self._rare[name] = None

    def _take_renewed(self) -> list[StationReport]:
        """Take the longest unsent of those that were heard just now; then those that are heard rarely.

        The others wait until they are heard again: what is shown of them is never a second old.
        """
        self._updates += 1
        names = [name for name in self._heard if name in self._renewed]
        self._heard.clear()
        if len(names) > FIGURES_LIMIT:
            names = heapq.nsmallest(FIGURES_LIMIT, names, key=lambda name: self._told.get(name, 0))
        for name in names:
            self._rare.pop(name, None)
        taken = [self._renewed.pop(name) for name in names]
        for name, _ in _take(self._rare, FIGURES_LIMIT - len(names)):
            if (report := self._renewed.pop(name, None)) is not None:
                taken.append(report)
        self._told.update((report.station_id, self._updates) for report in taken)
        return taken

    def _forget(self, name: str) -> None:
        for memory in (self._newest, self._renewed, self._rare, self._told):
            memory.pop(name, None)

    def _add_alert(self, transition: AlertTransition) -> None:
        if transition.change == "acknowledged":
            self._acknowledged[transition.alert_id] = transition
        self._alerts[transition.alert_id] = transition


async def run_live(feed: LiveFeed, hub: LiveHub, clock_us: Callable[[], int]) -> None:
    """Publish an update each `TICK_S` until cancelled or the hub is closed."""
    while not hub.closed:
        await asyncio.sleep(TICK_S)
        try:
            update = feed.tick(clock_us())
        except Exception:
            feed.failures += 1
            log.exception("an update cannot be shown")
        else:
            hub.publish("update", update)


def frame(event: str, payload: bytes, event_id: int | None = None) -> bytes:
    """Return an event as server-sent events are written (HTML standard, section 9.2)."""
    head = f"event: {event}\n" if event_id is None else f"id: {event_id}\nevent: {event}\n"
    return b"%sdata: %s\n\n" % (head.encode(), payload)


def _is_same_verdict(one: StationReport, other: StationReport) -> bool:
    """Return whether two reports give the same state for the same reasons, whatever their figures."""
    if one.state != other.state:
        return False
    if not one.reasons and not other.reasons:
        return True
    return [reason.code for reason in one.reasons] == [reason.code for reason in other.reasons]


def _take(waiting: dict[str, T], limit: int) -> list[tuple[str, T]]:
    """Take away the first ones; a dict keeps the order in which names began to wait."""
    names = list(itertools.islice(waiting, limit))
    return [(name, waiting.pop(name)) for name in names]
