"""Detections, answers and commands in; steps of alerts and outcomes of commands out.

An alert that a silence covers lives as all others do and tells so (`silenced`): nobody is called. When the
silence ends before somebody has answered, a step says so, and they are called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sensors.model import Datastream
from streams.agenda import Agenda
from streams.alerts import (
    SHOWN_AFTER_ANSWER_US,
    WAITING,
    Answer,
    acknowledge,
    advance,
    alert_id,
    close,
    comment,
    decide,
    expire,
    fall,
    hush,
    lower,
    propose,
    said,
    unfit,
)
from streams.call_definitions import Consultation, PlanDefinition
from streams.call_records import CallReceipt, CallReceipts
from streams.easing import Easing, fallen, measured
from streams.plans import Plans
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
    Detection,
    Detections,
    Record,
)
from streams.regions import region_of
from streams.silences import Silences
from streams.topics import ALERTS, CALL_RECEIPTS, COMMAND_OUTCOMES, COMMANDS, DETECTIONS, REGISTRY, Topic

CLOSED_LIMIT = 10_000
"""Closed alerts that are remembered, so that a late repetition of their beginning opens nothing."""
UNANSWERED_LIMIT = 10_000
"""Alerts that are over and wait for an answer; of more, the oldest are closed without one."""
_KINDS = ("acknowledge_alert", "comment_alert", "lower_alert", "decide_alert")


class _Snapshot(msgspec.Struct):
    """One alert. `evidence` of a closed one is not needed any more."""

    alert: AlertTransition
    easing: Easing | None = None
    votes: dict[str, bool] = {}
    lowered_us: int = 0


_NOW = b"now:"
"""Before the piece of a snapshot that tells the time."""


class Alert:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    datastreams
        Of the registry: a silence or a plan may cover a site, or all that measure one property.
    """

    name = "alert"
    reads: tuple[Topic, ...] = (DETECTIONS, COMMANDS, CALL_RECEIPTS, REGISTRY, ALERTS)
    writes: tuple[Topic, ...] = (ALERTS, COMMAND_OUTCOMES)

    def __init__(self, datastreams: Iterable[Datastream] = ()) -> None:
        datastreams = list(datastreams)
        self._open: dict[str, AlertTransition] = {}
        self._closed: dict[str, AlertTransition] = {}
        self._easing: dict[str, Easing] = {}
        self._votes: dict[str, dict[str, bool]] = {}
        """Of the consultations that go on: who confirms."""
        self._answered: dict[str, None] = {}
        """Those that are over and acknowledged, and close soon."""
        self._lowered_us: dict[str, int] = {}
        """When a level was lowered or declined: what was found before does not raise it again."""
        self._closed_unanswered = 0
        self._silences = Silences(datastreams)
        self._plans = Plans(datastreams, ("plan", "person", "datastream"))
        self._agenda = Agenda(self._times_of)
        self._now_us = 0
        self._for_regions = 0
        self._told: dict[str, AlertTransition] = {}
        """What others were told before, read again: the newest step of each alert."""
        self._told_otherwise = 0

    def on_batch(self, batch: Record) -> Outputs:
        """Take detections, commands about alerts, answers to calls, or changes of silences and plans.

        Steps of alerts are what was said before, read again.
        """
        if isinstance(batch, Detections):
            found = [one for one in batch.detections if not one.part_of]  # others look at those first
            return _told([step for one in found for step in self._found(one)])
        if isinstance(batch, Commands):
            return self._answers([one for one in batch.commands if one.kind in _KINDS])
        if isinstance(batch, CallReceipts):
            return _told([step for one in batch.receipts for step in self._received(one)])
        if isinstance(batch, AlertTransitions):
            self._told.update((step.alert_id, step) for step in batch.transitions)
            return []
        if isinstance(batch, Changes):
            steps = self._reach(max((change.at_us for change in batch.changes), default=0))
            if self._plans.take(batch):
                self._agenda.rewrite({*self._answered, *self._votes, *self._easing})
            if self._silences.take(batch):
                steps += self._look(self._now_us)
            return _told(steps)
        raise TypeError(f"{self.name} does not read {type(batch).__name__}")

    def on_time(self, now_us: int) -> Outputs:
        """Do what is due; close what nobody answers where there is too much of it."""
        steps = self._reach(now_us)
        self._silences.forget(now_us)
        over = [alert for alert in self._open.values() if alert.ended_at_us is not None]
        unanswered = [alert for alert in over if alert.state == "open"]
        too_many = unanswered[: max(len(unanswered) - UNANSWERED_LIMIT, 0)]
        steps += [self._keep(close(alert, now_us)) for alert in too_many]
        self._closed_unanswered += len(too_many)
        self._stand_by_what_was_told()
        return _told(steps)

    def on_end(self) -> Outputs:
        """Open alerts stay open: the end of the input is not the end of a hazard."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return all open alerts and the closed ones that are remembered."""
        alerts = (*self._closed.values(), *self._open.values())
        pieces = (msgspec.msgpack.encode(self._state(alert)) for alert in alerts)
        now = _NOW + self._now_us.to_bytes(8, "little")
        return split([self._silences.snapshot(), self._plans.snapshot(), now, *pieces])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        tables = (self._open, self._closed, self._easing, self._votes, self._answered, self._lowered_us)
        for table in tables:
            table.clear()
        self._agenda.rewrite(())
        for piece in join(chunks):
            if piece.startswith(_NOW):
                self._now_us = int.from_bytes(piece[len(_NOW) :], "little")
            elif not (self._silences.restored(piece) or self._plans.restored(piece)):
                self._take_back(msgspec.msgpack.decode(piece, type=_Snapshot))

    def counts(self) -> dict[str, int]:
        """Alerts closed unanswered; commands that regions answer; newer changes; steps of another program."""
        return {
            "told_otherwise": self._told_otherwise,
            "closed_unanswered": self._closed_unanswered,
            "for_regions": self._for_regions,
            "unreadable_changes": self._silences.unreadable + self._plans.unreadable,
        }

    def _state(self, alert: AlertTransition) -> _Snapshot:
        name = alert.alert_id
        return _Snapshot(
            alert, self._easing.get(name), self._votes.get(name, {}), self._lowered_us.get(name, 0)
        )

    def _take_back(self, state: _Snapshot) -> None:
        name = state.alert.alert_id
        self._put(state.alert)
        if state.easing is not None:
            self._easing[name] = state.easing
        if name in self._votes:
            self._votes[name] = state.votes
        if state.lowered_us:
            self._lowered_us[name] = state.lowered_us
        self._agenda.note(name)

    # --- what is found ----------------------------------------------------------------------------------

    def _found(self, detection: Detection) -> list[AlertTransition]:
        steps = self._reach(detection.detected_at_us)
        name = alert_id(detection.detector, detection.subject_id, detection.onset_us)
        before = self._alert(name)
        self._measure(before, detection)
        step = advance(before, detection)
        lowered_us = self._lowered_us.get(name)
        if lowered_us is not None and detection.detected_at_us < lowered_us and detection.phase != "end":
            return steps
        if step is not None and (consultation := self._consultation(step)) is not None:
            step = propose(before, step, consultation)
        return steps if step is None else [*steps, self._keep(step)]

    def _measure(self, alert: AlertTransition | None, detection: Detection) -> None:
        """Note how long a level lower than the alert's has been measured."""
        if alert is None or alert.state == "closed" or alert.ended_at_us is not None:
            return
        if detection.phase == "end" or detection.historic:
            return
        before = self._easing.pop(alert.alert_id, None)
        after = measured(before, alert.level, detection.level, detection.detected_at_us)
        if after is not None:
            self._easing[alert.alert_id] = after
            if after != before:
                self._agenda.note(alert.alert_id)

    # --- what people say --------------------------------------------------------------------------------

    def _answers(self, commands: Iterable[Command]) -> Outputs:
        steps, outcomes = [], []
        for command in commands:
            steps += self._reach(command.at_us)
            if region_of(command.target):
                self._for_regions += 1
                continue
            alert = self._alert(command.target)
            if command.kind == "acknowledge_alert":
                answer = acknowledge(alert, command)
            elif command.kind == "comment_alert":
                answer = comment(alert, command)
            elif command.kind == "lower_alert":
                answer = lower(alert, command)
            else:
                answer = self._vote(alert, command)
            if answer.transition is not None:
                if command.kind == "lower_alert":
                    self._lowered_us[command.target] = self._now_us
                steps.append(self._keep(answer.transition))
            outcomes.append(CommandOutcome(id=command.id, ok=answer.ok, message=answer.message))
        outputs = [*_told(steps)]
        if outcomes:
            outputs.append(CommandOutcomes(outcomes=outcomes))
        return outputs

    def _received(self, receipt: CallReceipt) -> list[AlertTransition]:
        """Return what an answer to a call makes of the alerts that it is about."""
        steps = self._reach(receipt.at_us)
        if receipt.state not in {"answered", "refused"}:
            return steps
        is_asked = receipt.purpose == "consultation"
        if receipt.state == "refused" and not is_asked:
            return steps
        for name in receipt.alert_ids:
            arguments = {"comment": receipt.detail}
            if receipt.state == "refused":
                arguments["answer"] = "decline"
            command = Command(
                id=receipt.call_id,
                kind="decide_alert" if is_asked else "acknowledge_alert",
                target=name,
                by=receipt.person,
                at_us=receipt.at_us,
                arguments=arguments,
            )
            alert = self._alert(name)
            answer = self._vote(alert, command) if is_asked else acknowledge(alert, command)
            if answer.transition is not None:
                steps.append(self._keep(answer.transition))
        return steps

    def _vote(self, alert: AlertTransition | None, command: Command) -> Answer:
        """Return the answer to who confirms or declines a level."""
        if (why := unfit(alert, command, "decided about")) is not None:
            return Answer(False, why)
        assert alert is not None
        consultation = self._consultation(alert)
        if alert.proposed is None or consultation is None:
            return Answer(False, f"Alert {alert.alert_id} waits for no decision.")
        by, comment = said(command)
        person = next((one for one in consultation.persons if self._plans.is_person(by, one)), None)
        if person is None:
            return Answer(False, f"{by} is not asked about alert {alert.alert_id}: its plan names who is.")
        is_confirmed = command.arguments.get("answer", "confirm") != "decline"
        votes = self._votes[alert.alert_id]
        votes[person] = is_confirmed
        asked = set(consultation.persons)
        n_confirmed = sum(vote for one, vote in votes.items() if one in asked)
        n_open = len(asked - votes.keys())
        if n_confirmed >= consultation.needed:
            step = decide(alert, command.at_us, by, comment, is_confirmed=True)
            return Answer(True, f"Alert {alert.alert_id} is {step.level} now.", step)
        if n_confirmed + n_open < consultation.needed:
            self._lowered_us[alert.alert_id] = self._now_us
            step = decide(alert, command.at_us, by, comment, is_confirmed=False)
            return Answer(True, f"Alert {alert.alert_id} stays {step.level}.", step)
        return Answer(True, f"The answer of {by} is noted; others are asked, too.")

    # --- time -------------------------------------------------------------------------------------------

    def _reach(self, now_us: int) -> list[AlertTransition]:
        """Let time go on; return the steps that are due until then, in the order of their times."""
        if now_us <= self._now_us:
            return []
        before_us, self._now_us = self._now_us, now_us
        steps: list[AlertTransition] = []
        for boundary_us in (*self._silences.boundaries(before_us, now_us), None):
            until_us = now_us if boundary_us is None else boundary_us
            while (due := self._agenda.take(until_us)) is not None:
                steps.append(self._pass_time(*due))
            if boundary_us is not None:
                steps += self._look(boundary_us)
        return steps

    def _times_of(self, name: str) -> list[int]:
        """Return when something becomes of an alert by itself."""
        if (alert := self._open.get(name)) is None:
            return []
        times_us = []
        if name in self._answered:
            times_us.append(alert.at_us + SHOWN_AFTER_ANSWER_US)
        if name in self._votes and alert.decide_until_us is not None:
            times_us.append(alert.decide_until_us)
        easing = self._easing.get(name)
        if easing is not None and alert.level != "red":
            plan = self._plan(alert)
            if plan is not None and plan.hold_s is not None:
                times_us.append(easing.since_us + round(plan.hold_s * 1e6))
        return times_us

    def _pass_time(self, due_us: int, name: str) -> AlertTransition:
        alert = self._open[name]
        if name in self._answered and (closing := expire(alert, due_us)) is not None:
            return self._keep(closing)
        at_us = max(due_us, alert.at_us)
        if name in self._votes and alert.decide_until_us == due_us:
            consultation = self._consultation(alert)
            is_confirmed = consultation is None or consultation.otherwise == "confirm"
            if not is_confirmed:
                self._lowered_us[name] = at_us
            return self._keep(decide(alert, at_us, "", "nobody decided in time", is_confirmed=is_confirmed))
        easing = self._easing.pop(name)
        if (after := fallen(easing, due_us)) is not None:
            self._easing[name] = after
        self._lowered_us[name] = at_us
        return self._keep(fall(alert, easing.highest, at_us))

    def _look(self, at_us: int) -> list[AlertTransition]:
        """Return the steps of alerts that a silence covers now, or does not cover any more."""
        waiting = [one for one in self._open.values() if one.state in WAITING and not one.historic]
        found = [(one, self._silences.covering(one, at_us)) for one in waiting]
        return [
            self._put(hush(one, silence, max(at_us, one.at_us)))
            for one, silence in found
            if bool(one.silenced) != bool(silence)
        ]

    # --- memory -----------------------------------------------------------------------------------------

    def _alert(self, name: str) -> AlertTransition | None:
        return self._open.get(name) or self._closed.get(name)

    def _plan(self, alert: AlertTransition) -> PlanDefinition | None:
        found = self._plans.of(alert)
        return None if found is None else found[1]

    def _consultation(self, alert: AlertTransition) -> Consultation | None:
        plan = self._plan(alert)
        return None if plan is None else plan.consultation

    def _keep(self, step: AlertTransition) -> AlertTransition:
        """Remember a step; return it with the silence that covers it."""
        silence = self._silences.covering(step, self._now_us)
        if silence != step.silenced:
            step = msgspec.structs.replace(step, silenced=silence)
        return self._put(step)

    def _stand_by_what_was_told(self) -> None:
        """Take the steps that others know, where another program or configuration makes less of the same.

        The next step would have a number that they have heard, and none of them would take it.
        """
        for name, told in self._told.items():
            own = self._alert(name)
            if own is None or (own.number <= told.number and not _are_equal(own, told)):
                self._told_otherwise += 1
                self._put(told)
        self._told.clear()

    def _put(self, step: AlertTransition) -> AlertTransition:
        name = step.alert_id
        if step.proposed is None:
            self._votes.pop(name, None)
        else:
            self._votes.setdefault(name, {})
        if step.state == "acknowledged" and step.ended_at_us is not None:
            self._answered[name] = None
        else:
            self._answered.pop(name, None)
        easing = self._easing.get(name)
        if easing is not None and (step.state == "closed" or step.ended_at_us is not None):
            del self._easing[name]
        if step.state != "closed":
            self._open[name] = step
            self._agenda.note(name)
            return step
        self._open.pop(name, None)
        self._lowered_us.pop(name, None)
        self._closed[name] = msgspec.structs.replace(step, evidence={})
        while len(self._closed) > CLOSED_LIMIT:
            del self._closed[next(iter(self._closed))]
        return step


def _are_equal(one: AlertTransition, other: AlertTransition) -> bool:
    """Return whether two steps are the same; the evidence of what is closed is forgotten."""
    return msgspec.structs.replace(one, evidence={}) == msgspec.structs.replace(other, evidence={})


def _told(steps: list[AlertTransition]) -> Outputs:
    return [AlertTransitions(transitions=steps)] if steps else []
