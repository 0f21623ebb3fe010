"""`groundswell store`: keeps what workers say; one runs for each database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from deploy.clock import wall_clock_us
from deploy.data_folder import database, locked, open_store, refusing_damage
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import KafkaSettings, Settings
from deploy.start import run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.store_writer import STORED, StoreWriter
from storage.sqlite import SqliteStore
from storage.store import Store
from streams.kafka.output import Output
from streams.kafka.reader import Reader

log = structlog.get_logger()


def run_store(settings: Settings, *, data: Path | None, seconds: float | None) -> None:
    """Keep what comes until a signal, or for so long."""
    with opened_store(settings, data) as store:
        registry = Registry.of(settings)
        store.put_registry(
            stations=registry.stations,
            things=registry.things,
            properties=registry.properties,
            datastreams=registry.datastreams,
        )
        run_async(_run(store, settings, seconds))


@contextmanager
def opened_store(settings: Settings, data: Path | None) -> Iterator[Store]:
    """Open the database of a configuration, to write into it."""
    folder = data or Path(settings.server.data)
    with locked(folder), refusing_damage(folder):
        store = open_store(folder)
        try:
            yield store
        finally:
            store.close()


@contextmanager
def reading_store(settings: Settings, data: Path) -> Iterator[Store]:  # noqa: ARG001
    """Open the database of a configuration, to read it beside the process that writes it.

    Raises
    ------
    Refusal
        It is not there.
    """
    file = database(data)
    if not file.exists():
        raise Refusal(f"there is no database at {file}; start `groundswell store` first, or correct --data")
    with refusing_damage(data):
        store = SqliteStore(file)
    try:
        yield store
    finally:
        store.close()


async def _run(store: Store, settings: Settings, seconds: float | None) -> None:
    stop = stop_on_signals()
    kafka: KafkaSettings = settings.kafka

    def reader(begin: Mapping[str, Mapping[int, int]]) -> Reader:
        return Reader(kafka.servers, STORED, begin, kafka.prefix)

    writer = StoreWriter(
        store,
        reader,
        Output(kafka.servers, "groundswell-store"),
        wall_clock_us,
        kafka.prefix,
        [webhook.id for webhook in settings.webhook],
    )
    work = asyncio.create_task(writer.run())
    stopping = asyncio.create_task(until_stopped(stop, seconds))
    log.info("storing", kafka=kafka.servers, prefix=kafka.prefix)
    await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, work):
        task.cancel()
    await asyncio.gather(stopping, work, return_exceptions=True)
    log.info("stopped", commits=writer.health.commits, messages=writer.health.messages)
