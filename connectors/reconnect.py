"""Connect again and again, with manners: exponential back-off with full jitter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn

import structlog

from connectors.doors import Door
from streams.stream_state import StreamState

log = structlog.get_logger()

GOOD_STREAM_S = 60.0
"""A stream that lasted so long was good: the next trouble is a new one."""


class StreamError(Exception):
    """Why a connection failed or ended: a sentence for a person, without credentials.

    Parameters
    ----------
    text
        The sentence.
    retry_soon
        False: somebody has to change something first, so it is tried again much later.
    stalled
        The peer was there and said nothing.
    unreachable
        There was nobody to connect to: all who wait try at once when somebody finds the peer there again.
    """

    def __init__(
        self, text: str, *, retry_soon: bool = True, stalled: bool = False, unreachable: bool = False
    ) -> None:
        super().__init__(text)
        self.retry_soon = retry_soon
        self.stalled = stalled
        self.unreachable = unreachable


@dataclass(slots=True)
class BackOff:
    """How long to wait: at random between `first_s` and a limit that doubles up to `most_s`.

    The full width keeps a thousand clients apart that lost the same caster (Brooker, "Exponential Backoff
    And Jitter", 2015); `first_s` at least, because casters ban who comes back at once.
    """

    first_s: float = 1.0
    most_s: float = 60.0
    refused_s: float = 60.0
    """Shortest wait after an error that does not pass by itself; the longest is ten times that."""
    draw: Callable[[], float] = field(default=random.random, repr=False)
    """A number in [0, 1)."""
    failures: int = 0

    def failed(self, *, retry_soon: bool = True) -> float:
        """Count a failure; return the seconds to wait."""
        self.failures += 1
        least_s, most_s = (self.first_s, self.most_s) if retry_soon else (self.refused_s, 10 * self.refused_s)
        limit_s = min(most_s, least_s * 2.0 ** min(self.failures, 32))
        return least_s + self.draw() * max(0.0, limit_s - least_s)

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0


async def keep_running(
    work: Callable[[], Awaitable[None]],
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    back_off: BackOff | None = None,
) -> None:
    """Run a connector; one that ends by a fault of this program is counted and begins anew.

    Parameters
    ----------
    work
        Runs it once, with nothing left of the time before.
    state, clock_us
        As `keep_connected` has them.
    back_off
        Between attempts; its failures are forgotten after `GOOD_STREAM_S`.
    """
    patience, loop = back_off or BackOff(), asyncio.get_running_loop()
    while True:
        begun_s = loop.time()
        try:
            await work()
        except Exception as fault:
            log.exception("a connector failed and begins anew", stream=state.id)
            if loop.time() - begun_s >= GOOD_STREAM_S:
                patience.succeeded()
            state.faults += 1
            text = f"the connector failed ({fault!r}) and begins anew; report this"
            state.enter("waiting", clock_us(), text)
            await asyncio.sleep(patience.failed())
        else:
            return


async def keep_connected(
    session: Callable[[], Awaitable[NoReturn]],
    state: StreamState,
    *,
    clock_us: Callable[[], int],
    back_off: BackOff,
    door: Door | None = None,
) -> NoReturn:
    """Run one session after the other until cancelled, and say in `state` what goes on.

    Parameters
    ----------
    session
        Connects and streams; it ends by a `StreamError` only, and enters the phase `streaming` itself.
    state
        Of the stream; while waiting after a stall it stays `stalled`.
    clock_us
        Wall clock, UTC.
    back_off
        Its failures are forgotten after `GOOD_STREAM_S` of data.
    door
        Of the server, where many streams go there.
    """
    door = door or Door()
    loop = asyncio.get_running_loop()
    try:
        while True:
            state.enter("connecting", clock_us())
            await door.enter()
            begun_s, bytes_before = loop.time(), state.bytes_received
            try:
                await session()
            except StreamError as error:
                if loop.time() - begun_s >= GOOD_STREAM_S and state.bytes_received > bytes_before:
                    back_off.succeeded()
                wait_s = back_off.failed(retry_soon=error.retry_soon)
                is_unreachable, retries_soon = error.unreachable, error.retry_soon
                state.enter("stalled" if error.stalled else "waiting", clock_us(), str(error))
            if is_unreachable:
                door.shut()
            if retries_soon:
                await door.wait(wait_s)
            else:
                await asyncio.sleep(wait_s)
            state.reconnects += 1
    finally:
        state.enter("stopped", clock_us())
