"""The caster: NTRIP 1 and 2 clients see the sourcetable and get a station's stream."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from connectors.caster.connection import CasterLimits, Connection
from connectors.caster.relay import Relay
from gnss.ntrip.answer import refusal, source_refusal, sourcetable_answer, stream_head
from gnss.ntrip.head import AGENT, format_head
from gnss.ntrip.request import Request
from gnss.ntrip.sourcetable import Sourcetable, StrEntry, format_sourcetable
from sensors.model import Station

_TABLE_AGE_S = 1.0
_STOP_S = 2.0
_NO_PUSH = "streams cannot be pushed here; name the station's source in a [[station]] of the configuration"


@dataclass(slots=True)
class CasterCounters:
    """For `/metrics`."""

    connections: int = 0
    """Open now, with those that ask for the sourcetable."""
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: full, address, slow, large, malformed, flood, method, unknown, unauthorised."""


class Caster:
    """Serves the streams of a relay.

    Parameters
    ----------
    relay
        Where the frames come from.
    stations
        Returns the stations to be listed; a station's id is its mountpoint.
    clock_us
        UTC, for the `Date` field.
    users
        Name to password; with none of them the streams are open to all. The sourcetable always is.
    limits
        What is granted to strangers.
    """

    def __init__(
        self,
        relay: Relay,
        stations: Callable[[], Iterable[Station]],
        clock_us: Callable[[], int],
        *,
        users: Mapping[str, str] | None = None,
        limits: CasterLimits | None = None,
    ) -> None:
        self.limits = limits or CasterLimits()
        self.counters = CasterCounters()
        self._relay = relay
        self._stations = stations
        self._clock_us = clock_us
        self._users = {name: _Password(password) for name, password in (users or {}).items()}
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._mountpoints: frozenset[str] = frozenset()
        self._table = b""
        self._table_until = 0.0

    # --- life -----------------------------------------------------------------------------------------

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be used; `strerror` is a sentence that says what to do.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=1024)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"port {port} of {host} is taken; stop the other program or choose another port"
            else:
                text = f"cannot listen on {host}:{port} ({error.strerror or error}); choose another address"
            raise OSError(error.errno, text) from error

    @property
    def port(self) -> int:
        """Port that it listens on."""
        assert self._server is not None, "the caster is not started"
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, send what is queued, close."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                while self._connections:  # noqa: ASYNC110 - seconds at most, once
                    await asyncio.sleep(0.01)
        for connection in tuple(self._connections):
            connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    # --- connection.Host --------------------------------------------------------------------------------

    def admit(self, connection: Connection, address: str) -> bool:
        """Say whether there is room for one more."""
        if len(self._connections) >= self.limits.connections:
            self.refuse("full")
            return False
        if self._addresses[address] >= self.limits.connections_per_address:
            self.refuse("address")
            return False
        self._connections[connection] = None
        self._addresses[address] += 1
        self.counters.connections += 1
        return True

    def leave(self, connection: Connection, address: str) -> None:
        """Forget a connection that is gone."""
        del self._connections[connection]
        self.counters.connections -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        if connection.station_id:
            self._relay.unsubscribe(connection.station_id, connection)

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self.counters.refused[reason] += 1

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer a request."""
        self.counters.requests += 1
        now_us = self._clock_us()
        if request.method == "SOURCE":
            self.refuse("method")
            connection.finish(source_refusal(_NO_PUSH))
            return
        if request.method != "GET":
            self.refuse("method")
            text = _NO_PUSH if request.method == "POST" else f"there is no {request.method} here, only GET"
            connection.finish(refusal(405, 2, text, now_us=now_us))
            return
        self._refresh_table()
        if request.mountpoint not in self._mountpoints:
            self._answer_without_stream(connection, request, now_us)
        elif not self._authorised(request):
            self.refuse("unauthorised")
            text = "user name or password is wrong" if request.username else "a user name is needed"
            connection.finish(refusal(401, request.version, text, realm=request.mountpoint, now_us=now_us))
        else:
            head = stream_head(request.version, chunked=False, now_us=now_us)  # read by more receivers
            connection.begin_stream(head, request.mountpoint)
            self._relay.subscribe(request.mountpoint, connection)

    # --- inside ---------------------------------------------------------------------------------------

    def _answer_without_stream(self, connection: Connection, request: Request, now_us: int) -> None:
        asks_for_table = not request.mountpoint
        browser = request.version == 1 and "host" in request.fields and "ntrip" not in request.agent.lower()
        if not asks_for_table:
            self.refuse("unknown")
        if browser and asks_for_table:
            connection.finish(_plain_answer(self._table))
        elif asks_for_table or (request.version == 1 and not browser):
            connection.finish(sourcetable_answer(request.version, self._table, now_us=now_us))
        else:
            text = "there is no such mountpoint; ask for / to see the sourcetable"
            connection.finish(refusal(404, 2, text, now_us=now_us))

    def _authorised(self, request: Request) -> bool:
        if not self._users:
            return True
        expected = self._users.get(request.username, _NOBODY)
        return expected.equals(request.password or "") and expected is not _NOBODY

    def _refresh_table(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._table_until:
            return
        self._table_until = now + _TABLE_AGE_S
        stations = sorted(self._stations(), key=lambda station: station.id)
        self._mountpoints = frozenset(station.id for station in stations)
        self._table = format_sourcetable(Sourcetable([self._entry(station) for station in stations]))

    def _entry(self, station: Station) -> StrEntry:
        contents = self._relay.contents_of(station.id)
        return StrEntry(
            mountpoint=station.id,
            identifier=station.name,
            format=contents.format,
            format_details=contents.details,
            carrier=contents.carrier,
            nav_system=contents.systems,
            latitude=station.latitude,
            longitude=station.longitude,
            generator="Groundswell",
            authentication="B" if self._users else "N",
        )


class _Password:
    """Compared in a time that does not depend on it."""

    def __init__(self, password: str) -> None:
        self._bytes = password.encode("utf-8")

    def equals(self, other: str) -> bool:
        return hmac.compare_digest(self._bytes, other.encode("utf-8", "surrogatepass"))


_NOBODY = _Password("")


def _plain_answer(table: bytes) -> bytes:
    fields = {
        "Server": AGENT,
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(table)),
        "Connection": "close",
    }
    return format_head("HTTP/1.1 200 OK", fields) + table
