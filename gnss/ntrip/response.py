"""Responses: how a client reads what a caster says, and the stream behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gnss.ntrip.body import BodyDecoder, ChunkPlace
from gnss.ntrip.errors import (
    BusyError,
    HeadTooLargeError,
    MalformedError,
    MountpointNotFoundError,
    NtripError,
    RefusedError,
    SourcetableError,
    UnauthorisedError,
)
from gnss.ntrip.head import MAX_HEAD_BYTES, parse_fields, split_head

Dialect = Literal["ICY", "SOURCETABLE", "HTTP"]

_STATUS = re.compile(rb"(ICY|SOURCETABLE|HTTP/1\.[0-9])[ \t]+([0-9]{3})(?:[ \t]+(.*))?", re.IGNORECASE)
_PRINTABLE = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]*")
_ICY_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[\t\x20-\x7e]*\r?\n")
_ICY_FIELD_BEGUN = re.compile(rb"[A-Za-z][A-Za-z0-9-]*(?::[\t\x20-\x7e]*\r?)?|\r?")


@dataclass(frozen=True, slots=True)
class Response:
    """The head of an answer that is a success."""

    dialect: Dialect
    fields: Mapping[str, str] = field(default_factory=dict)
    """Header fields by lower-case name."""


class ResponseParser:
    """Reads an answer, however its bytes are cut, and takes the codings off its body.

    Parameters
    ----------
    expect
        What was asked for. A sourcetable in place of a stream is an error, and the other way round.
    """

    def __init__(self, expect: Literal["stream", "sourcetable"] = "stream") -> None:
        self._expect = expect
        self._buffer = bytearray()
        self._taken = 0  # bytes of fields that have left the buffer
        self._icy_fields: list[bytes] = []
        self._dialect: Dialect | None = None
        self._body: BodyDecoder | None = None
        self._error: NtripError | None = None
        self.response: Response | None = None
        """Set when the caster has agreed; fields of an ICY answer may still follow."""
        self.finished = False
        """The body has ended by its own account; what follows is left out."""

    @property
    def is_simple(self) -> bool:
        """Whether the body has begun and is a stream as it is or in chunks: anybody can go on with it."""
        return self._body is not None and self._body.is_simple and self._error is None

    @property
    def chunks(self) -> ChunkPlace | None:
        """Where the body is in its chunks; None when it has none."""
        return None if self._body is None else self._body.chunks

    def feed(self, data: bytes) -> bytes:
        """Take what was read; return what it holds of the body, perhaps nothing.

        Raises
        ------
        NtripError
            One of `gnss.ntrip.errors`: the caster refuses, or does not speak NTRIP. What came of the body
            before that is returned first, and the error raised by the next call.
        """
        if self._error:
            raise self._error
        out = bytearray()
        try:
            self._take(data, out)
        except NtripError as error:
            self._error = error
            if not out:
                raise
        return bytes(out)

    def finish(self) -> None:
        """The connection has ended.

        Raises
        ------
        NtripError
            The answer ends too early to be one, or the last `feed` left an error behind.
        """
        if self._error:
            raise self._error
        if self._body is None and self._dialect != "ICY":
            if self._buffer and self._dialect is None:
                self._take_status(bytes(self._buffer))
            raise MalformedError("the caster closes the connection without an answer; check host and port")

    def _take(self, data: bytes, out: bytearray) -> None:
        if self._body is not None:
            self._take_body(self._body, data, out)
            return
        self._buffer += data
        if self._dialect is None:
            newline = self._buffer.find(b"\n", 0, MAX_HEAD_BYTES)
            line = bytes(self._buffer[: MAX_HEAD_BYTES if newline < 0 else newline])
            if not _PRINTABLE.fullmatch(line):
                raise MalformedError(
                    "the peer does not speak NTRIP; if it sends plain RTCM, connect by tcp://"
                )
            if newline < 0:
                self._limit_head(len(self._buffer))
                return
            self._take_status(line)
        if self._dialect == "ICY":
            self._take_icy_head(out)
        else:
            self._take_http_head(out)

    def _take_status(self, line: bytes) -> None:
        text = line.rstrip(b"\r\n")
        match = _STATUS.fullmatch(text)
        if match is None:
            raise _refused_without_status(text)
        word, status = match[1].upper(), int(match[2])
        if status != 200:
            raise _refused(status, match[3] or b"")
        self._dialect = "ICY" if word == b"ICY" else "SOURCETABLE" if word == b"SOURCETABLE" else "HTTP"
        self._check_kind(table=self._dialect == "SOURCETABLE", stream=self._dialect == "ICY")
        if self._dialect == "ICY":
            self.response = Response("ICY")
            del self._buffer[: len(line) + 1]

    def _take_icy_head(self, out: bytearray) -> None:
        # Behind `ICY 200 OK` come at once data, or one blank line, or header fields and a blank line.
        while match := _ICY_FIELD.match(self._buffer):
            self._icy_fields.append(match[0].rstrip(b"\r\n"))
            self._taken += match.end()
            del self._buffer[: match.end()]
            self._limit_head(self._taken)
        if _ICY_FIELD_BEGUN.fullmatch(self._buffer):
            self._limit_head(self._taken + len(self._buffer))
            return
        rest = bytes(self._buffer)
        rest = rest.removeprefix(b"\n" if rest.startswith(b"\n") else b"\r\n")
        self._begin_body(Response("ICY", parse_fields(self._icy_fields)), rest, out)

    def _take_http_head(self, out: bytearray) -> None:
        split = split_head(self._buffer)
        if split is None:
            return
        assert self._dialect is not None
        lines, rest = split
        fields = parse_fields(lines[1:])
        kind = fields.get("content-type", "").partition(";")[0].strip().lower()
        self._check_kind(table=kind == "gnss/sourcetable", stream=kind == "gnss/data")
        if kind == "text/html":
            raise RefusedError("the peer answers with a web page, it is no caster; check host and port", 200)
        self._begin_body(Response(self._dialect, fields), rest, out)

    def _check_kind(self, *, table: bool, stream: bool) -> None:
        if table and self._expect == "stream":
            raise SourcetableError("the caster does not know this mountpoint; choose one of its sourcetable")
        if stream and self._expect == "sourcetable":
            raise MalformedError("the caster answers with a stream in place of its sourcetable")

    def _begin_body(self, response: Response, rest: bytes, out: bytearray) -> None:
        body = BodyDecoder(response.fields, has_length=self._expect == "sourcetable")
        self.response, self._body = response, body
        self._buffer.clear()
        self._take_body(body, rest, out)

    def _take_body(self, body: BodyDecoder, data: bytes, out: bytearray) -> None:
        try:
            body.feed(data, out)
        finally:
            self.finished = body.finished

    @staticmethod
    def _limit_head(length: int) -> None:
        if length >= MAX_HEAD_BYTES:
            raise HeadTooLargeError("the head of the caster's answer does not end; check host and port")


def _refused(status: int, reason: bytes) -> NtripError:
    if status in {401, 403}:
        return UnauthorisedError("the caster refuses the user name or password; correct them")
    if status in {404, 410}:
        return MountpointNotFoundError(
            "the caster does not know this mountpoint; choose one of its sourcetable"
        )
    if status in {429, 503}:
        return BusyError("the caster is busy or has no free place; trying again later")
    words = "".join(c for c in reason[:80].decode("latin-1") if c.isprintable()).strip()
    return RefusedError(
        f"the caster answers {status} {words}".strip() + "; check mountpoint and version", status
    )


def _refused_without_status(line: bytes) -> NtripError:
    text = line[:80].decode("latin-1")
    if text.upper().startswith("ERROR"):
        if "password" in text.lower():
            return UnauthorisedError("the caster refuses the user name or password; correct them")
        words = "".join(c for c in text if c.isprintable())
        return RefusedError(f"the caster answers {words!r}; check mountpoint and version")
    return MalformedError("the peer does not speak NTRIP; if it sends plain RTCM, connect by tcp://")
