"""From topics to the store: each commit holds what was read and how far, so that nothing counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from storage.store import RowsRefusedError, StorageError
from streams import codec
from streams.kafka.dead_letters import DeadLetter
from streams.kafka.origin import Origins, origin_of
from streams.kafka.output import Output
from streams.kafka.reader import Read, Reader, following
from streams.records import CommandOutcomes, Commands, Record
from streams.topics import (
    ALERTS,
    CALL_RECEIPTS,
    CALLS,
    COMMAND_OUTCOMES,
    COMMANDS,
    DELIVERIES,
    DETECTIONS,
    FLAGGED_SAMPLES,
    KEPT_SESSIONS,
    REGIONAL_DETECTIONS,
    REGISTRY,
    SOURCE_CHANGES,
    STATION_PERIODS,
    STATION_REPORTS,
)

log = structlog.get_logger()

STORED = (
    STATION_REPORTS, STATION_PERIODS, FLAGGED_SAMPLES, DETECTIONS, REGIONAL_DETECTIONS, ALERTS, DELIVERIES,
    COMMANDS, REGISTRY, COMMAND_OUTCOMES, KEPT_SESSIONS, SOURCE_CHANGES, CALLS, CALL_RECEIPTS,
)  # fmt: skip
WAIT_S = 1.0
RETRY_S = 1.0
SLOW_S = 10.0
"""A store that needs longer for one call is said to hang."""
MOST_REMEMBERED = 1000
"""Commands, and answers that wait for theirs."""
T = TypeVar("T")


class Committing(Protocol):
    """What is needed of a store (`storage.store.Store`)."""

    def commit(
        self,
        batches: Sequence[Record],
        snapshots: Mapping[str, Sequence[bytes]] | None,
        *,
        now_us: int,
        consumed: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        """Keep all this in one transaction."""
        ...

    def consumed(self) -> dict[str, dict[int, int]]:
        """Return the next offset by topic and partition."""
        ...


@dataclass(slots=True)
class WriterHealth:
    """How the writer is doing, for `/readyz` and `/metrics`."""

    error: str = ""
    """Why nothing is being stored right now; empty when all is well."""
    commits: int = 0
    messages: int = 0
    repeated: int = 0
    dead_letters: int = 0
    missed: int = 0
    """Messages that Kafka had let go of before they were read."""
    lag: int = 0
    """Messages that wait."""


@dataclass(slots=True)
class StoreWriter:
    """Keeps what workers say. One runs at a time for a store.

    Parameters
    ----------
    store
        Where everything goes.
    make_reader
        Gives a reader of `STORED` that begins at the given offsets.
    output
        For what cannot be read: it goes to the dead letters.
    """

    store: Committing
    make_reader: Callable[[Mapping[str, Mapping[int, int]]], Reader]
    output: Output
    clock_us: Callable[[], int]
    prefix: str = ""
    prepare: Callable[[], None] = lambda: None
    """Called until it works, before anything is read: what makes this the only writer."""
    health: WriterHealth = field(default_factory=WriterHealth)
    is_begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this is the only writer."""
    begin: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """What was consumed before."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _origins: dict[tuple[str, int], Origins] = field(default_factory=dict)
    _commands: dict[str, None] = field(default_factory=dict)
    _held: list[tuple[Read, CommandOutcomes]] = field(default_factory=list)
    """Answers whose question has not come yet, as they were read: they are topics of their own."""

    async def run(self) -> None:
        """Read and keep until cancelled; a store that is away is waited for, and Kafka keeps what comes."""
        await self._insist(self.prepare)
        self.begin = await self._insist(self.store.consumed)
        self.is_begun.set()
        reader = self.make_reader(self.begin)
        await reader.start()
        try:
            while True:
                read = await reader.next(WAIT_S)
                self.health.missed = reader.missed.total()
                if read:
                    await self.keep(read)
                    self.health.lag = reader.lag()
        finally:
            await reader.stop()
            await self.output.close()

    async def keep(self, read: Sequence[Read]) -> None:
        """Commit messages; return when they are durable. What the store can never take is parked."""
        taken: list[tuple[Read, Record]] = []
        for one in read:
            origins = self._origins.setdefault((one.topic.name, one.partition), Origins())
            if not origins.is_new(origin_of(one.headers)):
                self.health.repeated += 1
                continue
            try:
                batch = codec.decode(one.value)
            except codec.CodecError as error:
                await self.park(one, f"{type(error).__name__}: {error}")
                continue
            if isinstance(batch, CommandOutcomes):
                self._held.append((one, batch))
            else:
                taken.append((one, batch))
            if isinstance(batch, Commands):
                self._commands.update(dict.fromkeys(command.id for command in batch.commands))
        taken += self._answers()
        consumed = following(read)
        if self._held:  # they are read again if this process ends before their questions come
            consumed[COMMAND_OUTCOMES.name] = {0: self._held[0][0].offset}
        async with self._turn:
            await self._commit(taken, consumed)
        self.health.messages += len(read)

    async def keep_beside(self, read: Sequence[Read], taken: Sequence[tuple[Read, Record]]) -> None:
        """Commit what another reader has read and taken; return when it is durable."""
        async with self._turn:
            await self._commit(taken, following(read))
        self.health.messages += len(read)

    async def _commit(
        self, taken: Sequence[tuple[Read, Record]], consumed: Mapping[str, Mapping[int, int]]
    ) -> None:
        """Commit batches and how far was read; those that the store can never take are found by halving."""
        try:
            await self._insist(self._work([batch for _, batch in taken], consumed), _is_state)
        except Exception as error:  # noqa: BLE001 - one message must not stop those behind it
            await self._insist(self._work([], {}))  # nothing is parked while the store takes nothing at all
            if len(taken) == 1:
                await self.park(taken[0][0], f"{type(error).__name__}: {error}")
            middle = len(taken) // 2
            for half in (taken[:middle], taken[middle:]) if middle else ():
                # answers are read again until all are there
                behind = following(one for one, _ in half if one.topic is not COMMAND_OUTCOMES)
                await self._commit(half, behind)
            await self._insist(self._work([], consumed))
        self.health.commits += 1

    def _work(
        self, batches: Sequence[Record], consumed: Mapping[str, Mapping[int, int]]
    ) -> Callable[[], None]:
        return partial(self.store.commit, batches, None, now_us=self.clock_us(), consumed=consumed)

    def _answers(self) -> list[tuple[Read, CommandOutcomes]]:
        """Take the answers whose questions are known; of too many that wait, the oldest wait no longer."""
        is_ready = [all(o.id in self._commands for o in answer.outcomes) for _, answer in self._held]
        surplus = len(self._held) - MOST_REMEMBERED
        ready = [one for i, one in enumerate(self._held) if is_ready[i] or i < surplus]
        self._held = [one for i, one in enumerate(self._held) if not is_ready[i] and i >= surplus]
        while len(self._commands) > MOST_REMEMBERED:
            del self._commands[next(iter(self._commands))]
        return ready

    async def park(self, one: Read, reason: str) -> None:
        """Send a message to the dead letters."""
        self.health.dead_letters += 1
        log.error("a message was parked", topic=one.topic.name, offset=one.offset, reason=reason)
        letter = DeadLetter(
            self.prefix + one.topic.name, one.partition, one.offset, "store", reason, one.value
        )
        await self.output.send([letter.message(self.prefix)])

    async def _insist(
        self, call: Callable[[], T], is_passing: Callable[[Exception], bool] = lambda _: True
    ) -> T:
        """Do something with the store, again and again until it works; not in the event loop's thread.

        It raises the errors that are not passing ones.
        """
        while True:
            try:
                result = await self._watched(asyncio.get_running_loop().run_in_executor(None, call))
            except Exception as error:
                if not is_passing(error):
                    raise
                if not self.health.error:
                    log.error("cannot store, trying again", error=repr(error))
                self.health.error = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S)
            else:
                self.health.error = ""
                return result

    async def _watched(self, work: asyncio.Future[T]) -> T:
        """Wait for the store, and say so when it does not answer: a server may hang for hours."""
        done, _ = await asyncio.wait([work], timeout=SLOW_S)
        if not done and not self.health.error:
            self.health.error = f"the store has not answered for {SLOW_S:g} s; look whether its server hangs"
            log.error("the store does not answer, waiting on")
        return await work


def _is_state(error: Exception) -> bool:
    """Return whether it is the server's or the disk's state, and not what was to be kept."""
    if isinstance(error, RowsRefusedError):
        return False
    return isinstance(error, StorageError | OSError | MemoryError)
