"""One network that is listened to: what its members told, put into one order, whoever brought it first.

Members are judged in several partitions. Each tells in the order of its own time, and now and then how far it
has come; what was told before the slowest of them is taken, in the order of time, then of names. So a result
does not depend on which partition is ahead. Whoever is behind by more than `PATIENCE_US` is not waited for.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from sensors.detectors.finding import Finding
from sensors.networks import (
    Forward,
    MemberFinding,
    MemberSample,
    Network,
    Said,
    find_network_kind,
    read_network,
)
from streams.network_definition import NetworkDefinition
from streams.network_records import Telling
from streams.records import Detection

PATIENCE_US = 120_000_000
MOST_WAITING = 20_000
"""Of tellings of one network; more are taken without waiting for whoever is behind."""
FOR_EVER_US = 2**61
_MOST_STEPS = 100_000


class ListeningState(msgspec.Struct, array_like=True):
    """What is known of a network."""

    network: str
    definition: NetworkDefinition
    version: str
    clocks: dict[str, int]
    waiting: list[tuple[int, str, int, Telling]]
    taken: int
    now_us: int
    late: int
    begun: list[Detection]
    state: bytes


class Listening:
    """A network, and what was told.

    Parameters
    ----------
    identity, definition
        The network.
    stations
        Site of each member.
    """

    def __init__(self, identity: str, definition: NetworkDefinition, stations: dict[str, str]) -> None:
        kind = find_network_kind(definition.kind)
        parameters = read_network(definition.kind, definition.parameters)
        self.identity, self.definition = identity, definition
        self.version = kind.version
        self.decides: bool = parameters.decides()
        self.now_us = 0
        self.late = 0
        """Tellings that came when others of a later time had been taken."""
        self.failures = 0
        self.last_failure = ""
        self.begun: dict[tuple[str, int], Detection] = {}
        """The network's own findings that have not ended, by rule and onset."""
        self._stations = stations
        self._make: Callable[[], Network] = partial(
            kind.make, parameters, definition.name or identity, stations
        )
        self._network = self._make()
        self._clocks: dict[str, int] = {}
        self._waiting: list[tuple[int, str, int, Telling]] = []
        self._taken = 0

    def hear(self, telling: Telling) -> bool:
        """Take a telling; False: it is of nobody who is a member."""
        members = [one for one in telling.members if one in self._stations]
        if not members:
            return False
        if telling.finding is not None or telling.sample is not None:
            self._taken += 1
            insort(self._waiting, (telling.told_us, members[0], self._taken, telling), key=_order)
        else:
            for one in members:
                self._clocks[one] = max(self._clocks.get(one, 0), telling.told_us)
        return True

    def said(self) -> Iterator[tuple[int, Said]]:
        """Yield what there is to say now, each with its time."""
        clock_us = self._clock_us()
        n = 0
        for told_us, _, _, telling in self._waiting:
            if told_us >= clock_us and len(self._waiting) - n <= MOST_WAITING:
                break
            n += 1
            yield from self._pass_time(told_us)
            self.late += told_us < self.now_us
            self.now_us = max(self.now_us, told_us)
            yield from self._take(telling)
        del self._waiting[:n]
        if clock_us:
            yield from self._pass_time(clock_us)

    def give_up(self) -> Iterator[tuple[int, Said]]:
        """Yield what has to be said when nobody listens any more: no member's finding is lost."""
        waiting, self._waiting = self._waiting, []
        for told_us, _, _, telling in waiting:
            self.now_us = max(self.now_us, told_us)
            yield from self._take(telling)
        yield from self._pass_time(FOR_EVER_US, self.now_us)

    def go_on_from(self, state: ListeningState) -> None:
        """Go on with what was known, also in another way: what the kind cannot take back begins anew."""
        self._clocks = {name: at for name, at in state.clocks.items() if name in self._stations}
        self._waiting = [one for one in state.waiting if one[1] in self._stations]
        self._taken, self.now_us, self.late = state.taken, state.now_us, state.late
        self.begun = {(one.detector, one.onset_us): one for one in state.begun}
        if (state.definition.kind, state.version) != (self.definition.kind, self.version):
            return
        try:
            self._network.restore(state.state)
        except (msgspec.MsgspecError, ValueError) as error:
            self._fail(error)

    def state(self) -> ListeningState:
        """Return what is known."""
        return ListeningState(
            self.identity,
            self.definition,
            self.version,
            self._clocks,
            self._waiting,
            self._taken,
            self.now_us,
            self.late,
            list(self.begun.values()),
            self._network.snapshot(),
        )

    def counts(self) -> dict[str, int]:
        """How often something was left out."""
        return {
            "late_tellings": self.late,
            "network_failures": self.failures,
            **{f"network_{name}": n for name, n in self._network.counts().items()},
        }

    def _clock_us(self) -> int:
        """Return until when everybody has told, who is not too far behind; 0: that is not known."""
        clocks = self._clocks.values()
        return max(min(clocks), max(clocks) - PATIENCE_US) if clocks else 0

    def _take(self, telling: Telling) -> Iterator[tuple[int, Said]]:
        told = self._told(telling)
        if told is None:
            return
        try:
            said = self._network.take(told)
        except Exception as error:  # noqa: BLE001 - one network's fault is nobody else's
            self._fail(error)
            said = []
            if self.decides and isinstance(told, MemberFinding):  # better told alone than not at all
                evidence = {"why": "the network could not judge it"}
                said.append(Forward(found=told, level=told.finding.level, evidence=evidence))
        for one in said:
            yield self.now_us, one

    def _pass_time(self, until_us: int, at_us: int | None = None) -> Iterator[tuple[int, Said]]:
        """Yield what time alone makes, at its times (all at `at_us`, where that is given)."""
        for _ in range(_MOST_STEPS):
            due_us = self._network.due_us()
            if due_us is None or due_us > until_us:
                break
            now_us = max(due_us, self.now_us) if at_us is None else at_us
            self.now_us = max(self.now_us, now_us)
            try:
                said = self._network.advance(max(due_us, now_us))
            except Exception as error:  # noqa: BLE001 - one network's fault is nobody else's
                self._fail(error)
                break
            for one in said:
                yield now_us, one
        if at_us is None:
            self.now_us = max(self.now_us, until_us)

    def _told(self, telling: Telling) -> MemberFinding | MemberSample | None:
        member = next(one for one in telling.members if one in self._stations)
        if telling.sample is not None:
            one = telling.sample
            return MemberSample(
                member=member,
                station=self._stations[member],
                told_us=self.now_us,
                time_us=one.time_us,
                value=one.value,
                received_at_us=one.received_at_us,
                revision=one.revision,
                flag=one.flag,
                flags=one.flags,
            )
        found = telling.finding
        if found is None:
            return None
        finding = Finding(
            phase=found.phase,
            level=found.level,
            onset_us=found.onset_us,
            at_us=found.at_us,
            title=found.title,
            value=found.value,
            threshold=found.threshold,
            evidence=found.evidence,
        )
        return MemberFinding(
            member=member,
            station=self._stations[member],
            rule=found.detector,
            told_us=self.now_us,
            finding=finding,
            unit=found.unit,
            version=found.version,
        )

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        self.last_failure = f"{type(error).__name__}: {error}"[:300]
        self._network = self._make()


def _order(one: tuple[int, str, int, Telling]) -> tuple[int, str, int]:
    return one[:3]
