"""What casters tell, from region to region: who gets streams, and how much accounts have had.

Nothing is written down of how far it has come. A session is told again each minute, volumes are a compacted
topic that is read from its begin: what is lost or sent twice changes no count. What waited for too long on
one side of a cut is not told as if it were now.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from streams import codec
from streams.count_sharing import (
    Counts,
    Guard,
    MayHave,
    counts_down,
    counts_in,
    counts_up,
    is_late,
    without_present,
)
from streams.kafka.bridge import WAIT_S, Rate, Side
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.records import CasterSessions, CasterVolumes, Record
from streams.regions import Share
from streams.topics import (
    MESSAGE_BYTES,
    REGIONAL_SESSIONS,
    REGIONAL_VOLUMES,
    SESSIONS,
    VOLUMES,
    Topic,
    sessions_for,
    sessions_of,
    volumes_for,
    volumes_of,
)

log = structlog.get_logger()

READ_BYTES = 2_000_000
FORGET_US = 10_000_000
BYTES_A_SECOND = 1_000_000.0
"""That is looked at of what one region below tells."""
HERE = (SESSIONS, REGIONAL_SESSIONS, VOLUMES, REGIONAL_VOLUMES)

Route = Callable[[Record], Iterable[tuple[Topic, Counts]]]
"""To which topics a message goes, and as what."""


@dataclass(slots=True)
class Line:
    """Carries counts from some topics to others.

    Parameters
    ----------
    name
        For people.
    topics, source
        What is read, and where.
    route, target
        What becomes of it, and where it goes.
    rate
        None: as fast as possible.
    """

    name: str
    topics: Sequence[Topic]
    source: Side
    route: Route
    target: Side
    rate: Rate | None = None
    sent: int = 0
    after: asyncio.Event | None = None
    """Set before anything can be carried; None: at once."""
    unreadable: int = 0
    """Messages left out: damaged, a newer program's, or too large with longer ids."""
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: all volumes are to be told again, since others may go."""
    _output: Output = field(init=False)
    _reader: Reader | None = None
    _is_begun: bool = False

    def __post_init__(self) -> None:
        self._output = Output(self.target.kafka, f"groundswell-bridge-{self.name}")

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        reading = self._reader.error if self._reader is not None else ""
        if found := reading or self._output.error:
            return f"{self.name}: {found}"
        if self._is_begun:
            return ""
        return (
            f"{self.name}: has not begun yet; if it stays so, run `groundswell topics apply --config` at "
            f"{self.source.kafka.servers}, and see what rights users have"
        )

    async def run(self) -> None:
        """Carry until cancelled; a Kafka that is away is waited for."""
        try:
            if self.after is not None:
                await self.after.wait()
            while True:
                self.again.clear()
                await self._carry()
        finally:
            await self._output.close()

    async def _carry(self) -> None:
        reader = self._reader = Reader(self.source.kafka, self.topics, {}, self.source.prefix, READ_BYTES)
        try:
            await reader.start()
            self._is_begun = True
            while not self.again.is_set():
                read = await reader.next(WAIT_S)
                if self.rate is not None and read:
                    await self.rate.wait(sum(len(one.value) for one in read))
                await self._output.send([m for one in read for m in self._messages(one.value)])
        finally:
            await reader.stop()

    def _messages(self, value: bytes) -> list[Message]:
        try:
            found = list(self.route(codec.decode(value)))
        except codec.CodecError as error:
            self.unreadable += 1
            log.error("what a caster tells cannot be read", name=self.name, why=str(error))
            return []
        made = []
        for topic, counts in found:
            message = codec.encode(counts)
            if len(message) > MESSAGE_BYTES:
                self.unreadable += 1
                continue
            made.append(Message(self.target.prefix + topic.name, 0, message, key=_key(counts)))
        self.sent += len(made)
        return made


@dataclass(slots=True)
class Exchange:
    """All lines of counts of one installation.

    Parameters
    ----------
    region
        Its name.
    children
        Names of the regions right below, and whether what each tells counts.
    may_have, known
        Whether a region below may have an account, and set when that is known.
    clock_us
        UTC.
    """

    region: str
    children: dict[str, bool]
    may_have: Callable[[str, str], bool]
    known: asyncio.Event
    clock_us: Callable[[], int]
    here: Side
    above: Side | None
    rule: Share
    steady_us: Callable[[], int]
    lines: list[Line] = field(init=False)
    late: Counter[str] = field(default_factory=Counter)
    """Sessions that waited for too long, by line."""
    _guards: dict[str, Guard] = field(init=False)
    _forget_us: int = 0

    def __post_init__(self) -> None:
        self._guards = {child: Guard(child, self._of(child)) for child in self.children}
        self.lines = [
            Line(
                f"{child}/counts", (sessions_of(child), volumes_of(child)), self.here, self._guarded(child),
                self.here, Rate(BYTES_A_SECOND, self.steady_us), after=self.known,
            )
            for child in self.children
        ]  # fmt: skip
        if self.children:
            name = f"{self.region}/counts-down"
            self.lines.append(Line(name, HERE, self.here, self._down, self.here, after=self.known))
        if self.above is not None and self.rule != "none":
            name, topics = f"{self.region}/counts", HERE
            self.lines.append(Line(name, topics, self.here, self._up, self.above))
        if self.above is not None:
            elsewhere = (sessions_for(self.region), volumes_for(self.region))
            name = f"{self.region}/counts-in"
            self.lines.append(Line(name, elsewhere, self.above, self._in, self.here))

    def refused(self) -> dict[tuple[str, str], int]:
        """Return what was not believed, by region below and reason."""
        return {(g.region, why): n for g in self._guards.values() for why, n in g.refused.copy().items()}

    def tell_again(self) -> None:
        """Tell the volumes of all accounts again: a region may have others now."""
        for line in self.lines:
            if line.route == self._down:
                line.again.set()

    def _of(self, child: str) -> MayHave:
        return lambda account: self.may_have(child, account)

    def _guarded(self, child: str) -> Route:
        guard = self._guards[child]

        def route(batch: Record) -> Iterable[tuple[Topic, Counts]]:
            now_us = self.clock_us()
            if now_us >= self._forget_us:
                self._forget_us = now_us + FORGET_US
                for one in self._guards.values():
                    one.forget(now_us)
            if not self.children[child]:
                return _to(REGIONAL_SESSIONS, REGIONAL_VOLUMES, guard.emptied(batch))
            return _to(REGIONAL_SESSIONS, REGIONAL_VOLUMES, guard(batch, now_us))

        return route

    def _down(self, batch: Record) -> Iterable[tuple[Topic, Counts]]:
        for child in self.children:
            counts = counts_down(self._timely(batch, "down"), child, self._of(child))
            yield from _to(sessions_for(child), volumes_for(child), counts)

    def _up(self, batch: Record) -> Iterable[tuple[Topic, Counts]]:
        counts = counts_up(self._timely(batch, "up"), self.region, self.rule)
        return _to(sessions_of(self.region), volumes_of(self.region), counts)

    def _in(self, batch: Record) -> Iterable[tuple[Topic, Counts]]:
        counts = counts_in(self._timely(batch, "in"), self.region)
        return _to(REGIONAL_SESSIONS, REGIONAL_VOLUMES, counts)

    def _timely(self, batch: Record, line: str) -> Counts:
        if not isinstance(batch, CasterSessions | CasterVolumes):
            raise codec.CodecError(f"{type(batch).__name__} in the place of counts")
        if not is_late(batch, self.clock_us()):
            return batch
        self.late[line] += len(batch.present) if isinstance(batch, CasterSessions) else 0
        return without_present(batch)


def _to(sessions: Topic, volumes: Topic, counts: Counts | None) -> list[tuple[Topic, Counts]]:
    if counts is None:
        return []
    return [(volumes if isinstance(counts, CasterVolumes) else sessions, counts)]


def _key(counts: Counts) -> bytes:
    if isinstance(counts, CasterVolumes):
        return f"{counts.caster}/{counts.share}".encode()
    return counts.caster.encode()
