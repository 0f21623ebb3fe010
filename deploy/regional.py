"""What regions below describe, on its way into the store: each of itself alone, and so much at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from dashboards.metrics import Figure
from deploy.store_writer import StoreWriter
from streams import codec
from streams.describing import Below
from streams.kafka.reader import Read, Reader
from streams.records import Descriptions, Record
from streams.topics import Topic, descriptions_of

log = structlog.get_logger()

WAIT_S = 1.0
SLICE = 500
"""Descriptions of a commit: other rows wait for it."""
MOST_PARKED = 100
"""Of a region since the start; further ones are counted."""
PATIENCE_S = 30.0


@dataclass(slots=True)
class RegionalDescriptions:
    """Keeps what one region says. Its topic is read from the begin at each start: it is compacted.

    So what a newer program of the region wrote is tried again after an upgrade.
    """

    region: str
    writer: StoreWriter
    make_reader: Callable[[Topic], Reader]
    refused: int = 0
    """Messages that were left out: damaged, or about what is not the region's."""
    _below: Below = field(init=False)

    def __post_init__(self) -> None:
        self._below = Below(self.region)

    @property
    def objects(self) -> int:
        """How many objects it has described."""
        return len(self._below)

    @property
    def left_out(self) -> int:
        """Descriptions and messages that do not count."""
        return self.refused + self._below.beyond

    async def run(self) -> None:
        """Keep until cancelled."""
        await self.writer.is_begun.wait()
        topic = descriptions_of(self.region)
        known = self.writer.begin.get(topic.name, {}).get(0, 0)
        reader = self.make_reader(topic)
        starting = asyncio.create_task(reader.start())
        try:
            await asyncio.wait([starting], timeout=PATIENCE_S)
            if not starting.done():
                log.warning(
                    "no topic for what a region describes: run `groundswell topics apply --config`",
                    region=self.region,
                    topic=topic.name,
                )
            await starting
            while True:
                read = await reader.next(WAIT_S)
                for begin in range(0, len(read), SLICE):
                    await self.keep(read[begin : begin + SLICE], known)
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await reader.stop()

    async def keep(self, read: Sequence[Read], known: int = 0) -> None:
        """Commit messages; what was refused before the offset `known` is not parked again."""
        taken: list[tuple[Read, Record]] = []
        for one in read:
            try:
                found = self._below.take(codec.decode(one.value))
            except ValueError as error:  # a damaged message, too
                self.refused += 1
                if one.offset >= known and self.refused <= MOST_PARKED:
                    await self.writer.park(one, f"{type(error).__name__}: {error}")
                continue
            if found:
                taken.append((one, Descriptions(descriptions=found)))
        await self.writer.keep_beside(read, taken)


def regional_figures(regions: Iterable[RegionalDescriptions]) -> list[Figure]:
    """Return what regions describe."""
    regions = tuple(regions)

    def each(value: Callable[[RegionalDescriptions], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {(one.region,): value(one) for one in regions}

    return [
        Figure("store_described", "Objects that a region below describes.", "gauge",
               each(lambda one: one.objects), ("region",)),
        Figure("store_descriptions_refused", "Descriptions left out: damaged, not its own, too many.",
               "counter", each(lambda one: one.left_out), ("region",)),
    ]  # fmt: skip
