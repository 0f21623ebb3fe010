"""Requests: what a rover or a client asks, and how a caster reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from gnss.ntrip.errors import MalformedError
from gnss.ntrip.head import (
    AGENT,
    DEFAULT_PORT,
    NtripVersion,
    format_basic,
    format_head,
    parse_basic,
    parse_fields,
    split_head,
)

_PATH_CHARACTERS = "!$&'()*+,;=:@/-._~"


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request, as a caster got it."""

    method: str
    """GET; SOURCE (push, version 1); POST (push, version 2); or any other word in capitals."""
    mountpoint: str
    """Without the leading slash; empty asks for the sourcetable."""
    query: str
    """Behind `?`: a filter of the sourcetable."""
    version: NtripVersion
    """2 only when `Ntrip-Version` says so: a web browser is answered like a version 1 client."""
    fields: Mapping[str, str]
    """Header fields by lower-case name."""
    username: str = ""
    password: str | None = None
    """None when the request has no (readable) credentials."""

    @property
    def agent(self) -> str:
        """What the peer calls itself."""
        return self.fields.get("user-agent") or self.fields.get("source-agent", "")

    @property
    def gga(self) -> str:
        """NMEA sentence of the rover's position, from `Ntrip-GGA`; empty when it sent none."""
        return self.fields.get("ntrip-gga", "")


class RequestParser:
    """Reads one request, however its bytes are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""
        """What came behind the head: GGA sentences of a rover, data of a source."""

    def feed(self, data: bytes) -> Request | None:
        """Return the request once its head is complete. Call it no more after that.

        Raises
        ------
        MalformedError
            It is no request; `HeadTooLargeError` when it does not end.
        """
        self._buffer += data if self._buffer else data.lstrip(b"\r\n")  # RFC 9112, section 2.2
        if self._buffer[:1] and not self._buffer[:1].isalpha():
            raise MalformedError("this is no NTRIP request: it does not begin with a method")
        split = split_head(self._buffer)
        if split is None:
            return None
        lines, self.rest = split
        self._buffer.clear()
        return _request(lines)


def build_request(
    mountpoint: str,
    *,
    host: str,
    port: int = DEFAULT_PORT,
    version: NtripVersion = 2,
    username: str = "",
    password: str = "",
    gga: str = "",
) -> bytes:
    """Return a client's request for a stream, or for the sourcetable if `mountpoint` is empty.

    Parameters
    ----------
    mountpoint
        With or without a leading slash.
    host, port
        Of the caster, for the `Host` field of version 2.
    version
        1 or 2 of NTRIP.
    username, password
        Basic authentication; none when the user name is empty.
    gga
        NMEA sentence, for `Ntrip-GGA` of version 2. A version 1 client sends it behind the request.

    Raises
    ------
    ValueError
        The user name holds a colon.
    MalformedError
        A control character in one of the texts.
    """
    path = "/" + quote(mountpoint.removeprefix("/"), safe=_PATH_CHARACTERS + "%?")
    fields: dict[str, str] = {}
    if version == 2:
        bare = host.strip("[]")
        fields["Host"] = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
        fields["Ntrip-Version"] = "Ntrip/2.0"
    fields["User-Agent"] = AGENT
    if username:
        fields["Authorization"] = format_basic(username, password)
    if gga and version == 2:
        fields["Ntrip-GGA"] = gga.strip()
    fields["Connection"] = "close"
    return format_head(f"GET {path} HTTP/1.{version - 1}", fields)


def _request(lines: list[bytes]) -> Request:
    first = lines[0].decode("latin-1").split()
    if not first or not first[0].isascii() or not first[0].isalpha():
        raise MalformedError("this is no NTRIP request: its first line is not METHOD /MOUNTPOINT")
    method, fields = first[0].upper(), parse_fields(lines[1:])
    if method == "SOURCE":  # SOURCE password /MOUNTPOINT; many leave out the slash, some the password
        target = first[-1] if len(first) > 1 else ""
        password = _password(first[1]) if len(first) > 2 else ""
        return Request(method, _mountpoint(target), "", 1, fields, password=password)
    if len(first) < 2:
        raise MalformedError("this is no NTRIP request: its first line is not METHOD /MOUNTPOINT")
    path, _, query = first[1].partition("?")
    version: NtripVersion = 2 if "ntrip/2" in fields.get("ntrip-version", "").lower() else 1
    username, password_sent = parse_basic(fields.get("authorization", "")) or ("", None)
    return Request(method, _mountpoint(path), query, version, fields, username, password_sent)


def _mountpoint(path: str) -> str:
    return unquote(path.removeprefix("/"))


def _password(text: str) -> str:
    """Return a password of a first line, which was read as Latin-1: sources send it as UTF-8 as well."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return text
