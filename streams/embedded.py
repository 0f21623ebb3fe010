"""The embedded runtime: a bus in memory and one thread that carries batches through the processors.

Each round is: take what has arrived, run the processors, commit outputs in one transaction, then answer
those who wait and tell the listeners. What a sender was told has arrived (samples, commands) is written
to a journal in the same transaction as its outputs, so that after a kill the state is the last snapshot
plus the journal, run again: nothing is missing and, since outputs have deterministic keys, nothing is
doubled. Snapshots replace the journal about once a minute.

Processors of raw streams are left out of snapshot and journal: rovers and stations were promised nothing,
their state is seconds old, and time that this program was down must not be judged as a station's outage.
They start anew, as unknown.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from streams import codec
from streams.pipeline import Pipeline
from streams.records import (
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    RawBatch,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
    Tick,
)
from streams.samples import merge
from streams.topics import RAW

log = structlog.get_logger()

TICK_S = 0.2
SNAPSHOT_INTERVAL_US = 60_000_000
JOURNAL_LIMIT_BYTES = 16_000_000
PENDING_LIMIT_BYTES = 64_000_000
ROUND_LIMIT_BYTES = 8_000_000
COMMAND_TIMEOUT_S = 5.0
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round must make durable, in one transaction."""

    now_us: int
    inputs: Sequence[Record]
    outputs: Sequence[Record]
    journal: Sequence[bytes] = ()
    snapshots: dict[str, list[bytes]] | None = None
    """Given: replaces the old snapshots and the journal; it holds what this round did."""


class Keeper(Protocol):
    """Durable memory of the runtime (storage implements it)."""

    def keep(self, work: Round) -> None:
        """Commit the round. An error means that nothing of it was kept; it will be tried again."""
        ...

    def recall(self) -> tuple[dict[str, list[bytes]], Iterable[bytes]]:
        """Return the last snapshots and the journal since then, oldest first."""
        ...


Listener = Callable[[Sequence[Record]], None]


@dataclass(slots=True)
class _Item:
    batch: RawChunk | Record
    size: int
    done: asyncio.Future[None] | None = None


@dataclass(slots=True)
class Health:
    """How the runtime is doing, for `/readyz` and `/metrics`."""

    rounds: int = 0
    failures: int = 0
    pending_bytes: int = 0
    last_round_us: int = 0
    keep_error: str = ""
    """Why nothing is being stored right now; empty when all is well."""


