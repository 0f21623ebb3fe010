"""Alerts, receipts and answers in; who is to be called, and how that ended, out.

Plans say whom (`streams.plans`), `streams.calling` when. Alerts that a plan groups are called about together:
one that joins a calling of its level or a higher one calls nobody else. An alert that is silenced, muted by
another one, or found in late data calls nobody; it does when that ends and it still lasts unanswered. Who was
called hears when the hazard is over, of a group when the last one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from sensors.model import Datastream
from streams.all_clear import Ends, all_clear
from streams.call_definitions import Consultation, Escalation, PlanDefinition, Step
from streams.call_records import AnswerName, CallAnswer, CallReceipt, CallReceipts, Calls
from streams.calling import Calling, joined
from streams.callings import Callings
from streams.known_alerts import KnownAlert, KnownAlerts
from streams.plans import Plans, escalation_of, higher
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.records import AlertTransition, AlertTransitions, Changes, Command, Commands, Record
from streams.topics import ALERTS, CALL_RECEIPTS, CALLS, COMMANDS, REGISTRY, Topic

MOST_TOGETHER = 100
"""Alerts of one calling; more begin one of their own when it is over."""
_NOW = b"now:"


class CallPeople:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    datastreams
        Of the registry: plans are for sites, properties, series.
    """

    name = "calls"
    reads: tuple[Topic, ...] = (ALERTS, CALL_RECEIPTS, COMMANDS, REGISTRY, CALLS)
    writes: tuple[Topic, ...] = (CALLS,)

    def __init__(self, datastreams: Iterable[Datastream] = ()) -> None:
        self._plans = Plans(datastreams, ("plan", "person", "roster", "group", "datastream"))
        self._known = KnownAlerts(self._plans.site_of)
        self._callings = Callings(self._plans, self._begin_turn)
        self._ends = Ends()

    def on_batch(self, batch: Record) -> Outputs:
        """Take steps of alerts, receipts, decisions, and changes of plans and people."""
        if isinstance(batch, Calls):  # what was said before, read again
            return []
        made: list[Calls] = []
        if isinstance(batch, Changes):
            made += self._callings.reach(max((one.at_us for one in batch.changes), default=0))
            if self._plans.take(batch):
                self._known.rearrange()
                made += self._look_at_all(self._callings.now_us)
        elif isinstance(batch, AlertTransitions):
            for step in batch.transitions:
                made += self._noted(self._callings.reach(step.at_us))
                made += self._all_clear(step)
                made += self._noted(self._follow(step))
        elif isinstance(batch, CallReceipts):
            for one in batch.receipts:
                made += self._callings.reach(one.at_us)
                made.append(self._received(one))
        elif isinstance(batch, Commands):
            for command in batch.commands:
                if command.kind == "decide_alert":
                    made += self._callings.reach(command.at_us)
                    made.append(self._decision(command))
        else:
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        return _told(self._noted(made))

    def on_time(self, now_us: int) -> Outputs:
        """Call whoever is next."""
        return _told(self._noted(self._callings.reach(now_us)))

    def on_end(self) -> Outputs:
        """Nobody is called because the input is over."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """Return alerts that are not closed, and callings."""
        known = (msgspec.msgpack.encode(one) for one in self._known)
        now = _NOW + self._callings.now_us.to_bytes(8, "little")
        return split(
            [self._plans.snapshot(), now, *self._callings.snapshot(), *self._ends.snapshot(), *known]
        )

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._known.clear()
        self._callings.clear()
        self._ends.clear()
        for piece in join(chunks):
            if piece.startswith(_NOW):
                self._callings.now_us = int.from_bytes(piece[len(_NOW) :], "little")
            elif not any(part.restored(piece) for part in (self._plans, self._callings, self._ends)):
                one = msgspec.msgpack.decode(piece, type=KnownAlert)
                self._known.put(one)

    def counts(self) -> dict[str, int]:
        """Callings that nobody answered to the end; steps that reached nobody; newer changes."""
        return {
            "calls_exhausted": self._callings.exhausted,
            "calls_to_nobody": self._callings.unreached,
            "unreadable_changes": self._plans.unreadable,
        }

    # --- alerts -----------------------------------------------------------------------------------------

    def _follow(self, step: AlertTransition) -> list[Calls]:
        """Return what a step of an alert's life makes of the callings."""
        if step.historic:
            return []
        known = self._known.follow(step)
        before = known.alert
        known.alert = msgspec.structs.replace(step, evidence={})
        made = []
        if before.proposed is not None and step.proposed is None:
            made.append(self._callings.end(_consulting(step.alert_id), step.at_us))
        if step.state == "closed":
            made.append(self._leave(known, step))
            made.append(self._callings.end(_consulting(step.alert_id), step.at_us))
            self._known.forget(step.alert_id)
            return [*made, *self._look_at_waiting(step)]
        if step.state == "acknowledged":
            made.append(self._leave(known, step))
            made += self._tell_who_has_it(known, step)
        elif step.silenced:
            made.append(self._leave(known, step))
            made.append(self._callings.end(_consulting(step.alert_id), step.at_us))
            known.called = None
        elif step.change == "ended":
            if self._waits_to_begin(known):
                made.append(self._leave(known, step))
            calling = self._callings.get(known.group)
            if calling is not None and calling.alert_id == step.alert_id:
                calling.text = _words(step, len(calling.also))
        if step.proposed is not None and not step.silenced:
            made += self._consult(known, step.at_us)
        return [*made, *self._look_at(known, step.at_us), *self._look_at_waiting(step)]

    def _look_at_all(self, at_us: int) -> list[Calls]:
        """Begin what nobody was called about yet: plans or people are others now."""
        return [one for known in self._known for one in self._look_at(known, at_us)]

    def _look_at_waiting(self, step: AlertTransition) -> list[Calls]:
        """Begin what was muted, or found no room, and is so no more behind a step."""
        made: list[Calls] = []
        if step.change != "opened":
            for known in self._known.muted_at(self._plans.site_of(step.subject_id)):
                made += self._look_at(known, step.at_us)
        for waiting in self._known.without_room():
            for known in waiting:
                made += self._look_at(known, step.at_us)
                if known.full:
                    break  # and so do those behind it
        return made

    def _look_at(self, known: KnownAlert, at_us: int) -> list[Calls]:
        """Begin calling about an alert, or let it join others, if it is due."""
        alert = known.alert
        self._known.go_on(known)
        if alert.state not in {"open", "consultation"} or alert.silenced:
            return []
        if known.called is not None and not higher(alert.level, known.called):
            return []
        found = self._plans.of(alert)
        escalation = None if found is None else escalation_of(found[1], alert.level)
        if found is None or escalation is None:
            return []
        identity, plan = found
        if plan.persist_s and alert.ended_at_us is not None and not known.turn:
            return []  # it did not last
        if self._is_muted(known, plan):
            self._known.let_wait(known)
            return []
        name = _group(identity, plan, alert, self._plans.site_of(alert.subject_id))
        left = [self._leave(known, alert)] if known.group != name else []  # its plan is another one now
        calling = self._callings.get(name)
        members = [] if calling is None else self._members(name, calling)
        others = [one for one in members if one != alert.alert_id]
        if calling is not None and not higher(alert.level, calling.level) and _goes_on(calling, plan, at_us):
            if len(others) >= MOST_TOGETHER:
                self._known.let_wait(known, name)
                return left
            if alert.alert_id not in members:
                calling.also = [one for one in others if one != calling.alert_id] + [alert.alert_id]
            known.called, known.group = calling.level, name
            self._join(known, name)
            return left
        begin_us = at_us
        if not known.turn:
            begin_us = max(at_us, alert.opened_at_us + round(plan.persist_s * 1e6))
        known.turn += 1
        known.called, known.group = alert.level, name
        self._join(known, name)
        made = [*left, self._callings.end(name, at_us)]  # of a lower level, or long done
        begun = Calling.begin(
            [alert.alert_id, *others],
            alert.subject_id,
            self._plans.site_of(alert.subject_id),
            alert.level,
            _words(alert, len(others)),
            known.turn,
            escalation,
            begin_us,
        )
        return [*made, *self._callings.begin(name, begun, at_us)]

    def _members(self, name: str, calling: Calling) -> list[str]:
        """Return the alerts that a calling is still about."""
        every = (calling.alert_id, *calling.also)
        return [one for one in every if one in self._known and self._known[one].group == name]

    def _tell_who_has_it(self, known: KnownAlert, step: AlertTransition) -> list[Calls]:
        """Return messages to the first of a plan: the alert has been answered and is worse now."""
        if known.stood is None or not higher(step.level, known.stood):
            known.stood = known.stood or step.level
            return []
        known.stood = step.level
        found = self._plans.of(step)
        escalation = None if found is None else escalation_of(found[1], step.level)
        if escalation is None:
            return []
        first = msgspec.structs.replace(escalation.steps[0], answer=False, after_s=0.0)
        known.turn += 1
        calling = Calling.begin(
            [step.alert_id],
            step.subject_id,
            self._plans.site_of(step.subject_id),
            step.level,
            _words(step, 0),
            known.turn,
            msgspec.structs.replace(escalation, steps=[first]),
            step.at_us,
        )
        return [calling.advance(self._callings.people(calling.site))]

    def _is_muted(self, known: KnownAlert, plan: PlanDefinition) -> bool:
        return bool(plan.muted_by) and any(
            other.alert.rule in plan.muted_by
            and other is not known
            and other.alert.ended_at_us is None
            and not higher(known.alert.level, other.alert.level)
            for other in self._known.near(known)
        )

    def _leave(self, known: KnownAlert, step: AlertTransition) -> Calls:
        """Return what is not needed any more when nobody is to be called about an alert."""
        name, known.group = known.group, ""
        calling = self._callings.get(name)
        if calling is None:
            return Calls()
        answers = self._answered(calling, step) if step.change == "acknowledged" else []
        if remaining := self._members(name, calling):
            calling.also = [one for one in remaining if one != calling.alert_id]
            return Calls(answers=answers)
        return joined([Calls(answers=answers), self._callings.end(name, step.at_us)])

    def _answered(self, calling: Calling, step: AlertTransition) -> list[CallAnswer]:
        """Return that somebody acknowledged; who was not called did so, too."""
        for one in calling.attempts:
            if self._plans.is_person(step.by, one.person):
                if one.has_answered:  # for another alert of the group
                    return []
                one.has_answered = True
                return [calling.answer(one, "acknowledged", step.at_us)]
        if not calling.attempts:
            return []
        first = calling.attempts[0]
        other = msgspec.structs.replace(calling.answer(first, "acknowledged", step.at_us), person=step.by)
        return [msgspec.structs.replace(other, step=0)]

    # --- the end ----------------------------------------------------------------------------------------

    def _join(self, known: KnownAlert, name: str) -> None:
        if known.alert.ended_at_us is None:
            self._ends.join(known.alert.alert_id, name)

    def _noted(self, made: list[Calls]) -> list[Calls]:
        """Note who is called about what lasts."""
        for calls in made:
            for order in calls.orders:
                for name in order.alert_ids:
                    known = self._known.get(name)
                    if known is not None and known.alert.ended_at_us is None:
                        self._ends.note(name, order)
        return made

    def _all_clear(self, step: AlertTransition) -> list[Calls]:
        """Return messages to who was called about an alert, when its hazard is over."""
        known = self._known.get(step.alert_id)
        if known is None or (step.ended_at_us is None and step.state != "closed"):
            return []
        told = self._ends.over(step.alert_id)
        if told is None:
            return []
        known.turn += 1
        return [Calls(orders=all_clear(step, told, known.turn, _end_words(step, told.over_before)))]

    # --- consultations ----------------------------------------------------------------------------------

    def _consult(self, known: KnownAlert, at_us: int) -> list[Calls]:
        name, alert = _consulting(known.alert.alert_id), known.alert
        found = self._plans.of(alert)
        if name in self._callings or found is None or found[1].consultation is None:
            return []
        assert alert.proposed is not None
        known.turn += 1
        begun = Calling.begin(
            [alert.alert_id],
            alert.subject_id,
            self._plans.site_of(alert.subject_id),
            alert.proposed,
            f"{alert.proposed.upper()}? {_words(alert, 0)}",
            known.turn,
            _asking(found[1].consultation),
            at_us,
            "consultation",
        )
        return self._callings.begin(name, begun, at_us)

    def _decision(self, command: Command) -> Calls:
        answer: AnswerName = "declined" if command.arguments.get("answer") == "decline" else "confirmed"
        return self._callings.decide(_consulting(command.target), command.by.strip(), answer)

    def _received(self, one: CallReceipt) -> Calls:
        if one.purpose == "consultation" and one.state in {"answered", "refused"}:
            answer: AnswerName = "confirmed" if one.state == "answered" else "declined"
            return self._callings.decide(_consulting(next(iter(one.alert_ids), "")), one.person, answer)
        if one.state in {"refused", "failed"}:
            return self._callings.receive(one.call_id, refused=one.state == "refused")
        return Calls()  # who answered has acknowledged, which comes as a step of the alert

    # --- turns ------------------------------------------------------------------------------------------

    def _begin_turn(self, name: str, calling: Calling) -> None:
        """Let a turn be that of an alert that waits: the one before may have been answered meanwhile."""
        lead = next(iter(self._members(name, calling)), calling.alert_id)
        if lead != calling.alert_id:
            calling.also = [one for one in calling.also if one != lead]
            calling.alert_id, calling.turn = lead, self._known[lead].turn + 1
        if (known := self._known.get(lead)) is not None:
            known.turn = calling.turn

    def _waits_to_begin(self, known: KnownAlert) -> bool:
        calling = self._callings.get(known.group)
        return calling is not None and not calling.has_begun


