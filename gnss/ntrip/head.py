"""What heads of requests and responses share: lines, header fields, limits."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Literal

from gnss.ntrip.errors import HeadTooLargeError, MalformedError

NtripVersion = Literal[1, 2]

DEFAULT_PORT = 2101
MAX_HEAD_BYTES = 8192
AGENT = "NTRIP groundswell/0.1"
"""A name that begins with NTRIP is how version 1 tells its peers from web browsers."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)", re.DOTALL)


def split_head(buffer: bytes | bytearray) -> tuple[list[bytes], bytes] | None:
    """Return the head's lines and what stands behind its blank line; None while it is incomplete.

    Raises
    ------
    HeadTooLargeError
        The head is, or will be, longer than `MAX_HEAD_BYTES`.
    """
    end = _HEAD_END.search(buffer, 0, MAX_HEAD_BYTES)
    if end is None:
        if len(buffer) >= MAX_HEAD_BYTES:
            raise HeadTooLargeError(f"the head is longer than {MAX_HEAD_BYTES} bytes")
        return None
    lines = [line.removesuffix(b"\r") for line in bytes(buffer[: end.start()]).split(b"\n")]
    return lines, bytes(buffer[end.end() :])


def parse_fields(lines: list[bytes]) -> dict[str, str]:
    """Return header fields by lower-case name; a field that comes twice is joined with a comma (RFC 9110).

    A line that begins with a space continues the one before it; other lines that are no field are left
    out, because some casters and receivers send such.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        match = _FIELD.fullmatch(line)
        if line[:1] in (b" ", b"\t") and name:
            fields[name] = f"{fields[name]} {_text(line)}".strip()
        elif match:
            name, value = match[1].decode("ascii").lower(), _text(match[2])
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        else:
            name = ""
    return fields


def parse_basic(authorization: str) -> tuple[str, str] | None:
    """Return user name and password of an `Authorization: Basic` field (RFC 7617); None if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    username, colon, password = text.partition(":")
    return (username, password) if colon else None


def format_basic(username: str, password: str) -> str:
    """Return the value of an `Authorization` field (RFC 7617).

    Raises
    ------
    ValueError
        The user name holds a colon, which basic authentication cannot carry.
    """
    if ":" in username:
        raise ValueError("an NTRIP user name cannot hold a colon; give the password apart from it")
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def format_head(first_line: str, fields: Mapping[str, str]) -> bytes:
    """Return a head with its blank line.

    Raises
    ------
    MalformedError
        A value holds a control character: it would break out of its line.
    """
    lines = [first_line, *(f"{name}: {value}" for name, value in fields.items())]
    for line in lines:
        if any(ord(character) < 32 or ord(character) == 127 for character in line):
            raise MalformedError(f"a control character in {line.partition(':')[0]!r}; remove it")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()
