"""From the topic of raw bytes into the archive: each commit holds what was read and how far, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from storage.raw_archive import RawArchive
from storage.rows import RawSegment
from storage.sqlite import SqliteStore
from streams import codec
from streams.kafka.origin import Origins, origin_of
from streams.kafka.reader import Read, Reader, following
from streams.records import RawBatch
from streams.regions import region_of
from streams.topics import REGIONAL_RAW

log = structlog.get_logger()

WAIT_S = 1.0
RETRY_S = 1.0
KEEP_S = 10.0
"""How much of a stream is written at once, so that the file of a station is synced as seldom."""
MOST_BYTES = 128_000_000
MOST_CHUNKS = 200_000
"""What is read before it is written, bounded; 4,000 stations bring as many bytes in a quarter of a minute."""
_STATE = "raw archive"
T = TypeVar("T")
Offsets = dict[str, dict[int, int]]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of all that was read, to take what follows as if nothing had happened."""

    ends: dict[str, tuple[int, int]]
    """As `RawArchive.ends` says."""
    origins: dict[str, dict[int, dict[str, tuple[int, int]]]]
    """What came last of each maker, by topic and partition."""


@dataclass(slots=True)
class ArchiverHealth:
    """How the archiver is doing, for `/readyz` and `/metrics`."""

    error: str = ""
    """Why nothing can be written right now; empty when all is well."""
    commits: int = 0
    messages: int = 0
    n_bytes: int = 0
    """Of streams, as they came."""
    repeated: int = 0
    unreadable: int = 0
    """Messages."""
    foreign: int = 0
    """Chunks of stations that the topic has none of."""
    missed: int = 0
    """Messages that Kafka had let go of before they were read."""
    lag: int = 0
    """Messages that wait."""


class Archive:
    """The archive in a folder, with how far each partition stands in it. One thread works with it.

    Parameters
    ----------
    folder
        Where the objects are.
    store
        Their index, which has the places in the topics too.
    reserved
        How ids of stations begin that regions below send (`RegionTree.reserved`).
    keep_us
        How long bytes are kept; 0: for ever.
    """

    def __init__(
        self, folder: Path, store: SqliteStore, reserved: Sequence[str] = (), keep_us: int = 0
    ) -> None:
        self.health = ArchiverHealth()
        self.consumed: Offsets = store.consumed()
        self._store = store
        self._reserved = tuple(reserved)
        found = store.load_snapshots().get(_STATE)
        state = msgspec.msgpack.decode(b"".join(found), type=State) if found else State(ends={}, origins={})
        self._archive = RawArchive(folder, store, state.ends, keep_us=keep_us)
        self._origins = {
            (topic, partition): Origins(last)
            for topic, partitions in state.origins.items()
            for partition, last in partitions.items()
        }
        self._segments: list[RawSegment] = []
        self.taken_bytes = self.taken_chunks = 0
        """Since the last commit."""
        self._is_torn = False
        """A fault ended the taking of a message: what is in memory must not be committed."""

    def take(self, read: Sequence[Read]) -> None:
        """Take messages; nothing is written yet."""
        self._is_torn = True
        for one in read:
            origins = self._origins.setdefault((one.topic.name, one.partition), Origins())
            if not origins.is_new(origin_of(one.headers)):
                self.health.repeated += 1
                continue
            try:
                batch = codec.decode(one.value)
            except codec.CodecError as error:  # the workers park it
                self.health.unreadable += 1
                log.warning("a message cannot be read", topic=one.topic.name, error=str(error))
                continue
            if isinstance(batch, RawBatch):
                self._add(batch, one.topic is REGIONAL_RAW)
        for topic, places in following(read).items():
            self.consumed.setdefault(topic, {}).update(places)
        self.health.messages += len(read)
        self._is_torn = False

    def keep(self, now_us: int) -> None:
        """Write and commit what was taken; it is durable then, and never read again.

        Raises
        ------
        RuntimeError
            A fault ended the taking of messages; they are read again by the next process.
        Exception
            The disk or the index takes nothing. Whatever it is: nothing is lost, and trying again is right.
        """
        if self._is_torn:
            raise RuntimeError("a message was taken in part: restart this process")
        try:
            self._segments += self._archive.flush()
        except Exception:
            self._segments += self._archive.written()
            raise
        origins: dict[str, dict[int, dict[str, tuple[int, int]]]] = {}
        for (topic, partition), known in self._origins.items():
            origins.setdefault(topic, {})[partition] = known.last
        state = msgspec.msgpack.encode(State(ends=dict(self._archive.ends), origins=origins))
        self._store.commit(
            (),
            {_STATE: [state]},
            now_us=now_us,
            raw_segments=self._segments,
            consumed=self.consumed,
        )
        self._archive.committed()
        self._segments = []
        self.taken_bytes = self.taken_chunks = 0
        self.health.commits += 1
        self._archive.expire(now_us)

    def close(self) -> None:
        """Note which objects are whole."""
        self._archive.close()

    def _add(self, batch: RawBatch, is_regional: bool) -> None:
        for chunk in batch.chunks:
            name = chunk.station_id
            if not name.startswith(self._reserved) if is_regional else region_of(name):
                self.health.foreign += 1
                continue
            self._archive.add(chunk)
            self.health.n_bytes += len(chunk.payload)
            self.taken_bytes += len(chunk.payload)
            self.taken_chunks += 1


@dataclass(slots=True)
class RawArchiver:
    """Reads the topics and keeps what comes. One runs at a time for an archive.

    Parameters
    ----------
    archive
        Where everything goes.
    make_reader
        Gives a reader of the topics that begins at the given offsets.
    """

    archive: Archive
    make_reader: Callable[[Mapping[str, Mapping[int, int]]], Reader]
    clock_us: Callable[[], int]
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "archive"))

    async def run(self) -> None:
        """Read and keep until cancelled; while the disk takes nothing, Kafka keeps what comes."""
        health = self.archive.health
        reader = self.make_reader(self.archive.consumed)
        try:
            await reader.start()
            since_s: float | None = None
            while True:
                read = await reader.next(WAIT_S)
                health.missed = reader.missed.total()
                if read:
                    await self._work(lambda found=read: self.archive.take(found))  # type: ignore[misc]
                    since_s = time.monotonic() if since_s is None else since_s
                    health.lag = reader.lag()
                if since_s is not None and self._is_due(since_s):
                    await self._keep()
                    since_s = None
        finally:
            await reader.stop()

    async def close(self) -> None:
        """Keep what was taken and close the archive; `run` has been cancelled."""
        try:
            await self._work(lambda: self.archive.keep(self.clock_us()))
        except Exception as error:  # noqa: BLE001 - it is read again at the next start
            log.error("what was read last is not archived yet", error=repr(error))
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self.archive.close)

    def _is_due(self, since_s: float) -> bool:
        is_much = self.archive.taken_bytes >= MOST_BYTES or self.archive.taken_chunks >= MOST_CHUNKS
        return is_much or time.monotonic() - since_s >= KEEP_S

    async def _keep(self) -> None:
        """Keep what was taken, however long that takes."""
        health = self.archive.health
        while True:
            try:
                await self._work(lambda: self.archive.keep(self.clock_us()))
            except Exception as error:  # noqa: BLE001 - whatever it is, Kafka keeps what comes
                if not health.error:
                    log.error("cannot archive raw data, trying again", error=repr(error))
                health.error = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S)
            else:
                health.error = ""
                return

    async def _work(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
