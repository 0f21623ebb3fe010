"""Webhooks: alert transitions posted to other services, signed after Standard Webhooks 1.0.

https://www.standardwebhooks.com. A delivery stays in the store until the receiver took it, so nothing is
lost by a restart; it may come twice, with the same `webhook-id`. For one alert and webhook the order is
kept, because the store offers only the oldest open delivery. Each webhook has its own connections and
its own few places, so a receiver that hangs delays no other. One that answers 410 is not sent to until a
person says so; what there is to be told waits.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

import httpx
import structlog

from connectors.webhook_gate import Gate
from connectors.webhook_message import IN_ORDER_ATTEMPTS, retry_delay_s
from connectors.webhook_post import PLACES, Failure, WebhookConfig, WebhookState, client_of, post
from streams.records import LATEST_US, AlertTransition

log = structlog.get_logger()
T = TypeVar("T")

__all__ = ["Delivery", "DeliveryStore", "WebhookConfig", "WebhookSender", "WebhookState"]

POLL_S = 1.0
STORE_RETRY_S = 5.0


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

    @property
    def refusals(self) -> int:
        """Those of them that were answered by a refusal of this message."""
        ...


class Webhook(Protocol):
    """What the store says of a webhook."""

    @property
    def webhook_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def state(self) -> str:
        """`active` or `disabled`."""
        ...

    @property
    def reason(self) -> str:
        """Why it is disabled."""
        ...

    @property
    def pending(self) -> int:
        """Deliveries that wait."""
        ...


class DeliveryStore(Protocol):
    """Where deliveries wait. The calls block and come from a worker thread, one at a time."""

    def due_deliveries(
        self, now_us: int, limit: int = 100, *, webhook_id: str | None = None
    ) -> Sequence[Delivery]:
        """Return deliveries whose time has come: for each alert and webhook only the oldest open one.

        Those of steps that happened first come first; none of a webhook that is disabled.
        """
        ...

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done (`delivered_at_us`) or given up (None, with the error)."""
        ...

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str, refused: bool = False
    ) -> None:
        """Count a failed attempt, and whether it was a refusal; set the time of the next."""
        ...

    def disable_webhook(self, webhook_id: str, at_us: int, reason: str) -> None:
        """Offer no deliveries of a webhook until it is resumed."""
        ...

    def webhooks(self) -> Sequence[Webhook]:
        """Return the webhooks that there is something to say of."""
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
    _gates: dict[str, Gate] = field(init=False)
    _are_states_known: bool = False
    _in_flight: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = {config.id: WebhookState() for config in self.configs}
        self._gates = {config.id: Gate(PLACES) for config in self.configs}
        # Not the loop's own threads: names that do not resolve could hold all of those.
        self._store_thread = ThreadPoolExecutor(1, "webhook-store")

    def wake(self) -> None:
        """Look for due deliveries now: an alert was just stored. Call it in the event loop."""
        self._woken.set()

    def ordered(self) -> None:
        """Look whether webhooks were resumed, and for deliveries: an order was just stored; as `wake`."""
        self._are_states_known = False
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled. A failing store is reported and tried again."""
        by_id = {config.id: config for config in self.configs}
        self._clients = {config.id: client_of(config) for config in self.configs}
        try:
            while True:
                self._woken.clear()
                try:
                    if not self._are_states_known:
                        await self._read_states()
                    for delivery in await self._next():
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

    async def _next(self) -> list[Delivery]:
        """Choose deliveries for the places that are free. What is in flight is still due."""
        now_us, under_way = self.clock_us(), Counter(webhook_id for webhook_id, _ in self._in_flight)
        chosen: list[Delivery] = []
        for name, gate in self._gates.items():
            if (room := gate.room(now_us, under_way[name])) == 0:
                continue
            ask = partial(self.store.due_deliveries, now_us, room + under_way[name], webhook_id=name)
            due = await self._with_store(ask)
            new = [d for d in due if (d.webhook_id, d.message_id) not in self._in_flight]
            chosen += new[:room]
        return chosen

    def _start(self, config: WebhookConfig, delivery: Delivery) -> None:
        key = (delivery.webhook_id, delivery.message_id)

        def finished(task: asyncio.Task[None]) -> None:
            del self._in_flight[key]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a delivery failed", webhook=config.id, message=key[1], error=repr(error))
            else:
                self._woken.set()  # the next transition of this alert may be due now

        task = asyncio.get_running_loop().create_task(self._deliver(config, delivery))
        self._in_flight[key] = task
        task.add_done_callback(finished)

    async def _deliver(self, config: WebhookConfig, delivery: Delivery) -> None:
        state, gate = self.states[config.id], self._gates[config.id]
        client = self._clients[config.id]
        failure = await post(client, config, delivery.transition, self.clock_us(), self.api_url)
        if failure is None:
            gate.answered()
            await self._settle(delivery, self.clock_us(), "")
            state.delivered += 1
            return
        state.failed_attempts += 1
        state.last_error = failure.error
        log.warning("a webhook failed", webhook=config.id, message=delivery.message_id, error=failure.error)
        now_us, draw = self.clock_us(), self.draw()
        if failure.is_gone:
            state.disabled = f"{failure.error}: it wants no more messages"
            await self._note(lambda: self.store.disable_webhook(config.id, now_us, state.disabled))
            await self._postpone(delivery, now_us, failure)
            return
        delay_s: float | None = None
        if failure.refused:
            gate.answered()
            delay_s = retry_delay_s(delivery.refusals, draw, failure.retry_after_s)
        elif not failure.is_unsendable and delivery.attempts < IN_ORDER_ATTEMPTS:
            delay_s = (gate.failed(now_us, draw, failure.retry_after_s) - now_us) * 1e-6
        if delay_s is None:
            await self._settle(delivery, None, failure.error)
            state.given_up += 1
            return
        await self._postpone(delivery, now_us + int(delay_s * 1e6), failure)

    async def _read_states(self) -> None:
        """Learn which webhooks are disabled, by whom so ever."""
        self._are_states_known = True
        try:
            rows = await self._with_store(self.store.webhooks)
        except BaseException:
            self._are_states_known = False
            raise
        disabled = {row.webhook_id: row.reason for row in rows if row.state == "disabled"}
        for row in rows:
            if row.webhook_id not in self.states and row.pending:
                await self._give_up(row.webhook_id)
        for name, state in self.states.items():
            if state.disabled and name not in disabled:
                self._gates[name] = Gate(PLACES)
            state.disabled = disabled.get(name, "")

    async def _give_up(self, webhook_id: str) -> None:
        """Settle what waits for a webhook that is not configured any more."""
        ask = partial(self.store.due_deliveries, LATEST_US, webhook_id=webhook_id)
        while due := await self._with_store(ask):
            for delivery in due:
                await self._settle(delivery, None, "this webhook is no longer configured")

    async def _postpone(self, delivery: Delivery, next_attempt_us: int, failure: Failure) -> None:
        await self._note(
            lambda: self.store.postpone_delivery(
                delivery.webhook_id,
                delivery.message_id,
                next_attempt_us=next_attempt_us,
                error=failure.error,
                refused=failure.refused,
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
