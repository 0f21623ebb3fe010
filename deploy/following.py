"""Lets the edge of a process follow what is changed over Kafka, also through a start while Kafka is away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from deploy.edge import Edge
from streams import codec
from streams.kafka.access import Access
from streams.kafka.reader import Reader
from streams.kafka.registry import RegistryFollower
from streams.records import Changes
from streams.topics import REGISTRY

log = structlog.get_logger()

PATIENCE_S = 5.0
"""That a gatherer's start waits for Kafka: stations that it connects by an old copy would be disturbed."""
POLL_S = 0.02
LOOK_S = 30.0


@contextlib.asynccontextmanager
async def following(
    edge: Edge,
    kafka: Access,
    prefix: str,
    copy: Path,
    *,
    patience_s: float = PATIENCE_S,
    keep_s: float = 0.0,
) -> AsyncIterator[RegistryFollower]:
    """Follow changes until the block ends; those that are there hold when it begins.

    Without Kafka and without a copy (a first start) the configuration holds alone until Kafka answers, and
    the edge is not told to `know` before.

    Parameters
    ----------
    copy
        A file that has what was known last. Its passwords are for this program's user alone.
    patience_s
        That the start waits for Kafka, before stations go by the copy; accounts go by it at once.
    keep_s
        That accounts hold while Kafka is away, also over restarts; 0: for ever.
    """

    async def tell(changes: Changes) -> None:
        await edge.take(changes)
        edge.know()
        write_copy(copy, codec.encode(_needed(edge)))

    reader = Reader(kafka, [REGISTRY], {}, prefix)
    follower = RegistryFollower(reader, tell)
    task = asyncio.create_task(follower.run(), name="registry")
    task.add_done_callback(_report)
    watch = asyncio.create_task(_watch(edge, follower, copy, keep_s), name="age of accounts")
    watch.add_done_callback(_report)
    try:
        known = _read(copy)
        if known is not None:
            await edge.take(_accounts(known))
            if not keep_s or _age_s(copy) < keep_s:
                edge.know()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not follower.is_complete and not task.done():  # noqa: ASYNC110 - once, at the start
                    await asyncio.sleep(POLL_S)
        if known is not None and not follower.is_complete:
            log.warning("Kafka is away: the changes that were known last hold")
            await edge.take(known)
        yield follower
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _watch(edge: Edge, follower: RegistryFollower, copy: Path, keep_s: float) -> None:
    """Remember in the copy's time when Kafka was there; trust what was known for so long only."""
    begin_s = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_S)
        if follower.is_complete and not follower.reader.error:
            with contextlib.suppress(OSError):  # there is none where nothing was ever changed
                os.utime(copy)
            begin_s = time.monotonic()
            edge.know()
        elif keep_s and max(time.monotonic() - begin_s, _age_s(copy)) > keep_s:
            edge.doubt()


def _age_s(copy: Path) -> float:
    """Return how long ago Kafka was there."""
    try:
        return time.time() - copy.stat().st_mtime
    except OSError:
        return 0.0


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("changes are not followed any more: restart this process", error=repr(error))


def _needed(edge: Edge) -> Changes:
    """Return what a copy needs: passwords of stations are nothing for a process that gathers none."""
    return _accounts(edge.standing) if edge.sources is None else edge.standing


def _accounts(changes: Changes) -> Changes:
    return Changes(changes=[one for one in changes.changes if one.kind in {"account", "privacy"}])


def _read(copy: Path) -> Changes | None:
    try:
        batch = codec.decode(copy.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, codec.CodecError) as error:
        log.error("the copy of the registry cannot be read", file=str(copy), error=str(error))
        return None
    return batch if isinstance(batch, Changes) else None


def write_copy(copy: Path, message: bytes) -> None:
    """Replace the copy, whole or not at all."""
    new = copy.with_name(f"{copy.name}.{os.getpid()}.new")  # casters of one folder write beside each other
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with open(new, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
        new.replace(copy)
    except OSError as error:  # the changes hold all the same
        log.error("the copy of the registry cannot be written", file=str(copy), error=str(error))
