"""What paho does for each message at the greatest cost, made cheap for the messages that most are.

paho asks the socket for one byte, then another, builds a table of all properties that MQTT knows for each
message, and sends each acknowledgement by itself. Here the socket is read in large pieces, a message without
properties is taken apart in place, and many are acknowledged at once; every other packet stays with paho.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import MQTTErrorCode

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

READ_BYTES = 65_536
_PUBACK = 0x40


class Published(NamedTuple):
    """A message as a broker sent it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    mid: int


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


def hasten(paho: PahoClient, take: Callable[[Published], None], *, version5: bool) -> None:
    """Let a client that is not connected yet read through a `BufferedSocket`, and `take` get plain messages.

    All others come to its `on_message` as ever.
    """
    create_socket, handle_publish = paho._create_socket, paho._handle_publish

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


def acknowledge(paho: PahoClient, mids: Sequence[int]) -> None:
    """Acknowledge messages of QoS 1, in this order and in one write (MQTT 5, section 3.4)."""
    if mids:
        packets = b"".join(struct.pack("!BBH", _PUBACK, 2, mid) for mid in mids)
        paho._packet_queue(_PUBACK, packets, mids[-1], 1)
