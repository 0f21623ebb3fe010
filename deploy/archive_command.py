"""`groundswell archive`: raw bytes of all stations from Kafka onto its disk, for those who serve them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import structlog

from deploy.clock import wall_clock_us
from deploy.data_folder import locked, open_store, refusing_damage
from deploy.kafka_access import kafka_access
from deploy.kafka_figures import archiver_figures
from deploy.raw_archiver import Archive, RawArchiver
from deploy.raw_service import routes_of
from deploy.settings import Settings
from deploy.start import run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.watched import watched
from storage.append_kernel import prepare
from storage.objects import ObjectFolder
from streams.kafka.reader import Reader
from streams.topics import RAW, REGIONAL_RAW

log = structlog.get_logger()

GATHER_S = 0.5
"""What is written once in a while need not come at once: few large answers cost less."""


def run_archive(settings: Settings, *, data: Path | None, http: str | None, seconds: float | None) -> None:
    """Archive until a signal, or for so long."""
    prepare()
    run_async(_run(settings, data or Path(settings.server.data), http, seconds))


async def _run(settings: Settings, folder: Path, http: str | None, seconds: float | None) -> None:
    stop = stop_on_signals()
    kafka = settings.kafka
    access = kafka_access(kafka, kafka.servers)
    reserved = settings.regions.reserved if settings.regions is not None else ()
    topics = (RAW, REGIONAL_RAW) if reserved else (RAW,)
    readers: list[Reader] = []

    def reader(begin: Mapping[str, Mapping[int, int]]) -> Reader:
        readers.append(Reader(access, topics, begin, kafka.prefix, gather_s=GATHER_S))
        return readers[-1]

    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(locked(folder))
        store = open_store(folder)
        stack.callback(store.close)
        with refusing_damage(folder):
            archive = Archive(folder / "raw", store, reserved, settings.archive.keep_us)
        archiver = RawArchiver(archive, reader, wall_clock_us)
        stack.push_async_callback(archiver.close)
        health = archive.health
        routes = routes_of(settings.archive, ObjectFolder(folder / "raw"), store)

        def trouble() -> str:
            return health.error or next((one.error for one in readers), "")

        await stack.enter_async_context(watched(http, archiver_figures(health), trouble, more=routes))
        work = asyncio.create_task(archiver.run())
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        log.info("archiving", kafka=kafka.servers, prefix=kafka.prefix, is_served=bool(http and routes))
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, work):
            task.cancel()
        (_, fault) = await asyncio.gather(stopping, work, return_exceptions=True)
        log.info("stopped", commits=health.commits, messages=health.messages)
        if isinstance(fault, Exception):
            raise fault  # it ends by a fault only, and a supervisor is to know
