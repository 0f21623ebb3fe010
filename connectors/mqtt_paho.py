"""What paho does for each message at the greatest cost, made cheap for the messages that most are.

paho asks the socket for one byte, then another, builds a table of all properties that MQTT knows for each
message, and sends each acknowledgement by itself. Here the socket is read in large pieces, a message without
properties is taken apart in place, and many are acknowledged at once; every other packet stays with paho. It
would also take any size: of a message that is too large the beginning is read here, and the rest thrown away.
"""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import MQTTErrorCode

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

READ_BYTES = 262_144
MAX_PACKET_BYTES = 1_000_000
"""Of a larger packet the rest is thrown away, unless all of it was there at once (some megabytes)."""
_HEAD_BYTES = 65_600
"""Topic and identifier of a message lie within."""
_PUBLISH, _PUBACK = 0x30, 0x40


class Published(NamedTuple):
    """A message as a broker sent it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    mid: int
    lost_bytes: int = 0
    """Of a message that was too large to be taken: it comes without its payload."""


class BufferedSocket:
    """A socket that paho reads from by single bytes, and that the system is asked for in large pieces.

    What is in the buffer is shown by no event loop: who reads goes on while `buffered`.
    """

    def __init__(self, sock: SocketLike) -> None:
        self._sock = sock
        self._bytes = b""
        self._at = 0

    @property
    def buffered(self) -> bool:
        """Whether there is something to read that the socket itself may not show."""
        if self._at < len(self._bytes):
            return True
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def recv(self, size: int) -> bytes:
        """Return at most `size` bytes, or raise what the socket raises when there are none."""
        if self._at >= len(self._bytes):
            self._bytes, self._at = self._sock.recv(READ_BYTES), 0
        begin, self._at = self._at, self._at + size
        return self._bytes[begin : self._at]

    def send(self, data: bytes | bytearray) -> int:
        """Send what goes at once; return how many bytes that were."""
        return self._sock.send(data)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor, for the event loop."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """Let the socket wait or not."""
        self._sock.setblocking(flag)


def published(command: int, body: bytes | bytearray, *, version5: bool) -> Published | None:
    """Take a PUBLISH packet apart (MQTT 5, section 3.3).

    Parameters
    ----------
    command
        The first byte of the packet.
    body
        What follows its length.
    version5
        Whether there are properties.

    Returns
    -------
    Published or None
        None: it is not of the plain kind (a text for a topic, at most QoS 1, no properties), or is damaged.
    """
    qos = command >> 1 & 3
    topic_end = 2 + int.from_bytes(body[:2])
    begin = topic_end + (2 if qos else 0) + version5
    if qos > 1 or topic_end == 2 or begin > len(body) or (version5 and body[begin - 1]):
        return None
    try:
        topic = body[2:topic_end].decode()
    except UnicodeDecodeError:
        return None
    mid = int.from_bytes(body[topic_end : topic_end + 2]) if qos else 0
    return Published(topic, bytes(memoryview(body)[begin:]), qos, bool(command & 1), mid)


@dataclass(slots=True, eq=False)
class BoundedReading:
    """Reads packets in place of paho: of a message that is too large it throws the rest away."""

    paho: PahoClient
    take: Callable[[Published], None]
    read: Callable[[], MQTTErrorCode]
    """paho's own."""
    _head: bytes = b""
    """Of the message that is being thrown away."""
    _left: int = 0
    """Bytes of it that are still to come."""

    def packet_read(self) -> MQTTErrorCode:
        """Read a packet, or some of it."""
        if not self._left:
            code, packet = self.read(), self.paho._in_packet
            size, left = packet["remaining_length"], packet["to_process"]
            if size > MAX_PACKET_BYTES and left and size - left >= _HEAD_BYTES:
                self._head, self._left = bytes(packet["packet"][:_HEAD_BYTES]), left
                packet["packet"] = bytearray()
            return code
        try:
            data = self.paho._sock_recv(min(self._left, READ_BYTES))
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            data = b""
        if not data:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        self._left -= len(data)
        self.paho._last_bytes_received = time.monotonic()
        return MQTTErrorCode.MQTT_ERR_AGAIN if self._left else self._finish()

    def _finish(self) -> MQTTErrorCode:
        packet, head = self.paho._in_packet, self._head
        command, size = packet["command"], packet["remaining_length"]
        self._head = b""
        packet.update({"command": 0, "have_remaining": 0, "remaining_count": [], "remaining_mult": 1})
        packet.update({"remaining_length": 0, "to_process": 0})
        qos = command >> 1 & 3
        if command & 0xF0 != _PUBLISH or qos > 1:  # nobody can make sense of it, or asked for it
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        topic_end = 2 + int.from_bytes(head[:2])
        topic = head[2:topic_end].decode("utf-8", "replace")
        mid = int.from_bytes(head[topic_end : topic_end + 2]) if qos else 0
        self.take(Published(topic, b"", qos, bool(command & 1), mid, size))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def hasten(paho: PahoClient, take: Callable[[Published], None], *, version5: bool) -> None:
    """Let a client that is not connected yet read through a `BufferedSocket`, and `take` get plain messages.

    All others come to its `on_message` as ever; those that are too large to `take`, without payload.
    """
    create_socket, handle_publish = paho._create_socket, paho._handle_publish
    reading = BoundedReading(paho, take, paho._packet_read)

    def buffered() -> BufferedSocket:
        return BufferedSocket(create_socket())

    def handle() -> MQTTErrorCode:
        packet = paho._in_packet
        message = published(packet["command"], packet["packet"], version5=version5)
        if message is None:
            return handle_publish()
        take(message)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    paho._create_socket = buffered  # type: ignore[method-assign]
    paho._handle_publish = handle  # type: ignore[method-assign]
    paho._packet_read = reading.packet_read  # type: ignore[method-assign]


def acknowledge(paho: PahoClient, mids: Sequence[int]) -> None:
    """Acknowledge messages of QoS 1, in this order and in one write (MQTT 5, section 3.4)."""
    if mids:
        packets = b"".join(struct.pack("!BBH", _PUBACK, 2, mid) for mid in mids)
        paho._packet_queue(_PUBACK, packets, mids[-1], 1)
