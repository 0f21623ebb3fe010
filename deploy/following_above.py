"""Lets a caster follow the accounts of the regions above, also through a start while Kafka is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from deploy.clock import wall_clock_us
from deploy.edge import Edge
from deploy.following import write_copy
from streams import codec
from streams.kafka.access import Access
from streams.kafka.reader import Read, Reader
from streams.records import Changes, Heard, Record
from streams.topics import REGIONAL_ACCOUNTS

log = structlog.get_logger()

WAIT_S = 0.2
KEEP_US = 60_000_000
"""How often it is kept when nothing but the time has changed."""


@dataclass(slots=True)
class FollowerAbove:
    """Takes what the region's bridge says, and keeps it in a file.

    Parameters
    ----------
    copy
        What was known last, with hashes of passwords: for this program's user alone.
    """

    edge: Edge
    reader: Reader
    copy: Path
    is_complete: bool = False
    """Whether all that was there at the start has been taken."""
    unreadable: int = 0
    _heard: Heard | None = None
    _kept_us: int = field(default=0)

    async def begin(self, *, is_known: bool) -> None:
        """Go by the copy until Kafka answers.

        Parameters
        ----------
        is_known
            What holds here is known without Kafka: then so is what is from above, without a copy nothing.
        """
        kept = self._read()
        await self.take(kept)
        if kept or is_known:
            self.edge.know(above=True)

    async def run(self) -> None:
        """Follow until cancelled; a Kafka that is away is waited for."""
        await self.reader.start()
        try:
            while not await self.reader.is_at_end():
                await self.take(self._decoded(await self.reader.next(WAIT_S)))
            self.is_complete = True
            self._keep()
            self.edge.know(above=True)
            while True:
                if found := self._decoded(await self.reader.next(WAIT_S)):
                    await self.take(found)
                    is_changed = any(isinstance(one, Changes) for one in found)
                    if is_changed or wall_clock_us() - self._kept_us > KEEP_US:
                        self._keep()
        finally:
            await self.reader.stop()

    async def take(self, found: Iterable[Record]) -> None:
        """Let accounts hold; know how new they are."""
        changes = [change for one in found if isinstance(one, Changes) for change in one.changes]
        for one in found:
            if isinstance(one, Heard) and self.edge.caster is not None:
                self._heard = one
                self.edge.caster.admission.above.hear(one, wall_clock_us())
        if changes:
            await self.edge.take_above(Changes(changes=changes))

    def _decoded(self, read: Iterable[Read]) -> list[Record]:
        found = []
        for one in read:
            try:
                found.append(codec.decode(one.value))
            except codec.CodecError as error:
                self.unreadable += 1
                log.error("an account cannot be read: upgrade this program", error=str(error))
        return found

    def _keep(self) -> None:
        self._kept_us = wall_clock_us()
        kept: list[Record] = [self.edge.from_above]
        if self._heard is not None:
            kept.append(self._heard)
        write_copy(self.copy, msgspec.msgpack.encode([codec.encode(one) for one in kept]))

    def _read(self) -> list[Record]:
        try:
            messages = msgspec.msgpack.decode(self.copy.read_bytes(), type=list[bytes])
            return [codec.decode(one) for one in messages]
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError, codec.CodecError) as error:
            log.error("the copy of accounts cannot be read", file=str(self.copy), error=str(error))
            return []


@contextlib.asynccontextmanager
async def following_above(edge: Edge, kafka: Access, prefix: str, copy: Path) -> AsyncIterator[FollowerAbove]:
    """Follow accounts of the regions above until the block ends.

    Parameters
    ----------
    copy
        The file of `following`; what is from above is kept beside it.
    """
    own = copy.with_name(f"{copy.name}.above")
    follower = FollowerAbove(edge, Reader(kafka, [REGIONAL_ACCOUNTS], {}, prefix), own)
    await follower.begin(is_known=_is_there(copy))
    task = asyncio.create_task(follower.run(), name="accounts of regions above")
    task.add_done_callback(_report)
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _is_there(file: Path) -> bool:
    return file.exists()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("accounts of regions above are not followed any more: restart this process",
                  error=repr(error))  # fmt: skip
