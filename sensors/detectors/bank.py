"""Banks: the detectors of one kind over many series, as columns.

What a detector knows of one series is one record of a structured array, its slot; its limits are another.
A kernel takes samples of many series in the order they came, and stops where there is something to say, so
that Python runs for crossings only. Whoever tells them sees the state as it was there, and the findings do
not depend on how the samples are cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import compress, crc32, decompress

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.detectors.finding import Finding, Samples, Subject

Parameters = TypeVar("Parameters", bound=msgspec.Struct)

CROSSING = np.dtype(
    [
        ("slot", "i8"),
        ("row", "i8"),  # of the samples taken; -1: time made it
        ("code", "i8"),  # what happened, in the kind's own numbers
        ("level", "i8"),  # an index of LEVELS
        ("onset_us", "i8"),
        ("at_us", "i8"),
        ("value", "f8"),
        ("threshold", "f8"),
        ("extra", "f8", (4,)),  # for the words
    ]
)
"""One thing that a kernel has to say."""

MAX_CROSSINGS = 8
"""So many may come of one sample, or of one slot when time passes."""


class Rows(NamedTuple):
    """Samples of many series in the order they came; columns of shape (n,).

    Those of one input of one slot are each newer than the one before, except after a clock was set back.
    """

    slot: NDArray[np.int64]
    role: NDArray[np.int64]
    """0: the series itself; from 1 on: the kind's further inputs, in their order."""
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    usable: NDArray[np.bool_]
    """False: there is no value, or the instrument cannot have measured it. Suspect samples are usable."""
    received_at_us: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Kind(Generic[Parameters]):
    """One kind of detector: its columns, its kernels and its words."""

    name: str
    version: str
    parameters: type[Parameters]
    limits: np.dtype[np.void]
    """What kernels need of the parameters."""
    state: np.dtype[np.void]
    """What is known of one series; all zero at the beginning. A few kB at most: all of it is snapshotted."""
    settle: Callable[[Parameters, Any], None]
    """Fills the record `limits` from the parameters."""
    take: Callable[..., tuple[int, int]]
    """Kernel: `take(limits, state, slot, role, time_us, value, usable, received_at_us, begin, crossings)`
    takes the samples from row `begin` on, and returns behind the first that fills rows of `crossings`
    (shape (MAX_CROSSINGS,), `CROSSING`): the next row, and how many rows it filled."""
    tick: Callable[..., tuple[int, int]]
    """Kernel: `tick(limits, state, live, now_us, begin, crossings)` lets receiving time reach `now_us`
    for the slots from `begin` on that are `live`; returns as `take` does, with slots instead of rows."""
    tell: Callable[[Parameters, Any, Any, Subject], Finding]
    """Makes words and evidence of parameters, state, crossing and subject; changes nothing."""
    inputs: Callable[[Parameters], tuple[str, ...]] = lambda _: ()
    """Returns the names of the datastreams that it needs besides its own, in the order of their roles."""
    memory_s: Callable[[Parameters], float] = lambda parameters: 2.0 * longest_s(parameters)
    """Returns after how long what it has seen changes nothing any more: who rehearses an event begins so much
    earlier."""


_DURATION = re.compile(r"(?<!_m)(?<!_m3)(?<!per)_s$")


def longest_s(parameters: msgspec.Struct) -> float:
    """Return the longest of the times that parameters name, in s; 0: they name none."""
    named = (name for name in parameters.__struct_fields__ if _DURATION.search(name))
    times = (getattr(parameters, name) for name in named)
    return max((float(one) for one in times if isinstance(one, float | int)), default=0.0)


class Told(NamedTuple):
    """A finding, and where it comes from."""

    slot: int
    row: int
    finding: Finding


Fails = Callable[[int, Exception], None]
"""Is told of a slot that has begun anew, and why."""


