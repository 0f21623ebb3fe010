"""Webhooks: alert transitions posted to other services, signed after Standard Webhooks 1.0.

https://www.standardwebhooks.com. A delivery stays in the store until the receiver took it, so nothing is
lost by a restart; it may come twice, with the same `webhook-id`. For one alert and webhook the order is
kept, because the store offers only the oldest open delivery. Each webhook has its own connections and
its own few places, so a receiver that hangs delays no other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx
import structlog

from connectors.webhook_message import retry_delay_s
from connectors.webhook_post import PLACES, WebhookConfig, WebhookState, client_of, post
from streams.records import AlertTransition

log = structlog.get_logger()
T = TypeVar("T")

__all__ = ["Delivery", "DeliveryStore", "WebhookConfig", "WebhookSender", "WebhookState"]

POLL_S = 1.0
STORE_RETRY_S = 5.0
_PAGE, _MAX_PAGE = 100, 10_000


class Delivery(Protocol):
    """What the store says of a transition that is on its way to a webhook."""

    @property
    def webhook_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def message_id(self) -> str:
        """`alert_id.number`: a repeated delivery shares it."""
        ...

    @property
    def transition(self) -> AlertTransition:
        """What is to be told."""
        ...

    @property
    def attempts(self) -> int:
        """That failed so far."""
        ...


class DeliveryStore(Protocol):
    """Where deliveries wait. The calls block and come from a worker thread, one at a time."""

    def due_deliveries(self, now_us: int, limit: int = 100) -> Sequence[Delivery]:
        """Return deliveries whose time has come: for each alert and webhook only the oldest open one."""
        ...

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done (`delivered_at_us`) or given up (None, with the error)."""
        ...

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str
    ) -> None:
        """Count a failed attempt and set the time of the next."""
        ...


@dataclass(slots=True, eq=False)
class WebhookSender:
    """Delivers what is due, until cancelled."""

    configs: Sequence[WebhookConfig]
    store: DeliveryStore
    clock_us: Callable[[], int]
    api_url: str = ""
    draw: Callable[[], float] = random.random
    """A number in 0 to 1, for the jitter."""
    states: dict[str, WebhookState] = field(init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _store_thread: ThreadPoolExecutor = field(init=False)
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    _places: dict[str, int] = field(init=False)
    _in_flight: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {config.id: WebhookState() for config in self.configs}
        self._places = {config.id: PLACES for config in self.configs}
        # Not the loop's own threads: names that do not resolve could hold all of those.
        self._store_thread = ThreadPoolExecutor(1, "webhook-store")

    def wake(self) -> None:
        """Look for due deliveries now: an alert was just stored. Call it in the event loop."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled. A failing store is reported and tried again."""
        by_id = {config.id: config for config in self.configs}
        self._clients = {config.id: client_of(config) for config in self.configs}
        try:
            while True:
                self._woken.clear()
                try:
                    for delivery in await self._next(by_id):
                        self._start(by_id[delivery.webhook_id], delivery)
                except Exception as error:  # noqa: BLE001 - alerts must go on going out
                    log.error("cannot read the deliveries that are due, trying again", error=repr(error))
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._in_flight.values():
                task.cancel()
            await asyncio.gather(*self._in_flight.values(), return_exceptions=True)
            await asyncio.gather(*(client.aclose() for client in self._clients.values()))
            self._store_thread.shutdown(wait=False)

    async def _next(self, by_id: dict[str, WebhookConfig]) -> list[Delivery]:
        """Choose deliveries for the places that are free.

        What is in flight, or waits for a place of a receiver that hangs, is still due: the page grows
        until it shows something else.
        """
        room = {webhook_id: places for webhook_id, places in self._places.items() if places > 0}
        chosen: list[Delivery] = []
        limit = _PAGE
        while room:
            due = await self._with_store(self.store.due_deliveries, self.clock_us(), limit)
            for delivery in due:
                if delivery.webhook_id not in by_id:
                    await self._settle(delivery, None, "this webhook is no longer configured")
                elif (delivery.webhook_id, delivery.message_id) not in self._in_flight and room.get(
                    delivery.webhook_id, 0
                ):
                    room[delivery.webhook_id] -= 1
                    chosen.append(delivery)
            if chosen or len(due) < limit or limit >= _MAX_PAGE:
                break
            limit *= 4
        return chosen

    def _start(self, config: WebhookConfig, delivery: Delivery) -> None:
        key = (delivery.webhook_id, delivery.message_id)
        self._places[config.id] -= 1

        def finished(task: asyncio.Task[None]) -> None:
            del self._in_flight[key]
            self._places[config.id] += 1
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a delivery failed", webhook=config.id, message=key[1], error=repr(error))
            else:
                self._woken.set()  # the next transition of this alert may be due now

        task = asyncio.get_running_loop().create_task(self._deliver(config, delivery))
        self._in_flight[key] = task
        task.add_done_callback(finished)

    async def _deliver(self, config: WebhookConfig, delivery: Delivery) -> None:
        state = self.states[config.id]
        client = self._clients[config.id]
        failure = await post(client, config, delivery.transition, self.clock_us(), self.api_url)
        if failure is None:
            await self._settle(delivery, self.clock_us(), "")
            state.delivered += 1
            return
        state.failed_attempts += 1
        state.last_error = failure.error
        log.warning("a webhook failed", webhook=config.id, message=delivery.message_id, error=failure.error)
        delay_s = retry_delay_s(delivery.attempts, self.draw(), failure.retry_after_s)
        if failure.final or delay_s is None:
            await self._settle(delivery, None, failure.error)
            state.given_up += 1
            return
        next_attempt_us = self.clock_us() + int(delay_s * 1e6)
        await self._note(
            lambda: self.store.postpone_delivery(
                delivery.webhook_id,
                delivery.message_id,
                next_attempt_us=next_attempt_us,
                error=failure.error,
            )
        )

    async def _settle(self, delivery: Delivery, delivered_at_us: int | None, error: str) -> None:
        await self._note(
            lambda: self.store.settle_delivery(
                delivery.webhook_id, delivery.message_id, delivered_at_us=delivered_at_us, error=error
            )
        )

    async def _note(self, write: Callable[[], None]) -> None:
        """Write to the store, again until it works: else the receiver would get the message each second."""
        while True:
            try:
                await self._with_store(write)
            except Exception as error:  # noqa: BLE001 - whatever it is, the store may come back
                log.error("cannot note how a delivery went, trying again", error=repr(error))
                await asyncio.sleep(STORE_RETRY_S)
            else:
                return

    async def _with_store(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._store_thread, call, *arguments)
