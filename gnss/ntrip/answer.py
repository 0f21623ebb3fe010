"""Answers: what a caster says, in the dialect of who asked."""

from __future__ import annotations

from email.utils import formatdate

from gnss.ntrip.head import AGENT, NtripVersion, format_head

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
}


def stream_head(version: NtripVersion, *, chunked: bool = True, now_us: int | None = None) -> bytes:
    """Return the head of a stream of corrections.

    Parameters
    ----------
    version
        Of the request.
    chunked
        Version 2 only: the body is chunked (`gnss.ntrip.body.encode_chunk`). Version 1 has none of that.
    now_us
        UTC, for the `Date` field.
    """
    if version == 1:
        return b"ICY 200 OK\r\n\r\n"
    fields = _common(version, now_us) | {"Content-Type": "gnss/data"}
    if chunked:
        fields["Transfer-Encoding"] = "chunked"
    return format_head("HTTP/1.1 200 OK", fields)


def source_head(version: NtripVersion, *, now_us: int | None = None) -> bytes:
    """Return the answer that lets a source send its stream (SOURCE: version 1, POST: version 2)."""
    if version == 1:
        return b"ICY 200 OK\r\n\r\n"
    return format_head("HTTP/1.1 200 OK", _common(version, now_us))


def sourcetable_answer(version: NtripVersion, table: bytes, *, now_us: int | None = None) -> bytes:
    """Return head and body of a sourcetable (`gnss.ntrip.sourcetable.format_sourcetable`).

    In version 1 this also answers a request for a mountpoint that does not exist; version 2 has 404.
    """
    kind = "gnss/sourcetable" if version == 2 else "text/plain"
    first = "HTTP/1.1 200 OK" if version == 2 else "SOURCETABLE 200 OK"
    fields = _common(version, now_us) | {"Content-Type": kind, "Content-Length": str(len(table))}
    return format_head(first, fields) + table


def refusal(
    status: int,
    version: NtripVersion,
    text: str = "",
    *,
    realm: str = "",
    retry_after_s: int | None = None,
    now_us: int | None = None,
) -> bytes:
    """Return the whole answer that says no.

    Parameters
    ----------
    status
        400, 401, 403, 404, 405, 409, 431, 501 or 503.
    version
        Of the request.
    text
        A sentence for the person behind the rover; the status in words when empty.
    realm
        401: what the credentials are for.
    retry_after_s
        503: when to come again.
    now_us
        UTC, for the `Date` field.
    """
    reason = _REASONS[status]
    body = (text or reason).encode("utf-8") + b"\r\n"
    fields = _common(version, now_us)
    if status == 401:
        fields["WWW-Authenticate"] = f'Basic realm="{realm or "/"}"'
    if status == 405:
        fields["Allow"] = "GET, POST"
    if retry_after_s is not None:
        fields["Retry-After"] = str(retry_after_s)
    fields |= {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    return format_head(f"HTTP/1.{version - 1} {status} {reason}", fields) + body


def source_refusal(text: str) -> bytes:
    """Return the version 1 answer to a SOURCE request that is not accepted, for instance `Bad Password`."""
    return f"ERROR - {text}\r\n".encode("latin-1", "replace")


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""For `Expect: 100-continue` (RFC 9110, section 10.1.1)."""


def _common(version: NtripVersion, now_us: int | None) -> dict[str, str]:
    fields = {"Ntrip-Version": "Ntrip/2.0"} if version == 2 else {}
    fields["Server"] = AGENT
    if now_us is not None:
        fields["Date"] = formatdate(now_us / 1e6, usegmt=True)
    if version == 2:
        fields["Cache-Control"] = "no-store, no-cache, max-age=0"
    fields["Connection"] = "close"
    return fields
