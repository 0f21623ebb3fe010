"""All callings that go on, by name: what becomes due of them in the order of its times."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

import msgspec

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
        return self._reach_one(name, max(self.now_us, at_us))

    def end(self, name: str, at_us: int) -> Calls:
        """Forget one; return which of its calls are not needed any more, and who was late."""
        calling = self._callings.pop(name, None)
        if calling is None:
            return Calls()
        late = [one for one in calling.attempts if not one.over and one.deadline_us <= at_us]
        return Calls(
            answers=[calling.answer(one, "unreachable", one.deadline_us) for one in late],
            withdrawn=calling.ids(),
        )

    def receive(self, call_id: str, *, refused: bool) -> Calls:
        """Take that a call was refused, or failed; return what comes of it."""
        for name, calling in self._callings.items():
            if call_id in calling.ids():
                made = calling.receive(call_id, refused=refused, at_us=self.now_us)
                return joined([made, *self._reach_one(name, self.now_us)])
        return Calls()

    def decide(self, name: str, by: str, answer: AnswerName) -> Calls:
        """Take what somebody says in a consultation; return it, and which calls are not needed any more."""
        calling = self._callings.get(name)
        for one in () if calling is None else calling.attempts:
            if calling is not None and self._plans.is_person(by, one.person):
                one.over, withdrawn, one.ids = True, one.ids, []
                return Calls(answers=[calling.answer(one, answer, self.now_us)], withdrawn=withdrawn)
        return Calls()

    def reach(self, now_us: int) -> list[Calls]:
        """Let time go on; return what becomes due until then, in the order of its times."""
        if now_us <= self.now_us:
            return []
        made = []
        due = [
            (at_us, name)
            for name, one in self._callings.items()
            if (at_us := one.due_us) is not None and at_us <= now_us
        ]
        heapq.heapify(due)
        while due:
            at_us, name = heapq.heappop(due)
            self.now_us = max(self.now_us, at_us)
            made.append(self._advance(name))
            if (next_us := self._callings[name].due_us) is not None and next_us <= now_us:
                heapq.heappush(due, (next_us, name))
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
        return True

    def clear(self) -> None:
        """Forget all."""
        self._callings.clear()

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
        return made
