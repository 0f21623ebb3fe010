"""What was changed by command, for processes that run no tasks: the whole topic, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError

from streams import codec
from streams.kafka.access import Access
from streams.kafka.reader import Read, Reader
from streams.records import Change, Changes
from streams.topics import REGISTRY

log = structlog.get_logger()

WAIT_S = 0.2
_PATIENCE_S = 1.0
"""For the rest of what is there already."""


async def standing_changes(kafka: Access, prefix: str = "") -> Changes:
    """Return the newest change of each object, the oldest first.

    Raises
    ------
    aiokafka.errors.KafkaError
        No broker answers any more.
    """
    reader = Reader(kafka, [REGISTRY], {}, prefix)
    await reader.start()
    try:
        newest: dict[tuple[str, str], Change] = {}
        await _read_all(reader, newest)
        return _in_order(newest)
    finally:
        await reader.stop()


@dataclass(slots=True)
class RegistryFollower:
    """Tells what is changed: first all that was changed before, at once, then each change.

    Parameters
    ----------
    reader
        Of `REGISTRY`, from its begin.
    tell
        Gets changes, some of them perhaps once more.
    """

    reader: Reader
    tell: Callable[[Changes], Awaitable[None]]
    unreadable: int = 0
    """Messages that a newer program wrote."""
    is_complete: bool = field(default=False)
    """Whether all that was there at the start has been told."""

    async def run(self) -> None:
        """Follow until cancelled; while Kafka is away everything stays as it is."""
        await self.reader.start()
        newest: dict[tuple[str, str], Change] = {}
        try:
            while not self.is_complete:
                try:
                    await _read_all(self.reader, newest, self)
                except KafkaError as error:  # the reader stands behind what was read: it is kept
                    log.warning("cannot read the registry, trying again", error=repr(error))
                    await asyncio.sleep(WAIT_S)
                    continue
                await self.tell(_in_order(newest))
                self.is_complete = True
            while True:
                found = _changes(await self.reader.next(WAIT_S), self)
                if found:
                    await self.tell(Changes(changes=found))
        finally:
            await self.reader.stop()


async def _read_all(
    reader: Reader, newest: dict[tuple[str, str], Change], follower: RegistryFollower | None = None
) -> None:
    """Put what is left to read into `newest`, by object."""
    while await reader.remaining():
        for change in _changes(await reader.next(_PATIENCE_S), follower):
            newest[change.key] = change


def _in_order(newest: dict[tuple[str, str], Change]) -> Changes:
    return Changes(changes=sorted(newest.values(), key=lambda change: change.version))


def _changes(read: Iterable[Read], follower: RegistryFollower | None = None) -> list[Change]:
    found: list[Change] = []
    for one in read:
        try:
            batch = codec.decode(one.value)
        except codec.CodecError as error:
            if follower is not None:
                follower.unreadable += 1
            log.error("a change cannot be read: upgrade this program", offset=one.offset, error=str(error))
            continue
        if isinstance(batch, Changes):
            found += batch.changes
    return found
