"""Gatherers tell over Kafka what their streams are doing, and which source of a station took over."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from deploy.clock import wall_clock_us
from deploy.sources import Sources
from streams import codec
from streams.kafka.access import Access
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.partitions import pieces
from streams.records import Record, SourceChange, SourceChanges, SourceStates
from streams.source_telling import HeardStreams, SourceTelling
from streams.topics import SOURCE_CHANGES, SOURCE_STATES, Topic

log = structlog.get_logger()

TELL_S = 1.0
WAIT_S = 0.2
FORGET_S = 5.0
MOST_WAITING = 10_000
"""Changes of sources that wait for Kafka; of more the oldest are in the log alone."""


@contextlib.asynccontextmanager
async def telling(sources: Sources, gatherer: str, kafka: Access, prefix: str) -> AsyncIterator[None]:
    """Tell of a gatherer's sources until the block ends; what changes while Kafka is away is told then."""
    waiting: deque[SourceChange] = deque(maxlen=MOST_WAITING)
    sources.changed = waiting.append
    output = Output(kafka, "groundswell-sources")
    told = SourceTelling(gatherer, sources.streams)

    async def tell() -> None:
        while True:
            changes = [waiting.popleft() for _ in range(len(waiting))]
            messages = _messages(SourceChanges(changes=changes), SOURCE_CHANGES, prefix)
            for states in told.due():
                messages += _messages(states, SOURCE_STATES, prefix)
            await output.send(messages)
            await asyncio.sleep(TELL_S)

    try:
        async with _beside(tell, "telling of sources"):
            yield
    finally:
        await output.close()


@contextlib.asynccontextmanager
async def hearing(kafka: Access, prefix: str) -> AsyncIterator[HeardStreams]:
    """Yield what all gatherers tell of their streams."""
    heard = HeardStreams()
    reader = Reader(kafka, [SOURCE_STATES], None, prefix)

    async def follow() -> None:
        await reader.start()
        try:
            while True:
                for one in await reader.next(WAIT_S):
                    try:
                        record = codec.decode(one.value)
                    except codec.CodecError as error:
                        log.error("what a gatherer tells cannot be read: upgrade this", error=str(error))
                        continue
                    if isinstance(record, SourceStates):
                        heard.hear(record, wall_clock_us())
        finally:
            await reader.stop()

    async def forget() -> None:
        while True:
            await asyncio.sleep(FORGET_S)
            heard.forget(wall_clock_us())

    async with _beside(follow, "sources"), _beside(forget, "sources that nobody tells of"):
        yield heard


def _messages(batch: Record, topic: Topic, prefix: str) -> list[Message]:
    return [Message(prefix + topic.name, 0, payload) for payload in pieces(batch)]


@contextlib.asynccontextmanager
async def _beside(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """Do something beside until the block ends."""
    task = asyncio.create_task(work(), name=name)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("sources are not told of any more: restart this process", error=repr(error))
