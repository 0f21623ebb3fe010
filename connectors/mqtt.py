"""MQTT: messages of a broker become samples. A message is acknowledged once its samples are durable.

The session is persistent: what is published while this program is away waits at the broker. A message
that cannot be read is counted, named in the stream's state and acknowledged, because it would be the same
the next time; a failure to store ends the connection without an acknowledgement, and the broker sends
again what it was not told to be safe.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NoReturn

import msgspec
import numpy as np
import structlog

from connectors.mqtt_session import Arrived, Session, SessionOptions, connect
from connectors.reconnect import BackOff, StreamError, keep_connected
from sensors.payloads import Mapping, Rows, first_match, opened
from streams.bus import SampleSink
from streams.records import SampleBatch
from streams.stream_state import StreamState

log = structlog.get_logger()

_TOPICS_REMEMBERED = 10_000
BATCH_ROWS = 50_000
"""A batch ends with the message that reaches so many."""
TURN_BYTES = 20_000
"""Decoded before others have their turn: a byte can cost a microsecond. A larger message goes to a thread."""


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[mqtt]]`: a broker, what to listen to there, and what the payloads mean."""

    host: str
    port: int = 1883
    username: str = ""
    password: str = ""
    version: Literal["5", "3.1.1"] = "5"
    client_id: str = ""
    """Names the session at the broker; each program needs its own. Empty: made from the topics."""
    topics: list[str] = msgspec.field(default_factory=list)
    """Topic filters; empty: those of the mappings."""
    qos: Literal[0, 1] = 1
    mappings: list[Mapping]
    tls: bool = False
    ca_file: str = ""
    """Certificates to trust in place of the system's."""
    keepalive_s: int = 30
    stall_s: float = 600.0
    """Without a message for so long, the stream is shown as stalled and the subscription renewed."""
    receive_maximum: int = 1000
    """Messages under way at one time (MQTT 5; in 3.1.1 the broker's own limit holds)."""
    session_expiry_s: int = 604_800
    """How long the broker keeps the session of a program that is away (MQTT 5)."""

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536:
            raise ValueError("mqtt: host and port name no broker; write for instance 127.0.0.1 and 1883")
        if not self.mappings:
            raise ValueError(f"mqtt {self.host}: there is no mapping; add a [[mqtt.mappings]]")
        if not (5 <= self.keepalive_s <= 65_535 and 1 <= self.receive_maximum <= 65_535 and self.stall_s > 0):
            raise ValueError(
                f"mqtt {self.host}: keepalive_s must lie between 5 and 65535, receive_maximum between 1 and "
                "65535, stall_s above 0"
            )

    def __repr__(self) -> str:
        return f"MqttConfig({self.source})"  # the password belongs in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people: without credentials."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"

    @property
    def filters(self) -> list[str]:
        """What is subscribed to."""
        return self.topics or list(dict.fromkeys(mapping.topic for mapping in self.mappings))


