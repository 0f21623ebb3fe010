"""How many messages are parked in Kafka, for who serves the page: other processes have parked them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from dashboards.metrics import Figure
from streams.kafka.access import Access
from streams.kafka.reader import Reader
from streams.topics import DEAD_LETTERS

ASK_S = 15.0


@contextlib.asynccontextmanager
async def counted_dead_letters(kafka: Access, prefix: str) -> AsyncIterator[Figure]:
    """Yield the figure, which says nothing while Kafka tells nothing."""
    found: dict[tuple[str, ...], float] = {}
    task = asyncio.create_task(_ask(Reader(kafka, [DEAD_LETTERS], None, prefix), found), name="dead letters")
    try:
        yield parked_figure(found)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def parked_figure(found: Mapping[tuple[str, ...], float]) -> Figure:
    """Return the figure of what was found, which may change."""
    return Figure("dead_letters", "Messages that are parked in Kafka.", "gauge", lambda: dict(found))


async def _ask(reader: Reader, found: dict[tuple[str, ...], float]) -> None:
    try:
        await reader.start()
        while True:
            held = await reader.held()
            found.clear()
            if held is not None:
                found[()] = held
            await asyncio.sleep(ASK_S)
    finally:
        await reader.stop()
