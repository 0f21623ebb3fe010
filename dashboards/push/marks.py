"""What must be known of messages before: whether a verdict is another one, which level an alert had.

It is worked out once, when a message comes, and kept with it; so who reads the message again needs no past.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from streams.records import (
    AlertTransition,
    AlertTransitions,
    LevelName,
    Record,
    StationReport,
    StationReports,
)

FORGOTTEN_US = 60_000_000
"""A verdict that comes so long after the one before is told as if it were the first."""
MOST_STATIONS = 100_000
MOST_ALERTS = 100_000


class AlertMark(NamedTuple):
    """What was known of an alert before a step."""

    level: LevelName | None
    """None: this step opens it."""
    acknowledged: AlertTransition | None
    """The step in which somebody took note of it, without evidence."""


class Marks(NamedTuple):
    """What is to be known of a message."""

    changed: tuple[int, ...] = ()
    """Rows with a verdict that is another one than before."""
    alerts: tuple[AlertMark, ...] = ()
    """Of each step."""
    is_unsure: bool = False
    """The station may have had the same verdict before all that was read."""


class _Verdict(NamedTuple):
    epoch_us: int
    state: str
    codes: tuple[str, ...]


class _Alert(NamedTuple):
    number: int
    level: LevelName
    acknowledged: AlertTransition | None


class Memory:
    """Remembers verdicts and alerts; of too many, those that were heard longest ago are forgotten."""

    def __init__(self) -> None:
        self.repeated = 0
        """Steps of alerts that came again."""
        self._verdicts: OrderedDict[str, _Verdict] = OrderedDict()
        self._alerts: OrderedDict[str, _Alert] = OrderedDict()
        self._begun_us: dict[int, int] = {}
        """The first epoch of each partition that is read from its middle on."""

    def know(self, alerts: Iterable[AlertTransition]) -> None:
        """Know how alerts were before the first message."""
        for step in alerts:
            self._remember(step, None)

    def mark(self, batch: Record, partition: int, *, from_the_middle: bool) -> tuple[Record, Marks]:
        """Return a batch without what came before, and its marks."""
        if isinstance(batch, StationReports):
            return batch, self._of_reports(batch.reports, partition, from_the_middle=from_the_middle)
        if isinstance(batch, AlertTransitions):
            return self._of_alerts(batch)
        return batch, Marks()

    def _of_reports(
        self, reports: Sequence[StationReport], partition: int, *, from_the_middle: bool
    ) -> Marks:
        if not reports:
            return Marks()
        sure_us = -1
        if from_the_middle:
            sure_us = self._begun_us.setdefault(partition, reports[0].epoch_us) + FORGOTTEN_US
        verdicts, changed, is_unsure = self._verdicts, [], False
        for row, report in enumerate(reports):
            name, epoch_us, state = report.station_id, report.epoch_us, report.state
            known = verdicts.get(name)
            if known is not None and epoch_us < known.epoch_us:
                continue  # a late epoch: the seconds after it are judged already
            reasons = report.reasons
            codes = tuple([reason.code for reason in reasons]) if reasons else ()
            verdicts[name] = _Verdict(epoch_us, state, codes)
            if known is None:
                is_unsure |= epoch_us <= sure_us
                if len(verdicts) > MOST_STATIONS:
                    verdicts.popitem(last=False)
            elif state == known.state and codes == known.codes and epoch_us - known.epoch_us <= FORGOTTEN_US:
                continue
            else:
                verdicts.move_to_end(name)
            changed.append(row)
        return Marks(changed=tuple(changed), is_unsure=is_unsure)

    def _of_alerts(self, batch: AlertTransitions) -> tuple[Record, Marks]:
        steps, marks = [], []
        for step in batch.transitions:
            known = self._alerts.get(step.alert_id)
            if known is not None and step.number <= known.number:
                self.repeated += 1
                continue
            steps.append(step)
            marks.append(
                AlertMark(None, None) if known is None else AlertMark(known.level, known.acknowledged)
            )
            self._remember(step, None if known is None else known.acknowledged)
        if len(steps) < len(batch.transitions):
            batch = AlertTransitions(transitions=steps)
        return batch, Marks(alerts=tuple(marks))

    def _remember(self, step: AlertTransition, acknowledged: AlertTransition | None) -> None:
        if step.change == "acknowledged":
            acknowledged = msgspec.structs.replace(step, evidence={})
        self._alerts[step.alert_id] = _Alert(step.number, step.level, acknowledged)
        self._alerts.move_to_end(step.alert_id)
        if len(self._alerts) > MOST_ALERTS:
            self._alerts.popitem(last=False)
