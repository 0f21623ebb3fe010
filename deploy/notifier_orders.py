"""What people want of a notifier: that it tells a webhook again, or some steps once more.

Orders come over the topic of deliveries. Which of them were taken, and how far each replay is, stands in
Kafka with the notifier's other state, so that a kill repeats one message at most.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog

from connectors.webhook_message import in_order_delay_s
from connectors.webhook_post import Failure, WebhookConfig, client_of
from streams import codec, deliveries
from streams.deliveries import Item, Ordered, Replay
from streams.kafka.reader import Reader
from streams.records import Deliveries, WebhookOrder
from streams.topics import ALERTS, DELIVERIES

if TYPE_CHECKING:
    from deploy.notifier import Notifier

log = structlog.get_logger()

WAIT_S = 1.0
MOST_REPLAYS = 100
"""That are not over; of one webhook they are told one after the other."""


class Orders:
    """Takes orders, and carries replays out beside all else."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._configs = {config.id: config for config in notifier.configs}
        self._turns = {name: asyncio.Lock() for name in self._configs}
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Take orders until cancelled."""
        try:
            for state in self._notifier.found.values():
                if isinstance(state, Replay) and not state.over:
                    self._start(state)
            await self._follow()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        known = next((s for s in self._notifier.found.values() if isinstance(s, Ordered)), None)
        begin = None if known is None else {DELIVERIES.name: {0: known.offset}}
        reader = Reader(self._notifier.kafka, (DELIVERIES,), begin, self._notifier.prefix)
        await reader.start()
        try:
            if known is None:
                (end,) = (await reader.ends())[DELIVERIES.name].values()
                await self._notifier.write([Ordered(offset=end)])
            while True:
                for one in await reader.next(WAIT_S):
                    await self._read(one.offset, one.value)
                for task in [task for task in self._tasks if task.done()]:
                    self._tasks.discard(task)
                    task.result()
        finally:
            await reader.stop()

    async def _read(self, offset: int, value: bytes) -> None:
        try:
            batch = codec.decode(value)
        except codec.CodecError as error:
            log.error("orders for webhooks cannot be read", offset=offset, error=str(error))
            return
        orders = batch.orders if isinstance(batch, Deliveries) else []
        for place, order in enumerate(orders, 1):
            # with the last one it is written that all of them were taken
            taken = [Ordered(offset=offset + 1)] if place == len(orders) else []
            if order.webhook_id not in self._configs:
                log.warning("an order is for a webhook that is not configured", webhook=order.webhook_id)
                await self._notifier.write(taken)
            elif order.what == "resume":
                await self._notifier.resume(order.webhook_id, taken)
            elif len(self._tasks) >= MOST_REPLAYS:
                log.error("too many replays wait, and this one is left out", webhook=order.webhook_id)
                await self._notifier.write(taken)
            else:
                await self._begin(order, taken)

    async def _begin(self, order: WebhookOrder, taken: list[Ordered]) -> None:
        alerts = Reader(self._notifier.kafka, (ALERTS,), None, self._notifier.prefix)
        await alerts.start()
        try:
            # a step is in the topic after it happened
            (begin,) = (await alerts.since(max(order.start_us, 0)))[ALERTS.name].values()
        finally:
            await alerts.stop()
        now = self._notifier.progress[order.webhook_id]
        end = now.offset + (now.row > 0)
        replay = Replay(order=order, offset=min(begin, end), end=end)
        await self._notifier.write([replay, *taken])
        self._start(replay)

    def _start(self, replay: Replay) -> None:
        config = self._configs.get(replay.order.webhook_id)
        if config is not None:
            self._tasks.add(asyncio.create_task(self._replay(config, replay)))

    async def _replay(self, config: WebhookConfig, replay: Replay) -> None:
        """Tell what is wanted once more, in order."""
        notifier = self._notifier
        async with self._turns[config.id], notifier.queue(replay.place) as queue, client_of(config) as client:
            while (head := await queue.get()) is not None or queue.read_to < replay.end:
                if head is None:
                    continue
                if head.place.offset >= replay.end:
                    break
                if not replay.order.wants(head.transition):
                    queue.drop()
                    continue
                await notifier.enabled(config.id)
                await notifier.pause(partial(getattr, replay, "next_attempt_us"))
                failure = await notifier.post(client, config, head)
                if failure is not None and failure.is_gone:
                    await notifier.disable(config.id, failure)
                elif failure is not None and (delay_s := self._delay_s(replay, failure)) is not None:
                    log.warning("a replay failed", webhook=config.id, error=failure.error)
                    replay = await self._postponed(replay, head, failure, delay_s)
                else:
                    replay = await self._settled(replay, head, failure)
                    queue.drop()
        await notifier.write([msgspec.structs.replace(replay, over=True)])

    def _delay_s(self, replay: Replay, failure: Failure) -> float | None:
        """Return seconds until the next attempt; None: it is of no use."""
        if failure.is_unsendable or (failure.refused and replay.refusals + 1 >= deliveries.REFUSALS):
            return None
        return in_order_delay_s(replay.attempts, self._notifier.draw(), failure.retry_after_s)

    async def _postponed(self, replay: Replay, item: Item, failure: Failure, delay_s: float) -> Replay:
        next_us = self._notifier.clock_us() + int(delay_s * 1e6)
        after = msgspec.structs.replace(
            replay,
            attempts=replay.attempts + 1,
            refusals=replay.refusals + failure.refused,
            next_attempt_us=next_us,
        )
        name = replay.order.webhook_id
        step = deliveries.again(item, name, "pending", next_us, after.attempts, failure.error)
        await self._notifier.write([after], [step])
        return after

    async def _settled(self, replay: Replay, item: Item, failure: Failure | None) -> Replay:
        after = Replay(order=replay.order, offset=item.behind.offset, row=item.behind.row, end=replay.end)
        name, at_us, attempts = replay.order.webhook_id, self._notifier.clock_us(), replay.attempts + 1
        if failure is None:
            step = deliveries.again(item, name, "delivered", at_us, attempts)
        else:
            step = deliveries.again(item, name, "given_up", at_us, attempts, failure.error)
        await self._notifier.write([after], [step])
        self._notifier.count(name, is_delivered=failure is None)
        return after
