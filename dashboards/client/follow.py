"""What happens, as it happens: a stream of events that goes on where it was cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import cycle

import httpx
import msgspec

from dashboards.answers import AlertAnswer, LiveObservation, StationFigures, StationVerdict
from dashboards.client.errors import ApiError, check

SILENT_S = 45.0
"""A server that says nothing for so long is gone: it says that it lives each 15 s."""
SHORTEST_S, LONGEST_S = 1.0, 30.0
"""Pauses between attempts grow."""
_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})


class Observed(LiveObservation, frozen=True, kw_only=True):
    """A sample; one with a higher revision replaces it."""

    revision: int


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What an update has for one channel, each list in the order in which it came."""

    stations: Sequence[StationVerdict] = ()
    figures: Sequence[StationFigures] = ()
    observations: Sequence[Observed] = ()
    alerts: Sequence[AlertAnswer] = ()


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What came to the channels."""

    id: str = ""
    """Where to go on: `follow(after=...)`."""
    at: datetime
    channels: dict[str, Pushed]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What came between is not kept for push: ask for it by its time, and go on."""

    begin: datetime
    end: datetime
    detail: str


_update = msgspec.json.Decoder(Update).decode
_gap = msgspec.json.Decoder(Gap).decode


def follow(
    http: httpx.Client,
    channels: Sequence[str],
    after: str | None,
    servers: Sequence[str],
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Update | Gap]:
    """Yield updates for ever; a cut is mended at the next server of `servers` (`Client.follow`)."""
    pause_s = 0.0
    for server in cycle(servers):
        if pause_s:
            sleep(pause_s)
        pause_s = min(max(2 * pause_s, SHORTEST_S), LONGEST_S)
        try:
            for name, identity, content in _events(http, server, channels, after):
                after = identity or after
                if name != "begin":  # one that only lets begin is not asked all the time
                    pause_s = 0.0
                if name == "update":
                    yield msgspec.structs.replace(_update(content), id=identity)
                elif name == "gap":
                    yield _gap(content)
        except httpx.TransportError:
            continue
        except ApiError as error:
            if error.status not in _TRY_AGAIN:
                raise
            pause_s = max(pause_s, min(error.retry_after_s or 0.0, LONGEST_S))


def _events(
    http: httpx.Client, server: str, channels: Sequence[str], after: str | None
) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, id (or an empty text) and content of each event, until the stream is cut."""
    asked = {"channel": list(channels)} | ({} if after is None else {"after": after})
    timeout = httpx.Timeout(SILENT_S)
    with http.stream("GET", f"{server}/push", params=asked, timeout=timeout) as answer:
        check(answer)
        rest = bytearray()
        for piece in answer.iter_bytes():
            looked_at = max(len(rest) - 1, 0)
            rest += piece
            while (end := rest.find(b"\n\n", looked_at)) >= 0:
                fields = dict(line.partition(b": ")[::2] for line in bytes(rest[:end]).split(b"\n"))
                del rest[: end + 2]
                looked_at = 0
                if b"event" in fields:
                    yield fields[b"event"].decode(), fields.get(b"id", b"").decode(), fields[b"data"]
