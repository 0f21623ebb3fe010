"""The gatherer's end: casters of their own connect here and get the frames of all its stations."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from connectors.caster.link import records
from connectors.caster.link.connection import CasterConnection, OutletLimits
from connectors.caster.link.records import Listed
from connectors.caster.link.whole_epochs import Epoch, WholeEpochs
from sensors.model import Station

log = structlog.get_logger()

HOLD_S = 0.02
"""That frames wait for the rest of their epoch."""
ALIVE_S = 2.0
"""Between signs of life."""
STOP_S = 2.0


@dataclass(slots=True)
class OutletCounters:
    """For `/metrics`."""

    casters: int = 0
    """Connected now, with their proof given."""
    epochs: int = 0
    bytes_out: int = 0
    cut: int = 0
    """Casters that could not follow."""
    held_too_long: int = 0
    """Frames went on since the rest of their epoch did not come in time."""
    unlisted_bytes: int = 0
    """Frames of more stations than a table holds."""
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: full, crowd (a stranger that gave way to a newer one), slow, proof, talk."""


class Outlet:
    """Sends whole epochs to every caster that knows the secret. All calls come from the event loop.

    Parameters
    ----------
    stations
        Returns those that are listed; others are as soon as they send.
    secret
        Both sides have it.
    clock_us
        UTC: it stamps what is published, which is done right after it was read.
    """

    def __init__(
        self,
        stations: Callable[[], Iterable[Station]],
        secret: str,
        clock_us: Callable[[], int],
        *,
        limits: OutletLimits | None = None,
        hold_s: float = HOLD_S,
    ) -> None:
        self.limits = limits or OutletLimits()
        self.counters = OutletCounters()
        self.secret = secret
        self._stations = stations
        self._clock_us = clock_us
        self._hold_s = hold_s
        self._server: asyncio.Server | None = None
        self._connections: dict[CasterConnection, None] = {}
        self._strangers: dict[CasterConnection, None] = {}
        self._casters: dict[CasterConnection, None] = {}
        self._numbers: dict[str, int] = {}
        self._epochs: dict[str, WholeEpochs] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._alive: asyncio.TimerHandle | None = None

    # --- life -----------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be used; `strerror` is a sentence that says what to do.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: CasterConnection(self),
                host,
                port,
                ssl=tls,
                ssl_handshake_timeout=self.limits.proof_s if tls else None,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                what, todo = (
                    f"port {port} of {host} is taken",
                    "stop the other program or choose another port",
                )
            else:
                what = f"cannot listen on {host}:{port} ({error.strerror or error})"
                todo = "choose another address"
            raise OSError(error.errno, f"{what}; {todo} for listen of [relay]") from error
        self._say_alive()

    @property
    def port(self) -> int:
        """Port that it listens on."""
        assert self._server is not None, "the outlet is not started"
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Send what is held and queued, close."""
        if self._server is None:
            return
        for station_id in tuple(self._timers):
            self._give_up(station_id)
        if self._alive is not None:
            self._alive.cancel()
        self._server.close()
        for connection in tuple(self._connections):
            connection.transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._connections:  # noqa: ASYNC110 - seconds at most, once
                    await asyncio.sleep(0.01)
        for connection in tuple(self._connections):
            connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    # --- frames ---------------------------------------------------------------------------------------

    def publish(self, station_id: str, frames: bytes) -> None:
        """Send whole valid frames of a station on, as soon as their epoch is whole."""
        held = self._epochs.get(station_id)
        if held is None:
            held = self._epochs[station_id] = WholeEpochs()
        for epoch in held.feed(frames, self._clock_us()):
            if (timer := self._timers.pop(station_id, None)) is not None:
                timer.cancel()
            self._send(station_id, epoch)
        if held.is_waiting and station_id not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[station_id] = loop.call_later(self._hold_s, self._give_up, station_id)

    def _give_up(self, station_id: str) -> None:
        self._timers.pop(station_id).cancel()
        for epoch in self._epochs[station_id].give_up():
            self.counters.held_too_long += 1
            self._send(station_id, epoch)

    def _send(self, station_id: str, epoch: Epoch) -> None:
        if not self._casters:
            return
        number = self._numbers.get(station_id)
        if number is None:
            number = self._listed(Listed(id=station_id, name=station_id))
            if number is None:
                self.counters.unlisted_bytes += len(epoch.frames)
                return
        self._send_all(records.encode(records.FRAMES, number, epoch.received_at_us, epoch.frames))
        self.counters.epochs += 1

    def _send_all(self, record: bytes) -> None:
        for caster in tuple(self._casters):
            if caster.send(record):
                self.counters.bytes_out += len(record)
            else:
                self.counters.cut += 1
                del self._casters[caster]
                log.warning("a caster cannot follow and was cut; it connects again", caster=caster.address)

    def _listed(self, station: Listed) -> int | None:
        """Give a station that sends without being listed a number, and tell all casters."""
        number = len(self._numbers)
        if number >= records.MOST_STATIONS:
            return None
        self._numbers[station.id] = number
        self._send_all(records.encode_station(number, station, self._clock_us()))
        self._send_all(records.encode(records.TABLE_IS_WHOLE, 0, self._clock_us()))
        return number

    def _say_alive(self) -> None:
        self._send_all(records.encode(records.ALIVE, 0, self._clock_us()))
        self._alive = asyncio.get_running_loop().call_later(ALIVE_S, self._say_alive)

    # --- what a connection asks -----------------------------------------------------------------------

    def admit(self, connection: CasterConnection) -> None:
        """Take in a stranger; the oldest one is cut when there are too many."""
        if len(self._strangers) >= self.limits.strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cut("crowd")
        self._connections[connection] = self._strangers[connection] = None

    def begin(self, connection: CasterConnection) -> bytes | None:
        """Let a caster have what is published from now on; return the table; None: there is no room."""
        self._strangers.pop(connection, None)
        if self.counters.casters >= self.limits.casters:
            log.warning("there are too many casters; let this one follow another gatherer")
            return None
        now_us = self._clock_us()
        listed = {
            s.id: Listed(id=s.id, name=s.name, longitude=s.longitude, latitude=s.latitude)
            for s in self._stations()
        }
        for station_id in listed:
            if station_id not in self._numbers and len(self._numbers) < records.MOST_STATIONS:
                self._numbers[station_id] = len(self._numbers)
        self._casters[connection] = None
        self.counters.casters += 1
        log.info("a caster follows", caster=connection.address)
        return b"".join(
            records.encode_station(number, listed.get(i) or Listed(id=i, name=i), now_us)
            for i, number in self._numbers.items()
        ) + records.encode(records.TABLE_IS_WHOLE, 0, now_us)

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self.counters.refused[reason] += 1

    def leave(self, connection: CasterConnection, *, was_caster: bool) -> None:
        """Forget a connection that is gone."""
        self._connections.pop(connection, None)
        self._strangers.pop(connection, None)
        self._casters.pop(connection, None)
        self.counters.casters -= was_caster
