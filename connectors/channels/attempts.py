"""Trying again until a message's deadline, a few messages at one time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import structlog

from connectors.channels.message import CallMessage, CallReceipt, ReceiptState

log = structlog.get_logger()

DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""A person is to be reached within minutes, and another one is called when this does not work."""
JITTER = 0.1
MOST_ATTEMPTS = 50
MOST_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt that needs no other."""

    state: ReceiptState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """One attempt did not work, and another one may."""

    detail: str
    after_s: float = 0.0
    """What the other side asked for."""
    is_cut: bool = False
    """The deadline ended it early: an earlier attempt tells more."""


Attempt = Callable[[CallMessage], Awaitable[Outcome | Retry]]


@dataclass(slots=True)
class Attempts:
    """Sends messages by one way of trying.

    Parameters
    ----------
    name
        Of the channel, for the log.
    once
        Makes one attempt; it may raise anything.
    places
        Attempts at one time. A message that waits for its next attempt has none.
    timeout_s
        Of an attempt.
    """

    name: str
    once: Attempt
    clock_us: Callable[[], int]
    places: int
    timeout_s: float
    draw: Callable[[], float] = random.random
    """A number in 0 to 1, for the jitter."""
    _room: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.places)

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what became of a message, at its deadline at the latest."""
        message, last = _encodable(message), "there was no time for an attempt"
        for tried in range(MOST_ATTEMPTS):
            left_s = (message.deadline_us - self.clock_us()) * 1e-6
            if left_s <= 0:
                break
            result = await self._attempt(message, left_s)
            if isinstance(result, Outcome):
                return self._receipt(message, result.state, result.detail)
            last = last if result.is_cut and tried else result.detail
            log.warning(
                "a call was not taken",
                channel=self.name,
                call=message.call_id,
                error=_hidden(message, result.detail),
            )
            delay_s = DELAYS_S[min(tried, len(DELAYS_S) - 1)] * (1 - JITTER + 2 * JITTER * self.draw())
            left_s = (message.deadline_us - self.clock_us()) * 1e-6
            if max(delay_s, result.after_s) >= left_s:
                break
            await asyncio.sleep(max(delay_s, result.after_s))
        return self._receipt(message, "failed", last)

    async def _attempt(self, message: CallMessage, left_s: float) -> Outcome | Retry:
        try:
            async with asyncio.timeout(left_s):
                await self._room.acquire()
        except TimeoutError:
            return Retry("others had all the places until the deadline", is_cut=True)
        try:
            left_s = max((message.deadline_us - self.clock_us()) * 1e-6, 0.0)
            async with asyncio.timeout(min(self.timeout_s, left_s)):
                return await self.once(message)
        except TimeoutError:
            within_s = min(self.timeout_s, left_s)
            return Retry(f"no answer within {within_s:.3g} s", is_cut=within_s < self.timeout_s)
        except Exception as error:  # noqa: BLE001 - whoever calls must hear that it did not work
            return Retry(f"{type(error).__name__}: {error}")
        finally:
            self._room.release()

    def _receipt(self, message: CallMessage, state: ReceiptState, detail: str) -> CallReceipt:
        return CallReceipt(
            call_id=message.call_id, state=state, at_us=self.clock_us(), detail=_hidden(message, detail)
        )


def _encodable(message: CallMessage) -> CallMessage:
    """Return a message without half surrogate pairs, which JSON can spell and no wire takes."""
    texts = {name: getattr(message, name) for name in ("subject", "text", "link", "alert_id")}
    return msgspec.structs.replace(
        message, **{name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    )


def _hidden(message: CallMessage, text: str) -> str:
    """Return what another side said, printable and without the address that it may repeat."""
    known = text.replace(message.to, "[address]") if message.to else text
    return "".join(c if c.isprintable() else " " for c in known[:MOST_DETAIL])
