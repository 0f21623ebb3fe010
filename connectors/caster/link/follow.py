"""The caster's end: it follows gatherers, each on a connection of its own, again and again."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from connectors.caster.link import proof, records
from connectors.caster.link.change_over import ChangeOver
from connectors.caster.link.records import LinkError, LinkParser, LinkRecord, Listed
from connectors.reconnect import BackOff, StreamError, keep_connected
from connectors.tcp import connected, format_address
from sensors.model import Station
from streams.stream_state import StreamState

SILENT_S = 10.0
"""A gatherer says something every two seconds."""
PROOF_S = 10.0
READ_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Where one is, and what both know."""

    host: str
    port: int
    secret: str
    tls: ssl.SSLContext | None = None

    @property
    def source(self) -> str:
        """Where it is, for people."""
        return f"relay://{format_address(self.host, self.port)}"


@dataclass(slots=True)
class Following:
    """What a caster has from the gatherers that it follows.

    Parameters
    ----------
    change_over
        Takes their frames.
    """

    change_over: ChangeOver
    tables: dict[str, dict[str, Listed]] = field(default_factory=dict)
    """Stations by their id, by gatherer; kept while a gatherer is away, since rovers wait for it."""
    delay_us: dict[str, int] = field(default_factory=dict)
    """By gatherer: how long after it received them the newest frames were here, by both clocks."""

    def stations(self) -> Iterable[Station]:
        """Return the stations of all gatherers."""
        found: dict[str, Listed] = {}
        for table in self.tables.values():
            found |= table
        return [
            Station(id=s.id, name=s.name, longitude=s.longitude, latitude=s.latitude) for s in found.values()
        ]


async def follow(
    gatherer: Gatherer,
    following: Following,
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
    silent_s: float = SILENT_S,
) -> NoReturn:
    """Take what a gatherer sends until cancelled.

    Parameters
    ----------
    gatherer
        Where, and how to prove who one is.
    following
        Takes all.
    state
        Says what goes on.
    clock_us
        Wall clock, UTC.
    back_off
        Between attempts: short, since rovers wait.
    silent_s
        Without a byte for so long, the connection is taken for dead.
    """

    async def session() -> NoReturn:
        async with connected(gatherer.host, gatherer.port, gatherer.tls) as (reader, writer):
            await _prove(gatherer, reader, writer)
            taker = _Taker(state.id, following)
            try:
                while True:
                    data = await _read(reader, silent_s)
                    state.bytes_received += len(data)
                    now_us = clock_us()
                    state.last_received_us = now_us
                    state.messages_received += taker.take(data, now_us)
                    state.enter("streaming", now_us)
            except LinkError as error:
                state.bad_messages += 1
                raise StreamError(str(error), retry_soon=False) from error
            finally:
                following.change_over.lost(state.id)

    patience = back_off or BackOff(first_s=0.2, most_s=10.0, refused_s=10.0)
    await keep_connected(session, state, clock_us=clock_us, back_off=patience)


class _Taker:
    """Takes the records of one connection."""

    def __init__(self, name: str, following: Following) -> None:
        self._name = name
        self._following = following
        self._parser = LinkParser()
        self._ids: dict[int, str] = {}
        self._table: dict[str, Listed] = {}

    def take(self, data: bytes, now_us: int) -> int:
        """Take bytes that came at `now_us`; return how many records they completed.

        Raises
        ------
        LinkError
            The gatherer does not keep to the protocol.
        """
        count = 0
        change_over, ids, name = self._following.change_over, self._ids, self._name
        newest_us = None
        for record in self._parser.feed(data):
            count += 1
            if record.kind == records.FRAMES:
                station_id = ids.get(record.number)
                if station_id is None:
                    raise LinkError("it sends frames of a station that it has not listed")
                newest_us = record.time_us
                change_over.take(name, station_id, record.body)
            elif record.kind != records.ALIVE:
                self._list(record)
        if newest_us is not None:
            self._following.delay_us[name] = now_us - newest_us
        return count

    def _list(self, record: LinkRecord) -> None:
        if record.kind == records.TABLE_IS_WHOLE:
            following = self._following
            following.tables[self._name] = dict(self._table)
            following.change_over.keep_only({i for table in following.tables.values() for i in table})
            return
        if len(self._ids) >= records.MOST_STATIONS and record.number not in self._ids:
            raise LinkError(f"it lists more than {records.MOST_STATIONS} stations")
        station = records.decode_station(record.body)
        self._ids[record.number] = station.id
        self._table[station.id] = station


async def _prove(gatherer: Gatherer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Go through the steps of `proof.py`."""
    mine = secrets.token_bytes(proof.NONCE_BYTES)
    try:
        async with asyncio.timeout(PROOF_S):
            writer.write(proof.MAGIC + mine)
            hello = await reader.readexactly(proof.HELLO_BYTES)
            if not hello.startswith(proof.MAGIC):
                raise StreamError(
                    "there is no relay of a gatherer; check host, port, and TLS on both sides",
                    retry_soon=False,
                )
            nonces = mine, hello[len(proof.MAGIC) :]
            writer.write(proof.proof(gatherer.secret, "caster", *nonces))
            answer = await reader.readexactly(proof.PROOF_BYTES)
    except TimeoutError as error:
        raise StreamError("the gatherer does not answer; check the port", stalled=True) from error
    except asyncio.IncompleteReadError as error:
        text = "the gatherer closed the connection; check that both have the same secret"
        raise StreamError(text) from error
    except OSError as error:
        raise StreamError(f"the connection broke ({error.strerror or error}); trying again") from error
    if not proof.is_proved(answer, proof.proof(gatherer.secret, "gatherer", *nonces)):
        text = "the gatherer does not know the secret of the relay; check that both have the same"
        raise StreamError(text, retry_soon=False)


async def _read(reader: asyncio.StreamReader, silent_s: float) -> bytes:
    try:
        async with asyncio.timeout(silent_s):
            data = await reader.read(READ_BYTES)
    except TimeoutError as error:
        text = f"the gatherer has said nothing for {silent_s:g} s; connecting again"
        raise StreamError(text, stalled=True) from error
    except OSError as error:
        raise StreamError(f"the connection broke ({error.strerror or error}); trying again") from error
    if not data:
        raise StreamError("the gatherer closed the connection; connecting again")
    return data
