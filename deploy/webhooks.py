"""The sender of webhooks of a process that writes a store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from connectors.webhook import DeliveryStore, WebhookSender
from dashboards.metrics import Figure
from deploy.clock import wall_clock_us
from deploy.figures import webhook_figures
from deploy.settings import Settings
from streams.records import AlertTransitions, Deliveries, Record


@dataclass(frozen=True, slots=True)
class Sending:
    """What the rest of a process needs of its sender."""

    listen: Callable[[Sequence[Record]], None]
    """To be called with what was stored."""
    figures: list[Figure] = field(default_factory=list)


@contextlib.asynccontextmanager
async def sending(settings: Settings, store: DeliveryStore, page: str) -> AsyncIterator[Sending]:
    """Deliver what the store has for the configured webhooks; `page` is the URL that messages link to."""
    if not settings.webhook:
        yield Sending(lambda _: None)
        return
    sender = WebhookSender(settings.webhook, store, wall_clock_us, page)

    def listen(outputs: Sequence[Record]) -> None:
        if any(isinstance(batch, AlertTransitions) for batch in outputs):
            sender.wake()
        if any(isinstance(batch, Deliveries) for batch in outputs):
            sender.ordered()

    task = asyncio.create_task(sender.run(), name="webhooks")
    try:
        yield Sending(listen, webhook_figures(sender.states))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
