"""Faust carries messages to the tasks of a worker: the only file that imports it.

Faust gives the partitions out, reads them, and commits offsets. It holds no state here (its tables lose
messages at rebalances): a task's state is in its snapshot, offsets are committed up to what a snapshot stands
for, and what is behind is read again by whoever gets the partition next.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import faust
import structlog

from streams.kafka.tasks import GROUPS, Group
from streams.kafka.worker import Worker

log = structlog.get_logger()

STOP_S = 15.0
"""How long each step of a stop may take."""
_MESSAGES_WAITING = 32
"""Of one group, before Faust stops reading: a message may be a megabyte."""


@dataclass(frozen=True, slots=True)
class FaustConfig:
    """How a worker finds Kafka and its fellows."""

    bootstrap: str
    """host:port, several divided by commas."""
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
        self._folder = tempfile.TemporaryDirectory(prefix="groundswell-faust-")  # Faust wants one, empty
        self._app = _app(config, self._folder.name)
        worker.acknowledge = self._acknowledge
        self._app.on_partitions_revoked.connect(self._revoked)
        self._app.on_partitions_assigned.connect(self._assigned)
        for group in config.groups:
            names = [config.prefix + topic.name for topic in group.reads]
            channel = self._app.topic(
                *names, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
            )
            self._app.agent(channel, name=f"{config.prefix}{group.name}")(partial(self._read, group))

    async def start(self) -> None:
        """Join the group of workers and begin."""
        await self._app.start()

    async def stop(self) -> None:
        """Write the snapshots of all tasks, leave the group, stop; while Kafka is away, without all that."""
        for work in (self._last_words, self._app.stop, self._worker.stop):
            try:
                async with asyncio.timeout(STOP_S):
                    await work()
            except TimeoutError:  # what was not written is read again
                log.warning("Kafka is away: stopping without its answer")
        self._folder.cleanup()

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
            await self._worker.take(
                group, message.topic, message.partition, message.offset, value or b"", list(headers), message
            )

    def _acknowledge(self, messages: Iterable[Any]) -> None:
        for message in messages:
            self._app.consumer.ack(message)

    async def _revoked(self, _app: Any, revoked: Iterable[Any], **_: Any) -> None:
        partitions = {(tp.topic, tp.partition) for tp in revoked}
        await self._worker.let_go(partitions)
        await self._app.consumer.commit()

    async def _assigned(self, _app: Any, assigned: Iterable[Any], **_: Any) -> None:
        self._worker.own({(tp.topic, tp.partition) for tp in assigned})


def _app(config: FaustConfig, folder: str) -> Any:
    servers = ";".join(f"kafka://{one.strip()}" for one in config.bootstrap.split(","))
    app = faust.App(
        f"{config.prefix}groundswell",
        broker=servers,
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
    logging.getLogger("faust").setLevel(logging.WARNING)
    logging.getLogger("mode").setLevel(logging.WARNING)
    return app
