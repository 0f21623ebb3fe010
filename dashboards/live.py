"""The live stream: what happened in the last second, encoded once, the same bytes to every viewer.

A viewer first gets the event `state` (everything), then each second an event `update` (what changed).
One that cannot keep up is dropped and begins anew with `state` when it comes back. Everything here runs
in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import msgspec

from dashboards import answers, present
from streams.records import (
    AlertTransition,
    AlertTransitions,
    FlaggedSamples,
    Record,
    StationFigures,
    StationReport,
    StationReports,
)

TICK_S = 1.0
QUEUE_LIMIT = 30
"""Updates that may wait for a viewer: half a minute."""
FIGURES_LIMIT = 500
"""Stations whose verdict is as before and whose figures are renewed in one update."""
SAMPLES_LIMIT = 1_000
"""Datastreams whose newest sample goes into one update."""


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
    """Gathers what the pipeline says and makes one update a second of it.

    A changed verdict goes out with the next update; figures alone are renewed for a bounded number of
    stations and datastreams an update, the longest unsent first, so that an update stays small however
    many there are.
    """

    def __init__(self) -> None:
        self.last_epochs_us: dict[str, int] = {}
        """The last epoch that came, by station."""
        self._newest: dict[str, StationReport] = {}
        self._sent: dict[str, tuple[object, ...]] = {}
        self._changed: dict[str, StationReport] = {}
        self._renewed: dict[str, StationReport] = {}
        self._figures: dict[str, StationFigures] = {}
        self._samples: dict[str, answers.LiveObservation] = {}
        self._newest_us: dict[str, int] = {}
        self._alerts: dict[str, AlertTransition] = {}
        self._acknowledged: dict[str, AlertTransition] = {}

    def listen(self, batches: Sequence[Record]) -> None:
        """Take the outputs of a round: a listener of the runtime."""
        for batch in batches:
            self.add(batch)

    def add(self, batch: Record) -> None:
        """Take a batch; those that no page shows are passed over."""
        if isinstance(batch, StationReports):
            for report in batch.reports:
                self._add_report(report)
            for figures in batch.figures:
                self._figures[figures.station_id] = figures
        elif isinstance(batch, FlaggedSamples):
            self._add_samples(batch)
        elif isinstance(batch, AlertTransitions):
            for transition in batch.transitions:
                self._add_alert(transition)

    def newest(self, station_id: str) -> StationReport | None:
        """Return the newest verdict that was heard of a station, unless it is stale; from any thread."""
        return self._newest.get(station_id)

    def tick(self, now_us: int) -> bytes:
        """Return the update since the last tick as JSON; it says the time even when nothing changed."""
        reports = list(self._changed.values()) + _take(self._renewed, FIGURES_LIMIT)
        self._changed.clear()
        old = [r for r in self._newest.values() if present.is_stale(r, now_us)]
        for report in old:
            self._forget(report.station_id)
        update: dict[str, Any] = {
            "at": present.time_of(now_us),
            "stations": [
                *(present.verdict(r, self.last_epochs_us.get(r.station_id)) for r in reports),
                *(present.stale(r, self.last_epochs_us.get(r.station_id)) for r in old),
            ],
            "figures": [present.figures(one) for one in _take(self._figures, FIGURES_LIMIT)],
            "observations": _take(self._samples, SAMPLES_LIMIT),
            "alerts": [present.alert(t, self._acknowledged.get(t.alert_id)) for t in self._alerts.values()],
        }
        for transition in self._alerts.values():
            if transition.state == "closed":
                self._acknowledged.pop(transition.alert_id, None)
        self._alerts.clear()
        return msgspec.json.encode(update)

    def _add_report(self, report: StationReport) -> None:
        name = report.station_id
        if report.epochs:
            self.last_epochs_us[name] = max(report.epoch_us, self.last_epochs_us.get(name, report.epoch_us))
        if name in self._newest and report.epoch_us < self._newest[name].epoch_us:
            return  # a late epoch: the seconds after it are judged already
        self._newest[name] = report
        judged = (report.state, *(reason.code for reason in report.reasons))
        if name in self._changed or self._sent.get(name) != judged:
            self._sent[name] = judged
            self._renewed.pop(name, None)
            self._changed[name] = report
        else:
            self._renewed[name] = report

    def _forget(self, name: str) -> None:
        for memory in (self._newest, self._sent, self._renewed):
            memory.pop(name, None)

    def _add_samples(self, batch: FlaggedSamples) -> None:
        times_us, newest = batch.time_us.tolist(), dict[int, int]()
        for row, series in enumerate(batch.series.tolist()):
            if series not in newest or times_us[row] >= times_us[newest[series]]:
                newest[series] = row
        for series, row in newest.items():
            name, time_us, value = batch.datastream_ids[series], times_us[row], float(batch.value[row])
            if time_us < self._newest_us.get(name, time_us):
                continue
            self._newest_us[name] = time_us
            self._samples[name] = answers.LiveObservation(
                datastream_id=name,
                phenomenon_time=present.time_of(time_us),
                value=None if math.isnan(value) else value,
                flag=int(batch.flag[row]),
            )

    def _add_alert(self, transition: AlertTransition) -> None:
        if transition.change == "acknowledged":
            self._acknowledged[transition.alert_id] = transition
        self._alerts[transition.alert_id] = transition


async def run_live(feed: LiveFeed, hub: LiveHub, clock_us: Callable[[], int]) -> None:
    """Publish an update each second until cancelled or the hub is closed."""
    while not hub.closed:
        await asyncio.sleep(TICK_S)
        hub.publish("update", feed.tick(clock_us()))


def frame(event: str, payload: bytes, event_id: int | None = None) -> bytes:
    """Return an event as server-sent events are written (HTML standard, section 9.2)."""
    head = f"event: {event}\n" if event_id is None else f"id: {event_id}\nevent: {event}\n"
    return b"%sdata: %s\n\n" % (head.encode(), payload)


def _take(waiting: dict[str, Any], limit: int) -> list[Any]:
    """Take away the first ones; a dict keeps the order in which names began to wait."""
    names = list(waiting)[:limit]
    return [waiting.pop(name) for name in names]
