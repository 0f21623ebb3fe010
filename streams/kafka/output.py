"""What workers send to Kafka: again and again until it is there, or all of it in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from streams.kafka.access import Access
from streams.kafka.why import Why

log = structlog.get_logger()

RETRY_S = 1.0
SLOW_S = 10.0
"""Brokers that need longer for an answer are said to hang; the producer would wait on without a word."""
POSTED_BYTES = 16_000_000
"""That may be on their way."""
LINGER_S = 0.03
"""What is posted gathers for so long unless it is urgent: a request costs as much as what is in it."""
REQUEST_MS = 20_000
_REQUEST_BYTES = 1_100_000
"""A message of `streams.topics.MESSAGE_BYTES` and what goes with it."""
_BATCH_BYTES = 262_144


class Message(NamedTuple):
    """On its way to a partition."""

    topic: str
    partition: int
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = None


class FencedError(RuntimeError):
    """Another process does this task now: this one has to let go of it."""


@dataclass(slots=True)
class Output:
    """A producer that is made anew when it breaks.

    Messages reach each partition in their order. What was sent and not confirmed is sent again and may be
    there twice; within a transaction (`transactional_id`) it counts once.
    """

    kafka: Access
    client_id: str
    transactional_id: str | None = None
    once: bool = False
    """A transactional id is taken once: its owner has to begin anew when the producer breaks, and looks first
    what others wrote meanwhile. Taken again, it would shut out a successor."""
    sent: int = 0
    _is_taken: bool = False
    _why: Why = field(init=False)
    _producer: AIOKafkaProducer | None = None
    _posted: deque[Message] = field(default_factory=deque)
    _posted_bytes: int = 0
    _settled_messages: int = 0
    """Of those that were posted: how many the broker has."""
    _pump: asyncio.Task[None] | None = None
    _settled: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._why = Why(self.kafka, "cannot send to Kafka, trying again")

    @property
    def error(self) -> str:
        """Why nothing can be sent right now; empty when all is well."""
        return self._why.text

    async def send(self, messages: Sequence[Message]) -> None:
        """Return when the broker has all of them."""
        if messages:
            await self.insist(lambda producer: send_all(producer, messages))
            self.sent += len(messages)

    async def post(self, messages: Sequence[Message], *, at_once: bool = False) -> None:
        """Send messages behind those that were posted before; return at once unless many wait.

        While some are on their way others gather, and go together. `flush` waits for all of them.

        Parameters
        ----------
        at_once
            These wait for nothing but what is on its way.
        """
        self._posted.extend(messages)
        if at_once:
            self._hurry.set()
        self._posted_bytes += sum(len(m.value) for m in messages)
        self._begin()
        while self._posted_bytes > POSTED_BYTES:
            await self._some_sent()

    async def flush(self) -> None:
        """Return when the broker has everything that was posted before this call."""
        end = self._settled_messages + len(self._posted)
        while self._settled_messages < end:
            await self._some_sent()

    async def _some_sent(self) -> None:
        self._begin()
        self._settled.clear()
        await self._settled.wait()

    def _begin(self) -> None:
        if self._posted and self._pump is None:
            self._pump = asyncio.create_task(self._send_posted(), name=f"output of {self.client_id}")

    async def _send_posted(self) -> None:
        try:
            while self._posted:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S):
                        await self._hurry.wait()
                self._hurry.clear()
                some = list(self._posted)
                await self.send(some)
                for message in some:
                    self._posted.popleft()
                    self._posted_bytes -= len(message.value)
                self._settled_messages += len(some)
                self._settled.set()
        finally:
            self._pump = None
            self._settled.set()

    async def insist(self, work: Callable[[AIOKafkaProducer], Awaitable[None]]) -> None:
        """Do something with the producer until it works; with a transactional id in one transaction.

        Raises
        ------
        FencedError
            Another producer has taken this transactional id; with `once`: may have taken it.
        """
        while True:
            slow = asyncio.get_running_loop().call_later(SLOW_S, self._hang)
            try:
                producer = await self._ready()
                async with self._transaction(producer):
                    await work(producer)
            except ProducerFenced as error:
                await self._drop()
                raise FencedError(f"another process works as {self.transactional_id}") from error
            except (KafkaError, OSError, TimeoutError) as error:
                self._why.note(error)
                await self._drop()
                if self.once and self._is_taken:
                    raise FencedError(
                        f"another process may work as {self.transactional_id} by now"
                    ) from error
                await asyncio.sleep(RETRY_S)
            else:
                self._why.clear()
                return
            finally:
                slow.cancel()

    def _hang(self) -> None:
        if not self.error:
            self._why.text = (
                f"Kafka at {self.kafka.servers} has not answered for {SLOW_S:g} s; look whether it hangs"
            )
            log.error("Kafka does not answer, waiting on", kafka=self.kafka.servers)

    async def close(self) -> None:
        """Let go of the producer."""
        self._why.clear()
        await self._drop()

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), 5.0)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._making:  # several send at the same time, and must share one
            return await self._made()

    async def _made(self) -> AIOKafkaProducer:
        if self._producer is None:
            if self.once and self._is_taken:
                raise FencedError(f"another process may work as {self.transactional_id} by now")
            producer = AIOKafkaProducer(
                **await self.kafka.admitted(),
                client_id=self.client_id,
                acks="all",
                enable_idempotence=True,
                transactional_id=self.transactional_id,
                request_timeout_ms=REQUEST_MS,
                max_request_size=_REQUEST_BYTES,
                max_batch_size=_BATCH_BYTES,
            )
            try:
                await producer.start()
            except BaseException:
                with contextlib.suppress(KafkaError, OSError):
                    await producer.stop()
                raise
            self._producer, self._is_taken = producer, True
        return self._producer

    @contextlib.asynccontextmanager
    async def _transaction(self, producer: AIOKafkaProducer) -> AsyncIterator[None]:
        if self.transactional_id is None:
            yield
        else:
            async with producer.transaction():
                yield


async def send_all(producer: AIOKafkaProducer, messages: Sequence[Message]) -> None:
    """Return when the broker has all of them."""
    waiting = [
        await producer.send(m.topic, m.value, key=m.key, partition=m.partition, headers=list(m.headers))
        for m in messages
    ]
    await asyncio.gather(*waiting)
