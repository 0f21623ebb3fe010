"""Stations that push their stream to the caster: SOURCE of NTRIP 1, POST of NTRIP 2."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

import msgspec

from connectors.caster.connection import Connection, Host
from connectors.caster.guesses import Guesses
from connectors.gatherer import StationIntake
from connectors.incoming import Entrance, Sender
from gnss.ntrip.answer import CONTINUE, refusal, source_head, source_refusal
from gnss.ntrip.body import BodyDecoder
from gnss.ntrip.errors import MalformedError
from gnss.ntrip.request import Request
from streams.passwords import is_password
from streams.stream_state import StreamState

_MOST_CHECKS = 50
"""Of passwords that wait to be compared with a hash."""
_INVALID = "Mount Point Taken or Invalid"


class PushConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station that pushes."""

    mountpoint: str
    password: str = ""
    password_hash: str = ""
    """One of the two is given (`streams.passwords.hashed`)."""
    stall_s: float = 30.0
    """Without a message for so long, a connection is taken for dead."""
    interval_s: float = 1.0
    """Between its epochs."""

    def __repr__(self) -> str:
        return f"PushConfig({self.source})"  # the password belongs in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return f"push:/{self.mountpoint}"


@dataclass(slots=True, eq=False)
class _Place:
    """Of one station."""

    config: PushConfig
    entrance: Entrance
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _right: bytes = b""

    def knows(self, password: str) -> bool | None:
        """Return whether the password is right; None: ask `verify`, which takes a while."""
        if self.config.password:
            return hmac.compare_digest(_bytes(self.config.password), _bytes(password))
        return True if hmac.compare_digest(self._right, self._mark(password)) else None

    def verify(self, password: str) -> bool:
        """Return whether the password is right, and remember it then."""
        is_right = is_password(password, self.config.password_hash)
        if is_right:
            self._right = self._mark(password)
        return is_right

    def _mark(self, password: str) -> bytes:
        return hmac.digest(self._key, _bytes(password), hashlib.sha256)


class PushDesk:
    """Knows the stations that push, and lets their sources in. All calls come from the event loop.

    Parameters
    ----------
    clock_us
        Wall clock, UTC; read right after each read of a socket.
    """

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._places: dict[str, _Place] = {}
        self._checker = ThreadPoolExecutor(1, "sources' passwords")
        self._checks: set[asyncio.Task[None]] = set()
        self._guesses = Guesses()

    async def run(self, config: PushConfig, intake: StationIntake, state: StreamState) -> NoReturn:
        """Take what a station pushes, until cancelled."""
        entrance = Entrance(
            intake,
            state,
            stall_s=config.stall_s,
            interval_s=config.interval_s,
            clock_us=self._clock_us,
        )
        self._places[config.mountpoint] = _Place(config, entrance)
        try:
            await entrance.run()
        finally:
            del self._places[config.mountpoint]

    async def close(self) -> None:
        """Let nobody in any more."""
        for check in tuple(self._checks):
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        self._checker.shutdown(wait=False, cancel_futures=True)

    def answer(self, host: Host, connection: Connection, request: Request, now_us: int) -> None:
        """Answer a SOURCE or POST request.

        Parameters
        ----------
        host
            Counts refusals.
        connection, request
            Who asks, and what.
        now_us
            UTC, for the `Date` field.
        """
        visit = _Visit(host, connection, request, now_us)
        place = self._places.get(request.mountpoint)
        if place is None:
            visit.refuse("unknown", 404, _INVALID, "no station pushes here by this name; register it first")
            return
        visit.body = connection.take_body()
        password, clock_s = request.password or "", asyncio.get_running_loop().time
        wait_s = self._guesses.wait_s(request.mountpoint, connection.address, clock_s())
        is_right = place.knows(password)
        if wait_s is None or len(self._checks) >= _MOST_CHECKS:
            text = "too many sources come at once, or too many wrong passwords; try again later"
            visit.refuse("busy", 503, "Too Many Sources", text)
        elif is_right is not None and not wait_s:
            self._let_in(place, visit, is_right=is_right)
        else:
            check = asyncio.create_task(self._check(place, visit, password, wait_s))
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    async def _check(self, place: _Place, visit: _Visit, password: str, wait_s: float) -> None:
        """Compare a password, which takes a while, apart from what rovers get meanwhile."""
        if wait_s:  # somebody guesses there
            await asyncio.sleep(wait_s)
        is_right = place.knows(password)
        if is_right is None:
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self._checker, place.verify, password)
        if not visit.connection.transport.is_closing():
            self._let_in(place, visit, is_right=is_right)

    def _let_in(self, place: _Place, visit: _Visit, *, is_right: bool) -> None:
        if not is_right:
            now_s, name = asyncio.get_running_loop().time(), place.config.mountpoint
            self._guesses.failed(name, visit.connection.address, now_s, exists=True)
            visit.refuse("unauthorised", 401, "Bad Password", "the password is wrong; correct it")
        elif self._places.get(place.config.mountpoint) is not place:
            visit.refuse("unknown", 404, _INVALID, "this station was changed just now; try again")
        elif place.entrance.is_taken:
            text = "another source sends this stream; stop it, or wait until it has been silent for a while"
            visit.refuse("taken", 409, _INVALID, text)
        elif (sender := visit.accepted()) is not None:
            place.entrance.let_in(sender)


@dataclass(slots=True)
class _Visit:
    """Somebody who wants to push."""

    host: Host
    connection: Connection
    request: Request
    now_us: int
    body: asyncio.StreamReader | None = None

    def refuse(self, reason: str, status: int, text_1: str, text_2: str) -> None:
        """Say no, in the words of version 1 or 2."""
        self.host.refuse(reason)
        if self.request.method == "SOURCE":
            self.connection.finish(source_refusal(text_1))
            return
        realm, retry_after_s = self.request.mountpoint, 30 if status == 503 else None
        self.connection.finish(
            refusal(status, 2, text_2, realm=realm, retry_after_s=retry_after_s, now_us=self.now_us)
        )

    def accepted(self) -> Sender | None:
        """Say yes; None: the coding of the stream is not known."""
        assert self.body is not None
        if self.request.method == "SOURCE":
            self.connection.begin_source(source_head(1))
            return Sender(self.body, self.connection.transport)
        try:
            decoder = BodyDecoder(self.request.fields)
        except MalformedError:
            self.refuse("malformed", 501, "", "send the stream in chunks, or without any transfer coding")
            return None
        expects = "100-continue" in self.request.fields.get("expect", "").lower()
        self.connection.begin_source((CONTINUE if expects else b"") + source_head(2, now_us=self.now_us))
        return Sender(self.body, self.connection.transport, decoder)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
