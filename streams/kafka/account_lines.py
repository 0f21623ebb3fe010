"""Carries accounts down a step: each installation tells the regions right below what they may have.

Both ends compare what they want with what is there in the other's topic, which is compacted: nothing has to
be written down, and what was missed is noticed. Every few seconds it is said that all is told; so a region
knows how new its accounts are, and that it is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from streams import codec
from streams.account_sharing import FromAbove, Shared, Told, grown, key_of, message_of
from streams.kafka.bridge import WAIT_S, Side
from streams.kafka.output import Message, Output
from streams.kafka.reader import Read, Reader
from streams.records import Change, Changes, Heard, Record
from streams.topics import REGIONAL_ACCOUNTS, REGISTRY, Topic, accounts_for

log = structlog.get_logger()

HEARD_S = 10.0
"""How often it is said that all is told."""
HEARD_KEY = b"heard"
SLICE = 500


@dataclass(slots=True)
class _Wire:
    """What both ends have: readers that are open, and an output."""

    name: str
    target: Side
    sent: int = 0
    unreadable: int = 0
    readers: list[Reader] = field(default_factory=list)
    output: Output = field(init=False)

    def __post_init__(self) -> None:
        self.output = Output(self.target.kafka, f"groundswell-bridge-{self.name}")

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        return self.output.error or next((one.error for one in self.readers if one.error), "")

    @contextlib.asynccontextmanager
    async def reading(self, side: Side, *topics: Topic) -> AsyncIterator[Reader]:
        """Read topics from their begin."""
        reader = Reader(side.kafka, topics, {}, side.prefix)
        self.readers.append(reader)
        try:
            await reader.start()
            yield reader
        finally:
            self.readers.remove(reader)
            await reader.stop()

    async def all_of(self, side: Side, *topics: Topic) -> list[tuple[Topic, Record]]:
        """Return all that is in topics now."""
        found = []
        async with self.reading(side, *topics) as reader:
            while not await reader.is_at_end():
                found += self.decoded(await reader.next(WAIT_S))
        return found

    def decoded(self, read: Iterable[Read]) -> list[tuple[Topic, Record]]:
        """Return batches; what cannot be read is counted."""
        found = []
        for one in read:
            try:
                found.append((one.topic, codec.decode(one.value)))
            except codec.CodecError as error:
                self.unreadable += 1
                log.error("a message cannot be read", topic=one.topic.name, offset=one.offset, why=str(error))
        return found

    async def tell(self, topic: Topic, changes: Sequence[Change]) -> None:
        """Send accounts; return when they are there."""
        name = self.target.prefix + topic.name
        for begin in range(0, len(changes), SLICE):
            some = changes[begin : begin + SLICE]
            await self.output.send([Message(name, 0, message_of(one), key=key_of(one)) for one in some])
            self.sent += len(some)

    async def say(self, topic: Topic, heard: Heard) -> None:
        """Say how new all of it is."""
        name = self.target.prefix + topic.name
        await self.output.send([Message(name, 0, codec.encode(heard), key=HEARD_KEY)])


@dataclass(slots=True)
class AccountTeller:
    """Tells the regions right below which accounts hold there.

    Parameters
    ----------
    here
        The installation's own Kafka, where each region reads a topic of its own.
    changed
        Called when a region may have other accounts than before.
    """

    region: str
    children: Sequence[str]
    here: Side
    clock_us: Callable[[], int]
    changed: Callable[[], None]
    shared: Shared = field(default_factory=Shared)
    known: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all accounts are known."""
    told: dict[str, Told] = field(init=False)
    wire: _Wire = field(init=False)
    _heard: Heard | None = None
    """Of the regions above."""

    def __post_init__(self) -> None:
        self.told = {child: Told(child) for child in self.children}
        self.wire = _Wire(f"{self.region}/accounts-down", self.here)

    @property
    def name(self) -> str:
        """For people."""
        return self.wire.name

    @property
    def sent(self) -> int:
        """Accounts that were told."""
        return self.wire.sent

    @property
    def left_out(self) -> int:
        """Messages and accounts that could not be read or are too many."""
        return self.wire.unreadable

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        if found := self.wire.error:
            return f"{self.name}: {found}"
        if self.known.is_set():
            return ""
        return (
            f"{self.name}: has not begun yet; if it stays so, run `groundswell topics apply --config` "
            f"with this file, at {self.here.kafka.servers}"
        )

    async def run(self) -> None:
        """Tell until cancelled; a Kafka that is away is waited for."""
        try:
            by_topic = {accounts_for(child): told for child, told in self.told.items()}
            for topic, batch in await self.wire.all_of(self.here, *by_topic):
                if isinstance(batch, Changes):
                    by_topic[topic].learn(batch)
            async with self.wire.reading(self.here, REGISTRY, REGIONAL_ACCOUNTS) as reader:
                while not await reader.is_at_end():
                    self._take(await reader.next(WAIT_S))
                self.known.set()
                await self._tell(None)
                await self._follow(reader)
        finally:
            await self.wire.output.close()

    async def _follow(self, reader: Reader) -> None:
        clock_s, due_s = asyncio.get_running_loop().time, 0.0  # one that nobody sets back
        while True:
            if identities := self._take(await reader.next(WAIT_S)):
                await self._tell(identities)
            if clock_s() >= due_s:
                due_s, now_us = clock_s() + HEARD_S, self.clock_us()
                above = [] if self._heard is None else grown(self._heard.ages_us, self._heard.at_us, now_us)
                for child in self.children:
                    await self.wire.say(accounts_for(child), Heard(at_us=now_us, ages_us=[0, *above]))

    def _take(self, read: Iterable[Read]) -> list[str]:
        identities: list[str] = []
        for topic, batch in self.wire.decoded(read):
            if isinstance(batch, Heard):
                self._heard = batch
            elif isinstance(batch, Changes):
                take = self.shared.take_own if topic is REGISTRY else self.shared.take_above
                identities += take(batch)
        return identities

    async def _tell(self, identities: Sequence[str] | None) -> None:
        for child, told in self.told.items():
            due = told.due(self.shared, identities)
            await self.wire.tell(accounts_for(child), due)
            told.learn(Changes(changes=due))
            if due:
                self.changed()


