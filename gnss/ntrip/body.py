"""Bodies: chunked transfer coding (RFC 9112, section 7.1) and gzip, bit by bit as they come."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from gnss.ntrip.errors import MalformedError

MAX_CHUNK_LINE_BYTES = 256
MAX_CHUNK_BYTES = 1 << 31
MAX_EXPANSION = 100
"""RTCM shrinks by a tenth at most, text tenfold: a body that grows a hundredfold is an attack."""
FREE_EXPANSION_BYTES = 65_536
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


def encode_chunk(data: bytes) -> bytes:
    """Return the data as one chunk. Empty data would end the body: they make no chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"


class ChunkPlace(NamedTuple):
    """Where a body is between its bytes, for whoever goes on with it."""

    left: int
    """Bytes of the chunk that are still to come."""
    is_behind_data: bool
    """Whether the line that ends a chunk comes next."""
    line: bytes
    """What has come of a line."""


class ChunkedDecoder:
    """Takes the chunks off a body, however it is cut; keeps less than one size line."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._left = 0
        self._behind_data = False
        self.finished = False
        """The last chunk has come; what follows is left out."""

    @property
    def place(self) -> ChunkPlace:
        """Where it is."""
        return ChunkPlace(self._left, self._behind_data, bytes(self._line))

    def feed(self, data: bytes, out: bytearray) -> None:
        """Append what the bytes hold to `out`.

        Raises
        ------
        MalformedError
            They are not chunks. `out` has what came before.
        """
        at = 0
        while at < len(data) and not self.finished:
            if self._left:
                end = min(at + self._left, len(data))
                out += data[at:end]
                self._left -= end - at
                self._behind_data = self._left == 0
                at = end
                continue
            newline = data.find(b"\n", at)
            end = len(data) if newline < 0 else newline + 1
            self._line += data[at : min(end, at + MAX_CHUNK_LINE_BYTES + 1)]
            if len(self._line) > MAX_CHUNK_LINE_BYTES:
                raise MalformedError("the stream is not cut into chunks as it says; try version 1")
            at = end
            if newline >= 0:
                self._take_line(bytes(self._line).rstrip(b"\r\n"))
                self._line.clear()

    def _take_line(self, line: bytes) -> None:
        if self._behind_data:
            if line:
                raise MalformedError("a chunk of the stream is longer than it says; try version 1")
            self._behind_data = False
            return
        match = _SIZE.fullmatch(line)
        size = int(match[1], 16) if match else -1
        if not 0 <= size <= MAX_CHUNK_BYTES:
            raise MalformedError("the stream is not cut into chunks as it says; try version 1")
        self._left = size
        self.finished = size == 0


class GzipDecoder:
    """Inflates gzip or zlib data; one member after the other is one stream (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, by its head
        self._taken = 0
        self._given = 0

    def feed(self, data: bytes, out: bytearray) -> None:
        """Append what the bytes hold to `out`.

        Raises
        ------
        MalformedError
            They are not gzip, or hold far more than they should. `out` has what came before.
        """
        while data:
            allowed = MAX_EXPANSION * (self._taken + len(data)) + FREE_EXPANSION_BYTES - self._given
            before = len(out)
            try:
                out += self._member.decompress(data, max(allowed, 1))  # 0 would be no limit
            except zlib.error as error:
                raise MalformedError("the stream is not compressed as it says") from error
            self._given += len(out) - before
            if self._member.unconsumed_tail:
                raise MalformedError("the compressed stream holds far too much")
            self._taken += len(data)
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._taken -= len(data)
                self._member = zlib.decompressobj(wbits=47)


class BodyDecoder:
    """Takes all codings off a body that its head names.

    Parameters
    ----------
    fields
        Header fields by lower-case name.
    has_length
        `Content-Length` says where the body ends. Streams have none, whatever their head says.

    Raises
    ------
    MalformedError
        A coding that is not known here.
    """

    def __init__(self, fields: Mapping[str, str], *, has_length: bool = False) -> None:
        codings = f"{fields.get('transfer-encoding', '')},{fields.get('content-encoding', '')}".lower()
        names = {name.strip() for name in codings.split(",")} - {"", "identity"}
        if names - {"chunked", "gzip", "x-gzip", "deflate"}:
            raise MalformedError("the stream has a transfer coding that is not known here; try version 1")
        length = fields.get("content-length", "")
        self._chunks = ChunkedDecoder() if "chunked" in names else None
        self._gzip = GzipDecoder() if names - {"chunked"} else None
        self._left = int(length[:18]) if has_length and length.isdecimal() else None
        self.finished = False
        """The body has ended by its own account; what follows is left out."""

    @property
    def is_simple(self) -> bool:
        """Whether it is a stream as it is or in chunks: anybody can go on with it."""
        return self._gzip is None and self._left is None

    @property
    def chunks(self) -> ChunkPlace | None:
        """Where it is in its chunks; None when it has none."""
        return None if self._chunks is None else self._chunks.place

    def feed(self, data: bytes, out: bytearray) -> None:
        """Append what the bytes hold to `out`.

        Raises
        ------
        MalformedError
            They are not coded as the head says. `out` has what came before.
        """
        plain = out if self._gzip is None else bytearray()
        try:
            if self._chunks is not None:
                self._chunks.feed(data, plain)
                self.finished = self._chunks.finished
            elif self._left is not None:
                plain += data[: self._left]
                self._left -= min(self._left, len(data))
                self.finished = self._left == 0
            else:
                plain += data
        finally:
            if self._gzip is not None:
                self._gzip.feed(bytes(plain), out)
