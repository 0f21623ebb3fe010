"""A producer and its life: made, used, and given up when it breaks.

While it lives it sends again by itself what was not confirmed, and the broker recognises what it has already
(an idempotent producer), also when an answer came too late. What has to be sent by another producer
afterwards may be there twice; its origin (`streams.kafka.origin`) tells.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped,unused-ignore]
from aiokafka.errors import (  # type: ignore[import-untyped,unused-ignore]
    KafkaError,
    UnknownTopicOrPartitionError,
)

from streams.kafka.access import AWAY, Access, NotAdmittedError
from streams.kafka.spool_frames import Frame

log = structlog.get_logger()

BATCH_BYTES = 1_040_000
"""What one partition gets in one request: below what a broker takes by default, above one message."""
OVERHEAD_BYTES = 400
"""What a message costs in a batch besides its payload: its headers, its lengths, the batch's own head."""
REQUEST_S = 30.0
CONNECT_S = 15.0
TOPIC_S = 2.0
"""How long a topic may be unknown to the broker that was asked."""
SEND_S = 0.5
GRACE_S = 1.0
"""How long a producer that is given up may still take in answers."""


class LinkError(ConnectionError):
    """Kafka cannot be used now: one sentence. Trying again can help."""


@dataclass(slots=True, eq=False)
class Link:
    """The way to Kafka.

    Parameters
    ----------
    kafka
        Where it is.
    client_id
        Names this program at the broker.
    topics
        Those that are written to, and how many partitions each must have.
    """

    kafka: Access
    client_id: str
    topics: Mapping[str, int]
    error: str = ""
    """Why it cannot be used; empty when all is well."""
    broken: bool = False
    """It has to be closed, and connected anew."""
    _producer: Any = None

    @property
    def ready(self) -> bool:
        """Whether messages can be sent."""
        return self._producer is not None and not self.broken

    async def connect(self) -> None:
        """Make a producer and look at the topics.

        Raises
        ------
        LinkError
            No broker answers, or the topics are not as they must be.
        """
        assert self._producer is None, "close the old one first"
        try:
            options = await self.kafka.admitted()
        except NotAdmittedError as error:
            self.error = self.kafka.first_words(error)
            raise LinkError(self.error) from error
        producer = AIOKafkaProducer(
            **options,
            client_id=self.client_id,
            enable_idempotence=True,
            acks="all",
            request_timeout_ms=round(REQUEST_S * 1000),
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES,
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await producer.start()
                for topic, partitions in self.topics.items():
                    await self._look_at(producer, topic, partitions)
        except BaseException as error:
            await _give_up(producer)
            if not isinstance(error, KafkaError | OSError):  # TimeoutError is an OSError
                raise
            self.error = str(error) if isinstance(error, _TopicError) else await self.kafka.reason(error)
            raise LinkError(self.error) from error
        self._producer, self.broken, self.error = producer, False, ""

    async def send(self, frame: Frame, headers: Sequence[tuple[str, bytes]]) -> asyncio.Future[Any] | None:
        """Hand a message to the producer; its future is done when the broker has it.

        None: not now, or the link is `broken`. Messages of a partition must not be more than `BATCH_BYTES`
        together with their overhead at one time, so that none holds up those of other partitions.
        """
        try:
            async with asyncio.timeout(SEND_S):
                future: asyncio.Future[Any] = await self._producer.send(
                    frame.topic,
                    frame.payload,
                    partition=frame.partition,
                    timestamp_ms=frame.time_us // 1000,
                    headers=list(headers),
                )
        except TimeoutError:
            return None
        except (KafkaError, AssertionError, OSError) as error:  # aiokafka asserts that the partition exists
            self.cut(error)
            return None
        return future

    def cut(self, error: BaseException) -> None:
        """Stop sending at once, since what follows a lost message must not overtake it."""
        if not self.broken and self._producer is not None:
            self.broken = True
            self.error = self._words(error)
            log.error("Kafka refuses a message; making a new connection", error=repr(error))
            self._producer._sender.sender_task.cancel()  # `stop` would first send the rest

    async def close(self) -> None:
        """Give the producer up. What is not confirmed then never will be, though it may have arrived."""
        producer, self._producer, self.broken = self._producer, None, False
        if producer is not None:
            await _give_up(producer)

    async def _look_at(self, producer: Any, topic: str, partitions: int) -> None:
        try:
            async with asyncio.timeout(TOPIC_S):
                found = len(await producer.partitions_for(topic))
        except (UnknownTopicOrPartitionError, TimeoutError):
            raise _TopicError(f"there is no topic {topic}; run groundswell topics apply") from None
        if found < partitions:
            raise _TopicError(
                f"topic {topic} has {found} partitions and {partitions} are needed; "
                "run groundswell topics apply"
            )

    def _words(self, error: BaseException) -> str:
        if isinstance(error, AWAY):
            return f"cannot reach Kafka at {self.kafka.servers}; look whether it runs"
        name, text = type(error).__name__, str(error)
        return f"Kafka at {self.kafka.servers} refuses: {text if name in text else f'{name} {text}'}"


class _TopicError(OSError):
    """A topic is not as it must be."""


async def _give_up(producer: Any) -> None:
    """Close a producer, without waiting for brokers that do not answer.

    `stop` alone would wait until everything has arrived, which a broker that is away puts off for ever; and
    what it sent then would come after what others send meanwhile.
    """
    sender = producer._sender.sender_task
    if sender is None:  # it never started
        await producer.stop()
        return
    producer._closed = True  # or it complains when it is collected
    sender.cancel()
    await asyncio.wait([sender], timeout=GRACE_S)
    await producer.client.close()
    if not sender.done():
        sender.cancel()
        await asyncio.wait([sender], timeout=GRACE_S)
    if sender.done() and not sender.cancelled():
        with contextlib.suppress(KafkaError):
            sender.exception()
