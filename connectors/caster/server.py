"""The caster: NTRIP 1 and 2 clients see the sourcetable and get a station's stream."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from connectors.caster.accounts import Accounts
from connectors.caster.admission import Admission
from connectors.caster.connection import CasterLimits, Connection
from connectors.caster.passwords import Compare, PasswordChecks, compare
from connectors.caster.privacy import coarse_place
from connectors.caster.proxy_header import Network, is_in
from connectors.caster.push import PushDesk
from connectors.caster.relay import Relay
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.roaming.table import roaming_entries
from connectors.caster.rover_watch import RoverWatch
from connectors.caster.session_book import Session, Sessions
from connectors.caster.upload import Upload, UploadCounters
from connectors.caster.volumes import Volumes
from gnss.ntrip.answer import refusal, source_refusal, sourcetable_answer, stream_head
from gnss.ntrip.head import AGENT, format_head
from gnss.ntrip.request import Request
from gnss.ntrip.sourcetable import Sourcetable, StrEntry, format_sourcetable
from gnss.ntrip.table_filter import filtered
from sensors.model import Station
from streams.definitions import PrivacyDefinition

log = structlog.get_logger()

_TABLE_AGE_S = 1.0
_STOP_S = 2.0
_BUSY_S = 15
_LOOK_S = 1.0
_SETTLE_LOOKS = 60
_FAR = "no base is near enough to your position; choose a station of the sourcetable"
_NO_PUSH = "streams cannot be pushed here; push to a caster that gathers stations"


@dataclass(slots=True)
class CasterCounters:
    """For `/metrics`."""

    connections: int = 0
    """Open now, with those that ask for the sourcetable."""
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: full, address, proxy (no PROXY header), slow, large, malformed, flood, method, unknown,
    unauthorised, account (it may not, or not any more), sessions, volume, area, busy, early (accounts are not
    known yet), far (no base is near), taken (another source sends this stream)."""
    uploads: UploadCounters = field(default_factory=UploadCounters)


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
    compare_
        How a password is compared with what is kept of it.
    name
        Of this caster among those that share their sessions; it stays through restarts.
    privacy
        How much of rovers' addresses and places is told, and whether sessions are kept.
    proxies
        Balancers: their connections begin with a PROXY header that says whose they are.
    roaming
        The mountpoints that lead rovers from base to base; None: there are none.
    station_decimals
        Of degrees, of stations in the sourcetable, which anybody may read.
    """

    def __init__(
        self,
        relay: Relay,
        stations: Callable[[], Iterable[Station]],
        clock_us: Callable[[], int],
        *,
        users: Mapping[str, str] | None = None,
        limits: CasterLimits | None = None,
        compare_: Compare = compare,
        name: str = "caster",
        privacy: PrivacyDefinition = PrivacyDefinition(),  # noqa: B008 - it does not change
        proxies: Iterable[Network] = (),
        roaming: Roaming | None = None,
        station_decimals: int = 2,
    ) -> None:
        self.limits = limits or CasterLimits()
        self.counters = CasterCounters()
        self._relay = relay
        self._proxies = tuple(proxies)
        self._stations = stations
        self._station_decimals = station_decimals
        self._clock_us = clock_us
        self.roaming = roaming
        self.accounts = Accounts(users)
        """Who may have what; after a change `recheck` is to be called."""
        self.passwords = PasswordChecks(self.accounts, time.monotonic, compare_)
        self._checks: dict[Connection, asyncio.Task[bool]] = {}
        self.admission = Admission(
            self.accounts,
            Sessions(name, number=clock_us()),
            Volumes(name),
            clock_us,
            time.monotonic,
            self.refuse,
            privacy.addresses,
        )
        """Who gets streams."""
        self.watch = RoverWatch(self.admission, clock_us, privacy)
        """Where they are, which base they have, and what is to be kept of it."""
        self._watching: asyncio.Task[None] | None = None
        self.desk: PushDesk | None = None
        """Takes streams that are pushed; None: there are none here."""
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}
        self._addresses: Counter[str] = Counter()
        self._mountpoints: frozenset[str] = frozenset()
        self._roaming: frozenset[str] = frozenset()
        self._sourcetable = Sourcetable()
        self._table = b""
        self._table_until = 0.0

    # --- life -----------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, *, shared: bool = False) -> None:
        """Listen; with `shared` other processes may listen there too, and the system divides connections.

        Raises
        ------
        OSError
            The address cannot be used; `strerror` is a sentence that says what to do.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self), host, port, backlog=1024, reuse_port=shared or None
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = f"port {port} of {host} is taken; stop the other program or choose another port"
            else:
                text = f"cannot listen on {host}:{port} ({error.strerror or error}); choose another address"
            raise OSError(error.errno, text) from error
        self._watching = asyncio.create_task(self._watch(), name="sessions")

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
        tasks: list[asyncio.Task[Any]] = [*self._checks.values()]
        if self._watching is not None:
            tasks.append(self._watching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.passwords.stop()
        self._server = None

    # --- connection.Host --------------------------------------------------------------------------------

    def admit(self, connection: Connection, address: str) -> bool:
        """Say whether there is room for one more."""
        if len(self._connections) >= self.limits.connections:
            self.refuse("full")
            return False
        if address and not self.settle(connection, address):
            return False
        self._connections[connection] = None
        self.counters.connections += 1
        return True

    def is_proxy(self, address: str) -> bool:
        """Say whether a peer is one that passes on the connections of others, and says whose."""
        return bool(self._proxies) and is_in(address, self._proxies)

    def settle(self, _connection: Connection, address: str) -> bool:
        """Say whether there is room for one more of an address; until now it was not known."""
        if self._addresses[address] >= self.limits.connections_per_address:
            self.refuse("address")
            return False
        self._addresses[address] += 1
        return True

    def leave(self, connection: Connection, address: str) -> None:
        """Forget a connection that is gone."""
        del self._connections[connection]
        self.counters.connections -= 1
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
        if connection in self._checks:
            self._checks[connection].cancel()
        self.watch.end(connection)
        subscribed = self.admission.leave(connection)
        if connection.rover is not None and self.roaming is not None:
            self.roaming.leave(connection.rover)
        elif subscribed is not None:
            self._relay.unsubscribe(connection.station_id, subscribed)

    def hear(self, connection: Connection, data: bytes) -> None:
        """Take what a rover says of itself."""
        if connection.upload is None:
            connection.upload = Upload()
        position = connection.upload.take(data, self.counters.uploads)
        if position is None:
            return
        self.admission.is_at(connection, position.longitude, position.latitude)
        if connection.rover is not None and self.roaming is not None:
            self.roaming.tell(connection.rover, position)

    def sessions(self) -> list[Session]:
        """Return who gets which stream of this caster now."""
        self.watch.look_at_all()
        return self.admission.sessions.own()

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self.counters.refused[reason] += 1

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer a request."""
        self.counters.requests += 1
        now_us = self._clock_us()
        if request.method in {"SOURCE", "POST"} and self.desk is not None:
            self.desk.answer(self, connection, request, now_us)
            return
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
        if request.query and not request.mountpoint:
            self._answer_filtered(connection, request, now_us)
        elif request.mountpoint not in self._mountpoints:
            self._answer_without_stream(connection, request, now_us)
        elif not self.accounts.is_known:
            self.refuse("early")
            text = "this caster does not know its accounts yet; try again in a while"
            connection.finish(refusal(503, request.version, text, now_us=now_us, retry_after_s=5))
        elif self.accounts.is_open:
            self._answer_allowed(connection, request, "")
        else:
            self._identify(connection, request)

    def recheck(self) -> None:
        """Cut the rovers whose account does not let them have their stream any more."""
        self._table_until = 0.0  # it tells whether a name is needed
        self.admission.recheck()

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

    def _answer_filtered(self, connection: Connection, request: Request, now_us: int) -> None:
        try:
            table = format_sourcetable(filtered(self._sourcetable, request.query))
        except ValueError as error:
            self.refuse("malformed")
            connection.finish(refusal(400, request.version, str(error), now_us=now_us))
        else:
            connection.finish(sourcetable_answer(request.version, table, now_us=now_us))

    def _identify(self, connection: Connection, request: Request) -> None:
        """Answer once it is known who asks."""
        name, password = request.username, request.password or ""
        is_known = self.accounts.knows(name, password) if name else False
        if is_known is not None:
            self._answer_known(connection, request, is_known=is_known)
            return
        check = self.passwords.ask(name, password, connection.address)
        if check is None:
            self._answer_busy(connection, request)
            return
        self._checks[connection] = check
        check.add_done_callback(partial(self._checked, connection, request))

    def _checked(self, connection: Connection, request: Request, check: asyncio.Task[bool]) -> None:
        self._checks.pop(connection, None)
        if check.cancelled() or connection not in self._connections or connection.transport.is_closing():
            return
        if (error := check.exception()) is not None:
            log.error("a password cannot be compared", error=repr(error))
            self._answer_busy(connection, request)
        else:
            self._answer_known(connection, request, is_known=check.result())

    def _answer_busy(self, connection: Connection, request: Request) -> None:
        self.refuse("busy")
        text = "too many rovers come at once, or too many wrong passwords; try again in a while"
        answer = refusal(503, request.version, text, now_us=self._clock_us(), retry_after_s=_BUSY_S)
        connection.finish(answer)

    def _answer_known(self, connection: Connection, request: Request, *, is_known: bool) -> None:
        if is_known:
            self._answer_allowed(connection, request, request.username)
            return
        self.refuse("unauthorised")
        text = "user name or password is wrong" if request.username else "a user name is needed"
        now_us = self._clock_us()
        connection.finish(refusal(401, request.version, text, realm=request.mountpoint, now_us=now_us))

    def _answer_allowed(self, connection: Connection, request: Request, name: str) -> None:
        """Answer an account, or by an empty name whoever asks an open caster."""
        now_us = self._clock_us()
        if request.gga:
            self.hear(connection, request.gga.encode("latin-1", "replace") + b"\n")
        position = None if connection.upload is None else connection.upload.position
        refused = self.admission.refused(name, request.mountpoint, position)
        if refused is None:
            connection.username = name
            self._answer_with_stream(connection, request)
            return
        self.refuse(refused.reason)
        if refused.may_pass:
            answer = refusal(503, request.version, refused.text, now_us=now_us, retry_after_s=_BUSY_S)
        else:  # version 1 knows no other answer to who is not let in
            status = 403 if request.version == 2 else 401
            answer = refusal(status, request.version, refused.text, realm=request.mountpoint, now_us=now_us)
        connection.finish(answer)

    def _answer_with_stream(self, connection: Connection, request: Request) -> None:
        connection.since_us = now_us = self._clock_us()
        position = None if connection.upload is None else connection.upload.position
        mountpoint = request.mountpoint
        led = self.roaming if mountpoint in self._roaming else None
        if led is not None and request.version == 2 and position and not led.reaches(mountpoint, position):
            self.refuse("far")
            connection.finish(refusal(404, 2, _FAR, now_us=now_us))
            return
        head = stream_head(request.version, chunked=False, now_us=now_us)  # read by more receivers
        connection.begin_stream(head, mountpoint)
        contents = self._relay.contents_of
        bytes_before, epochs_before = contents(mountpoint).n_bytes, contents(mountpoint).n_epochs

        def n_bytes() -> int:
            if led is None:
                return contents(mountpoint).n_bytes - bytes_before
            return 0 if connection.rover is None else led.n_bytes(connection.rover)

        def n_epochs() -> int:
            if led is None:
                return contents(mountpoint).n_epochs - epochs_before
            return 0 if connection.rover is None else led.n_epochs(connection.rover)

        subscribed = self.admission.begin(connection, connection.username, mountpoint, n_bytes, n_epochs)
        if connection.transport.is_closing():
            return
        if led is None:
            self._relay.subscribe(mountpoint, subscribed)
        else:
            connection.rover = led.join(connection, mountpoint, position, subscribed)
        self.watch.begin(connection, request.agent, request.version)
        if position is not None:
            self.admission.is_at(connection, position.longitude, position.latitude)

    async def _watch(self) -> None:
        """End sessions whose time is over, each second."""
        turn = 0
        while True:
            await asyncio.sleep(_LOOK_S)
            turn += 1
            self.admission.look()
            self.watch.look()
            if turn % _SETTLE_LOOKS == 0:
                self.admission.settle()

    def _refresh_table(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._table_until:
            return
        self._table_until = now + _TABLE_AGE_S
        stations = sorted(self._stations(), key=lambda station: station.id)
        entries = [self._entry(station) for station in stations]
        mine = frozenset(station.id for station in stations)
        led = [] if self.roaming is None else roaming_entries(self.roaming, entries, mine)
        self._roaming = frozenset(entry.mountpoint for entry in led)
        self._mountpoints = mine | self._roaming
        self._sourcetable = Sourcetable([*led, *entries])
        self._table = format_sourcetable(self._sourcetable)

    def _entry(self, station: Station) -> StrEntry:
        contents = self._relay.contents_of(station.id)
        longitude, latitude = coarse_place(station.longitude, station.latitude, self._station_decimals)
        return StrEntry(
            mountpoint=station.id,
            identifier=station.name,
            format=contents.format,
            format_details=contents.details,
            carrier=contents.carrier,
            nav_system=contents.systems,
            latitude=latitude,
            longitude=longitude,
            generator="Groundswell",
            authentication="N" if self.accounts.is_open and self.accounts.is_known else "B",
        )


def _plain_answer(table: bytes) -> bytes:
    fields = {
        "Server": AGENT,
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(table)),
        "Connection": "close",
    }
    return format_head("HTTP/1.1 200 OK", fields) + table
