"""The output of a task with a journal: what it tells and what that came of, in one transaction.

While a transaction is on its way, what comes next gathers for the following one, so that a thousand steps
within a second need few of them. A snapshot goes in parts between them and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from streams.kafka.journal import Entry, packed
from streams.kafka.output import POSTED_BYTES, FencedError, Message, Output
from streams.kafka.snapshots import journal_key
from streams.topics import SNAPSHOTS

log = structlog.get_logger()

_PART_BYTES = 1_000_000
"""Of a snapshot, in one transaction."""


@dataclass(slots=True, eq=False)
class JournaledOutput:
    """Writes what a task tells, its journal and its snapshots.

    Parameters
    ----------
    output
        With a transactional id that is taken once.
    task, partition, topic
        Name of the task, and where it is; name of the topic of snapshots at the broker.
    lost
        Called when nothing more can be written: the task may be another worker's.
    wrote
        Called with the bytes of each piece of the journal, packed.
    kept
        Number and end (as `Entry.at`) of the chunks that the topic has already.
    """

    output: Output
    task: str
    partition: int
    topic: str
    lost: Callable[[FencedError], None]
    wrote: Callable[[int], None] = lambda _: None
    kept: list[tuple[int, int]] = field(default_factory=list)
    _outputs: list[Message] = field(default_factory=list)
    _entries: list[Entry] = field(default_factory=list)
    _waiting_bytes: int = 0
    _posted: int = 0
    _settled: int = 0
    """Of the outputs that were posted: how many the broker has."""
    _free: deque[int] = field(default_factory=deque)
    """Numbers of chunks that are void."""
    _next: int = field(init=False)
    _failure: FencedError | None = None
    _writing: asyncio.Task[None] | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._next = 1 + max((number for number, _ in self.kept), default=-1)

    async def post(self, entry: Entry, outputs: Sequence[Message]) -> None:
        """Write outputs and what they came of, behind those before; return at once unless much waits.

        A message that brought nothing is written with the next one that does.

        Raises
        ------
        FencedError
            Another worker may have this task.
        """
        self._entries.append(entry)
        self._outputs += outputs
        self._posted += len(outputs)
        self._waiting_bytes += _size(entry, outputs)
        self._begin()
        while self._outputs and self._waiting_bytes > POSTED_BYTES:
            await self._some_written()

    async def flush(self) -> None:
        """Return when the broker has all outputs that were posted before this call; raises as `post` does."""
        end = self._posted
        while self._settled < end:
            await self._some_written()

    async def snapshot(self, messages: Sequence[Message], taken: int) -> None:
        """Write a snapshot in parts; behind it the journal before it is void. It raises what `post` raises.

        Parameters
        ----------
        taken
            How much the task had taken when its state was this (`Task.taken`).
        """
        void = [number for number, end in self.kept if end < taken]
        at = self.partition % SNAPSHOTS.partitions
        over = [Message(self.topic, at, b"", (), journal_key(self.task, number)) for number in void]
        for part in _parts([*messages, *over]):
            async with self._turn:
                await self._send(part)
        gone = set(void)
        self.kept = [one for one in self.kept if one[0] not in gone]
        self._free.extend(void)
        self._entries = [entry for entry in self._entries if entry.at >= taken]
        self._waiting_bytes = sum(_size(entry) for entry in self._entries) + sum(map(_bytes, self._outputs))

    async def close(self) -> None:
        """Let go of the producer."""
        if self._writing is not None:
            self._writing.cancel()
        await self.output.close()

    def _begin(self) -> None:
        if self._outputs and self._writing is None and self._failure is None:
            self._writing = asyncio.create_task(self._write(), name=f"journal of {self.task}")

    async def _some_written(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._begin()
        self._moved.clear()
        await self._moved.wait()

    async def _write(self) -> None:
        try:
            while self._outputs:
                async with self._turn:
                    await self._transaction()
        except Exception as error:  # noqa: BLE001 - a task that cannot tell what it found must not go on
            self.lost(await self._failed(error))
        finally:
            self._writing = None
            self._moved.set()

    async def _transaction(self) -> None:
        """Write everything that waits."""
        outputs, entries = self._outputs, self._entries
        self._outputs, self._entries, self._waiting_bytes = [], [], 0
        chunks = await asyncio.to_thread(packed, entries)
        numbers = [self._number() for _ in chunks]
        at = self.partition % SNAPSHOTS.partitions
        journal = [
            Message(self.topic, at, chunk, (), journal_key(self.task, number))
            for number, chunk in zip(numbers, chunks, strict=True)
        ]
        await self._send([*outputs, *journal])
        self.kept += [(number, entries[-1].at) for number in numbers]
        self.wrote(sum(map(len, chunks)))
        self._settled += len(outputs)
        self._moved.set()

    async def _send(self, messages: Sequence[Message]) -> None:
        """Write messages in one transaction, unless one before failed: the id would be taken again."""
        if self._failure is not None:
            raise self._failure
        try:
            await self.output.send(messages)
        except Exception as error:
            raise await self._failed(error) from error

    async def _failed(self, error: Exception) -> FencedError:
        """Return why nothing more can be written."""
        if self._failure is None and isinstance(error, FencedError):
            self._failure = error
        elif self._failure is None:
            self._failure = FencedError(f"{self.task}: {error!r}")
            log.error("what a task tells cannot be written", task=self.task, error=repr(error))
            await self.output.close()
        return self._failure

    def _number(self) -> int:
        """Return one that no chunk has which is still needed."""
        if self._free:
            return self._free.popleft()
        self._next += 1
        return self._next - 1


def _bytes(message: Message) -> int:
    return len(message.value)


def _size(entry: Entry, outputs: Sequence[Message] = ()) -> int:
    return len(entry.value) + sum(map(len, entry.told)) + sum(map(_bytes, outputs))


def _parts(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield messages in their order, some at a time."""
    part, size = list[Message](), 0
    for message in messages:
        part.append(message)
        size += len(message.value)
        if size >= _PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