def _told(made: list[Calls]) -> Outputs:
    whole = joined(made)
    return [whole] if whole.orders or whole.answers or whole.withdrawn else []


def _consulting(alert_id: str) -> str:
    return f"?{alert_id}"


def _asking(consultation: Consultation) -> Escalation:
    """Return the only step of a consultation."""
    to = [f"person:{name}" for name in dict.fromkeys(consultation.persons)]
    step = Step(to=to, channels=consultation.channels)
    return Escalation(steps=[step], deadline_s=consultation.deadline_s, turns=1)


def _group(plan_id: str, plan: PlanDefinition, alert: AlertTransition, site: str) -> str:
    """Return the name of the calling that an alert belongs to."""
    by = {"alert": alert.alert_id, "site": site, "rule": alert.rule, "plan": ""}[plan.group_by]
    return f"{plan_id}\x00{plan.group_by}\x00{by}"


def _goes_on(calling: Calling, plan: PlanDefinition, at_us: int) -> bool:
    """Return whether others can join."""
    return calling.due_us is not None or at_us < calling.begun_us + round(plan.group_s * 1e6)


def _end_words(alert: AlertTransition, n_others: int) -> str:
    """Return what is told of an alert whose hazard is over."""
    more = f" (and {n_others} more)" if n_others else ""
    return f"ENDED, was {alert.level}: {alert.title[:400]}{more}, since {_moment(alert.onset_us)}"


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _words(alert: AlertTransition, n_others: int) -> str:
    """Return what is told of an alert."""
    more = f" (and {n_others} more)" if n_others else ""
    over = "" if alert.ended_at_us is None else f", over since {_moment(alert.ended_at_us)}"
    return f"{alert.level.upper()}: {alert.title[:400]}{more}, since {_moment(alert.onset_us)}{over}"
