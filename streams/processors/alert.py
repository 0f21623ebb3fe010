"""Detections and commands in; steps of alerts and answers out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from streams.alerts import acknowledge, advance, alert_id, close, expire
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import (
    AlertTransition,
    AlertTransitions,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Detections,
    Record,
)
from streams.regions import region_of
from streams.topics import ALERTS, COMMAND_OUTCOMES, COMMANDS, DETECTIONS, Topic

CLOSED_LIMIT = 10_000
"""Closed alerts that are remembered, so that a late repetition of their beginning opens nothing."""
UNANSWERED_LIMIT = 10_000
"""Alerts that are over and wait for an answer; of more, the oldest are closed without one."""


class _Snapshot(msgspec.Struct):
    """One alert. `evidence` of a closed one is not needed any more."""

    alert: AlertTransition


class Alert:
    """Implements `streams.processor.Processor`."""

    name = "alert"
    reads: tuple[Topic, ...] = (DETECTIONS, COMMANDS)
    writes: tuple[Topic, ...] = (ALERTS, COMMAND_OUTCOMES)

    def __init__(self) -> None:
        self._open: dict[str, AlertTransition] = {}
        self._closed: dict[str, AlertTransition] = {}
        self._closed_unanswered = 0
        self._for_regions = 0

    def on_batch(self, batch: Record) -> Outputs:
        """Take detections, or commands."""
        if isinstance(batch, Detections):
            steps = []
            for detection in batch.detections:
                name = alert_id(detection.detector, detection.subject_id, detection.onset_us)
                step = advance(self._alert(name), detection)
                if step is not None:
                    self._keep(step)
                    steps.append(step)
            return [AlertTransitions(transitions=steps)] if steps else []
        if isinstance(batch, Commands):
            return self._answers(batch.commands)
        raise TypeError(f"{self.name} does not read {type(batch).__name__}")

    def on_time(self, now_us: int) -> Outputs:
        """Close what is over and was answered a while ago."""
        over = [alert for alert in self._open.values() if alert.ended_at_us is not None]
        steps = [step for alert in over if (step := expire(alert, now_us)) is not None]
        unanswered = [alert for alert in over if alert.state == "open"]
        too_many = unanswered[: max(len(unanswered) - UNANSWERED_LIMIT, 0)]
        steps += [close(alert, now_us) for alert in too_many]
        self._closed_unanswered += len(too_many)
        for step in steps:
            self._keep(step)
        return [AlertTransitions(transitions=steps)] if steps else []

    def on_end(self) -> Outputs:
        """Open alerts stay open: the end of the input is not the end of a hazard."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return all open alerts and the closed ones that are remembered."""
        alerts = (*self._closed.values(), *self._open.values())
        return split(msgspec.msgpack.encode(_Snapshot(alert)) for alert in alerts)

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._open.clear()
        self._closed.clear()
        for piece in join(chunks):
            self._keep(msgspec.msgpack.decode(piece, type=_Snapshot).alert)

    def counts(self) -> dict[str, int]:
        """Alerts that were closed although nobody had answered them; commands that regions answer."""
        return {"closed_unanswered": self._closed_unanswered, "for_regions": self._for_regions}

    def _answers(self, commands: Iterable[Command]) -> Outputs:
        steps, outcomes = [], []
        for command in commands:
            if region_of(command.target):
                self._for_regions += 1
                continue
            answer = acknowledge(self._alert(command.target), command)
            if answer.transition is not None:
                self._keep(answer.transition)
                steps.append(answer.transition)
            outcomes.append(CommandOutcome(id=command.id, ok=answer.ok, message=answer.message))
        outputs: list[Record] = []
        if steps:
            outputs.append(AlertTransitions(transitions=steps))
        if outcomes:
            outputs.append(CommandOutcomes(outcomes=outcomes))
        return outputs

    def _alert(self, name: str) -> AlertTransition | None:
        return self._open.get(name) or self._closed.get(name)

    def _keep(self, step: AlertTransition) -> None:
        if step.state != "closed":
            self._open[step.alert_id] = step
            return
        self._open.pop(step.alert_id, None)
        self._closed[step.alert_id] = msgspec.structs.replace(step, evidence={})
        while len(self._closed) > CLOSED_LIMIT:
            del self._closed[next(iter(self._closed))]
