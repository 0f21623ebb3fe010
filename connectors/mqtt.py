"""MQTT: messages of a broker become samples. A message is acknowledged once its samples are durable.

Batches do not wait for each other: what can raise an alert goes on at once while others are gathered on their
way into the store.

The session is persistent: what is published while this program is away waits at the broker. A message
that cannot be read is counted, named in the stream's state and acknowledged, because it would be the same
the next time; a failure to store ends the connection without an acknowledgement, and the broker sends
again what it was not told to be safe.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NoReturn

import structlog

from connectors.mqtt_config import MqttConfig
from connectors.mqtt_memory import SessionMemory
from connectors.mqtt_paho import MAX_PACKET_BYTES
from connectors.mqtt_session import Arrived, Session, SessionOptions, connect
from connectors.mqtt_under_way import UnderWay
from connectors.reconnect import BackOff, StreamError, keep_connected
from connectors.sample_rows import GatheredRows
from sensors.payloads import Mapping, Reply, Rows, first_match, opened, printable
from streams.bus import SampleSink
from streams.records import SampleBatch
from streams.stream_state import StreamState

log = structlog.get_logger()

_TOPICS_REMEMBERED = 10_000
BATCH_ROWS = 50_000
"""A batch ends with the message that reaches so many."""
FEW_ROWS = 1_000
PAUSE_S = 0.005
"""After a batch of fewer what comes next gathers for so long: a batch costs as much as many samples."""
THREAD_BYTES = 20_000
"""A larger message is decoded in a thread: a byte can cost a microsecond."""
TURN_S = 0.008
"""Of work before others have their turn. By bytes (20 kB) a loop of fewer than fifty turns a second fell
behind 2,000 messages a second, until the broker threw some away.
"""
worked_s = time.thread_time


async def run(
    config: MqttConfig,
    sink: SampleSink,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    memory: SessionMemory | None = None,
    back_off: BackOff | None = None,
) -> NoReturn:
    """Listen until cancelled; `state` says what goes on.

    Parameters
    ----------
    config
        Which broker.
    sink
        Takes the samples; its return is what lets messages be acknowledged.
    state
        Of this stream.
    clock_us
        Wall clock, UTC; read when a message comes.
    memory
        What brokers may still know of earlier runs.
    back_off
        Between attempts.
    """
    listener = _Listener(config, sink, state, clock_us, memory or SessionMemory())
    await keep_connected(listener.session, state, clock_us=clock_us, back_off=back_off or BackOff())


@dataclass(slots=True, eq=False)
class _Subscription:
    """Of one connection."""

    is_there: bool = False
    """The broker has confirmed it."""
    renew: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Listener:
    config: MqttConfig
    sink: SampleSink
    state: StreamState
    clock_us: Callable[[], int]
    memory: SessionMemory
    options: SessionOptions = field(init=False)
    _mappings: list[Mapping] = field(init=False)
    """Those of the configuration; what they remember outlives a connection, as the broker's session does."""
    _mapping_of: dict[str, Mapping | None] = field(default_factory=dict)
    _replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self._mappings = opened(config.mappings)
        self.options = SessionOptions(
            host=config.host,
            port=config.port,
            version=config.version,
            client_id=config.session_id,
            username=config.username,
            password=config.password,
            keepalive_s=config.keepalive_s,
            receive_maximum=config.receive_maximum,
            session_expiry_s=config.session_expiry_s,
            tls=config.tls_context(),
        )

    async def session(self) -> NoReturn:
        """Connect, subscribe, listen; it ends by a StreamError."""
        async with connect(self.options, self.clock_us) as session:
            subscription, under_way = _Subscription(), UnderWay(self.sink, session.acknowledge)
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    session.watch(),
                    self._listen(session, subscription, under_way),
                    under_way.settle(),
                    self._subscribe(session, subscription),
                )
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                await under_way.close()
        for end in ends:
            if isinstance(end, StreamError):
                raise end
        for end in ends:
            if isinstance(end, Exception):
                raise StreamError(f"the listener failed ({end!r}); report this") from end
        raise StreamError("the connection to the broker has ended")

    async def _subscribe(self, session: Session, subscription: _Subscription) -> NoReturn:
        """Subscribe, and again when that is asked for; what comes before the answer is read meanwhile.

        Subscriptions of an earlier run that are not wanted any more end behind it: a filter that takes the
        place of another leaves no gap.
        """
        wanted, name = self.config.filters, self.config.session
        while True:
            subscription.renew.clear()
            self._remember(name, [*self.memory.filters(name), *wanted])
            await session.subscribe(wanted, self.config.qos)
            if gone := set(self.memory.filters(name)) - set(wanted):
                await session.unsubscribe(sorted(gone))
                log.info("subscriptions that are not configured any more have ended", topics=sorted(gone))
                self._remember(name, wanted)
            if not subscription.is_there:
                subscription.is_there = True
                self.state.enter("streaming", self.clock_us())
            await subscription.renew.wait()

    def _remember(self, name: str, filters: list[str]) -> None:
        try:
            self.memory.remember(name, filters)
        except OSError as error:  # samples are worth more
            log.error("subscriptions cannot be written down", file=str(self.memory.file), error=str(error))

    async def _listen(self, session: Session, subscription: _Subscription, under_way: UnderWay) -> NoReturn:
        while True:
            try:
                messages = await session.gather(self.config.stall_s)
            except TimeoutError:
                text = f"no message for {self.config.stall_s:g} s; check the devices and the topics"
                self.state.enter("stalled", self.clock_us(), text)
                subscription.renew.set()
                continue
            if subscription.is_there:
                self.state.enter("streaming", self.clock_us())
            self._count(messages)
            begin = 0
            while begin < len(messages):
                batch, end = await self._read(messages, begin)
                await under_way.put(batch, messages[begin:end])
                begin = end
                self._answer(session)
                # stations and rovers have their turn between batches
                await asyncio.sleep(PAUSE_S if len(batch) < FEW_ROWS else 0)

    def _answer(self, session: Session) -> None:
        """Ask senders for what readers lack; in a group that shares somebody else may get the answer."""
        replies, self._replies = self._replies, []
        for reply in () if self.config.share else replies:
            if session.publish(reply.topic, reply.payload):
                self.state.notes["asked"] += 1
                self.state.last_note = f"{printable(reply.topic)} was sent"

    def _count(self, messages: Sequence[Arrived]) -> None:
        self.state.messages_received += len(messages)
        self.state.bytes_received += sum(len(message.payload) for message in messages)
        self.state.last_received_us = messages[-1].received_at_us

    async def _read(self, messages: Sequence[Arrived], begin: int = 0) -> tuple[SampleBatch, int]:
        """Return a batch of the messages from `begin` on, and where the next one begins."""
        end, errors, began_s = begin, 0, worked_s()
        gathered = GatheredRows()
        for message in islice(messages, begin, None):
            end += 1
            if worked_s() - began_s > TURN_S:
                await asyncio.sleep(0)
                began_s = worked_s()
            try:
                if len(message.payload) > THREAD_BYTES:
                    rows, error = await asyncio.to_thread(self._decode, message)
                else:
                    rows, error = self._decode(message)
            except Exception as bug:  # noqa: BLE001 - it would come again and again, and hold up all others
                rows, error = None, f"topic {message.topic}: cannot be read ({bug!r}); report this"
            if rows:
                gathered.add(rows, message.received_at_us)
            if rows is not None:
                self._replies += rows.replies
            if error:
                errors += 1
                self.state.last_error = error
            if len(gathered) >= BATCH_ROWS:
                break
        if errors:
            self.state.bad_messages += errors
            log.warning("bad messages", broker=self.config.source, count=errors, last=self.state.last_error)
        return gathered.batch(), end

    def _decode(self, message: Arrived) -> tuple[Rows | None, str]:
        mapping = self._mapping(message.topic)
        if message.lost_bytes:
            text = f"topic {printable(message.topic)}: {message.lost_bytes} bytes in one message, and at most"
            return None, f"{text} {MAX_PACKET_BYTES} are read; let the device send less at once"
        if mapping is None:
            return None, f"topic {message.topic!r}: no mapping reads it; add one or narrow the topics"
        if message.retained and not mapping.tells_time:
            return None, ""  # the broker's copy of an old value, and nothing tells how old
        rows = mapping.decode(message.topic, message.payload, message.received_at_us)
        if message.retained and rows.from_arrival:
            return None, ""  # as above: this message has no time of its own either
        self.state.bad_samples += rows.bad_samples
        if rows.notes:
            self.state.notes.update(rows.notes)
        self.state.last_note = rows.last_note or self.state.last_note
        return rows, rows.errors[-1] if rows.bad_samples else ""

    def _mapping(self, topic: str) -> Mapping | None:
        if topic not in self._mapping_of:
            if len(self._mapping_of) >= _TOPICS_REMEMBERED:
                self._mapping_of.clear()
            self._mapping_of[topic] = first_match(self._mappings, topic)
        return self._mapping_of[topic]
