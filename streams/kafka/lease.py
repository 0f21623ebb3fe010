"""Work that one of several processes does: the one that a consumer group gives the topic's partition.

Whoever dies is replaced after `SESSION_MS`. One that was stopped and goes on does not know at once that it
was replaced, so what it writes must be fenced besides (`Output` with a transactional id).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from streams.kafka.access import Access
from streams.kafka.output import FencedError
from streams.kafka.why import Why

log = structlog.get_logger()

SESSION_MS = 10_000
RETRY_S = 1.0
_POLL_MS = 500


@dataclass(slots=True, eq=False)
class Lease(ConsumerRebalanceListener):  # type: ignore[misc]
    """Does work while this process has the lease.

    Parameters
    ----------
    kafka
        Where Kafka is.
    topic
        One with a single partition; its name at the broker. It is not read.
    group
        Name of the consumer group: processes of one group take turns.
    work
        Is cancelled when the lease goes to another, and begun again when it comes back. It ends by
        `FencedError` when another one has begun already.
    """

    kafka: Access
    topic: str
    group: str
    work: Callable[[], Coroutine[Any, Any, None]]
    held: bool = False
    _why: Why = field(init=False)
    _task: asyncio.Task[None] | None = None
    _again_s: float = 0.0
    """When work that ended may begin again."""

    def __post_init__(self) -> None:
        self._why = Why(self.kafka, "cannot ask Kafka for the lease, trying again")

    @property
    def error(self) -> str:
        """Why it cannot be known who has the lease; empty when all is well."""
        return self._why.text

    async def run(self) -> None:
        """Take part until cancelled. A fault of the work ends it."""
        try:
            while True:
                try:
                    await self._take_part()
                except (KafkaError, OSError, TimeoutError) as error:
                    self._why.note(error)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._why.clear()

    async def _take_part(self) -> None:
        consumer = AIOKafkaConsumer(
            **await self.kafka.admitted(),
            group_id=self.group,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 5,
        )
        consumer.subscribe([self.topic], listener=self)
        try:
            await consumer.start()
            while True:
                self._why.clear()
                if not consumer.partitions_for_topic(self.topic):
                    self._why.text = f"there is no topic {self.topic}; run `groundswell topics apply`"
                await consumer.getmany(timeout_ms=_POLL_MS)  # what it brings is read elsewhere
                self._look_after()
        finally:
            await self._let_go()
            await consumer.stop()

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Begin, when it is ours."""
        if assigned and not self.held:
            self.held = True
            self._begin()

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:  # noqa: ARG002
        """Let go: another may have it next."""
        await self._let_go()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self.work(), name=f"work of {self.group}")

    async def _let_go(self) -> None:
        self.held = False
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _look_after(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            self._again_s = now_s + RETRY_S
            if task.cancelled():  # or it would look as if somebody had ended this process
                raise RuntimeError(f"{task.get_name()} was cancelled from within")
            try:
                task.result()
            except FencedError as error:
                # One that lost the lease and does not know it yet must not shut out who has it.
                self._again_s = now_s + 1e-3 * SESSION_MS
                log.warning("another one does the work", group=self.group, why=str(error))
        if self.held and self._task is None and now_s >= self._again_s:
            self._begin()
