"""Tells a region's parent what the region has: what differs from what the parent was told, and each change.

The parent's topic is compacted and holds what it was told; it is read at each start. So nothing has to be
written down, and what was deleted from a configuration is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from streams import codec
from streams.describing import Key
from streams.kafka.bridge import WAIT_S, Rate, Side
from streams.kafka.output import Message, Output
from streams.kafka.reader import Read, Reader
from streams.records import Changes, Record
from streams.telling import Due, Telling
from streams.together import together
from streams.topics import REGISTRY, Topic, descriptions_of

log = structlog.get_logger()

SLICE = 500
"""Descriptions that are sent at once."""


@dataclass(slots=True)
class Describer:
    """Carries what a region has.

    Parameters
    ----------
    telling
        What of it is due.
    source, target
        Its own Kafka, its parent's.
    rate
        That it shares with other streams; None: as fast as possible.
    """

    telling: Telling
    source: Side
    target: Side
    rate: Rate | None = None
    sent: int = 0
    sent_bytes: int = 0
    lag: int = 0
    """Objects that differ from what the parent was told."""
    unreadable: int = 0
    """Messages that were left out: damaged, a newer program's, or about what is not their sender's."""
    _readers: list[Reader] = field(default_factory=list)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _output: Output = field(init=False)

    def __post_init__(self) -> None:
        self._output = Output(self.target.kafka, f"groundswell-bridge-{self.name}")

    @property
    def name(self) -> str:
        """Among all that goes to the parent."""
        return f"{self.telling.region}/descriptions"

    @property
    def left_out(self) -> int:
        """Messages and descriptions that do not count."""
        known = self.telling.known
        return self.unreadable + known.unreadable + sum(below.beyond for below in known.below.values())

    @property
    def error(self) -> str:
        """Why nothing goes on right now; empty when all is well."""
        found = self._output.error or next((one.error for one in self._readers if one.error), "")
        if found:
            return f"{self.name}: {found}"
        if self.telling.is_begun:
            return ""
        return (
            f"{self.name}: has not begun yet; if it stays so, name this region in [regions] of the parent's "
            f"file and run `groundswell topics apply --config` with it, at {self.target.kafka.servers}"
        )

    async def run(self) -> None:
        """Tell until cancelled; a Kafka that is away is waited for."""
        try:
            async with self._reading(descriptions_of(self.telling.region), self.target) as reader:
                while not await reader.is_at_end():
                    for one in await reader.next(WAIT_S):
                        self.telling.told(one.value)
            known = self.telling.known
            below = (
                self._follow(descriptions_of(region), partial(known.take_below, region), speaker=region)
                for region in known.below
            )
            await together(self._follow(REGISTRY, self._changed, speaker=""), *below)
        finally:
            await self._output.close()

    @contextlib.asynccontextmanager
    async def _reading(self, topic: Topic, side: Side) -> AsyncIterator[Reader]:
        reader = Reader(side.kafka, (topic,), {}, side.prefix)
        self._readers.append(reader)
        try:
            await reader.start()
            yield reader
        finally:
            self._readers.remove(reader)
            await reader.stop()

    def _changed(self, batch: Record) -> list[Key]:
        if not isinstance(batch, Changes):
            raise ValueError(f"{type(batch).__name__} in the place of changes")
        return self.telling.known.take_changes(batch)

    async def _follow(self, topic: Topic, take: Callable[[Record], list[Key]], *, speaker: str) -> None:
        """Read a topic from its begin; tell what changes by it as soon as all of it was read."""
        async with self._reading(topic, self.source) as reader:
            while not await reader.is_at_end():
                self._keys(await reader.next(WAIT_S), take)
            await self._tell(partial(self.telling.settle, speaker))
            while True:
                keys = self._keys(await reader.next(WAIT_S), take)
                await self._tell(partial(self.telling.due, keys))

    async def _tell(self, due: Callable[[], list[Due]]) -> None:
        """Send what is due; return when it is there."""
        async with self._turn:
            found = due()
            name = self.target.prefix + descriptions_of(self.telling.region).name
            for begin in range(0, len(found), SLICE):
                self.lag = len(found) - begin
                some = found[begin : begin + SLICE]
                size = sum(len(one.value) for one in some)
                if self.rate is not None:
                    await self.rate.wait(size)
                await self._output.send([Message(name, 0, one.value, key=one.name) for one in some])
                self.telling.arrived(some)
                self.sent += len(some)
                self.sent_bytes += size
            self.lag = 0

    def _keys(self, read: Sequence[Read], take: Callable[[Record], list[Key]]) -> list[Key]:
        """Take messages; return what they are about. One that does not count is counted."""
        keys: list[Key] = []
        for one in read:
            try:
                keys += take(codec.decode(one.value))
            except ValueError as error:  # a damaged message, too
                self.unreadable += 1
                log.error("a message does not count", topic=one.topic.name, offset=one.offset, why=str(error))
        return keys
