"""Detections and commands in; steps of alerts and answers out.

An alert that a silence covers lives as all others do and tells so (`silenced`): nobody is called. When the
silence ends before somebody has answered, a step says so, and they are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sensors.model import Datastream
from streams.alerts import acknowledge, advance, alert_id, close, expire, hush
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Detections,
    Record,
)
from streams.regions import region_of
from streams.silences import Silences
from streams.topics import ALERTS, COMMAND_OUTCOMES, COMMANDS, DETECTIONS, REGISTRY, Topic

CLOSED_LIMIT = 10_000
"""Closed alerts that are remembered, so that a late repetition of their beginning opens nothing."""
UNANSWERED_LIMIT = 10_000
"""Alerts that are over and wait for an answer; of more, the oldest are closed without one."""


class _Snapshot(msgspec.Struct):
    """One alert. `evidence` of a closed one is not needed any more."""

    alert: AlertTransition


_NOW = b"now:"
"""Before the piece of a snapshot that tells the time."""


class Alert:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    datastreams
        Of the registry: a silence may cover a site, or all that measure one property.
    """

    name = "alert"
    reads: tuple[Topic, ...] = (DETECTIONS, COMMANDS, REGISTRY)
    writes: tuple[Topic, ...] = (ALERTS, COMMAND_OUTCOMES)

    def __init__(self, datastreams: Iterable[Datastream] = ()) -> None:
        self._open: dict[str, AlertTransition] = {}
        self._closed: dict[str, AlertTransition] = {}
        self._closed_unanswered = 0
        self._silences = Silences(datastreams)
        self._now_us = 0
        self._for_regions = 0

    def on_batch(self, batch: Record) -> Outputs:
        """Take detections, commands about alerts, or changes of silences."""
        if isinstance(batch, Detections):
            steps = []
            for detection in batch.detections:
                steps += self._reach(detection.detected_at_us)
                name = alert_id(detection.detector, detection.subject_id, detection.onset_us)
                step = advance(self._alert(name), detection)
                if step is not None:
                    steps.append(self._keep(step))
            return _told(steps)
        if isinstance(batch, Commands):
            return self._answers([one for one in batch.commands if one.kind == "acknowledge_alert"])
        if isinstance(batch, Changes):
            steps = self._reach(max((change.at_us for change in batch.changes), default=0))
            if self._silences.take(batch):
                steps += self._look(self._now_us)
            return _told(steps)
        raise TypeError(f"{self.name} does not read {type(batch).__name__}")

    def on_time(self, now_us: int) -> Outputs:
        """Close what is over and was answered a while ago; look whether silences begin or end."""
        steps = self._reach(now_us)
        self._silences.forget(now_us)
        over = [alert for alert in self._open.values() if alert.ended_at_us is not None]
        steps += [self._keep(step) for alert in over if (step := expire(alert, now_us)) is not None]
        unanswered = [alert for alert in over if alert.state == "open"]
        too_many = unanswered[: max(len(unanswered) - UNANSWERED_LIMIT, 0)]
        steps += [self._keep(close(alert, now_us)) for alert in too_many]
        self._closed_unanswered += len(too_many)
        return _told(steps)

    def on_end(self) -> Outputs:
        """Open alerts stay open: the end of the input is not the end of a hazard."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return all open alerts and the closed ones that are remembered."""
        alerts = (*self._closed.values(), *self._open.values())
        pieces = (msgspec.msgpack.encode(_Snapshot(alert)) for alert in alerts)
        now = _NOW + self._now_us.to_bytes(8, "little")
        return split([self._silences.snapshot(), now, *pieces])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._open.clear()
        self._closed.clear()
        for piece in join(chunks):
            if piece.startswith(_NOW):
                self._now_us = int.from_bytes(piece[len(_NOW) :], "little")
            elif not self._silences.restored(piece):
                self._put(msgspec.msgpack.decode(piece, type=_Snapshot).alert)

    def counts(self) -> dict[str, int]:
        """Alerts closed although nobody had answered them; commands that regions answer; newer changes."""
        return {
            "closed_unanswered": self._closed_unanswered,
            "for_regions": self._for_regions,
            "unreadable_changes": self._silences.unreadable,
        }

    def _answers(self, commands: Iterable[Command]) -> Outputs:
        steps, outcomes = [], []
        for command in commands:
            steps += self._reach(command.at_us)
            if region_of(command.target):
                self._for_regions += 1
                continue
            answer = acknowledge(self._alert(command.target), command)
            if answer.transition is not None:
                steps.append(self._keep(answer.transition))
            outcomes.append(CommandOutcome(id=command.id, ok=answer.ok, message=answer.message))
        outputs = [*_told(steps)]
        if outcomes:
            outputs.append(CommandOutcomes(outcomes=outcomes))
        return outputs

    def _alert(self, name: str) -> AlertTransition | None:
        return self._open.get(name) or self._closed.get(name)

    def _reach(self, now_us: int) -> list[AlertTransition]:
        """Let time go on; return the steps of alerts whose silence begins or ends until then."""
        if now_us <= self._now_us:
            return []
        before_us, self._now_us = self._now_us, now_us
        boundaries = self._silences.boundaries(before_us, now_us)
        return [step for at_us in boundaries for step in self._look(at_us)]

    def _look(self, at_us: int) -> list[AlertTransition]:
        """Return the steps of alerts that a silence covers now, or does not cover any more."""
        waiting = [one for one in self._open.values() if one.state == "open" and not one.historic]
        found = [(one, self._silences.covering(one, at_us)) for one in waiting]
        return [
            self._put(hush(one, silence, max(at_us, one.at_us)))
            for one, silence in found
            if bool(one.silenced) != bool(silence)
        ]

    def _keep(self, step: AlertTransition) -> AlertTransition:
        """Remember a step; return it with the silence that covers it."""
        silence = self._silences.covering(step, self._now_us)
        if silence != step.silenced:
            step = msgspec.structs.replace(step, silenced=silence)
        return self._put(step)

    def _put(self, step: AlertTransition) -> AlertTransition:
        if step.state != "closed":
            self._open[step.alert_id] = step
            return step
        self._open.pop(step.alert_id, None)
        self._closed[step.alert_id] = msgspec.structs.replace(step, evidence={})
        while len(self._closed) > CLOSED_LIMIT:
            del self._closed[next(iter(self._closed))]
        return step


def _told(steps: list[AlertTransition]) -> Outputs:
    return [AlertTransitions(transitions=steps)] if steps else []
