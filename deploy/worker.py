"""`groundswell worker`: judges what comes over Kafka, beside any number of its fellows."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid

import structlog
from rich.console import Console

from deploy.clock import wall_clock_us
from deploy.kafka_access import kafka_access
from deploy.kafka_figures import worker_figures
from deploy.partitioning import pipeline, site_of
from deploy.registry import Registry
from deploy.settings import Settings
from deploy.start import run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.warm_up import warm_up
from deploy.watched import watched
from streams.faust_app import FaustConfig, FaustRuntime
from streams.kafka.access import Access
from streams.kafka.worker import Worker

log = structlog.get_logger()


def run_worker(settings: Settings, *, name: str | None, http: str | None, seconds: float | None) -> None:
    """Run a worker until a signal, or for so long.

    Parameters
    ----------
    name
        One that stays over a restart: the worker gets its partitions back without a stir among the others.
    """
    registry = Registry.of(settings)
    pipeline(registry)  # refuses what makes no sense before the long compilation
    access = kafka_access(settings.kafka, settings.kafka.servers)
    warm_up(registry, Console(stderr=True))
    run_async(_run(registry, access, settings.kafka.prefix, name, http, seconds))


async def _run(
    registry: Registry,
    kafka: Access,
    prefix: str,
    name: str | None,
    http: str | None,
    seconds: float | None,
) -> None:
    stop = stop_on_signals()
    worker = Worker(
        kafka,
        f"{name or socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        lambda group: pipeline(registry, [group]),
        site_of(registry),
        wall_clock_us,
        prefix,
    )
    runtime = FaustRuntime(FaustConfig(kafka, prefix, name), worker)
    figures = worker_figures(worker, runtime.lag)
    async with watched(http, figures, lambda: worker.error or runtime.error(wall_clock_us())):
        starting = asyncio.create_task(runtime.start())
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                log.info("working", kafka=kafka.servers, prefix=prefix, name=worker.name)
                await stopping
        finally:
            starting.cancel()
            log.info("stopping")
            await runtime.stop()
