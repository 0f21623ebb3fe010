"""A broker's logs and a producer in front of it, which answer, are silent and break as they are told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from streams.kafka.access import Access
from streams.kafka.link import LinkError
from streams.kafka.origin import Origins, origin_of
from streams.kafka.spool_frames import Frame


@dataclass
class UnderWay:
    frame: Frame
    headers: Sequence[tuple[str, bytes]]
    answer: asyncio.Future[None]
    written: bool = False


@dataclass
class FakeLink:
    """In place of `streams.kafka.link.Link`."""

    there: bool = True
    answers: bool = True
    kafka: Access = field(default_factory=lambda: Access("nowhere:9092"))
    error: str = ""
    broken: bool = False
    connected: bool = False
    logs: dict[tuple[str, int], list] = field(default_factory=lambda: defaultdict(list))
    under_way: list[UnderWay] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)
    """Partitions that lack a message of this producer: the broker refuses what comes after it."""

    @property
    def ready(self) -> bool:
        return self.connected and not self.broken

    async def connect(self) -> None:
        await asyncio.sleep(0)
        if not self.there:
            self.error = "cannot reach Kafka"
            raise LinkError(self.error)
        self.connected, self.broken, self.error = True, False, ""

    async def send(self, frame: Frame, headers: Sequence[tuple[str, bytes]]) -> asyncio.Future[None] | None:
        if not self.ready:
            return None
        one = UnderWay(frame, headers, asyncio.get_running_loop().create_future())
        self.under_way.append(one)
        if self.answers:
            asyncio.get_running_loop().call_soon(self.deliver, len(self.under_way))
        return one.answer

    def write(self, count: int) -> None:
        """Let the broker write messages and say nothing yet."""
        for one in self.under_way[:count]:
            if not one.written and one.frame.partition not in self.gaps:
                one.written = True
                self.logs[one.frame.topic, one.frame.partition].append(one)

    def deliver(self, count: int) -> None:
        """Let the broker write messages and confirm them."""
        self.write(count)
        for one in self.under_way[:count]:
            if not one.written:
                one.answer.set_exception(ConnectionError("out of order"))
            elif not one.answer.done():
                one.answer.set_result(None)
        del self.under_way[:count]

    def fail(self) -> None:
        """Let the producer give up on its oldest message."""
        if self.under_way:
            one = self.under_way.pop(0)
            self.gaps.add(one.frame.partition)
            one.answer.set_exception(ConnectionError("refused"))

    def cut(self, error: BaseException) -> None:
        self.broken, self.error = True, str(error)

    async def close(self) -> None:
        await asyncio.sleep(0)  # answers that are on the way are still heard
        self.connected = self.broken = False
        self.gaps.clear()
        self.under_way.clear()

    def read(self) -> dict[tuple[str, int], list[bytes]]:
        """Return what each partition holds, without what its origin tells to be a repetition."""
        found = {}
        for key, log in self.logs.items():
            origins = Origins()
            found[key] = [one.frame.payload for one in log if origins.is_new(origin_of(one.headers))]
        return found
