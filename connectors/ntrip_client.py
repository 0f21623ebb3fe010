"""NTRIP client: a mountpoint of another caster becomes a station's stream."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import msgspec

from connectors.doors import Door
from connectors.gatherer import StationIntake
from connectors.gathering.hall import Hall
from connectors.reconnect import BackOff, StreamError, keep_connected
from connectors.tcp import Line, Watchdog, check_address, connected_line, format_address
from gnss import ntrip
from streams.stream_state import StreamState

GGA_PERIOD_S = 10.0
_WRONG_VERSION = {400, 405, 426, 500, 501, 505}


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a client says that it is; degrees and metres above the ellipsoid."""

    latitude: float
    longitude: float
    height_m: float = 0.0

    def __post_init__(self) -> None:
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError("gga: latitude lies in -90 to 90 and longitude in -180 to 180 degrees")


class NtripClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stream of which caster."""

    host: str
    port: int = ntrip.DEFAULT_PORT
    mountpoint: str
    username: str = ""
    password: str = ""
    version: Literal[1, 2, "auto"] = "auto"
    """Of NTRIP; `auto` tries 2, and 1 when the caster does not understand."""
    tls: bool = False
    stall_s: float = 30.0
    """Without data for so long, the connection is taken for dead."""
    gga: Position | None = None
    """Sent every `GGA_PERIOD_S`, for mountpoints that need it."""

    def __post_init__(self) -> None:
        check_address(self.host, self.port, self.stall_s)
        if not self.mountpoint.strip("/"):
            raise ValueError("mountpoint is empty; write the name of a stream of the caster's sourcetable")
        if ":" in self.username:
            raise ValueError("username holds a colon, which NTRIP cannot carry; correct it")

    def __repr__(self) -> str:
        return f"NtripClientConfig({self.source})"  # the password belongs in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people: without credentials."""
        address = format_address(self.host, self.port)
        return f"ntrip{'s' if self.tls else ''}://{address}/{self.mountpoint.removeprefix('/')}"


async def run(
    config: NtripClientConfig,
    intake: StationIntake,
    state: StreamState,
    *,
    hall: Hall,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
    door: Door | None = None,
) -> NoReturn:
    """Stream until cancelled.

    Parameters
    ----------
    config
        Which stream.
    intake
        Takes the bytes.
    state
        The one that `intake` counts in; it says what goes on.
    hall
        Reads the socket, unless the stream is encrypted or compressed.
    clock_us
        Wall clock, UTC; read right after each read of the socket.
    back_off
        Between attempts.
    door
        Of the caster, where many streams go there.
    """
    door, patience = door or Door(), back_off or BackOff()
    client = _Client(config, intake, state, hall, clock_us, door)
    await keep_connected(client.session, state, clock_us=clock_us, back_off=patience, door=door)


@dataclass(slots=True)
class _Client:
    config: NtripClientConfig
    intake: StationIntake
    state: StreamState
    hall: Hall
    clock_us: Callable[[], int]
    door: Door
    version: ntrip.NtripVersion = field(init=False)
    tls: ssl.SSLContext | None = field(init=False)

    def __post_init__(self) -> None:
        self.version = 1 if self.config.version == 1 else 2
        self.tls = ssl.create_default_context() if self.config.tls else None

    async def session(self) -> NoReturn:
        """Ask and stream; in case of doubt about the version, ask a second time in the other one."""
        try:
            await self._attempt()
        except _OtherVersionError:
            self.version = 1 if self.version == 2 else 2
            await self._attempt()

    async def _attempt(self) -> NoReturn:
        config = self.config
        parser = ntrip.ResponseParser()
        async with connected_line(config.host, config.port, self.tls) as line:
            self.door.opened()
            watchdog = Watchdog(config.stall_s, self.state)
            await line.write(self._request())
            async with self._telling_position(line):
                try:
                    await self._stream(line, parser, watchdog)
                except ntrip.NtripError as error:
                    raise self._explained(error) from error
                except StreamError as error:
                    raise self._explained_end(error, parser) from error
                finally:
                    self.intake.finish()

    async def _stream(self, line: Line, parser: ntrip.ResponseParser, watchdog: Watchdog) -> NoReturn:
        while True:
            data = await watchdog.read(line)
            received_at_us = self.clock_us()
            body = parser.feed(data)
            if line.sock is not None and parser.is_simple and not parser.finished:
                stall_s, chunks = self.config.stall_s, parser.chunks
                await self.hall.attend(
                    line.sock, self.intake, stall_s=stall_s, whose="caster", begun=body, chunks=chunks
                )
            if body:
                watchdog.fed()
                watchdog.unpacked(len(body) - len(data))
                await self.intake.take(body, received_at_us)
            if parser.finished or not data:
                parser.finish()
                raise StreamError("the caster closed the connection; trying again")

    def _request(self) -> bytes:
        config = self.config
        gga = self._gga()
        request = ntrip.build_request(
            config.mountpoint,
            host=config.host,
            port=config.port,
            version=self.version,
            username=config.username,
            password=config.password,
            gga=gga.decode("ascii"),
        )
        return request if self.version == 2 else request + gga

    def _gga(self) -> bytes:
        at = self.config.gga
        if at is None:
            return b""
        return ntrip.format_gga(self.clock_us(), at.latitude, at.longitude, at.height_m)

    @asynccontextmanager
    async def _telling_position(self, line: Line) -> AsyncIterator[None]:
        if self.config.gga is None:
            yield
            return

        async def tell() -> None:
            with contextlib.suppress(OSError):  # the reading side finds out, and says so
                while True:
                    await asyncio.sleep(GGA_PERIOD_S)
                    await line.write(self._gga())

        task = asyncio.create_task(tell())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))

    def _explained(self, error: ntrip.NtripError) -> StreamError:
        odd = isinstance(error, ntrip.MalformedError) or (
            isinstance(error, ntrip.RefusedError) and (not error.status or error.status in _WRONG_VERSION)
        )
        if odd and self.config.version == "auto":
            return _OtherVersionError(str(error))
        return StreamError(str(error), retry_soon=error.retry_soon)

    def _explained_end(self, error: StreamError, parser: ntrip.ResponseParser) -> StreamError:
        if parser.response is None and self.config.version == "auto":
            return _OtherVersionError(str(error), stalled=error.stalled)
        if error.stalled and self.state.phase != "streaming" and self.config.gga is None:
            text = f"{error}, or give a position (gga) if the mountpoint needs one"
            return StreamError(text, stalled=True)
        return error


class _OtherVersionError(StreamError):
    """The caster answers as if it did not know this version of NTRIP."""
