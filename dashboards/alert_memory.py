"""Alerts in memory, as their topic tells them: what is shown and answered while the database is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from storage import paging
from storage.store import AlertHistory, Page
from streams.records import AlertStateName, AlertTransition, AlertTransitions, Record

CLOSED_KEPT = 1_000
"""Closed alerts that are remembered; of more, those are forgotten first that were closed first."""
OPEN_KEPT = 25_000
"""Others; a worker keeps less than that without an answer."""


class AlertMemory:
    """Takes transitions in their order, from the first one on. Lives in the event loop's thread."""

    def __init__(self, closed_kept: int = CLOSED_KEPT, open_kept: int = OPEN_KEPT) -> None:
        self.complete = False
        """Whether all that was in the topic has been read: before, an alert that is not here may exist."""
        self.forgotten_open = 0
        """Alerts that are not closed and found no room."""
        self._closed_kept, self._open_kept = closed_kept, open_kept
        self._open: dict[str, dict[int, AlertTransition]] = {}
        self._closed: dict[str, dict[int, AlertTransition]] = {}
        self._changed = asyncio.Event()

    def listen(self, batches: Sequence[Record]) -> None:
        """Take what was read; all but alerts is passed over."""
        for batch in batches:
            if isinstance(batch, AlertTransitions):
                for transition in batch.transitions:
                    self._add(transition)
                self._changed.set()
                self._changed = asyncio.Event()

    def alert(self, alert_id: str) -> AlertHistory | None:
        """Return one alert with its transitions; None: it is not remembered."""
        steps = self._open.get(alert_id) or self._closed.get(alert_id)
        if steps is None:
            return None
        transitions = [steps[number] for number in sorted(steps)]
        return AlertHistory(alert=transitions[-1], transitions=transitions)

    def alerts(
        self, *, state: AlertStateName | None = None, after: str | None = None, limit: int = 100
    ) -> Page[AlertHistory]:
        """Return those that are remembered, the newest opening first; as `Store.alerts`, with their past."""
        paging.check_limit(limit)
        start = None if after is None else paging.decode_cursor("alerts", after, (int, str))
        wanted = sorted(
            (
                (last.opened_at_us, last.alert_id)
                for steps in (*self._open.values(), *self._closed.values())
                if state in {None, (last := steps[max(steps)]).state}
            ),
            reverse=True,
        )
        if start is not None:
            wanted = [key for key in wanted if key < start]
        found = [history for _, name in wanted[:limit] if (history := self.alert(name)) is not None]
        more = len(wanted) > limit
        return Page(found, paging.encode_cursor("alerts", wanted[limit - 1]) if more else None)

    def open_alerts(self) -> list[AlertHistory]:
        """Return all that are not closed, the newest opening first."""
        found = [history for name in self._open if (history := self.alert(name)) is not None]
        return sorted(found, key=lambda one: (one.alert.opened_at_us, one.alert.alert_id), reverse=True)

    def open_by_level(self) -> Mapping[str, int]:
        """Return how many are not closed, by level; from any thread."""
        return Counter(steps[max(steps)].level for steps in self._open.copy().values())

    async def reached(
        self, alert_id: str, is_there: Callable[[AlertTransition], bool]
    ) -> AlertHistory | None:
        """Return an alert as soon as one of its steps is what is waited for; None: it is not remembered."""
        while True:
            history = self.alert(alert_id)
            if history is None or any(is_there(step) for step in history.transitions):
                return history
            await self._changed.wait()

    def _add(self, transition: AlertTransition) -> None:
        name = transition.alert_id
        if name in self._closed:
            return  # nothing comes behind a closing
        steps = self._open.setdefault(name, {})
        if steps:
            last = max(steps)
            if transition.number <= last:
                return
            steps[last] = msgspec.structs.replace(steps[last], evidence={})  # only the last one's is shown
        steps[transition.number] = transition
        if transition.state == "closed":
            self._closed[name] = self._open.pop(name)
            while len(self._closed) > self._closed_kept:
                del self._closed[next(iter(self._closed))]
        elif len(self._open) > self._open_kept:
            self.forgotten_open += 1
            del self._open[next(iter(self._open))]
