"""One calling about alerts: who is called when, until somebody answers. Pure; times are us of UTC since 1970.

A turn walks the steps of an escalation. A step that waits for an answer is followed by the next one when its
time is over, or at once when nobody of it can be reached or will take it. After the last one all begins anew,
as often as the escalation says. Times come from the plan and from what was said, never from when somebody
looked: whoever looks late finds the same orders with the same times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from sensors.detectors import Level
from streams.call_definitions import Contact, Escalation, Step
from streams.call_records import AnswerName, CallAnswer, CallOrder, Calls, Purpose, call_id

MESSAGE_US = 6 * 3_600_000_000
"""A message that could not be brought for so long is no news any more."""
LONGEST_US = 86_400_000_000
"""No call waits for longer, whenever the next one comes."""

People = Callable[[Step, int], list[tuple[str, list[Contact]]]]
"""Whom a step calls at a time, with the ways to each."""


class Attempt(msgspec.Struct, kw_only=True):
    """One person at one step."""

    step: int
    """From 1."""
    person: str
    called_us: int
    deadline_us: int
    ids: list[str]
    """Of the calls that have not failed."""
    over: bool = False
    """Refused, failed, or too late; who is late may still answer."""
    has_answered: bool = False


class Calling(msgspec.Struct, kw_only=True):
    """One calling; `advance` moves it on."""

    alert_id: str
    also: list[str]
    subject_id: str
    site: str
    level: Level
    text: str
    turn: int
    """How often calling about `alert_id` has begun."""
    escalation: Escalation
    begun_us: int
    purpose: Purpose = "call"
    place: int = 0
    """Index of the next step; behind the last one: the end of the turn."""
    next_us: int | None
    """When that is; None: nobody else is called."""
    turns_left: int
    attempts: list[Attempt] = []
    """Of this turn."""
    exhausted: bool = False

    @classmethod
    def begin(
        cls,
        alert_ids: list[str],
        subject_id: str,
        site: str,
        level: Level,
        text: str,
        turn: int,
        escalation: Escalation,
        at_us: int,
        purpose: Purpose = "call",
    ) -> Calling:
        """Return a calling that begins at a time."""
        return cls(
            alert_id=alert_ids[0],
            also=alert_ids[1:],
            subject_id=subject_id,
            site=site,
            level=level,
            text=text,
            turn=turn,
            escalation=escalation,
            begun_us=at_us,
            purpose=purpose,
            next_us=at_us + round(escalation.steps[0].after_s * 1e6),
            turns_left=escalation.turns - 1,
        )

    @property
    def has_begun(self) -> bool:
        """Whether anybody was called."""
        return self.place > 0 or self.turns_left < self.escalation.turns - 1

    @property
    def due_us(self) -> int | None:
        """When something happens next; None: nothing does by itself."""
        times = [one.deadline_us for one in self.attempts if not one.over]
        if self.next_us is not None:
            times.append(self.next_us)
        return min(times, default=None)

    def advance(self, people: People) -> Calls:
        """Do what is due next; `due_us` says when that is."""
        at_us = self.due_us
        if at_us is None:
            return Calls()
        late = [one for one in self.attempts if not one.over and one.deadline_us <= at_us]
        if late:
            for one in late:
                one.over = True
            return Calls(answers=[self.answer(one, "unreachable", one.deadline_us) for one in late])
        if self.place < len(self.escalation.steps):
            return self._call(people, at_us)
        self._end_turn(at_us)
        return Calls()

    def receive(self, identity: str, *, refused: bool, at_us: int) -> Calls:
        """Note that a call was refused by the person, or failed on its channel."""
        for one in self.attempts:
            if identity not in one.ids or one.over:
                continue
            one.ids.remove(identity)
            if one.ids and not refused:
                return Calls()
            one.over, withdrawn = True, one.ids
            one.ids = []
            self._hurry(at_us)
            answer: AnswerName = "refused" if refused else "unreachable"
            return Calls(answers=[self.answer(one, answer, at_us)], withdrawn=withdrawn)
        return Calls()

    def ids(self) -> list[str]:
        """Return the ids of the calls that may still bring an answer."""
        return [identity for one in self.attempts for identity in one.ids]

    def answer(self, one: Attempt, answer: AnswerName, at_us: int) -> CallAnswer:
        """Return how it ended with a person."""
        return CallAnswer(
            alert_id=self.alert_id,
            turn=self.turn,
            step=one.step,
            purpose=self.purpose,
            person=one.person,
            answer=answer,
            subject_id=self.subject_id,
            site=self.site,
            level=self.level,
            called_us=one.called_us,
            at_us=at_us,
            deadline_us=one.deadline_us,
        )

    def _call(self, people: People, at_us: int) -> Calls:
        steps, step = self.escalation.steps, self.escalation.steps[self.place]
        self.place += 1
        deadline_us = at_us + self._patience_us()
        orders: list[CallOrder] = []
        for person, contacts in people(step, at_us):
            made = [
                self._order(number, person, contact, step, at_us, deadline_us)
                for number, contact in enumerate(contacts)
            ]
            orders += made
            if step.answer and made:
                self.attempts.append(
                    Attempt(
                        step=self.place,
                        person=person,
                        called_us=at_us,
                        deadline_us=deadline_us,
                        ids=[one.call_id for one in made],
                    )
                )
        if self.place < len(steps):
            is_asked = any(one.answer for one in steps[: self.place])
            is_in_vain = is_asked and all(one.over for one in self.attempts)  # nobody is left to wait for
            wait_s = 0.0 if is_in_vain else steps[self.place].after_s - step.after_s
            self.next_us = at_us + round(wait_s * 1e6)
        elif any(one.answer for one in steps):
            self.next_us = at_us + round(self.escalation.deadline_s * 1e6)
        else:
            self.next_us = None
        return Calls(orders=orders)

    def _patience_us(self) -> int:
        """Return how long who is called now has, until the next one is: `place` is behind the step."""
        step = self.escalation.steps[self.place - 1]
        if not step.answer:
            return MESSAGE_US
        for later in self.escalation.steps[self.place :]:
            if later.answer and later.after_s > step.after_s:
                return min(round((later.after_s - step.after_s) * 1e6), LONGEST_US)
        return round(self.escalation.deadline_s * 1e6)

    def _order(
        self, number: int, person: str, contact: Contact, step: Step, at_us: int, deadline_us: int
    ) -> CallOrder:
        return CallOrder(
            call_id=call_id(self.alert_id, self.turn, self.place, person, contact.channel, number),
            alert_id=self.alert_id,
            also=list(self.also),
            subject_id=self.subject_id,
            level=self.level,
            turn=self.turn,
            step=self.place,
            purpose=self.purpose if step.answer else "message",
            person=person,
            channel=contact.channel,
            to=contact.to,
            text=self.text,
            at_us=at_us,
            deadline_us=deadline_us,
        )

    def _end_turn(self, at_us: int) -> None:
        """Begin anew, or give up."""
        self.attempts = [one for one in self.attempts if not one.over]
        if self.turns_left <= 0:
            self.next_us, self.exhausted = None, True
            return
        self.turns_left -= 1
        self.turn += 1
        self.place, self.next_us, self.attempts = 0, at_us, []

    def _hurry(self, at_us: int) -> None:
        """Call the next ones at once when nobody is left who may answer; the turn's end stays."""
        if self.place < len(self.escalation.steps) and all(one.over for one in self.attempts):
            self.next_us = min(at_us, self.next_us or at_us)


def joined(parts: Iterable[Calls]) -> Calls:
    """Return several as one, in their order."""
    orders, answers, withdrawn = list[CallOrder](), list[CallAnswer](), list[str]()
    for one in parts:
        orders += one.orders
        answers += one.answers
        withdrawn += one.withdrawn
    return Calls(orders=orders, answers=answers, withdrawn=withdrawn)
