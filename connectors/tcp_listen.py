"""A port of its own for a station that connects to us: a receiver, or a serial converter as TCP client."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from collections.abc import Callable
from typing import NoReturn

import msgspec

from connectors.caster.connection import keep_alive
from connectors.gatherer import StationIntake
from connectors.incoming import READER_BYTES, Entrance, Sender
from connectors.reconnect import BackOff, StreamError, keep_connected
from connectors.tcp import check_address, format_address
from streams.stream_state import StreamState

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TcpListenConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a station is awaited, and from where it may come."""

    host: str
    port: int
    allow: list[str] = []
    """Addresses and networks (`10.1.0.0/16`); none: all, for a loopback address only."""
    stall_s: float = 30.0
    """Without a message for so long, a connection is taken for dead."""
    interval_s: float = 1.0
    """Between the station's epochs."""

    def __post_init__(self) -> None:
        check_address(self.host, self.port, self.stall_s)

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return f"tcp-listen://{format_address(self.host, self.port)}"

    def networks(self) -> list[Network]:
        """Return from where the station may come; empty: from everywhere.

        Raises
        ------
        ValueError
            One of `allow` is no address (`StationDefinition.check` says it in words).
        """
        return [ipaddress.ip_network(one, strict=False) for one in self.allow]


async def run(
    config: TcpListenConfig,
    intake: StationIntake,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
) -> NoReturn:
    """Listen and stream until cancelled.

    Parameters
    ----------
    config
        Where.
    intake
        Takes the bytes.
    state
        The one that `intake` counts in; it says what goes on.
    clock_us
        Wall clock, UTC; read right after each read of the socket.
    back_off
        Between attempts to get the port.
    """
    networks = config.networks()
    entrance = Entrance(
        intake, state, stall_s=config.stall_s, interval_s=config.interval_s, clock_us=clock_us
    )

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        if not _is_allowed(address, networks):
            _turn_away(writer, state, f"{address} wants to send and is not allowed to; add it to `allow`")
        elif entrance.is_taken:
            _turn_away(writer, state, f"{address} wants to send too; one station has a port to itself")
        else:
            keep_alive(writer.get_extra_info("socket"))
            entrance.let_in(Sender(reader, writer.transport))

    async def session() -> NoReturn:
        try:
            server = await asyncio.start_server(accept, config.host, config.port, limit=READER_BYTES)
        except OSError as error:
            raise StreamError(_in_words(error, config), retry_soon=error.errno == errno.EADDRINUSE) from error
        try:
            await entrance.run()
        finally:
            server.close()

    await keep_connected(session, state, clock_us=clock_us, back_off=back_off or BackOff())


def _turn_away(writer: asyncio.StreamWriter, state: StreamState, why: str) -> None:
    state.refused_connections += 1
    state.last_error = why
    writer.transport.abort()


def _is_allowed(text: str, networks: list[Network]) -> bool:
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in networks)


def _in_words(error: OSError, config: TcpListenConfig) -> str:
    place = format_address(config.host, config.port)
    if error.errno == errno.EADDRINUSE:
        return f"{place} is taken; stop the other program or give this station another port"
    return f"cannot listen on {place} ({error.strerror or error}); choose another address"