@dataclass(slots=True, eq=False)
class EmbeddedRuntime:
    """Implements RawSink, SampleSink and CommandSink of `streams.bus` for one process.

    `clock_us` is the edge's clock; it makes the ticks while nothing arrives. `ticks=False` (a replay as
    fast as possible) leaves time to the data alone.
    """

    pipeline: Pipeline
    keeper: Keeper
    clock_us: Callable[[], int]
    ticks: bool = True
    listeners: list[Listener] = field(default_factory=list)
    health: Health = field(default_factory=Health)
    _queue: queue.SimpleQueue[_Item | None] = field(default_factory=queue.SimpleQueue)
    _size_lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _room: asyncio.Event | None = None
    _commands: dict[str, asyncio.Future[CommandOutcome]] = field(default_factory=dict)
    _now_us: int = 0
    _last_snapshot_us: int = 0
    _journal_bytes: int = 0
    _abandon: threading.Event = field(default_factory=threading.Event)
    _remembered: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self._remembered = Pipeline([p for p in self.pipeline.processors if RAW not in p.reads])

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Restore the state and begin to work."""
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()
        await self._loop.run_in_executor(None, self._restore)
        self._thread = threading.Thread(target=self._work, name="pipeline", daemon=True)
        self._thread.start()

    async def stop(self, *, end_of_input: bool = False) -> None:
        """Finish what has arrived, write a snapshot, stop. `end_of_input` closes what is pending."""
        if self._thread is None or self._loop is None:
            return
        self._queue.put(None)
        loop, thread = self._loop, self._thread
        await loop.run_in_executor(None, lambda: thread.join(10.0))
        if thread.is_alive():  # nothing can be stored: give up waiting, the journal has what was promised
            self._abandon.set()
            await loop.run_in_executor(None, thread.join)
        else:
            outputs = self.pipeline.end() if end_of_input else []
            work = Round(self._now_us, (), outputs, (), self._remembered.snapshots())
            await loop.run_in_executor(None, self._keep, work)
            self._tell(outputs)
        self._thread = None

    # --- doors --------------------------------------------------------------------------------------

    def offer(self, chunk: RawChunk) -> bool:
        """Take a live chunk without waiting (streams.bus.RawSink)."""
        if self.health.pending_bytes > PENDING_LIMIT_BYTES:
            return False
        self._add(_Item(chunk, len(chunk.payload)))
        return True

    async def put(self, chunk: RawChunk) -> None:
        """Take a chunk, waiting for room (streams.bus.RawSink)."""
        await self._wait_for_room()
        self._add(_Item(chunk, len(chunk.payload)))

    async def put_samples(self, batch: SampleBatch) -> None:
        """Return when the batch is durable (streams.bus.SampleSink)."""
        await self._wait_for_room()
        await self._durable(batch, 64 * len(batch) + 64)

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer once it is durable (streams.bus.CommandSink)."""
        answer: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._commands[command.id] = answer
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._durable(Commands(commands=[command]), 256)
                return await answer
        finally:
            self._commands.pop(command.id, None)

    async def drained(self) -> None:
        """Return when everything that was put before this call is durable."""
        await self._durable(Tick(now_us=self._now_us), 0)

    async def _durable(self, batch: Record, size: int) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(_Item(batch, size, done))
        await done

    async def _wait_for_room(self) -> None:
        assert self._room is not None, "the runtime is not started"
        while self.health.pending_bytes > PENDING_LIMIT_BYTES // 2:
            self._room.clear()
            if self.health.pending_bytes > PENDING_LIMIT_BYTES // 2:
                await self._room.wait()

    def _add(self, item: _Item) -> None:
        with self._size_lock:
            self.health.pending_bytes += item.size
        self._queue.put(item)

    # --- the thread ---------------------------------------------------------------------------------

    def _restore(self) -> None:
        snapshots, journal = self.keeper.recall()
        self._remembered.restore(snapshots)
        again: list[Record] = []
        for message in journal:
            batch = codec.decode(message)
            if isinstance(batch, Tick):
                self._now_us = max(self._now_us, batch.now_us)
                again.extend(self._remembered.run((), self._now_us))
            else:
                again.extend(self._remembered.run((batch,), None))
        self._last_snapshot_us = self.clock_us()
        self._keep(Round(self._now_us, (), again, (), self._remembered.snapshots()))

    def _work(self) -> None:
        running = True
        while running and not self._abandon.is_set():
            items, running = self._take()
            batches = _as_batches(items)
            if not batches and not self.ticks:
                self._settle(items)
                continue
            self._advance(batches)
            outputs = self.pipeline.run(batches, self._now_us or None)
            journal = self._journal(batches, outputs)
            self._report_failures()
            snapshots = self._due_snapshots()
            work = Round(self._now_us, batches, outputs, () if snapshots else journal, snapshots)
            if self._keep(work):
                self._settle(items)
                self._call(self._tell, outputs)
                self.health.rounds += 1
                self.health.last_round_us = self.clock_us()

    def _take(self) -> tuple[list[_Item], bool]:
        items: list[_Item] = []
        size = 0
        try:
            item = self._queue.get(timeout=TICK_S)
            while True:
                if item is None:
                    return items, False
                items.append(item)
                size += item.size
                if size > ROUND_LIMIT_BYTES:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return items, True

    def _advance(self, batches: Sequence[Record]) -> None:
        for batch in batches:
            if isinstance(batch, RawBatch):
                for chunk in batch.chunks:
                    if chunk.received_at_us is not None:
                        self._now_us = max(self._now_us, chunk.received_at_us)
            elif isinstance(batch, SampleBatch) and len(batch):
                self._now_us = max(self._now_us, int(batch.received_at_us.max()))
            elif isinstance(batch, Commands):
                self._now_us = max(self._now_us, *(c.at_us for c in batch.commands))
        if self.ticks and not batches:
            self._now_us = max(self._now_us, self.clock_us())

    def _journal(self, batches: Sequence[Record], outputs: Sequence[Record]) -> list[bytes]:
        journal = [codec.encode(b) for b in batches if isinstance(b, SampleBatch | Commands)]
        if journal or any(not isinstance(o, StationReports) for o in outputs):
            # The round's time goes with it, so that time-outs happen again where they happened.
            journal.append(codec.encode(Tick(now_us=self._now_us)))
        self._journal_bytes += sum(map(len, journal))
        return journal

    def _due_snapshots(self) -> dict[str, list[bytes]] | None:
        now = self.clock_us()
        due = now - self._last_snapshot_us > SNAPSHOT_INTERVAL_US or self._journal_bytes > JOURNAL_LIMIT_BYTES
        if not due:
            return None
        self._last_snapshot_us, self._journal_bytes = now, 0
        return self._remembered.snapshots()

    def _keep(self, work: Round) -> bool:
        while True:
            try:
                self.keeper.keep(work)
            except Exception as error:  # noqa: BLE001 - storage is away: wait, keep what we have, say so
                self.health.keep_error = f"{type(error).__name__}: {error}"
                log.error("cannot store, trying again", error=self.health.keep_error)
                if self._abandon.wait(RETRY_S):
                    return False
            else:
                self.health.keep_error = ""
                return True

    def _report_failures(self) -> None:
        for failure in self.pipeline.failures:
            self.health.failures += 1
            log.error("a processor failed on a batch", processor=failure.processor, error=repr(failure.error))
        self.pipeline.failures.clear()

    # --- back in the event loop ---------------------------------------------------------------------

    def _settle(self, items: Sequence[_Item]) -> None:
        with self._size_lock:
            self.health.pending_bytes -= sum(item.size for item in items)
        waiting = [item.done for item in items if item.done is not None]
        if self._room is not None:
            self._call(self._room.set)
        if waiting:
            self._call(_resolve, waiting)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _tell(self, outputs: Sequence[Record]) -> None:
        for batch in outputs:
            if isinstance(batch, CommandOutcomes):
                for outcome in batch.outcomes:
                    answer = self._commands.get(outcome.id)
                    if answer is not None and not answer.done():
                        answer.set_result(outcome)
        for listener in self.listeners:
            listener(outputs)


def _resolve(waiting: Sequence[asyncio.Future[None]]) -> None:
    for done in waiting:
        if not done.done():
            done.set_result(None)


def _as_batches(items: Sequence[_Item]) -> list[Record]:
    """Join chunks, and samples, of a round into one batch each; order within a kind is kept."""
    chunks: list[RawChunk] = []
    samples: list[SampleBatch] = []
    rest: list[Record] = []
    for item in items:
        if isinstance(item.batch, RawChunk):
            chunks.append(item.batch)
        elif isinstance(item.batch, SampleBatch):
            samples.append(item.batch)
        elif not isinstance(item.batch, Tick):
            rest.append(item.batch)
    batches: list[Record] = []
    if chunks:
        batches.append(RawBatch(chunks=chunks))
    if samples:
        batches.append(merge(samples))
    return batches + rest
