"""Tells webhooks of alerts from the topic of alerts, without a database.

Each webhook has a reader, a place and a pause of its own, so that one that hangs or is away delays no other.
It is told one message after the other. Where it is stands in Kafka before the next step of the same alert
goes out; a few steps of other alerts go out meanwhile. So a kill repeats at most `AHEAD` messages and the one
that was on its way, with the same ids, and of each alert no other than the newest that was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import structlog

from connectors.webhook_message import MAX_RETRY_AFTER_S, in_order_delay_s
from connectors.webhook_post import Failure, WebhookConfig, WebhookState, client_of, post
from deploy.notifier_orders import Orders
from streams import deliveries
from streams.deliveries import Announced, Item, Progress, State
from streams.kafka.access import Access
from streams.kafka.alert_queue import AlertQueue
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.partitions import pieces
from streams.records import Deliveries, DeliveryStep, WebhookStep
from streams.together import together
from streams.topics import ALERTS, DELIVERIES, DELIVERY_STATE

log = structlog.get_logger()

AHEAD = 8
"""So many messages a webhook may have taken of which Kafka does not know yet."""
READ_S = 0.2
SURE_S = 5.0
"""After so long without a write it is made sure that no other has begun."""
ASK_S = 2.0
"""Who wants to be sure waits for so long; Kafka may be away."""
NAP_S = 1.0
UNREADABLE_S = 10.0
RECENT_US = 600_000_000
"""The very first notifier tells what was raised since, so that it need not be started before the others."""
_LONGEST_PAUSE_US = int(1.2e6 * MAX_RETRY_AFTER_S)
"""A longer one can come of a clock that was set only."""
_NOT_CONFIGURED = "this webhook is no longer configured"


@dataclass(slots=True, eq=False)
class Notifier:
    """Delivers while `work` runs. Of several, the one that began last shuts the others out.

    Parameters
    ----------
    kafka, prefix
        Where Kafka is; what stands before the names of topics.
    configs
        Whom to tell.
    clock_us
        Microseconds of UTC since 1970.
    api_url
        Where the API is reached from outside.
    draw
        A number in 0 to 1, for the jitter of pauses.
    """

    kafka: Access
    prefix: str
    configs: Sequence[WebhookConfig]
    clock_us: Callable[[], int]
    api_url: str = ""
    draw: Callable[[], float] = random.random
    states: dict[str, WebhookState] = field(init=False)
    progress: dict[str, Progress] = field(default_factory=dict)
    announced: Announced = field(default_factory=lambda: Announced(offset=0))
    unreadable: int = 0
    """Messages of the topic of alerts that were passed over."""
    repeated: int = 0
    """Transitions that were passed over: they came again."""
    error: str = ""
    """Why it cannot begin; empty when all is well."""
    found: dict[bytes, State] = field(default_factory=dict)
    """States that were read at the start, by key."""
    _output: Output | None = None
    _sure_s: float = 0.0
    """When no other had begun, in the event loop's time."""
    _is_restored: bool = False
    _asking: asyncio.Task[None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _resumed: dict[str, asyncio.Event] = field(default_factory=dict)
    _unwritten: list[Message] = field(default_factory=list)
    _asked: int = 0
    _written: int = 0
    """Of the writes that were asked for: how many are in Kafka."""
    _writing: asyncio.Task[None] | None = None
    """What is on its way while messages go out."""

    def __post_init__(self) -> None:
        self.states = {config.id: WebhookState() for config in self.configs}

    @property
    def trouble(self) -> str:
        """Why nothing can be told right now; empty when all is well."""
        return self.error or (self._output.error if self._output else "")

    def waiting(self, webhook_id: str) -> int:
        """Return how far a webhook is behind the alerts, in messages of their topic."""
        own = self.progress.get(webhook_id)
        return 0 if own is None else max(self.announced.offset - own.offset, 0)

    async def work(self) -> None:
        """Deliver until cancelled. It returns after a while when the state cannot be read.

        Raises
        ------
        FencedError
            Another one has begun.
        """
        name = f"{self.prefix}groundswell-notify"
        self._output = Output(self.kafka, "groundswell-notify", name, once=True)
        self._resumed = {config.id: asyncio.Event() for config in self.configs}
        self._forget()
        try:
            await self._output.insist(_nothing)  # from now on no other writes the state
            try:
                await self._restore()
            except deliveries.UnreadableStateError as error:
                log.error("cannot tell webhooks, trying again", error=str(error))
                self.error = str(error)
                await asyncio.sleep(UNREADABLE_S)
                return
            self.error = ""
            log.info("telling", webhooks=[config.id for config in self.configs])
            configs = {config.id: config for config in self.configs}
            await together(
                self._announce(),
                Orders(self).work(),
                *(self._tell(configs[name]) for name in configs),
                *(self._give_up_all(name) for name in self.progress if name not in configs),
            )
        finally:
            self._is_restored = False
            for task in (self._asking, self._writing):
                if task is not None:
                    task.cancel()
            await self._output.close()

    def _forget(self) -> None:
        """Forget what a time before left on its way: it has been cancelled."""
        self._lock, self._unwritten, self._asked, self._written = asyncio.Lock(), [], 0, 0
        self._writing = self._asking = None

    async def _restore(self) -> None:
        states = Reader(self.kafka, (DELIVERY_STATE,), {}, self.prefix)
        alerts = Reader(self.kafka, (ALERTS,), None, self.prefix)
        try:
            await states.start()
            await alerts.start()
            (end,) = (await alerts.ends())[ALERTS.name].values()
            (recent,) = (await alerts.since(self.clock_us() - RECENT_US))[ALERTS.name].values()
            found: dict[bytes, State] = {}
            while await states.remaining():
                for one in await states.next(READ_S):
                    state = deliveries.decode(one.value)
                    found[deliveries.encode(state)[0]] = state
        finally:
            await states.stop()
            await alerts.stop()
        names = [config.id for config in self.configs]
        self.found = found
        self.announced, self.progress, new = deliveries.restored(found.values(), names, end, recent)
        for name in names:
            self._show(name)
        await self.write(new)
        self._is_restored = True

    async def _announce(self) -> None:
        """Say of new transitions that they are to be told."""
        names = [config.id for config in self.configs]
        async with self.queue(deliveries.Place(self.announced.offset)) as queue:
            while True:
                found = await queue.take_all()
                self.unreadable, self.repeated = queue.unreadable, queue.repeated
                if queue.read_to > self.announced.offset:
                    announced = Announced(offset=queue.read_to)
                    steps = deliveries.announcements(found, names, self.clock_us())
                    await self.write([announced], steps)
                    self.announced = announced

    async def _tell(self, config: WebhookConfig) -> None:
        """Tell one webhook everything, in order."""
        ahead = deque[tuple[int, str]]()
        async with self.queue(self.progress[config.id].place) as queue, client_of(config) as client:
            while True:
                await self.enabled(config.id)
                head = await queue.get()
                if head is None:
                    await self._follow(ahead)
                    self._pass(config.id, queue.read_to)
                    continue
                await self._follow(ahead, head.transition.alert_id)
                await self.pause(lambda: self.progress[config.id].next_attempt_us)
                failure = await self.post(client, config, head)
                if failure is None:
                    ahead.append((self._note(config.id, queue, head), head.transition.alert_id))
                    await self._follow(ahead)
                else:
                    await self._failed(client, config, queue, head, failure)

    def _pass(self, webhook_id: str, read_to: int) -> None:
        """Go by what calls nobody; that need not be written."""
        if self.progress[webhook_id].offset < read_to:
            self.progress[webhook_id] = Progress(webhook_id=webhook_id, offset=read_to)

    async def _failed(
        self,
        client: httpx.AsyncClient,
        config: WebhookConfig,
        queue: AlertQueue,
        head: Item,
        failure: Failure,
    ) -> None:
        state, now = self.states[config.id], self.progress[config.id]
        state.failed_attempts += 1
        state.last_error = failure.error
        log.warning("a webhook failed", webhook=config.id, message=_id_of(head), error=failure.error)
        delay_s = in_order_delay_s(now.attempts, self.draw(), failure.retry_after_s)
        if failure.is_gone:
            await self.disable(config.id, failure)
            return
        if failure.is_unsendable or delay_s is None:
            await self._settle(config.id, queue, head, failure.error)
            return
        if failure.refused and now.refusals + 1 >= deliveries.REFUSALS:
            # Does it refuse everything, or this message? In the first case all wait on, in their order.
            second = await queue.get(1, 0.0)
            if second is not None and await self.post(client, config, second) is None:
                again = await self.post(client, config, head)  # or it has recovered just now
                if again is None or again.refused:
                    given_up = None if again is None else f"{again.error}, and took the next message"
                    await self._settle(config.id, queue, head, given_up)
                    await self._settle(config.id, queue, second)
                    return
                failure, delay_s = again, max(delay_s, min(again.retry_after_s, MAX_RETRY_AFTER_S))
        next_attempt_us = self.clock_us() + int(delay_s * 1e6)
        after, step = deliveries.postponed(now, head, next_attempt_us, failure.error, refused=failure.refused)
        await self.write([after], [step])
        self.progress[config.id] = after

    async def enabled(self, webhook_id: str) -> None:
        """Return when a webhook is not disabled."""
        while self.progress[webhook_id].disabled:
            self._resumed[webhook_id].clear()
            await self._resumed[webhook_id].wait()

    async def disable(self, webhook_id: str, failure: Failure) -> None:
        """Tell a webhook nothing more, since it wants so, until a person says otherwise."""
        reason = f"{failure.error}: it wants no more messages"
        after, told = deliveries.disabled(self.progress[webhook_id], self.clock_us(), reason)
        self.progress[webhook_id] = after
        self._show(webhook_id)
        await self.write([after], (), [told])

    async def resume(self, webhook_id: str, others: Sequence[State]) -> None:
        """Tell a webhook again, since a person says so; `others` is written with it."""
        after, told = deliveries.resumed(self.progress[webhook_id], self.clock_us())
        await self.write([after, *others], (), [told])
        self.progress[webhook_id] = after
        self._show(webhook_id)
        self._resumed[webhook_id].set()

    def _show(self, webhook_id: str) -> None:
        self.states[webhook_id].disabled = self.progress[webhook_id].disabled

    async def _give_up_all(self, webhook_id: str) -> None:
        """Settle what waits for a webhook that is not configured any more."""
        async with self.queue(self.progress[webhook_id].place) as queue:
            end = self.announced.offset
            while (head := await queue.get()) is not None or queue.read_to < end:
                if head is None:
                    continue
                if head.place.offset >= end:
                    break
                await self._settle(webhook_id, queue, head, _NOT_CONFIGURED)
        over = Progress(webhook_id=webhook_id, offset=end, over=True)
        await self.write([over])
        self.progress[webhook_id] = over

    async def post(self, client: httpx.AsyncClient, config: WebhookConfig, item: Item) -> Failure | None:
        """Send a message as the only one that may; None: it was taken."""
        if not self._is_sure:
            await self.write([self.announced])
        try:
            return await post(client, config, item.transition, self.clock_us(), self.api_url)
        except Exception as error:  # noqa: BLE001 - whatever one receiver does, the others are told
            return Failure(f"{config.id}: {error!r}")

    @property
    def _is_sure(self) -> bool:
        """Whether no other had begun a moment ago; a write fails when one has, while this one stood still."""
        return asyncio.get_running_loop().time() - self._sure_s <= SURE_S

    async def make_sure(self) -> None:
        """Return when no other has begun, or when Kafka does not say: then a call twice is better than none.

        Raises
        ------
        FencedError
            Another one has.
        """
        if not self._is_restored or self._is_sure:  # whoever begins has been given the lease just now
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self.write([self.announced]))
        done, _ = await asyncio.wait({self._asking}, timeout=ASK_S)
        for task in done:
            task.result()

    async def _settle(
        self, webhook_id: str, queue: AlertQueue, item: Item, given_up: str | None = None
    ) -> None:
        """Note that a message was taken, or why it was given up; return when that is in Kafka."""
        await self._in_kafka(self._note(webhook_id, queue, item, given_up))

    def _note(self, webhook_id: str, queue: AlertQueue, item: Item, given_up: str | None = None) -> int:
        """Note that a message was taken, or why it was given up; return the number of the write."""
        after, step = deliveries.settled(self.progress[webhook_id], item, self.clock_us(), given_up)
        own = self._ask([after], [step])
        self.progress[webhook_id] = after
        queue.drop()
        self.count(webhook_id, is_delivered=given_up is None)
        return own

    async def _follow(self, ahead: deque[tuple[int, str]], alert_id: str = "") -> None:
        """Let notes go to Kafka beside the next messages; wait for those of this alert, and for too many.

        Parameters
        ----------
        ahead
            Number of each write of which nobody knows whether it is there, and the alert it is about.
        """
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if self._writing is None and self._written < self._asked:
            self._writing = asyncio.create_task(self._write_all(), name="notes of deliveries")
        while ahead and ahead[0][0] <= self._written:
            ahead.popleft()
        while len(ahead) > AHEAD or any(name == alert_id for _, name in ahead):
            await self._in_kafka(ahead.popleft()[0])

    async def _write_all(self) -> None:
        while self._written < self._asked:
            await self._in_kafka(self._asked)

    def count(self, webhook_id: str, *, is_delivered: bool) -> None:
        """Count a message that was taken, or given up."""
        if (state := self.states.get(webhook_id)) is not None:
            state.delivered += is_delivered
            state.given_up += not is_delivered

    async def pause(self, until_us: Callable[[], int]) -> None:
        """Wait until a time, which may be changed meanwhile."""
        while 0 < (left_us := until_us() - self.clock_us()) <= _LONGEST_PAUSE_US:  # noqa: ASYNC110
            await asyncio.sleep(min(left_us * 1e-6, NAP_S))  # a clock may be set meanwhile

    async def write(
        self,
        states: Sequence[State],
        steps: Sequence[DeliveryStep] = (),
        webhooks: Sequence[WebhookStep] = (),
    ) -> None:
        """Return when these are in Kafka, all or nothing; what others write meanwhile goes with it."""
        await self._in_kafka(self._ask(states, steps, webhooks))

    def _ask(
        self,
        states: Sequence[State],
        steps: Sequence[DeliveryStep] = (),
        webhooks: Sequence[WebhookStep] = (),
    ) -> int:
        """Put something behind what waits to be written; return its number."""
        for state in states:
            key, value = deliveries.encode(state)
            self._unwritten.append(Message(self.prefix + DELIVERY_STATE.name, 0, value, (), key))
        topic = self.prefix + DELIVERIES.name
        told = Deliveries(steps=list(steps), webhooks=list(webhooks))
        self._unwritten += [Message(topic, 0, piece) for piece in pieces(told)]
        self._asked += 1
        return self._asked

    async def _in_kafka(self, own: int) -> None:
        """Return when a write, and all before it, are in Kafka."""
        assert self._output is not None
        async with self._lock:
            if self._written >= own:
                return  # it went with another one's
            begun_s, last = asyncio.get_running_loop().time(), self._asked
            made, self._unwritten = self._unwritten, []
            try:
                await self._output.send(made)
            except BaseException:
                self._unwritten = made + self._unwritten  # nobody may take it for written
                raise
            self._written, self._sure_s = last, begun_s

    @contextlib.asynccontextmanager
    async def queue(self, begin: deliveries.Place) -> AsyncIterator[AlertQueue]:
        """Read the topic of alerts from a place on."""
        queue = AlertQueue(self.kafka, self.prefix, begin)
        try:
            await queue.start()
            yield queue
        finally:
            await queue.stop()


def _id_of(item: Item) -> str:
    return f"{item.transition.alert_id}.{item.transition.number}"


async def _nothing(_: Any) -> None:
    """An empty transaction: a producer with the same id is shut out by its start."""
