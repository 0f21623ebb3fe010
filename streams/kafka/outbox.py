"""From memory to Kafka, by way of the spool when Kafka is away; the order of each partition is kept.

A message is in one of four places, and they follow each other: under way (the producer has it), read ahead
from the spool, in the spool, waiting in memory. What Kafka did not confirm within `PATIENCE_S` is copied to
the spool and stays under way: when the broker comes back the producer confirms it there. While anything in
the spool waits to be sent, newer messages go behind it.

When the producer breaks, what was under way and was not confirmed begins anew: from the spool, or from
memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from streams.inbox import StoppedError
from streams.kafka.link import BATCH_BYTES, OVERHEAD_BYTES, Link, LinkError
from streams.kafka.origin import Origin
from streams.kafka.spool import Spool
from streams.kafka.under_way import Message, SinkHealth

log = structlog.get_logger()
T = TypeVar("T")

PATIENCE_S = 1.0
RETRY_S = 1.0
ROUND_S = 0.2
FLIGHT_BYTES = 16_000_000
READ_AHEAD_BYTES = 4_000_000
YIELD_EVERY = 64
"""Messages handed over until others get their turn in the event loop."""


@dataclass(slots=True, eq=False)
class Outbox:
    """Carries messages to Kafka in the order in which they are added.

    `freed` is called with the bytes of messages that are no longer in memory alone.
    """

    link: Link
    spool: Spool
    health: SinkHealth
    freed: Callable[[int], None]
    _waiting: deque[Message] = field(default_factory=deque)
    _ahead: deque[Message] = field(default_factory=deque)
    _flying: dict[int, Message] = field(default_factory=dict)
    """Under way, in the order in which they were handed over."""
    _handed_s: dict[int, float] = field(default_factory=dict)
    _flying_bytes: int = 0
    _partition_bytes: dict[tuple[str, int], int] = field(default_factory=dict)
    _count: int = 0
    _arrived: list[int] = field(default_factory=list)
    """Positions of the spool."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "spool"))
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _round_done: asyncio.Event = field(default_factory=asyncio.Event)
    _rounds: asyncio.Task[None] | None = None
    _connecting: asyncio.Task[None] | None = None
    _stopping: bool = False

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the spool and begin, whether Kafka is there or not.

        Raises
        ------
        SpoolError
            The spool's folder cannot be used.
        """
        await self._call(self.spool.open)
        self._rounds = asyncio.create_task(self._work())

    async def stop(self, patience_s: float) -> None:
        """Send what there is, for so long; what has not arrived then goes to the spool.

        Nothing may be added any more.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + patience_s
        self._wake.set()
        while not self._idle() and not self._hopeless() and loop.time() < until_s:
            self._round_done.clear()
            await self._round_done.wait()
        self._stopping = True
        self._wake.set()
        if self._rounds is not None:
            await self._rounds
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        await self._begin_anew()
        await self._acknowledge()
        if self._waiting:
            await self._spill(reserve_bytes=sum(message.size + OVERHEAD_BYTES for message in self._waiting))
        await self._call(self.spool.sync)
        await self._look()
        await self._call(self.spool.close)
        self._thread.shutdown(wait=False)
        if self._waiting:
            self.health.lost_messages += len(self._waiting)
            log.error(
                "messages are lost", count=len(self._waiting), kafka=self.link.error, disk=self.spool.full
            )
            for message in self._waiting:
                message.fail(StoppedError("the program is stopping, and Kafka and the disk take nothing"))
            self._waiting.clear()

    def add(self, messages: Sequence[Message]) -> None:
        """Take messages; never waits."""
        self._waiting.extend(messages)
        self._wake.set()

    @property
    def calm(self) -> bool:
        """Whether messages go straight to Kafka."""
        return self.link.ready and not self.spool.unread and not self._ahead and not self._is_stuck()

    def _idle(self) -> bool:
        return not (self._waiting or self._flying or self._ahead or self.spool.unread)

    def _hopeless(self) -> bool:
        return self._is_stuck() or (not self.link.ready and bool(self.link.error))

    # --- rounds -------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping:
            try:
                await self._round()
            except Exception as error:
                log.exception("the way to Kafka failed, trying again")
                self.link.cut(error)
            self._round_done.set()
            if not self._wake.is_set():
                asyncio.get_running_loop().call_later(ROUND_S, self._wake.set)
            await self._wake.wait()
            self._wake.clear()

    async def _round(self) -> None:
        if self.link.broken:
            await self._begin_anew()
        if not self.link.ready and (self._connecting is None or self._connecting.done()):
            self._connecting = asyncio.create_task(self._connect())
        await self._acknowledge()
        if self._must_spill():
            await self._spill()
        await self._hand_over()
        await self._look()

    async def _connect(self) -> None:
        if self.link.error:
            await asyncio.sleep(RETRY_S)
        before = self.link.error
        try:
            await self.link.connect()
        except LinkError as error:
            if str(error) != before:
                log.error("messages wait for Kafka", error=str(error))
        self._wake.set()

    async def _begin_anew(self) -> None:
        """Give the producer up; what it did not confirm waits again, in its order."""
        await self.link.close()
        back = [message for message in self._flying.values() if message.position is None]
        self._waiting.extendleft(reversed(back))
        self._flying.clear()
        self._handed_s.clear()
        self._partition_bytes.clear()
        self._flying_bytes = 0
        self._ahead.clear()
        await self._call(self.spool.rewind)

    async def _acknowledge(self) -> None:
        if self._arrived:
            positions, self._arrived = self._arrived, []
            await self._call(lambda: self.spool.acknowledge(positions))

    def _is_stuck(self) -> bool:
        """Whether Kafka keeps us waiting for what is under way."""
        oldest_s = next(iter(self._handed_s.values()), None)
        return oldest_s is not None and asyncio.get_running_loop().time() - oldest_s > PATIENCE_S

    # --- to the spool -------------------------------------------------------------------------------

    def _must_spill(self) -> bool:
        if self._is_stuck():
            return bool(self._waiting) or any(m.position is None for m in self._flying.values())
        if not self._waiting:
            return False
        waited_s = asyncio.get_running_loop().time() - self._waiting[0].made_s
        return self.spool.unread or bool(self._ahead) or waited_s > PATIENCE_S

    async def _spill(self, reserve_bytes: int = 0) -> None:
        """Copy what is in memory alone to the spool, in its order, as far as there is room."""
        under_way = [message for message in self._flying.values() if message.position is None]
        waiting = list(self._waiting)
        promised = any(message.promise is not None for message in (*under_way, *waiting))

        def work() -> tuple[list[int], bool]:
            positions = self.spool.append([m.frame for m in under_way], handed=True) if under_way else []
            if len(positions) == len(under_way):
                frames = [message.frame for message in waiting]
                positions += self.spool.append(frames, reserve_bytes=reserve_bytes)
            return positions, self.spool.sync() if promised and positions else True

        positions, synced = await self._call(work)
        self.health.spooled_ever += len(positions)
        for message, position in zip([*under_way, *waiting], positions, strict=False):
            message.position = position
            if message.arrived:
                self._arrived.append(position)
                continue  # it was settled when it arrived
            self.freed(message.size)
            if synced:
                message.durable()
            else:
                message.fail(OSError("Kafka is away, and the disk did not say that it has them"))
        for _ in positions[len(under_way) :]:
            self._waiting.popleft()

    # --- to Kafka -----------------------------------------------------------------------------------

    async def _hand_over(self) -> None:
        while self.link.ready and not self._is_stuck():
            if not self._ahead and self.spool.unread:
                found = await self._call(lambda: self.spool.read(READ_AHEAD_BYTES))
                now_s = asyncio.get_running_loop().time()
                self._ahead.extend(Message(each.frame, now_s, position=each.position) for each in found)
            source = self._ahead or (None if self.spool.unread else self._waiting)
            if not source or not self._fits(source[0]):
                return
            message, frame = source[0], source[0].frame
            future = await self.link.send(frame, Origin(frame.maker, frame.number).headers())
            if future is None:
                return
            source.popleft()
            self._take_off(message, future)
            if self._count % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    def _fits(self, message: Message) -> bool:
        size = message.size + OVERHEAD_BYTES
        under_way = self._partition_bytes.get((message.frame.topic, message.frame.partition), 0)
        if under_way and under_way + size > BATCH_BYTES:
            return False
        return self._flying_bytes + size <= FLIGHT_BYTES

    def _take_off(self, message: Message, future: asyncio.Future[Any]) -> None:
        self._count += 1
        number, key = self._count, (message.frame.topic, message.frame.partition)
        self._flying[number] = message
        self._handed_s[number] = asyncio.get_running_loop().time()
        size = message.size + OVERHEAD_BYTES
        self._flying_bytes += size
        self._partition_bytes[key] = self._partition_bytes.get(key, 0) + size
        future.add_done_callback(lambda done: self._land(number, done))

    def _land(self, number: int, future: asyncio.Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        message = self._flying.get(number)
        if message is None:
            return  # of a producer that was given up
        if error is not None or future.cancelled():
            self.link.cut(error or ConnectionError("a message was cancelled"))
            self._wake.set()
            return
        del self._flying[number], self._handed_s[number]
        size, key = message.size + OVERHEAD_BYTES, (message.frame.topic, message.frame.partition)
        self._flying_bytes -= size
        self._partition_bytes[key] -= size
        self.health.messages_sent += 1
        self.health.bytes_sent += message.size
        self.health.ticks_sent += message.tick
        message.arrived = True
        if message.position is None:
            self.freed(message.size)
            message.durable()
        else:
            self._arrived.append(message.position)
        self._wake.set()

    # --- health -------------------------------------------------------------------------------------

    async def _look(self) -> None:
        health, spool = self.health, self.spool
        health.kafka_error = self.link.error
        if not health.kafka_error and (self._is_stuck() or not (self.link.ready or self._stopping)):
            health.kafka_error = f"Kafka at {self.link.kafka.servers} does not answer"
        health.full = spool.full if self._must_spill() else ""
        health.spooled_messages = spool.messages
        health.spooled_bytes = spool.size if spool.messages else 0
        health.oldest_spooled_us = await self._call(spool.oldest_us) if spool.messages else None
        health.torn_bytes, health.damaged_bytes = spool.torn_bytes, spool.damaged_bytes

    async def _call(self, work: Callable[[], T]) -> T:
        """Do something with the spool in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
