"""Kafkas in memory in the place of readers and outputs: logs that can be cut off."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from streams import codec
from streams.kafka.access import Access
from streams.kafka.output import Message
from streams.kafka.reader import Read
from streams.topics import Topic


@dataclass
class Kafkas:
    """The logs of several Kafkas, by server and topic."""

    logs: dict[tuple[str, str], list[Message]] = field(default_factory=lambda: defaultdict(list))
    away: set[str] = field(default_factory=set)
    """Servers that do not answer."""

    def install(self, patch: pytest.MonkeyPatch, *modules: str) -> None:
        """Let modules read and send here."""
        for module in modules:
            patch.setattr(f"{module}.Reader", self.reader)
            patch.setattr(f"{module}.Output", self.output)

    def reader(
        self,
        kafka: Access,
        topics: Sequence[Topic],
        begin: Mapping[str, Mapping[int, int]] | None,
        prefix: str = "",
        most_bytes: int = 0,
    ) -> MemoryReader:
        """Return a reader of whole topics."""
        assert most_bytes >= 0
        assert begin is not None, "nothing is read from now on"
        reader = MemoryReader(self, kafka.servers, tuple(topics), prefix)
        reader.places.update({name: places.get(0, 0) for name, places in begin.items()})
        return reader

    def output(self, kafka: Access, _: str) -> MemoryOutput:
        """Return an output."""
        return MemoryOutput(self, kafka.servers)


@dataclass
class MemoryReader:
    kafkas: Kafkas
    server: str
    topics: Sequence[Topic]
    prefix: str
    error: str = ""
    places: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def start(self) -> None:
        await self._there()

    async def stop(self) -> None:
        pass

    async def is_at_end(self) -> bool:
        await self._there()
        return all(self.places[t.name] >= len(self._log(t)) for t in self.topics)

    async def next(self, _: float) -> list[Read]:
        await asyncio.sleep(0.001)
        if self.server in self.kafkas.away:
            return []
        found = []
        for topic in self.topics:
            for message in self._log(topic)[self.places[topic.name] :]:
                found.append(Read(topic, 0, self.places[topic.name], message.value, ()))
                self.places[topic.name] += 1
        return found

    async def since(self, time_us: int) -> dict[str, dict[int, int]]:
        found: dict[str, dict[int, int]] = {}
        for topic in self.topics:
            times = [getattr(codec.decode(one.value), "told_us", time_us) for one in self._log(topic)]
            found[topic.name] = {0: sum(time < time_us for time in times)}
        return found

    def _log(self, topic: Topic) -> list[Message]:
        return self.kafkas.logs[self.server, self.prefix + topic.name]

    async def _there(self) -> None:
        while self.server in self.kafkas.away:
            await asyncio.sleep(0.001)


@dataclass
class MemoryOutput:
    kafkas: Kafkas
    server: str
    error: str = ""

    async def send(self, messages: Sequence[Message]) -> None:
        while self.server in self.kafkas.away:
            await asyncio.sleep(0.001)
        for message in messages:
            self.kafkas.logs[self.server, message.topic].append(message)

    async def close(self) -> None:
        pass
