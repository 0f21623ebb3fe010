"""One connection to an MQTT broker with acknowledgement by hand: aiomqtt, and paho below it.

aiomqtt acknowledges on arrival and has no manual acknowledgement; paho has. So aiomqtt connects,
subscribes and watches, and the messages are taken from paho as they come (`connectors.mqtt_paho`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTTMessage
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt_paho import MAX_PACKET_BYTES, BufferedSocket, Published, acknowledge, hasten
from connectors.reconnect import StreamError

INBOX_MESSAGES = 4096
INBOX_BYTES = 8_000_000
ANSWER_S = 10.0
"""That a broker has for the answer to a subscription."""
PACKETS_AT_ONCE = 400
"""Read without letting others have their turn."""

_Codes = tuple[int, ...] | list[ReasonCode]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What the broker is told when the session opens."""

    host: str
    port: int
    version: str
    client_id: str
    username: str
    password: str
    keepalive_s: int
    receive_maximum: int
    session_expiry_s: int
    tls: ssl.SSLContext | None


class _ClosingSocket(ssl.SSLSocket):
    """Is closed when its handshake fails: paho lets go of it, open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Arrived(NamedTuple):
    """A message that waits for its acknowledgement."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    mid: int
    received_at_us: int
    lost_bytes: int = 0
    """Of a message that was too large to be taken: it comes without its payload."""


