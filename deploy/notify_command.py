"""`groundswell notify`: tells webhooks of alerts and brings calls to people; one does it, others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from connectors.channels import Channel
from deploy.call_channels import channels_of, doors_of
from deploy.calling import Caller
from deploy.clock import wall_clock_us
from deploy.kafka_access import kafka_access
from deploy.kafka_calling import KafkaCalling, KafkaReceipts
from deploy.kafka_figures import notifier_figures
from deploy.notifier import Notifier
from deploy.settings import Settings
from deploy.start import resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.watched import watched
from streams.kafka.lease import Lease
from streams.kafka.output import Output
from streams.together import together
from streams.topics import ALERTS

log = structlog.get_logger()


def run_notify(settings: Settings, *, http: str | None, seconds: float | None) -> None:
    """Tell webhooks until a signal, or for so long."""
    run_async(_run(settings, http, seconds))


async def _run(
    settings: Settings,
    http: str | None,
    seconds: float | None,
) -> None:
    async with channels_of(settings) as channels:
        await _notify(settings, http, seconds, channels)


async def _notify(
    settings: Settings, http: str | None, seconds: float | None, channels: Mapping[str, Channel]
) -> None:
    stop = stop_on_signals()
    kafka = settings.kafka
    access = kafka_access(kafka, kafka.servers)
    page = settings.server.public_url or resolve(settings, None, None, None)[0].page
    notifier = Notifier(access, kafka.prefix, settings.webhook, wall_clock_us, page)
    group = f"{kafka.prefix}groundswell-notify"
    output = Output(access, "groundswell-calls")
    receipts = KafkaReceipts(output, kafka.prefix)
    links = settings.calls.links(page)
    caller = Caller(doors_of(channels), receipts, wall_clock_us, links, notifier.make_sure)
    calling = KafkaCalling(access, kafka.prefix, caller, output, wall_clock_us)

    async def both() -> None:
        """Do both until one ends, which has to begin anew then."""
        await together(notifier.work(), calling.work(), until_first=True)

    lease = Lease(access, kafka.prefix + ALERTS.name, group, both)
    figures = notifier_figures(notifier, lease) + caller.figures()
    trouble = lambda: lease.error or notifier.trouble or output.error or caller.error  # noqa: E731
    async with watched(http, figures, trouble):
        work = asyncio.create_task(lease.run())
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        log.info("notifying", kafka=kafka.servers, prefix=kafka.prefix, webhooks=len(settings.webhook))
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            stopping.cancel()
            await work  # it ends by a fault only, and a supervisor is to know
        for task in (stopping, work):
            task.cancel()
        await asyncio.gather(stopping, work, return_exceptions=True)
        await output.close()
        log.info("stopped")
