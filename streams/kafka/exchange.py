"""What casters tell, from region to region: who gets streams, and how much accounts have had.

Nothing is written down of how far it has come. A session is told again each minute, so a line begins with the
last minutes; volumes are a compacted topic that is read from its begin. What is lost or sent twice changes no
count. What waited for too long on one side of a cut is not told as if it were now.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError

from streams import codec
from streams.count_sharing import (
    LEASE_US,
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
MESSAGE_COST = 200
"""Bytes for which a message counts beside its own."""
RETRY_S = 1.0
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
    clock_us
        UTC.
    rate
        None: as fast as possible.
    after
        Set when anything can be carried; None: at once.
    """

    name: str
    topics: Sequence[Topic]
    source: Side
    route: Route
    target: Side
    clock_us: Callable[[], int]
    rate: Rate | None = None
    after: asyncio.Event | None = None
    sent: int = 0
    left_out: int = 0
    """Messages that were damaged, a newer program's, or too large with longer ids."""
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
        """Carry until volumes are to be told again, or so much waits that it is better left out."""
        begin, loop_s = await self._begin(), asyncio.get_running_loop().time
        reader = self._made(self.topics, begin)
        try:
            await reader.start()
            self._is_begun, heard_s = True, loop_s()
            while not self.again.is_set():
                read = await reader.next(WAIT_S)
                if self.rate is not None and read:
                    await self.rate.wait(sum(len(one.value) + MESSAGE_COST for one in read))
                made = [message for one in read for message in self._messages(one.value)]
                await self._output.send(made)
                self.sent += len(made)
                if loop_s() - heard_s > LEASE_US * 1e-6:
                    return
                if not reader.error:
                    heard_s = loop_s()
        finally:
            await reader.stop()

    async def _begin(self) -> dict[str, dict[int, int]]:
        """Return where to begin: with sessions that may last still, and with all volumes."""
        while True:
            probe = self._made([topic for topic in self.topics if not topic.compacted], {})
            try:
                await probe.start()
                return await probe.since(self.clock_us() - LEASE_US)
            except KafkaError as error:
                log.warning("cannot ask where sessions begin, trying again", name=self.name, why=repr(error))
                await asyncio.sleep(RETRY_S)
            finally:
                await probe.stop()

    def _made(self, topics: Sequence[Topic], begin: dict[str, dict[int, int]]) -> Reader:
        self._reader = Reader(self.source.kafka, topics, begin, self.source.prefix, READ_BYTES)
        return self._reader

    def _messages(self, value: bytes) -> list[Message]:
        try:
            found = list(self.route(codec.decode(value)))
        except codec.CodecError as error:
            self.left_out += 1
            if not self.left_out & (self.left_out - 1):  # at times: it may be somebody who likes that
                log.error("what casters tell cannot be read", name=self.name, n=self.left_out, why=str(error))
            return []
        made = []
        for topic, counts in found:
            message = codec.encode(counts)
            if len(message) > MESSAGE_BYTES:
                self.left_out += 1
                continue
            made.append(Message(self.target.prefix + topic.name, 0, message, key=_key(counts)))
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
    is_below: bool = True
    """Whether accounts from above hold here, so that counts of them go up and down."""
    lines: list[Line] = field(init=False)
    late: Counter[str] = field(default_factory=Counter)
    """Sessions that waited for too long, by line."""
    _guards: dict[str, Guard] = field(init=False)
    _forget_us: int = 0

    def __post_init__(self) -> None:
        self._guards = {child: Guard(child, self._of(child)) for child in self.children}
        self.lines = []
        for child in self.children:
            name, topics = f"{child}/counts-below", (sessions_of(child), volumes_of(child))
            rate = Rate(BYTES_A_SECOND, self.steady_us)
            line = Line(
                name, topics, self.here, self._guarded(child), self.here, self.clock_us, rate, self.known
            )
            self.lines.append(line)
        if self.children:
            name = f"{self.region}/counts-down"
            line = Line(name, HERE, self.here, self._down, self.here, self.clock_us, after=self.known)
            self.lines.append(line)
        if self.above is not None and self.is_below and self.rule != "none":
            name = f"{self.region}/counts"
            self.lines.append(Line(name, HERE, self.here, self._up, self.above, self.clock_us))
        if self.above is not None and self.is_below:
            elsewhere = (sessions_for(self.region), volumes_for(self.region))
            name = f"{self.region}/counts-in"
            self.lines.append(Line(name, elsewhere, self.above, self._in, self.here, self.clock_us))

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
