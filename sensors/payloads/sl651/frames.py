"""Frames of SL 651-2014: where one begins and ends, in the coding HEX/BCD and in ASCII (6.2 to 6.5).

A frame of HEX/BCD begins with 7E7E, one of ASCII with SOH, and both end with a CRC over all before it
(polynomial 8005, reflected, begun with FFFF, high byte first). What stands between frames is stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sensors.payloads.checksums import modbus

HEX_START = b"\x7e\x7e"
SOH, STX, ETX, EOT, ENQ, ACK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
NAK, SYN, ETB, ESC = 0x15, 0x16, 0x17, 0x1B
_START = re.compile(rb"\x7e\x7e|\x01")
_HEX_HEAD = 14
_ASCII_HEAD = 24
_UP_ENDS = frozenset({ETX, ETB})
_DOWN_ENDS = frozenset({ENQ, ACK, EOT, NAK, ESC})
_SPARE_BYTES = 65_536
"""Of checksums that may fail in a payload, beside twice its length: each costs its frame's length."""


class Frame(NamedTuple):
    """A frame with a good checksum."""

    function: int
    station: str
    """Address of the remote station, ten hexadecimal digits."""
    center: int
    password: bytes
    is_down: bool
    """It goes from the centre to a station."""
    is_ascii: bool
    total: int
    """Packets of the message; 0: it comes in one."""
    number: int
    """Of this packet, from 1."""
    end: int
    """The control character at its end."""
    body: bytes


def read_frames(payload: bytes) -> Iterator[Frame | str]:
    """Return the frames of a payload in order; a text tells of bytes that are none."""
    if not payload:
        yield "the payload is empty"
    at, skipped, spare = 0, 0, 2 * len(payload) + _SPARE_BYTES
    while at < len(payload):
        found = _frame(payload, at) if spare > 0 else None
        if isinstance(found, int):
            spare -= found
        elif found is not None:
            if skipped:
                yield f"{skipped} bytes are no frame of SL 651, or damaged"
                skipped = 0
            frame, at = found
            yield frame
            continue
        following = _START.search(payload, at + 1)
        start = following.start() if following else len(payload)
        skipped, at = skipped + start - at, start
    if skipped:
        yield f"{skipped} bytes are no frame of SL 651, or damaged"


def _frame(payload: bytes, at: int) -> tuple[Frame, int] | int | None:
    """Return the frame that begins here and where it ends, or how many bytes it cost to find out."""
    if payload.startswith(HEX_START, at):
        return _hex_frame(payload, at)
    return _ascii_frame(payload, at) if payload[at] == SOH else None


def _hex_frame(payload: bytes, at: int) -> tuple[Frame, int] | int | None:
    head = payload[at : at + _HEX_HEAD]
    if len(head) < _HEX_HEAD or head[13] not in {STX, SYN}:
        return None
    length = int.from_bytes(head[11:13], "big")
    is_down = length >> 12 == 8
    if is_down or head[13] == STX:  # packets of many have all 16 bits for the length (table 22)
        if length >> 12 not in {0, 8}:
            return None
        length &= 0xFFF
    end = at + _HEX_HEAD + length
    if end + 3 > len(payload) or payload[end] not in (_DOWN_ENDS if is_down else _UP_ENDS):
        return None
    if modbus(payload[at : end + 1]) != int.from_bytes(payload[end + 1 : end + 3], "big"):
        return length + _HEX_HEAD
    body, total, number = payload[at + _HEX_HEAD : end], 0, 0
    if head[13] == SYN:
        if length < 3:
            return None
        numbers, body = int.from_bytes(body[:3], "big"), body[3:]
        total, number = numbers >> 12, numbers & 0xFFF
    station, center = (head[2:7], head[7]) if is_down else (head[3:8], head[2])
    frame = Frame(
        head[10], station.hex().upper(), center, head[8:10], is_down, False, total, number, payload[end], body
    )
    return frame, end + 3


def _ascii_frame(payload: bytes, at: int) -> tuple[Frame, int] | int | None:
    head = payload[at : at + _ASCII_HEAD]
    digits = head[1:23]
    if len(head) < _ASCII_HEAD or head[23] not in {STX, SYN} or not _is_hex(digits):
        return None
    is_down = digits[18:19] == b"8"
    end = at + _ASCII_HEAD + int(digits[19:22], 16)
    check = payload[end + 1 : end + 5]
    if len(check) < 4 or not _is_hex(check) or payload[end] not in (_DOWN_ENDS if is_down else _UP_ENDS):
        return None
    if modbus(payload[at : end + 1]) != int(check, 16):
        return end - at
    body, total, number = payload[at + _ASCII_HEAD : end], 0, 0
    if head[23] == SYN:
        if not _is_hex(body[:6]) or len(body) < 6:
            return None
        total, number, body = int(body[:3], 16), int(body[3:6], 16), body[6:]
    text = digits.decode("ascii").upper()
    station, center = (text[:10], text[10:12]) if is_down else (text[2:12], text[:2])
    frame = Frame(
        int(text[16:18], 16),
        station,
        int(center, 16),
        bytes.fromhex(text[12:16]),
        is_down,
        True,
        total,
        number,
        payload[end],
        body,
    )
    return frame, end + 5


def _is_hex(text: bytes) -> bool:
    return all(byte in b"0123456789ABCDEFabcdef" for byte in text)