class Bank(Generic[Parameters]):
    """All detectors of one kind.

    A slot's number may be used again once it was removed.

    Parameters
    ----------
    kind
        What they are.
    fails
        Is told of slots that failed and have begun anew; None: errors are raised. A kernel that fails over
        many slots does not say at which: all whose samples it had begin anew, once, and from then on each
        slot is given to it alone.
    """

    def __init__(self, kind: Kind[Parameters], fails: Fails | None = None) -> None:
        self.kind = kind
        self.version = kind.version
        self._fails = fails
        self._alone = False
        """A kernel has failed: each slot goes alone."""
        self.limits: NDArray[Any] = np.zeros(0, kind.limits)
        self.state: NDArray[Any] = np.zeros(0, kind.state)
        self.live = np.zeros(0, np.bool_)
        self._free: list[int] = []
        self._told: list[tuple[Parameters, Subject] | None] = []
        self._crossings: NDArray[Any] = np.zeros(MAX_CROSSINGS, CROSSING)
        self._layout = crc32(f"{kind.version} {kind.state.descr}".encode())

    def prepare(self) -> None:
        """Compile the kernels, or read what was compiled."""
        none = np.zeros(0, np.int64)
        rows = Rows(none, none, none, np.zeros(0), np.zeros(0, np.bool_), none)
        self.kind.take(self.limits, self.state, *rows, 0, self._crossings)
        self.kind.tick(self.limits, self.state, self.live, 0, 0, self._crossings)

    def add(self, parameters: Parameters, subject: Subject) -> int:
        """Return the slot of one more series."""
        if not self._free:
            n = len(self.live)
            more = max(n, 4)
            self.limits = np.concatenate([self.limits, np.zeros(more, self.kind.limits)])
            self.state = np.concatenate([self.state, np.zeros(more, self.kind.state)])
            self.live = np.concatenate([self.live, np.zeros(more, np.bool_)])
            self._told += [None] * more
            self._free = list(range(n + more - 1, n - 1, -1))
        slot = self._free.pop()
        self.live[slot] = True
        self.forget(slot)
        self.renew(slot, parameters, subject)
        return slot

    def renew(self, slot: int, parameters: Parameters, subject: Subject) -> None:
        """Go on with other limits, or other words."""
        self._told[slot] = (parameters, subject)
        self.limits[slot] = np.zeros((), self.kind.limits)
        self.kind.settle(parameters, self.limits[slot])

    def remove(self, slot: int) -> None:
        """Watch this series no more."""
        self.live[slot], self._told[slot] = False, None
        self._free.append(slot)

    def forget(self, slot: int) -> None:
        """Begin anew."""
        self.state[slot] = np.zeros((), self.kind.state)

    def on_rows(self, rows: Rows) -> Iterator[Told]:
        """Take samples; yield what there is to say, each while the state stands where it was found."""
        if not self._alone:
            yield from self._take(rows)
            return
        order = np.argsort(rows.slot, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(rows.slot[order])) + 1):
            for told in self._take(Rows._make(column[places] for column in rows)):
                row = int(places[told.row])
                yield Told(told.slot, row, msgspec.structs.replace(told.finding, sample=row))

    def on_time(self, now_us: int) -> Iterator[Told]:
        """Let receiving time go on."""
        begin, n = 0, len(self.live)
        while begin < n and not self._alone:
            try:
                begin, found = self.kind.tick(
                    self.limits, self.state, self.live, now_us, begin, self._crossings
                )
            except Exception:
                if self._fails is None:
                    raise
                self._alone = True  # those before the one that failed had nothing to say, and are asked again
            else:
                yield from self._say(found)
        for slot in np.flatnonzero(self.live[begin:]).tolist() if begin < n else ():
            yield from self._tick_alone(begin + slot, now_us)

    def snapshot(self, slot: int) -> bytes:
        """Return what is known of a series."""
        return self._layout.to_bytes(4, "little") + compress(self.state[slot].tobytes(), 1)

    def restore(self, slot: int, state: bytes) -> None:
        """Take back what `snapshot` gave.

        Raises
        ------
        msgspec.DecodeError
            Another version wrote it.
        """
        if int.from_bytes(state[:4], "little") != self._layout:
            raise msgspec.DecodeError(f"the state of a detector {self.kind.name} is of another version")
        self.state[slot] = np.frombuffer(decompress(state[4:]), self.kind.state)[0]

    def _take(self, rows: Rows) -> Iterator[Told]:
        begin = 0
        while begin < len(rows.slot):
            try:
                begin, found = self.kind.take(self.limits, self.state, *rows, begin, self._crossings)
            except Exception as error:
                if self._fails is None:
                    raise
                self._alone = True
                for slot in np.unique(rows.slot[begin:]).tolist():
                    self._begin_anew(slot, error)
                return
            yield from self._say(found)

    def _tick_alone(self, slot: int, now_us: int) -> Iterator[Told]:
        one = slice(slot, slot + 1)
        try:
            _, found = self.kind.tick(
                self.limits[one], self.state[one], self.live[one], now_us, 0, self._crossings
            )
        except Exception as error:
            if self._fails is None:
                raise
            self._begin_anew(slot, error)
            return
        self._crossings["slot"][:found] = slot
        yield from self._say(found)

    def _say(self, found: int) -> Iterator[Told]:
        for crossing in self._crossings[:found]:
            slot, row = int(crossing["slot"]), int(crossing["row"])
            told = self._told[slot]
            if told is None:
                continue
            parameters, subject = told
            try:
                finding = self.kind.tell(parameters, self.state[slot], crossing, subject)
            except Exception as error:
                if self._fails is None:
                    raise
                self._begin_anew(slot, error)
                return  # what else was found is of the same sample, and of what was known before
            yield Told(slot, row, msgspec.structs.replace(finding, sample=row))

    def _begin_anew(self, slot: int, error: Exception) -> None:
        self.forget(slot)
        if self._fails is not None:
            self._fails(slot, error)


class OneSeries(Generic[Parameters]):
    """A bank of one slot: the watch over one series."""

    def __init__(self, kind: Kind[Parameters], parameters: Parameters, subject: Subject) -> None:
        self.version = kind.version
        self._bank = Bank(kind)
        self._slot = self._bank.add(parameters, subject)

    def on_samples(self, samples: Samples, role: int = 0) -> list[Finding]:
        """Take samples of one input, each newer than the one before, except after a clock was set back."""
        slot = np.full(len(samples.time_us), self._slot)
        rows = Rows(slot, np.full_like(slot, role), *samples)
        return [told.finding for told in self._bank.on_rows(rows)]

    def on_time(self, now_us: int) -> list[Finding]:
        """Receiving time reached `now_us`: end what nobody reports on any more."""
        return [told.finding for told in self._bank.on_time(now_us)]

    def snapshot(self) -> bytes:
        """Return the state."""
        return self._bank.snapshot(self._slot)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._bank.restore(self._slot, state)
