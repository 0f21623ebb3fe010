"""Brings calls to their doors and tells what became of them.

A call is settled when something of it is durable. A program that dies between the door and that brings the
same call again: its id is the same, by which the door knows it. Addresses of people stand in no log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from dashboards.metrics import Figure
from deploy.figures import counter, gauge
from streams.bus import CallDoor, ReceiptSink
from streams.call_book import CallBook
from streams.call_links import CallLinks
from streams.call_records import CallOrder, CallReceipt, CallReceipts
from streams.records import Record

log = structlog.get_logger()

POLL_S = 0.5
SEND_S = 30.0
"""A door that needs longer is tried again."""
MOST_DUE = 20_000
"""That are taken up after a start."""
PLACES = 32
"""Calls that are on their way to doors at a time, of each channel."""
SAVE_RETRY_S = 1.0


@dataclass(slots=True, eq=False)
class Caller:
    """Carries calls out while `run` runs.

    Parameters
    ----------
    doors
        By the name of the channel. A call by another one fails at once, so that the next person is called.
    sink
        Who is told.
    clock_us
        Microseconds of UTC since 1970.
    links
        Makes the links by which people answer; None: there are none.
    """

    doors: Mapping[str, CallDoor]
    sink: ReceiptSink
    clock_us: Callable[[], int]
    links: CallLinks | None = None
    make_sure: Callable[[], Awaitable[None]] | None = None
    """Fails when another process carries calls out now; None: there is none."""
    book: CallBook = field(default_factory=CallBook)
    brought: int = 0
    failed: int = 0
    """Attempts that did not reach a door."""
    error: str = ""
    """Why nothing can be told right now; empty when all is well."""
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _taken: dict[str, int] = field(default_factory=dict)
    """Places of each channel."""

    def listen(self, batches: Sequence[Record]) -> None:
        """Hear what was made and is durable. Call it in the event loop."""
        self.book.hear(batches)
        self._woken.set()

    async def run(self) -> None:
        """Carry calls out until cancelled."""
        try:
            while True:
                self._woken.clear()
                for order in self.book.due(self.clock_us()):
                    self._start(order)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
        finally:
            tasks = list(self._under_way.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def figures(self) -> list[Figure]:
        """Return how it goes, for `/metrics`."""
        return [
            gauge("calls_waiting", "Calls that no door has taken yet.", lambda: len(self.book)),
            counter("calls_brought", "Calls that a door took or refused.", lambda: self.brought),
            counter("calls_failed_attempts", "Attempts that did not reach a door.", lambda: self.failed),
            counter("calls_too_late", "Calls whose time was over before.", lambda: self.book.too_late),
        ]

    def _start(self, order: CallOrder) -> None:
        channel = order.channel
        if order.call_id in self._under_way or self._taken.get(channel, 0) >= PLACES:
            return
        self._taken[channel] = self._taken.get(channel, 0) + 1

        def finished(task: asyncio.Task[None]) -> None:
            del self._under_way[order.call_id]
            self._taken[channel] -= 1
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a call failed", call=order.call_id, error=type(error).__name__)
            self._woken.set()

        task = asyncio.create_task(self._carry_out(order))
        self._under_way[order.call_id] = task
        task.add_done_callback(finished)

    async def _carry_out(self, order: CallOrder) -> None:
        receipt = await self._brought(order) if await self._is_ours() else None
        if receipt is None:
            self.failed += 1
            self.book.postpone(order.call_id, self.clock_us())
            return
        self.brought += 1
        batch = CallReceipts(receipts=[receipt])
        while True:
            try:
                await self.sink.put_receipts(batch)
            except (TimeoutError, OSError) as error:
                self.error = f"what became of calls cannot be told ({type(error).__name__})"
                await asyncio.sleep(SAVE_RETRY_S)
            else:
                self.error = ""
                self.book.hear([batch])
                return

    async def _is_ours(self) -> bool:
        try:
            if self.make_sure is not None:
                await self.make_sure()
        except Exception as error:  # noqa: BLE001 - whatever it is, another one may be calling
            log.warning("a call is not made here", why=type(error).__name__)
            return False
        return True

    async def _brought(self, order: CallOrder) -> CallReceipt | None:
        """Return what a door says; None: it cannot be reached."""
        door = self.doors.get(order.channel)
        if door is None:
            log.error("there is no channel of this name", channel=order.channel, call=order.call_id)
            why = f"no channel {order.channel} is configured"
            return CallReceipt.of(order, "failed", self.clock_us(), why)
        if self.links is not None and order.purpose != "message":
            order = msgspec.structs.replace(order, link=self.links.url(order, self.clock_us()))
        try:
            async with asyncio.timeout(SEND_S):
                receipt = await door.send(order)
        except Exception as error:  # noqa: BLE001 - whatever one door does, others are called
            # not its words: they may have the person's address
            log.warning("a door failed", channel=order.channel, call=order.call_id, why=type(error).__name__)
            return None
        detail = receipt.detail.replace(order.to, "...")
        at_us = min(receipt.at_us, self.clock_us())  # a clock elsewhere must not let deadlines pass
        return CallReceipt.of(order, receipt.state, at_us, detail)


@contextlib.asynccontextmanager
async def calling(caller: Caller) -> AsyncIterator[Caller]:
    """Run a caller beside."""
    task = asyncio.create_task(caller.run(), name="calls")
    try:
        yield caller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
