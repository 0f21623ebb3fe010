"""Faust carries messages to the tasks of a worker: the only file that imports it.

Faust gives the partitions out, reads them, and commits offsets. It holds no state here (its tables lose
messages at rebalances): a task's state is in its snapshot, offsets are committed up to what a snapshot stands
for, and what is behind is read again by whoever gets the partition next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import faust
import structlog
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.kafka.access import Access
from streams.kafka.tasks import GROUPS, Group
from streams.kafka.worker import Worker

log = structlog.get_logger()

STOP_S = 15.0
"""How long each step of a stop may take ..."""
AWAY_STOP_S = 2.0
"""... and while Kafka is away."""
RETRY_S = 1.0
LOOK_S = 5.0
"""How often it is asked why brokers are silent."""
SILENT_US = 15_000_000
"""Brokers answer each second or so, also when there is nothing."""
IDLE_S = 0.5
"""Brokers answer as soon as there is anything, and after so long when there is nothing."""
REJOIN_S = 30.0
"""No worker joins again more often by itself: the partitions of all workers stand still meanwhile."""
_MESSAGES_WAITING = 32
"""Of one group, before Faust stops reading: a message may be a megabyte."""


@dataclass(frozen=True, slots=True)
class FaustConfig:
    """How a worker finds Kafka and its fellows."""

    kafka: Access
    prefix: str = ""
    """Before the name of each topic: another installation at the same Kafka has another one."""
    instance_id: str | None = None
    """Workers that are to keep their partitions over a restart have a name each that stays."""
    session_s: float = 10.0
    """A worker that is silent for so long loses its partitions."""
    groups: tuple[Group, ...] = GROUPS


class FaustRuntime:
    """Runs a worker's tasks on the partitions that Kafka gives it."""

    def __init__(self, config: FaustConfig, worker: Worker) -> None:
        self._worker = worker
        self._kafka = config.kafka
        self._taken: dict[tuple[str, int], int] = {}
        """The next offset by topic and partition."""
        self._taken_us = 0
        self._why = ""
        """Why brokers do not let this program in, when somebody knocked last."""
        self._looking: asyncio.Task[None] | None = None
        self._joining: asyncio.TimerHandle | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="groundswell-faust-")  # Faust wants one, empty
        self._app = _app(config, self._folder.name)
        worker.acknowledge, worker.rejoin, worker.oldest = self._acknowledge, self._rejoin, self._oldest
        self._app.on_partitions_revoked.connect(self._revoked)
        self._app.on_partitions_assigned.connect(self._assigned)
        for group in config.groups:
            names = [config.prefix + topic.name for topic in group.reads]
            channel = self._app.topic(
                *names, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
            )
            self._app.agent(channel, name=f"{config.prefix}{group.name}")(partial(self._read, group))

    async def start(self) -> None:
        """Join the group of workers and begin, as soon as Kafka can be found."""
        was = ""
        while why := await self._kafka.trouble():
            if not was:
                log.error("cannot use Kafka, trying again", why=why)
            was = self._why = why
            await asyncio.sleep(RETRY_S)
        self._why = ""
        await self._app.start()
        self._looking = asyncio.create_task(self._look(), name="looking after Kafka")

    async def stop(self) -> None:
        """Write the snapshots of all tasks, leave the group, stop; while Kafka is away, without all that."""
        for work in (self._looking, self._joining):
            if work is not None:
                work.cancel()
        is_away = bool(
            self._worker.error or self.error(self._worker.clock_us()) or await self._kafka.trouble()
        )
        if not is_away:
            is_away = not await _within(STOP_S, self._last_words())
        if is_away:  # what was not written is read again
            log.warning("Kafka is away: stopping without its answer")
            self._cut_off()
        limit_s = AWAY_STOP_S if is_away else STOP_S
        for end in (self._app.stop, self._worker.stop):
            await _within(limit_s, end())
        self._folder.cleanup()

    async def _look(self) -> None:
        """Find out why brokers are silent, as long as they are: Faust goes on trying without a word."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._why = await self._kafka.trouble() if self._is_silent(self._worker.clock_us()) else ""

    def _cut_off(self) -> None:
        """Let the driver's consumer end without asking the brokers, and without the errors of that."""
        if (consumer := self._consumer()) is not None:
            consumer._closed = True  # its `stop` does nothing then; Faust's thread ends its tasks

    async def _last_words(self) -> None:
        await self._worker.let_go(None)
        if self._app.started:
            await self._app.consumer.commit()

    async def _read(self, group: Group, stream: Any) -> None:
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            message = event.message
            value, message.value = message.value, None  # it is kept until it is acknowledged
            headers = message.headers.items() if isinstance(message.headers, dict) else message.headers or ()
            stamp_us = round(message.timestamp * 1000) * 1000 if message.timestamp else None
            self._taken[message.topic, message.partition] = message.offset
            self._taken_us = self._worker.clock_us()
            await self._worker.take(
                group, message.topic, message.partition, message.offset, value or b"", list(headers), message,
                stamp_us,
            )  # fmt: skip
            self._taken[message.topic, message.partition] = message.offset + 1

    def lag(self) -> dict[tuple[str, int], int]:
        """Return how many messages of each topic and partition wait, as brokers told with the last ones.

        A partition of which nothing has ever been read is left out.
        """
        consumer = self._consumer()
        if consumer is None:
            return {}
        waiting = {}
        for at in consumer.assignment():
            behind = self._taken.get((at.topic, at.partition), self._app.consumer._committed_offset.get(at))
            with contextlib.suppress(AssertionError):  # it goes to another worker right now
                if behind is not None and (end := consumer.highwater(at)) is not None:
                    waiting[at.topic, at.partition] = max(end - behind, 0)
        return waiting

    def error(self, now_us: int) -> str:
        """Return in a sentence that Kafka is not there, or an empty text."""
        consumer = self._consumer()
        if consumer is None:
            return self._why or self._silence("has not answered yet")
        return self._why or self._silence("does not answer") if self._is_silent(now_us) else ""

    def _silence(self, what: str) -> str:
        return f"Kafka at {self._kafka.servers} {what}; look whether it runs"

    def _is_silent(self, now_us: int) -> bool:
        consumer = self._consumer()
        if consumer is None:
            return True
        heard_us = self._taken_us
        for at in consumer.assignment():
            with contextlib.suppress(AssertionError):
                heard_us = max(heard_us, 1000 * (consumer.last_poll_timestamp(at) or 0))
        return bool(heard_us) and now_us - heard_us > SILENT_US

    def _consumer(self) -> Any:
        """Return the driver's consumer, which lives in Faust's thread: only what needs no loop is asked.

        `app.consumer` makes one where there is none yet. Asked from a thread while the app starts, it made a
        second one, which nobody ever started.
        """
        made = self._app._consumer
        return None if made is None else made._thread._consumer

    def _acknowledge(self, messages: Iterable[Any]) -> None:
        for message in messages:
            self._app.consumer.ack(message)

    async def _oldest(self, places: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        found = await self._app.consumer.earliest_offsets(*(TP(*place) for place in places))
        return {(at.topic, at.partition): offset for at, offset in found.items()}

    def _rejoin(self) -> None:
        """Ask for partitions anew, at once or `REJOIN_S` after the last time."""
        loop = asyncio.get_running_loop()
        last_s = -REJOIN_S if self._joining is None else self._joining.when()
        self._joining = loop.call_at(max(loop.time(), last_s + REJOIN_S), self._join)

    def _join(self) -> None:
        """Let the group give out its partitions; they are read from where the last snapshots stand."""
        if (consumer := self._consumer()) is not None:
            with contextlib.suppress(RuntimeError):  # its thread has ended: this worker stops
                loop = self._app.consumer._thread.thread_loop
                loop.call_soon_threadsafe(consumer._coordinator.request_rejoin)

    async def _revoked(self, _app: Any, revoked: Iterable[Any], **_: Any) -> None:
        partitions = {(tp.topic, tp.partition) for tp in revoked}
        await self._worker.let_go(partitions)
        await self._app.consumer.commit()

    async def _assigned(self, _app: Any, assigned: Iterable[Any], **_: Any) -> None:
        owned = {(tp.topic, tp.partition) for tp in assigned}
        for gone in self._taken.keys() - owned:
            del self._taken[gone]
        self._worker.own(owned)


async def _within(limit_s: float, work: Coroutine[Any, Any, None]) -> bool:
    """Do something; False when it took too long and was given up."""
    try:
        async with asyncio.timeout(limit_s):
            await work
    except TimeoutError:
        return False
    return True


def _app(config: FaustConfig, folder: str) -> Any:
    servers = ";".join(f"kafka://{one.strip()}" for one in config.kafka.servers.split(","))
    app = faust.App(
        f"{config.prefix}groundswell",
        broker=servers,
        broker_credentials=_credentials(config.kafka),
        store="memory://",
        datadir=folder,
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=config.instance_id,
        broker_session_timeout=config.session_s,
        broker_heartbeat_interval=config.session_s / 4,
        stream_wait_empty=False,
        stream_buffer_maxsize=_MESSAGES_WAITING,
        stream_recovery_delay=0.0,
        value_serializer="raw",
        key_serializer="raw",
    )
    app.transport = _Transport(app.conf.broker_consumer, app)
    logging.getLogger("faust").setLevel(logging.WARNING)
    logging.getLogger("mode").setLevel(logging.WARNING)
    return app


def _credentials(kafka: Access) -> Any:
    if kafka.user:
        return faust.SASLCredentials(
            username=kafka.user, password=kafka.password, mechanism=kafka.mechanism, ssl_context=kafka.tls
        )
    return None if kafka.tls is None else faust.SSLCredentials(kafka.tls)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Waits for answers as long as is good."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = round(IDLE_S * 1000)
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer
