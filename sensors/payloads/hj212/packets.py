"""Packets of HJ 212: `##`, the length of the data, the data, a checksum, and the end of a line (6.3).

The checksum is the standard's own routine (annex A), which is neither that of Modbus nor of ANSI.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sensors.payloads import UnusableError, checksums, printable

START = b"##"
END = b"\r\n"
_HEAD, _CHECK = 6, 4
_SPARE_BYTES = 65_536
"""Of checksums that may fail in a payload, beside twice its length: each costs its packet's length."""
_VERSIONS = {0: "HJ/T 212-2005", 1: "HJ 212-2017", 2: "HJ 212-2025"}


class Packet(NamedTuple):
    """What stands in a packet."""

    fields: Mapping[str, str]
    """Those before the data area: QN, ST, CN, PW, MN, Flag, PNUM, PNO."""
    data: str
    """The data area, between CP=&& and &&."""

    @property
    def command(self) -> str:
        """What it is (CN)."""
        return self.fields.get("CN", "")

    @property
    def flag(self) -> int:
        """Bits: version, then whether it is one of several packets, then whether an answer is wanted."""
        text = self.fields.get("Flag", "")
        return int(text) & 0xFF if text.isascii() and text.isdecimal() and len(text) <= 3 else 0

    @property
    def wants_answer(self) -> bool:
        """Whether the sender waits for an answer."""
        return bool(self.flag & 1)

    @property
    def is_split(self) -> bool:
        """Whether it is one of several packets of a message."""
        return bool(self.flag & 2) and "PNUM" in self.fields

    @property
    def version(self) -> str:
        """Which standard it follows, by its flag."""
        return _VERSIONS.get(self.flag >> 2, "a later HJ 212")


def read_packets(payload: bytes) -> Iterator[Packet | str]:
    """Return the packets of a payload in order; a text tells of bytes that are none."""
    if not payload:
        yield "the payload is empty"
    at, skipped, spare = 0, 0, 2 * len(payload) + _SPARE_BYTES
    while at < len(payload):
        size, cost = _packet(payload, at) if spare > 0 and payload.startswith(START, at) else (0, 0)
        spare -= cost
        if size:
            if skipped:
                yield f"{skipped} bytes are no packet of HJ 212, or damaged"
                skipped = 0
            yield _read(payload[at + _HEAD : at + size - _CHECK])
            at += size
            at += 2 * payload.startswith(END, at)
            continue
        start = payload.find(START, at + 1)
        start = len(payload) if start < 0 else start
        skipped, at = skipped + len(payload[at:start].strip()), start
    if skipped:
        yield f"{skipped} bytes are no packet of HJ 212, or damaged"


def written(fields: Mapping[str, str], data: str = "") -> bytes:
    """Return a packet.

    Raises
    ------
    ValueError
        A field has a character that ends it, or the data are too long.
    """
    if any(set(";&=#\r\n") & set(text) for text in fields.values()):
        raise ValueError("no field may have one of ; & = # in it")
    text = "".join(f"{name}={value};" for name, value in fields.items()) + f"CP=&&{data}&&"
    body = text.encode("ascii")
    if len(body) > 1024:
        raise ValueError(f"a packet has at most 1024 bytes of data, not {len(body)}")
    return START + f"{len(body):04}".encode() + body + f"{checksums.hj212(body):04X}".encode() + END


def _packet(payload: bytes, at: int) -> tuple[int, int]:
    """Return the size of the packet that begins here (0: none does), and what it cost to find out."""
    digits = payload[at + 2 : at + _HEAD]
    if len(digits) < 4 or not digits.isdigit():
        return 0, 0
    end = at + _HEAD + int(digits)
    check = payload[end : end + _CHECK]
    try:
        expected = int(check, 16) if len(check) == _CHECK and check.isalnum() else -1
    except ValueError:
        return 0, 0
    if expected < 0:
        return 0, 0
    if checksums.hj212(payload[at + _HEAD : end]) != expected:
        return 0, end - at
    return end + _CHECK - at, 0


def _read(data: bytes) -> Packet | str:
    try:
        return read_data(data)
    except UnusableError as error:
        return str(error)


def read_data(data: bytes) -> Packet:
    """Return what stands in a packet's data.

    Raises
    ------
    UnusableError
        They are not as the standard has them.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnusableError("a packet is not text in UTF-8") from None
    head, mark, rest = text.partition("CP=&&")
    area, end, behind = rest.rpartition("&&")
    if not mark or not end or behind:
        raise UnusableError(f"a packet has no data area: {printable(text)}")
    fields = {}
    for item in head.split(";"):
        name, equals, value = item.partition("=")
        if equals:
            fields[name.strip()] = value.strip()
    return Packet(fields, area)