@dataclass(slots=True)
class AccountReceiver:
    """Brings a region the accounts that hold there, from its parent's Kafka.

    Parameters
    ----------
    above, here
        The parent's Kafka and its own.
    """

    region: str
    above: Side
    here: Side
    clock_us: Callable[[], int]
    known: FromAbove = field(default_factory=FromAbove)
    heard_us: int = 0
    """When the parent said last that all is told, by the region's clock."""
    wire: _Wire = field(init=False)
    _is_begun: bool = False

    def __post_init__(self) -> None:
        self.wire = _Wire(f"{self.region}/accounts-in", self.here)

    @property
    def name(self) -> str:
        """For people."""
        return self.wire.name

    @property
    def sent(self) -> int:
        """Accounts that were told."""
        return self.wire.sent

    @property
    def left_out(self) -> int:
        """Messages and accounts that could not be read or are too many."""
        return self.wire.unreadable + self.known.left_out

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        if found := self.wire.error:
            return f"{self.name}: {found}"
        if self._is_begun:
            return ""
        return (
            f"{self.name}: has heard nothing of accounts yet; if it stays so, see whether the parent's "
            f"bridge runs, and `groundswell topics apply --config` was run there and here"
        )

    async def run(self) -> None:
        """Carry until cancelled; a Kafka that is away is waited for."""
        try:
            for _, batch in await self.wire.all_of(self.here, REGIONAL_ACCOUNTS):
                if isinstance(batch, Changes):
                    self.known.learn(batch)
            async with self.wire.reading(self.above, accounts_for(self.region)) as reader:
                while not await reader.is_at_end():
                    await self._take(await reader.next(WAIT_S), is_new=False)
                while True:
                    await self._take(await reader.next(WAIT_S), is_new=True)
        finally:
            await self.wire.output.close()

    async def _take(self, read: Iterable[Read], *, is_new: bool) -> None:
        """Hand on what the parent says; what it said before this program began is no sign of its life."""
        heard: Heard | None = None
        changes: list[Change] = []
        for _, batch in self.wire.decoded(read):
            if isinstance(batch, Heard):
                heard = batch
            elif isinstance(batch, Changes):
                changes += self.known.take(batch)
        await self.wire.tell(REGIONAL_ACCOUNTS, changes)
        if heard is None or not is_new:
            return
        if not self._is_begun:  # the parent had said everything before
            await self.wire.tell(REGIONAL_ACCOUNTS, self.known.settle())
            self._is_begun = True
        self.heard_us = self.clock_us()
        await self.wire.say(REGIONAL_ACCOUNTS, Heard(at_us=self.heard_us, ages_us=heard.ages_us))
