"""All callings that go on, by name: what becomes due of them in the order of its times."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from streams.agenda import Agenda
from streams.call_definitions import Contact, Step
from streams.call_records import AnswerName, Calls
from streams.calling import Calling, People, joined
from streams.plans import Plans

_MARK = b"call:"


class _Named(msgspec.Struct):
    name: str
    calling: Calling


class Callings:
    """Moves callings on and hands receipts to those that they are about.

    Parameters
    ----------
    plans
        Who is behind the steps.
    on_turn
        Called with name and calling when one of them has begun anew.
    """

    def __init__(self, plans: Plans, on_turn: Callable[[str, Calling], None]) -> None:
        self._plans = plans
        self._on_turn = on_turn
        self._callings: dict[str, Calling] = {}
        self._agenda = Agenda(self._times_of)
        self._calls: dict[str, list[str]] = {}
        """Ids of the calls that may still bring an answer, by name."""
        self._named: dict[str, str] = {}
        """The other way round."""
        self.now_us = 0
        self.exhausted = 0
        """Callings that nobody answered to the end."""
        self.unreached = 0
        """Steps that reached nobody."""

    def __contains__(self, name: str) -> bool:
        return name in self._callings

    def get(self, name: str) -> Calling | None:
        """Return one; None: there is none of this name."""
        return self._callings.get(name)

    def begin(self, name: str, calling: Calling, at_us: int) -> list[Calls]:
        """Begin one; return what is due of it."""
        self._callings[name] = calling
        self._note(name)
        return self._reach_one(name, max(self.now_us, at_us))

    def end(self, name: str, at_us: int) -> Calls:
        """Forget one; return which of its calls are not needed any more, and who was late."""
        calling = self._callings.pop(name, None)
        if calling is None:
            return Calls()
        self._note(name)
        late = [one for one in calling.attempts if not one.over and one.deadline_us <= at_us]
        return Calls(
            answers=[calling.answer(one, "unreachable", one.deadline_us) for one in late],
            withdrawn=calling.ids(),
        )

    def receive(self, call_id: str, *, refused: bool) -> Calls:
        """Take that a call was refused, or failed; return what comes of it."""
        name = self._named.get(call_id)
        if name is None:
            return Calls()
        made = self._callings[name].receive(call_id, refused=refused, at_us=self.now_us)
        self._note(name)
        return joined([made, *self._reach_one(name, self.now_us)])

    def decide(self, name: str, by: str, answer: AnswerName) -> Calls:
        """Take what somebody says in a consultation; return it, and which calls are not needed any more."""
        calling = self._callings.get(name)
        for one in () if calling is None else calling.attempts:
            if calling is not None and self._plans.is_person(by, one.person):
                one.over, withdrawn, one.ids = True, one.ids, []
                self._note(name)
                return Calls(answers=[calling.answer(one, answer, self.now_us)], withdrawn=withdrawn)
        return Calls()

    def reach(self, now_us: int) -> list[Calls]:
        """Let time go on; return what becomes due until then, in the order of its times."""
        if now_us <= self.now_us:
            return []
        made = []
        while (due := self._agenda.take(now_us)) is not None:
            at_us, name = due
            self.now_us = max(self.now_us, at_us)
            made.append(self._advance(name))
        self.now_us = now_us
        return made

    def people(self, site: str) -> People:
        """Return what tells whom steps call about alerts of a site."""

        def found(step: Step, at_us: int) -> list[tuple[str, list[Contact]]]:
            names = self._plans.people(step.to, at_us, site)
            return [(name, self._plans.contacts(name, step.channels)) for name in names]

        return found

    def snapshot(self) -> Iterator[bytes]:
        """Yield pieces of a snapshot."""
        for name, calling in self._callings.items():
            yield _MARK + msgspec.msgpack.encode(_Named(name, calling))

    def restored(self, piece: bytes) -> bool:
        """Take back what `snapshot` gave; False: the piece is something else."""
        if not piece.startswith(_MARK):
            return False
        one = msgspec.msgpack.decode(piece[len(_MARK) :], type=_Named)
        self._callings[one.name] = one.calling
        self._note(one.name)
        return True

    def clear(self) -> None:
        """Forget all."""
        for name in list(self._callings):
            del self._callings[name]
            self._note(name)

    def _reach_one(self, name: str, now_us: int) -> list[Calls]:
        """Return what is due of one calling."""
        made = []
        while (due_us := self._callings[name].due_us) is not None and due_us <= now_us:
            made.append(self._advance(name))
        return made

    def _advance(self, name: str) -> Calls:
        calling = self._callings[name]
        turn, place = calling.turn, calling.place
        made = calling.advance(self.people(calling.site))
        self.exhausted += calling.exhausted and calling.due_us is None and calling.purpose == "call"
        self.unreached += calling.place > place and not made.orders
        if calling.turn > turn:
            self._on_turn(name, calling)
        self._note(name)
        return made

    def _times_of(self, name: str) -> list[int]:
        calling = self._callings.get(name)
        due_us = None if calling is None else calling.due_us
        return [] if due_us is None else [due_us]

    def _note(self, name: str) -> None:
        """Take what is new about a calling, or that it is gone."""
        for identity in self._calls.pop(name, ()):
            if self._named.get(identity) == name:
                del self._named[identity]
        calling = self._callings.get(name)
        if calling is not None and (ids := calling.ids()):
            self._calls[name] = ids
            self._named.update(dict.fromkeys(ids, name))
        self._agenda.note(name)
