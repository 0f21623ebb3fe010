"""The embedded runtime: a bus in memory and one thread that carries batches through the processors.

Each round is: take what has arrived, leave out what came before, run the processors, commit outputs in one
transaction, then answer those who wait and tell the listeners. The commit goes on in a thread of its own
while the next round is worked out (`streams/storing.py`). What processors read (samples, commands, each
other's outputs) is written to a journal in the same transaction, so that after a kill the state is the last
snapshot plus the journal, read again: nothing is missing and nothing is doubled. Snapshots replace the
journal about once a minute.

Verdicts and flagged samples are shown before they are stored: nobody was promised that they stay.

Processors of raw streams are left out of snapshot and journal: rovers and stations were promised nothing,
their state is seconds old, and time that this program was down must not be judged as a station's outage.
They start anew, as unknown.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import structlog

from streams.call_records import CallReceipts, Resumed
from streams.inbox import ROUND_LIMIT_BYTES, Health, Inbox, Item, StoppedError
from streams.partition_time import time_of
from streams.partitions import rows_of
from streams.pipeline import Pipeline
from streams.processors.control import Control
from streams.records import (
    Changes,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    FlaggedSamples,
    RawChunk,
    Record,
    SampleBatch,
    StationReports,
    Tick,
)
from streams.resting import Resting
from streams.rounds import Journal, Keeper, Repetitions, Round, joined
from streams.sample_extras import extra_bytes
from streams.storing import AbandonedError, Storing
from streams.topics import PRESENCES, RAW

__all__ = ["EmbeddedRuntime", "Health", "Keeper", "Listener", "Round", "StoppedError"]

log = structlog.get_logger()

SNAPSHOT_INTERVAL_US = 60_000_000
JOURNAL_LIMIT_BYTES = 16_000_000
NOTE_BYTES = 1_000
COMMAND_BYTES = 8192
COMMAND_TIMEOUT_S = 5.0
SHOWN_AT_ONCE = (StationReports, FlaggedSamples)
STOP_S = 10.0
"""How long a stop waits for a store that is away."""


Listener = Callable[[Sequence[Record]], None]


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
    """Get what a round brought, once it is stored."""
    viewers: list[Listener] = field(default_factory=list)
    """Get its verdicts and flagged samples as soon as they are there, and all else once it is stored."""
    health: Health = field(default_factory=Health)
    standing: Changes = field(default_factory=lambda: Changes(changes=[]))
    """What was changed by command before the start; later changes come to the listeners."""
    _inbox: Inbox = field(init=False)
    _thread: threading.Thread | None = None
    _commands: dict[str, asyncio.Future[CommandOutcome]] = field(default_factory=dict)
    _now_us: int = 0
    _last_snapshot_us: int = 0
    _remembered: Pipeline = field(init=False)
    _forgotten: Pipeline = field(init=False)
    """Processors that begin anew after a stop: what they hold comes out before."""
    _storing: Storing = field(init=False)
    _journal: Journal = field(init=False)
    _repetitions: Repetitions = field(init=False)
    _resting: Resting = field(default_factory=Resting)

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.health)
        self._remembered = Pipeline([p for p in self.pipeline.processors if RAW not in p.reads])
        self._forgotten = Pipeline([p for p in self.pipeline.processors if RAW in p.reads])
        self._journal = Journal(self._remembered)
        self._storing = Storing(self.keeper, self.health)
        self._repetitions = Repetitions(self._storing)

    @property
    def repeated_samples(self) -> int:
        """Samples that came before and were left out."""
        return self._repetitions.left_out

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Restore the state and begin to work."""
        self._inbox.open()
        await asyncio.get_running_loop().run_in_executor(None, self._restore)
        if self.ticks and any(PRESENCES in one.reads for one in self.pipeline.processors):
            self._inbox.offer(Resumed(now_us=self.clock_us()), NOTE_BYTES)
        self._thread = threading.Thread(target=self._work, name="pipeline", daemon=True)
        self._thread.start()

    async def stop(self, *, end_of_input: bool = False) -> None:
        """Finish what has arrived, write a snapshot, stop. `end_of_input` closes what is pending.

        A store that is away for `STOP_S` is not waited for: the journal has what was promised, and who
        waits for a promise gets a `StoppedError`.
        """
        if self._thread is None:
            return
        loop = asyncio.get_running_loop()
        self._inbox.end()
        patience = loop.call_later(STOP_S, self._storing.abandon.set)
        try:
            await loop.run_in_executor(None, self._thread.join)
            if not self._inbox.refusal:
                outputs = await loop.run_in_executor(None, self._close, end_of_input)
                self._show(outputs)
                self._tell(outputs)
        finally:
            patience.cancel()
            self._thread = None
            self._inbox.refuse("the program is stopping")

    def _close(self, end_of_input: bool) -> list[Record]:
        outputs = self.pipeline.end() if end_of_input else self._forgotten.end()
        self._report_failures()
        work = Round(self._now_us, (), outputs, (), self._remembered.snapshots())
        try:
            self._storing.insist(lambda: self.keeper.keep(work))
        except AbandonedError:
            return []
        return outputs

    # --- doors --------------------------------------------------------------------------------------

    def offer(self, chunk: RawChunk) -> bool:
        """Take a live chunk without waiting (streams.bus.RawSink)."""
        return self._inbox.offer(chunk, len(chunk.payload))

    async def put(self, chunk: RawChunk) -> None:
        """Take a chunk, waiting for room (streams.bus.RawSink)."""
        await self._inbox.put(chunk, len(chunk.payload))

    def note(self, batch: Record) -> None:
        """Take what is only to be kept, without waiting."""
        if not self._inbox.offer(batch, NOTE_BYTES):
            log.warning("there was no room to keep something", what=type(batch).__name__)

    async def keep(self, batch: Record) -> None:
        """Return when something that is only to be kept is durable.

        Raises
        ------
        StoppedError
            It was not stored in time.
        """
        await self._inbox.deliver(batch, COMMAND_BYTES)

    async def put_samples(self, batch: SampleBatch) -> None:
        """Return when the batch is durable (streams.bus.SampleSink).

        Samples whose datastream has an id that cannot be stored are left out and counted.
        """
        batch = self._usable(batch)
        size = 64 * len(batch) + 256 * len(batch.datastream_ids) + extra_bytes(batch)
        await self._inbox.deliver(batch, size)

    def _usable(self, batch: SampleBatch) -> SampleBatch:
        """Leave out what the store could never take: a fault of one batch is its sender's, not of all."""
        bad = [number for number, name in enumerate(batch.datastream_ids) if not _is_text(name)]
        if not bad:
            return batch
        usable = rows_of(batch, np.flatnonzero(~np.isin(batch.series, bad)))
        self.health.refused_samples += len(batch) - len(usable)
        log.warning("samples without a usable id are refused", count=len(batch) - len(usable))
        return usable

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer once it is durable (streams.bus.CommandSink)."""
        answer: asyncio.Future[CommandOutcome] = asyncio.get_running_loop().create_future()
        self._commands[command.id] = answer
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._inbox.deliver(Commands(commands=[command]), COMMAND_BYTES)
                return await answer
        except StoppedError as error:
            raise TimeoutError(str(error)) from error
        finally:
            self._commands.pop(command.id, None)

    async def put_receipts(self, batch: CallReceipts) -> None:
        """Return when what was said of calls is durable (streams.bus.ReceiptSink)."""
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._inbox.deliver(batch, COMMAND_BYTES * len(batch.receipts))
        except StoppedError as error:
            raise TimeoutError(str(error)) from error

    async def drained(self) -> None:
        """Return when everything that was put before this call is durable."""
        await self._inbox.deliver(Tick(now_us=self._now_us), 0)

    # --- the thread ---------------------------------------------------------------------------------

    def _restore(self) -> None:
        snapshots, journal = self.keeper.recall()
        self._remembered.restore(snapshots)
        self._now_us = self._journal.repeat(journal)
        self._remembered.failures.clear()  # told when they happened
        for processor in self._remembered.processors:
            if isinstance(processor, Control):
                self.standing = processor.standing
        self._forgotten.begin(self.standing)
        # those that are new in this program
        Pipeline([p for p in self._remembered.processors if p.name not in snapshots]).begin(self.standing)

    def _work(self) -> None:
        try:
            self._rounds()
            self._storing.finish()
        except AbandonedError:
            self._inbox.call(self._inbox.refuse, "the store is away and the program is stopping")
        except Exception as error:
            log.exception("the pipeline has ended by a fault")
            self.health.keep_error = f"the pipeline has ended by a fault ({error!r}); restart the program"
            self._inbox.call(self._inbox.refuse, self.health.keep_error)

    def _rounds(self) -> None:
        running = True
        while running:
            items, running = self._take()
            batches = joined(item.batch for item in items)
            if not batches and not self.ticks:
                self._storing.finish()
                self._inbox.settle(items)
                continue
            before_us = self._now_us
            self._advance(batches)
            batches = [self._new(batch) for batch in batches]
            outputs = self.pipeline.run(batches, self._now_us or None)
            self._inbox.call(self._show, outputs)
            self._report_failures()
            journal = self._journal.messages(before_us, batches, outputs, self._now_us)
            snapshots = self._due_snapshots()
            work = Round(self._now_us, batches, outputs, () if snapshots else journal, snapshots)
            self._storing.hand_over(work, partial(self._stored, items, outputs))

    def _take(self) -> tuple[list[Item], bool]:
        if self.ticks:
            time.sleep(self._resting.left_s(time.monotonic()))
        items, running = self._inbox.take()
        epochs = sum(isinstance(item.batch, RawChunk) for item in items)
        is_all = sum(item.size for item in items) <= ROUND_LIMIT_BYTES
        self._resting.began(time.monotonic(), epochs, is_all=is_all)
        return items, running

    def _stored(self, items: Sequence[Item], outputs: Sequence[Record]) -> None:
        self._inbox.settle(items)
        self._inbox.call(self._tell, outputs)
        self.health.rounds += 1
        self.health.last_round_us = self.clock_us()

    def _new(self, batch: Record) -> Record:
        return self._repetitions.without(batch) if isinstance(batch, SampleBatch) else batch

    def _advance(self, batches: Sequence[Record]) -> None:
        self._now_us = max((self._now_us, *map(time_of, batches)))
        if self.ticks and not batches:
            self._now_us = max(self._now_us, self.clock_us())

    def _due_snapshots(self) -> dict[str, list[bytes]] | None:
        now = self.clock_us()
        if not self._last_snapshot_us:
            self._last_snapshot_us = now
        due_us = self._last_snapshot_us + SNAPSHOT_INTERVAL_US
        if now <= due_us and self._journal.size <= JOURNAL_LIMIT_BYTES:
            return None
        self._last_snapshot_us, self._journal.size = now, 0
        return self._remembered.snapshots()

    def _report_failures(self) -> None:
        for failure in self.pipeline.failures:
            self.health.failures += 1
            log.error("a processor failed", processor=failure.processor, error=repr(failure.error))
        self.pipeline.failures.clear()

    # --- back in the event loop ---------------------------------------------------------------------

    def _tell(self, outputs: Sequence[Record]) -> None:
        for batch in outputs:
            if isinstance(batch, CommandOutcomes):
                for outcome in batch.outcomes:
                    answer = self._commands.get(outcome.id)
                    if answer is not None and not answer.done():
                        answer.set_result(outcome)
        _tell_all(self.listeners, outputs)
        _tell_all(self.viewers, [batch for batch in outputs if not isinstance(batch, SHOWN_AT_ONCE)])

    def _show(self, outputs: Sequence[Record]) -> None:
        _tell_all(self.viewers, [batch for batch in outputs if isinstance(batch, SHOWN_AT_ONCE)])


def _tell_all(listeners: Iterable[Listener], batches: Sequence[Record]) -> None:
    for listener in listeners:
        try:
            listener(batches)
        except Exception:
            log.exception("a listener failed")


def _is_text(name: str) -> bool:
    """Return whether a name can be written as bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
