"""QARTOD test 11 over sites: kind `neighbor`, whose verdicts are revisions of earlier samples.

`sensors/quality/neighbor.py` looks at a series of the same site. Here the members are series of several sites
that should agree: each sample, less the member's known offset, is held against the median of what all had at
its time, of two against the other one. It is judged when the others had `wait_s` to tell theirs. Of two
nobody can say which is wrong, and both are marked; of more the one that is apart is. A neighbour's sample
that is missing or has failed does not count, nor does one that is farther in time than `tolerance_s`; where
fewer than `least` are left the flag stays as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

import msgspec
import numpy as np

from sensors.networks import (
    MemberFinding,
    MemberSample,
    NetworkKind,
    NetworkParameters,
    Said,
    Verdict,
    register,
)
from sensors.quality import FAIL, MISSING, PASS, SUSPECT

VERSION = "1"
TEST = "neighbor"
MOST_SAMPLES = 500
"""Of a member: older ones are forgotten."""


class NeighborParameters(NetworkParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, in the members' unit. The manual's example for water levels is 0.03 and 0.05 m."""

    suspect: float
    fail: float | None = None
    tolerance_s: float = 180.0
    """Half a sampling period of six minutes."""
    wait_s: float = 600.0
    least: int = 1
    """Neighbours that are needed."""
    offsets: dict[str, float] = msgspec.field(default_factory=dict)
    """Of members whose zero differs: what is taken off."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not 0 < self.suspect <= (self.suspect if self.fail is None else self.fail):
            raise ValueError("0 < suspect <= fail must hold")
        if not 0 <= self.tolerance_s <= 86_400 or not 0 < self.wait_s <= 86_400 or self.least < 1:
            raise ValueError("tolerance_s and wait_s are a day at most, wait_s above 0, least 1 or more")
        if not all(np.isfinite(offset) for offset in self.offsets.values()):
            raise ValueError("offsets must be numbers")


class _Sample(msgspec.Struct):
    known: MemberSample
    is_judged: bool = False


class _State(msgspec.Struct, array_like=True):
    samples: dict[str, list[_Sample]]
    waiting: list[tuple[int, str, int]]
    unjudged: int


class Neighbors:
    """Implements `sensors.networks.Network`."""

    def __init__(self, parameters: NeighborParameters, name: str, stations: Mapping[str, str]) -> None:
        del name
        self._p = parameters
        self._samples: dict[str, deque[_Sample]] = {one: deque() for one in stations}
        self._waiting: deque[tuple[int, str, int]] = deque()
        """When which member's sample of which time is judged; in that order, since all wait as long."""
        self._unjudged = 0

    def take(self, told: MemberFinding | MemberSample) -> list[Said]:
        """Take a sample, or the newer revision of one."""
        if not isinstance(told, MemberSample) or told.member not in self._samples:
            return []
        mine = self._samples[told.member]
        for one in reversed(mine):
            if one.known.time_us == told.time_us:
                if told.revision <= one.known.revision:
                    return []
                one.known = told
                return self._judge(told) if one.is_judged else []
        mine.append(_Sample(told))
        self._waiting.append((told.told_us + round(self._p.wait_s * 1e6), told.member, told.time_us))
        if len(mine) > MOST_SAMPLES:
            self._unjudged += not mine.popleft().is_judged
        return []

    def due_us(self) -> int | None:
        """Return when the next sample is judged."""
        return self._waiting[0][0] if self._waiting else None

    def advance(self, now_us: int) -> list[Said]:
        """Judge what the others had time for."""
        said: list[Said] = []
        while self._waiting and self._waiting[0][0] <= now_us:
            _, member, time_us = self._waiting.popleft()
            one = next((one for one in self._samples.get(member, ()) if one.known.time_us == time_us), None)
            if one is not None and not one.is_judged:
                one.is_judged = True
                said += self._judge(one.known)
        self._forget(now_us)
        return said

    def counts(self) -> Mapping[str, int]:
        """Samples that were forgotten before they were judged: more came than can be remembered."""
        return {"unjudged": self._unjudged}

    def snapshot(self) -> bytes:
        """Return the state."""
        samples = {name: list(mine) for name, mine in self._samples.items()}
        return msgspec.msgpack.encode(_State(samples, list(self._waiting), self._unjudged))

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        known = msgspec.msgpack.decode(state, type=_State)
        self._unjudged, self._waiting = known.unjudged, deque(known.waiting)
        for name, samples in known.samples.items():
            if name in self._samples:
                self._samples[name] = deque(samples)

    def _forget(self, now_us: int) -> None:
        """Forget what no sample that may still come, or be revised, is held against."""
        long_ago_us = now_us - round(2e6 * (self._p.wait_s + self._p.tolerance_s))
        for mine in self._samples.values():
            while mine and mine[0].is_judged and mine[0].known.told_us < long_ago_us:
                mine.popleft()

    def _judge(self, one: MemberSample) -> list[Said]:
        if one.flag == MISSING or not np.isfinite(one.value):
            return []
        others = [self._at(other, one.time_us) for other in self._samples if other != one.member]
        known = [value for value in others if value is not None]
        if len(known) < self._p.least:
            return []
        mine = one.value - self._p.offsets.get(one.member, 0.0)
        apart = abs(mine - (median([mine, *known]) if len(known) > 1 else known[0]))
        flag = PASS
        if apart > self._p.suspect:
            flag = FAIL if self._p.fail is not None and apart > self._p.fail else SUSPECT
        return [Verdict(sample=one, flag=flag)]

    def _at(self, member: str, time_us: int) -> float | None:
        """Return what a member had at a time; of two as near the earlier one."""
        tolerance_us = round(self._p.tolerance_s * 1e6)
        near = [
            (abs(one.time_us - time_us), one.time_us, one.value)
            for one in (each.known for each in self._samples[member])
            if abs(one.time_us - time_us) <= tolerance_us
            and one.flag not in (FAIL, MISSING)
            and np.isfinite(one.value)
        ]
        return min(near)[2] - self._p.offsets.get(member, 0.0) if near else None


register(NetworkKind("neighbor", VERSION, NeighborParameters, Neighbors, pace_s=10.0))