async def run(
    config: MqttConfig,
    sink: SampleSink,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
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
    back_off
        Between attempts.
    """
    listener = _Listener(config, sink, state, clock_us)
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
    options: SessionOptions = field(init=False)
    _mappings: list[Mapping] = field(init=False)
    """Those of the configuration; what they remember outlives a connection, as the broker's session does."""
    _mapping_of: dict[str, Mapping | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.config
        self._mappings = opened(config.mappings)
        made = zlib.crc32("\n".join(sorted(config.filters)).encode())
        self.options = SessionOptions(
            host=config.host,
            port=config.port,
            version=config.version,
            client_id=config.client_id or f"groundswell-{made:08x}",
            username=config.username,
            password=config.password,
            keepalive_s=config.keepalive_s,
            receive_maximum=config.receive_maximum,
            session_expiry_s=config.session_expiry_s,
            tls=ssl.create_default_context(cafile=config.ca_file or None) if config.tls else None,
        )

    async def session(self) -> NoReturn:
        """Connect, subscribe, listen; it ends by a StreamError."""
        async with connect(self.options, self.clock_us) as session:
            subscription = _Subscription()
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    session.watch(),
                    self._listen(session, subscription),
                    self._subscribe(session, subscription),
                )
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, StreamError):
                raise end
        for end in ends:
            if isinstance(end, Exception):
                raise StreamError(f"the listener failed ({end!r}); report this") from end
        raise StreamError("the connection to the broker has ended")

    async def _subscribe(self, session: Session, subscription: _Subscription) -> NoReturn:
        """Subscribe, and again when that is asked for; what comes before the answer is read meanwhile."""
        while True:
            subscription.renew.clear()
            await session.subscribe(self.config.filters, self.config.qos)
            if not subscription.is_there:
                subscription.is_there = True
                self.state.enter("streaming", self.clock_us())
            await subscription.renew.wait()

    async def _listen(self, session: Session, subscription: _Subscription) -> NoReturn:
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
                if len(batch):
                    await self._deliver(batch)
                session.acknowledge(messages[begin:end])
                begin = end
                await asyncio.sleep(0)  # stations and rovers have their turn between batches

    async def _deliver(self, batch: SampleBatch) -> None:
        try:
            await self.sink.put_samples(batch)
        except Exception as error:
            text = f"samples cannot be stored ({error}); the broker keeps them for the next attempt"
            raise StreamError(text) from error

    def _count(self, messages: Sequence[Arrived]) -> None:
        self.state.messages_received += len(messages)
        self.state.bytes_received += sum(len(message.payload) for message in messages)
        self.state.last_received_us = messages[-1].received_at_us

    async def _read(self, messages: Sequence[Arrived], begin: int = 0) -> tuple[SampleBatch, int]:
        """Return a batch of the messages from `begin` on, and where the next one begins."""
        end = begin
        names: list[str] = []
        time_us, value = array("q"), array("d")
        received_at_us, counts, errors, decoded_bytes = [], [], 0, 0
        for message in islice(messages, begin, None):
            end += 1
            decoded_bytes += (size := len(message.payload))
            if decoded_bytes > TURN_BYTES:
                decoded_bytes = size
                await asyncio.sleep(0)
            try:
                if size > TURN_BYTES:
                    rows, error = await asyncio.to_thread(self._decode, message)
                else:
                    rows, error = self._decode(message)
            except Exception as bug:  # noqa: BLE001 - it would come again and again, and hold up all others
                rows, error = None, f"topic {message.topic}: cannot be read ({bug!r}); report this"
            if rows:
                names += rows.datastream_ids
                time_us += rows.time_us
                value += rows.value
                received_at_us.append(message.received_at_us)
                counts.append(len(rows))
            if error:
                errors += 1
                self.state.last_error = error
            if len(value) >= BATCH_ROWS:
                break
        if errors:
            self.state.bad_messages += errors
            log.warning("bad messages", broker=self.config.source, count=errors, last=self.state.last_error)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        batch = SampleBatch(
            datastream_ids=list(numbers),
            series=np.fromiter(map(numbers.__getitem__, names), np.int32, len(names)),
            time_us=np.array(time_us),
            value=np.array(value),
            received_at_us=np.repeat(np.array(received_at_us, np.int64), counts),
        )
        return batch, end

    def _decode(self, message: Arrived) -> tuple[Rows | None, str]:
        mapping = self._mapping(message.topic)
        if mapping is None:
            return None, f"topic {message.topic!r}: no mapping reads it; add one or narrow the topics"
        if message.retained and not mapping.tells_time:
            return None, ""  # the broker's copy of an old value, and nothing tells how old
        rows = mapping.decode(message.topic, message.payload, message.received_at_us)
        if message.retained and rows.from_arrival:
            return None, ""  # as above: this message has no time of its own either
        self.state.bad_samples += rows.bad_samples
        self.state.notes.update(rows.notes)
        self.state.last_note = rows.last_note or self.state.last_note
        return rows, rows.errors[-1] if rows.bad_samples else ""

    def _mapping(self, topic: str) -> Mapping | None:
        if topic not in self._mapping_of:
            if len(self._mapping_of) >= _TOPICS_REMEMBERED:
                self._mapping_of.clear()
            self._mapping_of[topic] = first_match(self._mappings, topic)
        return self._mapping_of[topic]
