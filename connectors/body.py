"""The body of a foreign HTTP message: no larger than is allowed, also where it is compressed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

ENCODINGS = ("", "identity", "gzip", "x-gzip")
"""Of a Content-Encoding; empty: there is none."""
MOST_MEMBERS = 100
"""Of a gzip body: each costs a copy of what follows it."""


class BodyError(ValueError):
    """The body cannot be taken; the message says why."""


class TooLargeError(BodyError):
    """It is larger than is allowed."""


class EncodingError(BodyError):
    """It is compressed in a way that is not read here."""


@dataclass(slots=True)
class Body:
    """Collects a body, unpacked.

    Parameters
    ----------
    most
        Bytes that are allowed, as sent and unpacked.
    encoding
        The header Content-Encoding.
    """

    most: int
    encoding: str = ""
    _bytes: bytearray = field(default_factory=bytearray)
    _received: int = 0
    _unpack: Any = None
    """Of the gzip member that is being read."""
    _members: int = 0

    def __post_init__(self) -> None:
        self.encoding = self.encoding.strip().lower()
        if self.encoding not in ENCODINGS:
            raise EncodingError(f"Content-Encoding {self.encoding[:40]!a} is not read here")

    def add(self, piece: bytes) -> None:
        """Take a piece as it came.

        Raises
        ------
        BodyError
            There is too much of it, or it is no gzip.
        """
        self._received += len(piece)
        if self._received > self.most:
            raise self.too_large()
        if self.encoding in {"", "identity"}:
            self._bytes += piece
        else:
            self._add_packed(piece)

    def whole(self) -> bytes:
        """Return the body when all of it was added.

        Raises
        ------
        BodyError
            It ends in the middle.
        """
        if self._unpack is not None and not self._unpack.eof:
            raise BodyError("the gzip body ends too early")
        return bytes(self._bytes)

    def _add_packed(self, piece: bytes) -> None:
        while piece:
            if self._unpack is None or self._unpack.eof:  # gzip may have several members (RFC 1952, 2.2)
                self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise BodyError(f"the gzip body has more than {MOST_MEMBERS} members")
            try:
                self._bytes += self._unpack.decompress(piece, self.most - len(self._bytes) + 1)
            except zlib.error as error:
                raise BodyError(f"the body is no gzip ({error})") from None
            if len(self._bytes) > self.most:
                raise self.too_large()
            piece = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail

    def too_large(self) -> TooLargeError:
        """Return what is raised for a body that is, or says that it is, too large."""
        return TooLargeError(f"the body is larger than {self.most} bytes")
