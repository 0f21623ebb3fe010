"""Texts in messages: read as they were sent, which may be anything, and made fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnss.rtcm.fields import BitReader, BitWriter, Field, Values

MAX_DESCRIPTOR = 31
"""Characters of a descriptor that the standard allows; more are read, but never written."""
MAX_PRINTED = 64


@dataclass(frozen=True, slots=True)
class Text(Field):
    """A counter, and so many characters of ISO 8859-1."""

    name: str
    counter_width: int = 8

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del counts
        values[self.name] = _bytes(bits, bits.take(self.counter_width)).decode("latin-1")

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        text = values[self.name]
        if not isinstance(text, str) or len(text) > MAX_DESCRIPTOR or any(ord(c) > 255 for c in text):
            raise ValueError(
                f"{self.name} {text!r} does not fit: give {MAX_DESCRIPTOR} characters of ISO 8859-1 at most"
            )
        content = text.encode("latin-1")
        bits.put(len(content), self.counter_width)
        bits.put(int.from_bytes(content, "big"), len(content) * 8)


@dataclass(frozen=True, slots=True)
class Utf8(Field):
    """Counters of characters (7 bits) and of bytes (8 bits), and a text in UTF-8.

    The count of characters is not looked at: it is wrong where a sender counts a closing zero or not. Bytes
    that are no UTF-8 read as U+FFFD.
    """

    name: str

    def _names(self) -> tuple[str, ...]:
        return (self.name,)

    def _read(self, bits: BitReader, values: Values, counts: dict[str, int]) -> None:
        del counts
        bits.take(7)
        values[self.name] = _bytes(bits, bits.take(8)).decode("utf-8", "replace")

    def _write(self, bits: BitWriter, values: Mapping[str, Any]) -> None:
        text = values[self.name]
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else b""
        if not isinstance(text, str) or len(text) > 127 or len(content) > 255:
            raise ValueError(f"{self.name} does not fit: give 127 characters and 255 bytes of UTF-8 at most")
        bits.put(len(text), 7)
        bits.put(len(content), 8)
        bits.put(int.from_bytes(content, "big"), len(content) * 8)


def printable(text: str) -> str:
    """Return foreign text without what no terminal or page should get: printable characters only, cut.

    Control and formatting characters (also those that turn the direction of writing) are left out, as are
    spaces around; `MAX_PRINTED` characters at most.
    """
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_PRINTED].rstrip()


def _bytes(bits: BitReader, size: int) -> bytes:
    return bits.take(size * 8).to_bytes(size, "big")
