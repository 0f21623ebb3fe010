"""A caster's connection at the gatherer: a stranger until it has proved that it knows the secret."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Protocol, cast

import structlog

from connectors.caster.connection import keep_alive
from connectors.caster.link import proof

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OutletLimits:
    """What is granted to strangers and to casters."""

    casters: int = 64
    strangers: int = 256
    """That have not proved yet who they are: the oldest gives way to a new one."""
    proof_s: float = 5.0
    """To prove who one is."""
    queue_bytes: int = 16_000_000
    """That a caster may be behind before it is cut: two seconds of 4,000 stations."""


class Host(Protocol):
    """What a connection needs of the outlet."""

    limits: OutletLimits
    secret: str

    def admit(self, connection: CasterConnection) -> None:
        """Take in a stranger; the oldest one is cut when there are too many."""
        ...

    def begin(self, connection: CasterConnection) -> bytes | None:
        """Let a caster have what is published from now on; return the table; None: there is no room."""
        ...

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        ...

    def leave(self, connection: CasterConnection, *, was_caster: bool) -> None:
        """Forget a connection that is gone."""
        ...


class CasterConnection(asyncio.Protocol):
    """A connection: a stranger until it has proved that it knows the secret."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._nonce = secrets.token_bytes(proof.NONCE_BYTES)
        self._peer_nonce = b""
        self._read = b""
        self._is_caster = False
        self._deadline: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport
        self.address = ""

    def send(self, record: bytes) -> bool:
        """Queue a record; False when the caster was too far behind and has been cut."""
        if self.transport.get_write_buffer_size() + len(record) > self._host.limits.queue_bytes:
            self.transport.abort()
            return False
        self.transport.write(record)
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the proof, not for long."""
        self.transport = cast("asyncio.Transport", transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self._host.admit(self)
        keep_alive(transport.get_extra_info("socket"))
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._host.limits.proof_s, self.cut, "slow")

    def data_received(self, data: bytes) -> None:
        """Go through the steps of `proof.py`; a caster that has proved itself has nothing more to say."""
        if self._is_caster:
            self.cut("talk")
            return
        self._read += data
        if not self._peer_nonce:
            if (
                not proof.MAGIC.startswith(self._read[: len(proof.MAGIC)])
                or len(self._read) > proof.HELLO_BYTES
            ):
                self.cut("proof")
            elif len(self._read) == proof.HELLO_BYTES:
                self._peer_nonce, self._read = self._read[len(proof.MAGIC) :], b""
                self.transport.write(proof.MAGIC + self._nonce)
            return
        if len(self._read) < proof.PROOF_BYTES:
            return
        nonces = self._peer_nonce, self._nonce
        if not proof.is_proved(self._read, proof.proof(self._host.secret, "caster", *nonces)):
            log.warning("a caster does not know the secret of the relay", caster=self.address)
            self.cut("proof")
            return
        if (table := self._host.begin(self)) is None:
            self.cut("full")
            return
        self._stop_clock()
        self._is_caster, self._read = True, b""
        self.transport.write(proof.proof(self._host.secret, "gatherer", *nonces) + table)

    def connection_lost(self, _error: Exception | None) -> None:
        """Clean up."""
        self._stop_clock()
        self._host.leave(self, was_caster=self._is_caster)

    def cut(self, reason: str) -> None:
        """End the connection, and count why."""
        self._host.refuse(reason)
        self.transport.abort()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
