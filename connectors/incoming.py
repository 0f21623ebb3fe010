"""Stations that connect to us: one sender at a time, whoever lets it in (the caster, a port of its own)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from connectors.gatherer import StationIntake
from connectors.reconnect import StreamError
from connectors.tcp import Watchdog
from gnss.ntrip.body import BodyDecoder
from gnss.ntrip.errors import NtripError
from streams.stream_state import StreamState

SILENCE_S = 15.0
"""A sender without a message for so long gives way to another one: most are its own dead connections."""
LOOK_S = 0.2
READER_BYTES = 65_536
"""So much, twice, waits at most to be taken; then the peer is not read."""


@dataclass(slots=True, eq=False)
class Sender:
    """A connection that was let in."""

    reader: asyncio.StreamReader
    transport: asyncio.WriteTransport
    body: BodyDecoder | None = None
    """Of a stream that has codings."""
    is_replaced: bool = False
    end: str = ""
    """Why nothing comes behind what was decoded, in words."""

    def decoded(self, data: bytes) -> bytes:
        """Return what some bytes hold of the stream; none at its end."""
        if not data:
            self.end = "the sender closed the connection"
        if self.body is None:
            return data
        out = bytearray()
        try:
            self.body.feed(data, out)
        except NtripError as error:
            self.end = str(error)
        else:
            if self.body.finished:
                self.end = "the sender ended its stream"
        return bytes(out)


class Entrance:
    """Where the one sender of a station comes in.

    Parameters
    ----------
    intake
        Takes the bytes.
    state
        The one that `intake` counts in; it says what goes on.
    stall_s
        Without a message for so long, a sender is taken for dead.
    interval_s
        Of the station's epochs: who sends seldom is not silent in between.
    clock_us
        Wall clock, UTC; read right after each read of the socket.
    """

    def __init__(
        self,
        intake: StationIntake,
        state: StreamState,
        *,
        stall_s: float,
        interval_s: float,
        clock_us: Callable[[], int],
    ) -> None:
        self._intake, self._state = intake, state
        self._stall_s, self._silence_s = stall_s, max(SILENCE_S, 2 * interval_s)
        self._clock_us = clock_us
        self._clock_s = asyncio.get_running_loop().time
        self._sender: Sender | None = None
        self._next: Sender | None = None
        self._arrived = asyncio.Event()
        self._heard_s = 0.0
        self._unread = 0
        """Bytes since the last message."""

    @property
    def is_taken(self) -> bool:
        """Whether there is a sender that is not silent."""
        if self._next is not None:
            return True
        return self._sender is not None and self._clock_s() - self._heard_s < self._silence_s

    def let_in(self, sender: Sender) -> None:
        """Let a sender in, in the place of a silent one. Ask `is_taken` before."""
        assert not self.is_taken
        if self._sender is not None:
            self._sender.is_replaced = True
            self._sender.transport.abort()
        self._next = sender
        self._arrived.set()

    async def run(self) -> NoReturn:
        """Take what one sender after the other brings, until cancelled."""
        state = self._state
        state.enter("waiting", self._clock_us())
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                assert self._next is not None
                self._sender, self._next = self._next, None
                self._heard_s = self._clock_s()
                try:
                    await self._attend(self._sender)
                except StreamError as error:
                    state.enter("stalled" if error.stalled else "waiting", self._clock_us(), str(error))
                state.reconnects += 1
        finally:
            if self._next is not None:
                self._next.transport.abort()
            state.enter("stopped", self._clock_us())

    async def _attend(self, sender: Sender) -> NoReturn:
        try:
            await self._stream(sender)
        finally:
            sender.transport.abort()
            self._sender = None
            self._intake.finish()

    async def _stream(self, sender: Sender) -> NoReturn:
        watchdog, loop = Watchdog(self._stall_s, self._state), asyncio.get_running_loop()
        known, looking = self._state.messages_received, None
        self._unread = 0

        def look() -> bool:
            """See whether messages came: single bytes, or what is no stream of ours, hold no place."""
            nonlocal known
            if self._state.messages_received <= known:
                return False
            known, self._unread, self._heard_s = self._state.messages_received, 0, self._clock_s()
            watchdog.fed()
            return True

        try:
            while True:
                try:
                    data = await watchdog.read(sender.reader)
                except StreamError as error:
                    raise self._explained(error, sender) from error
                received_at_us = self._clock_us()
                body = sender.decoded(data)
                watchdog.unpacked(len(body) - len(data))
                if body:
                    self._unread += len(body)
                    await self._intake.take(body, received_at_us)
                if looking is not None:
                    looking.cancel()
                    looking = None
                if not look():  # the intake may hold the end of an epoch for a moment
                    looking = loop.call_later(LOOK_S, look)
                if sender.end:
                    raise self._explained(StreamError(sender.end), sender)
        finally:
            if looking is not None:
                looking.cancel()

    def _explained(self, error: StreamError, sender: Sender) -> StreamError:
        if sender.is_replaced:
            return StreamError(
                f"it was silent for {self._silence_s:g} s, and another connection took its place"
            )
        if error.stalled and self._unread:
            return StreamError(
                f"no message in {self._unread} bytes of {self._stall_s:g} s; check what the station sends",
                stalled=True,
            )
        return error