@dataclass(slots=True, eq=False)
class Session:
    """An open connection. Bounded: when the inbox is full the socket is not read, and the broker waits."""

    client: aiomqtt.Client
    paho: PahoClient
    clock_us: Callable[[], int]
    version5: bool
    _inbox: list[Arrived] = field(default_factory=list)
    _inbox_bytes: int = 0
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)
    _paused: bool = False
    _pauses: int = 0

    async def subscribe(self, topics: Sequence[str], qos: int) -> None:
        """Subscribe, also to what the broker may still know of an earlier connection.

        The answer stands behind what the broker sends before it, retained messages by the thousand: whoever
        calls this must `gather` beside it, or it is never read.

        Raises
        ------
        StreamError
            The broker refuses a topic, which is named, or does not answer.
        """
        for topic in topics:
            # Retained messages only for a new subscription, not at each reconnection.
            options = SubscribeOptions(qos=qos, retainHandling=1) if self.version5 else None
            try:
                codes: _Codes = await self._answered(
                    self.client.subscribe(topic, 0 if options else qos, options, timeout=math.inf)
                )
            except (aiomqtt.MqttError, ValueError) as error:
                raise StreamError(f"cannot subscribe to {topic!r}: {error}") from error
            if any(getattr(code, "value", code) >= 128 for code in codes):
                raise StreamError(f"the broker refuses the subscription to {topic!r}; check its access rules")

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """End subscriptions, also those that only the broker knows; to be called as `subscribe`.

        Raises
        ------
        StreamError
            The broker does not answer.
        """
        for topic in topics:
            try:
                await self._answered(self.client.unsubscribe(topic, timeout=math.inf))
            except (aiomqtt.MqttError, ValueError) as error:
                raise StreamError(f"cannot end the subscription to {topic!r}: {error}") from error

    async def _answered(self, question: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer; time in which the inbox was full does not count, since nothing was read."""
        task = asyncio.ensure_future(question)
        try:
            while True:
                pauses = self._pauses
                done, _ = await asyncio.wait([task], timeout=ANSWER_S)
                if done:
                    return task.result()
                if not self._paused and self._pauses == pauses:
                    raise aiomqtt.MqttError(f"the broker does not answer for {ANSWER_S:g} s")
        finally:
            task.cancel()

    async def watch(self) -> None:
        """Wait for the end of the connection.

        Raises
        ------
        StreamError
            Always, with what ended it.
        """
        try:
            async for _ in self.client.messages:  # none comes this way: `_receive` takes them
                pass
        except aiomqtt.MqttError as error:
            raise StreamError(f"the connection to the broker was lost: {error.__cause__ or error}") from error

    async def gather(self, timeout_s: float) -> list[Arrived]:
        """Return what has arrived, at once: while it is being stored the next batch gathers by itself.

        A wait for more would be the slower, the smaller the broker's window is: by default Mosquitto has
        20 messages under way and forgets what is behind the next 1,000.

        Raises
        ------
        TimeoutError
            Nothing came in `timeout_s`.
        """
        if not self._inbox:
            self._arrival.clear()
            async with asyncio.timeout(timeout_s):
                await self._arrival.wait()
        messages, self._inbox, self._inbox_bytes = self._inbox, [], 0
        self._resume()
        return messages

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message with QoS 0, which waits for no answer; return whether it could be."""
        try:
            return self.paho.publish(topic, payload).rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        except ValueError:  # a topic that a broker should not have let pass
            return False

    def acknowledge(self, messages: Sequence[Arrived]) -> None:
        """Tell the broker that messages are in safe keeping, in the order in which they came."""
        acknowledge(self.paho, [message.mid for message in messages if message.qos == 1])
        for message in messages:
            if message.qos == 2:  # never asked for; a session may know it from an earlier program
                self.paho.ack(message.mid, message.qos)

    def receive(self, _client: PahoClient, _userdata: Any, message: MQTTMessage) -> None:
        """Take a message from paho."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        self.take(Published(topic, bytes(message.payload), message.qos, message.retain, message.mid))

    def take(self, message: Published) -> None:
        """Take a message, and read no more when the inbox is full."""
        topic, payload, qos, retained, mid, lost_bytes = message
        self._inbox.append(Arrived(topic, payload, qos, retained, mid, self.clock_us(), lost_bytes))
        self._inbox_bytes += len(message.payload)
        self._arrival.set()
        if len(self._inbox) >= INBOX_MESSAGES or self._inbox_bytes >= INBOX_BYTES:
            sock = self.paho.socket()
            if sock is not None:
                self._paused = True
                self._pauses += 1
                asyncio.get_running_loop().remove_reader(sock.fileno())

    def read(self) -> None:
        """Read from now on, what has been read into the buffer first."""
        sock = self.paho.socket()
        if not self._paused and sock is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(sock.fileno(), self._read)
            loop.call_soon(self._read)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.read()

    def _read(self) -> None:
        try:
            for _ in range(PACKETS_AT_ONCE):
                sock = self.paho.socket()
                if self._paused or sock is None:
                    return
                self.paho.loop_read()
                if not (isinstance(sock, BufferedSocket) and sock.buffered):
                    return
            asyncio.get_running_loop().call_soon(self._read)
        except Exception as error:  # noqa: BLE001 - a broken connection shows in many ways
            if not self.client._disconnected.done():
                self.client._disconnected.set_exception(error)


@asynccontextmanager
async def connect(options: SessionOptions, clock_us: Callable[[], int]) -> AsyncIterator[Session]:
    """Open the persistent session of `options.client_id`, or take it up again.

    Raises
    ------
    StreamError
        The broker cannot be reached or refuses, in words.
    """
    version5 = options.version == "5"
    if options.tls is not None:
        options.tls.sslsocket_class = _ClosingSocket
    client = aiomqtt.Client(
        options.host,
        options.port,
        identifier=options.client_id,
        username=options.username or None,
        password=options.password or None,
        protocol=aiomqtt.ProtocolVersion.V5 if version5 else aiomqtt.ProtocolVersion.V311,
        keepalive=options.keepalive_s,
        clean_session=None if version5 else False,
        clean_start=False if version5 else MQTT_CLEAN_START_FIRST_ONLY,  # in 3.1.1 there is no such flag
        properties=_properties(options) if version5 else None,
        tls_context=options.tls,
    )
    paho: PahoClient = client._client
    session = Session(client, paho, clock_us, version5)
    paho.manual_ack_set(True)
    paho.on_message = session.receive
    hasten(paho, session.take, version5=version5)
    try:
        try:
            await client.__aenter__()
        except (aiomqtt.MqttError, ValueError) as error:
            raise _in_words(options, error) from error
        session.read()
        try:
            yield session
        finally:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)
    finally:
        if paho.socket() is not None:  # not every failure of a connection closes it
            paho._sock_close()


def _properties(options: SessionOptions) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = options.session_expiry_s
    properties.ReceiveMaximum = options.receive_maximum
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    return properties


def _in_words(options: SessionOptions, error: Exception) -> StreamError:
    broker = f"{options.host}:{options.port}"
    if isinstance(error, aiomqtt.MqttCodeError):
        text = f"the broker {broker} refuses ({error}); check version, client_id, username and password"
        return StreamError(text, retry_soon=False)
    return StreamError(f"the broker {broker} cannot be reached: {error}")
