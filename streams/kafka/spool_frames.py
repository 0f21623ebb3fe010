"""The bytes of a spool: messages in frames, and the mark of what has arrived."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEAD = struct.Struct("<IIQQqIHH")
"""CRC-32 of all that follows, bytes after the head, position, number, time, partition, and how many bytes
of the rest are topic and maker."""
HEAD_BYTES = _HEAD.size
_CRC_BYTES = 4
_MOST_BYTES = 16_000_000
"""No message is nearly so large: a length beyond is damage."""
_MARK = struct.Struct("<IQ")


class Frame(NamedTuple):
    """A message on its way to Kafka, and who made it (`streams.kafka.origin`)."""

    topic: str
    partition: int
    time_us: int
    """When it was made."""
    maker: str
    number: int
    payload: bytes


class Found(NamedTuple):
    """A frame of a segment."""

    position: int
    frame: Frame
    size: int
    """Bytes in the file."""


def frame_bytes(position: int, frame: Frame) -> bytes:
    """Return the bytes of a frame at this place of the spool."""
    topic, maker = frame.topic.encode(), frame.maker.encode()
    size = len(topic) + len(maker) + len(frame.payload)
    head = _HEAD.pack(0, size, position, frame.number, frame.time_us, frame.partition, len(topic), len(maker))
    data = bytearray(b"".join((head, topic, maker, frame.payload)))
    data[:_CRC_BYTES] = zlib.crc32(memoryview(data)[_CRC_BYTES:]).to_bytes(_CRC_BYTES, "little")
    return bytes(data)


def read_frame(file: BinaryIO) -> Found | None:
    """Return the next frame; None where the file ends, or goes on with something else."""
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    crc, size, position, number, time_us, partition, n_topic, n_maker = _HEAD.unpack(head)
    if size > _MOST_BYTES or n_topic + n_maker > size:
        return None
    rest = file.read(size)
    if len(rest) < size or zlib.crc32(rest, zlib.crc32(head[_CRC_BYTES:])) != crc:
        return None
    topic, maker = rest[:n_topic].decode(), rest[n_topic : n_topic + n_maker].decode()
    frame = Frame(topic, partition, time_us, maker, number, rest[n_topic + n_maker :])
    return Found(position, frame, HEAD_BYTES + size)


class Mark:
    """The position up to which everything has arrived, in a file of its own.

    It is not synced: after a loss of power an older one may stand there, and messages come again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """Return the position before which all has arrived; 0 where nothing tells."""
        try:
            crc, position = _MARK.unpack(self._path.read_bytes())
        except (OSError, struct.error):
            return 0
        return position if crc == _crc_of(position) else 0

    def write(self, position: int) -> None:
        """Say that everything before `position` has arrived.

        Raises
        ------
        OSError
            It could not be written.
        """
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(file, _MARK.pack(_crc_of(position), position), 0)
        finally:
            os.close(file)


def _crc_of(position: int) -> int:
    return zlib.crc32(position.to_bytes(8, "little"))
