"""Alerts of a month: how many of which kind, and what became of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from dashboards.service.figures import AlertCounts, Alerts
from sensors.detectors import LEVELS
from storage.service import AlertStep


class _Alert(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of one alert."""

    level: str
    rule: str
    region: str
    acknowledged_s: float | None
    is_ended: bool
    is_declined: bool
    is_silenced: bool
    is_open: bool


class AlertCounter:
    """Counts alerts one by one; only what counts of each is kept.

    Parameters
    ----------
    region_of
        Of what an alert is about.
    """

    def __init__(self, region_of: Callable[[str], str]) -> None:
        self._region_of = region_of
        self._alerts: list[_Alert] = []
        self._historic = 0

    def take(self, steps: Sequence[AlertStep]) -> None:
        """Take all steps of an alert, oldest first."""
        first, last = steps[0], steps[-1]
        if first.historic:
            self._historic += 1
            return
        answered_us = next((step.at_us for step in steps if step.change == "acknowledged"), None)
        self._alerts.append(
            _Alert(
                level=max((step.level for step in steps), key=LEVELS.index),
                rule=first.rule,
                region=self._region_of(first.subject_id),
                acknowledged_s=None if answered_us is None else (answered_us - first.opened_at_us) * 1e-6,
                is_ended=any(step.change == "ended" or step.ended_at_us is not None for step in steps),
                is_declined=any(step.change == "declined" for step in steps),
                is_silenced=all(step.silenced for step in steps),
                is_open=last.state != "closed",
            )
        )

    def figures(self) -> Alerts:
        """Return what was taken."""
        levels = sorted({one.level for one in self._alerts}, key=LEVELS.index, reverse=True)
        by_level = self._by(lambda one: one.level)
        return Alerts(
            total=_counts("", self._alerts),
            historic=self._historic,
            by_level=[by_level[level] for level in levels],
            by_rule=_most_first(self._by(lambda one: one.rule).values()),
            by_region=_most_first(self._by(lambda one: one.region).values()),
        )

    def _by(self, key: Callable[[_Alert], str]) -> dict[str, AlertCounts]:
        groups: dict[str, list[_Alert]] = defaultdict(list)
        for one in self._alerts:
            groups[key(one)].append(one)
        return {name: _counts(name, some) for name, some in groups.items()}


def _counts(name: str, some: Sequence[_Alert]) -> AlertCounts:
    times_s = [one.acknowledged_s for one in some if one.acknowledged_s is not None]
    return AlertCounts(
        name=name,
        alerts=len(some),
        acknowledged=len(times_s),
        ended=sum(one.is_ended for one in some),
        declined=sum(one.is_declined for one in some),
        silenced=sum(one.is_silenced for one in some),
        open=sum(one.is_open for one in some),
        median_acknowledge_s=round(median(times_s), 3) if times_s else None,
    )


def _most_first(rows: Iterable[AlertCounts]) -> list[AlertCounts]:
    return sorted(rows, key=lambda row: (-row.alerts, row.name))
