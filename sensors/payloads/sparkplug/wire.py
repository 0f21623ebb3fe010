"""The wire format of Protocol Buffers, as much of it as Sparkplug needs.

A payload has five fields, a metric about fifteen, all of four kinds. To read these by hand takes a page; a
library would bring generated code that nobody reads, and objects for what is left out. The test holds this
against Google's own library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sensors.payloads import UnusableError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def read_fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Return number and content of each field: an integer of up to 64 bits, or bytes.

    Raises
    ------
    UnusableError
        The bytes are no message of Protocol Buffers.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in {FIXED64, FIXED32}:
            size = 8 if kind == FIXED64 else 4
        else:
            raise UnusableError("the payload is no message of Protocol Buffers")
        if size > end - at:
            raise UnusableError("the payload ends within a field")
        content = data[at : at + size]
        yield number, content if kind == BYTES else int.from_bytes(content, "little")
        at += size


def write_varint(number: int, value: int) -> bytes:
    """Return a field with an integer that is not negative."""
    return _written(number << 3 | VARINT) + _written(value)


def write_bytes(number: int, content: bytes) -> bytes:
    """Return a field with bytes."""
    return _written(number << 3 | BYTES) + _written(len(content)) + content


def write_double(number: int, value: float) -> bytes:
    """Return a field with a number of 64 bits."""
    return _written(number << 3 | FIXED64) + struct.pack("<d", value)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + place + 1
    raise UnusableError("the payload is no message of Protocol Buffers")


def _written(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
