"""Events as bytes: made once, for all who get them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from dashboards import present
from dashboards.answers import LiveObservation

Form = Literal["stream", "socket"]
"""Server-sent events, or messages of a WebSocket."""
Lists = dict[str, dict[str, list[Any]]]
"""By channel: `stations`, `figures`, `observations`, `alerts`; what is empty is left out."""
_encode = msgspec.json.encode


class PushedObservation(LiveObservation, frozen=True, kw_only=True):
    """A sample. It may come again with a higher revision, when the next one told more of it."""

    revision: int
    """0 when it is judged first; -1: it came after a newer sample."""


def fragment(channel: str, lists: Mapping[str, list[Any]]) -> bytes:
    """Return what a channel has in an update."""
    return _encode(channel) + b":" + _encode(lists)


def update(form: Form, identity: str, at_us: int, fragments: Iterable[bytes]) -> bytes:
    """Return the event `update`."""
    inner = b'"at":%s,"channels":{%s}' % (_encode(present.time_of(at_us)), b",".join(fragments))
    return _framed(form, "update", identity, inner)


def event(form: Form, name: str, identity: str, at_us: int, **fields: Any) -> bytes:
    """Return another event. Without an identity it has none, and a viewer keeps the one it had."""
    told: dict[str, datetime | Any] = {"at": present.time_of(at_us), **fields}
    return _framed(form, name, identity, _encode(told)[1:-1])


def _framed(form: Form, name: str, identity: str, inner: bytes) -> bytes:
    if form == "stream":
        head = f"id: {identity}\n" if identity else ""
        return b"%sevent: %s\ndata: {%s}\n\n" % (head.encode(), name.encode(), inner)
    head = f'"id":{json.dumps(identity)},' if identity else ""
    return b'{"event":"%s",%s%s}' % (name.encode(), head.encode(), inner)
