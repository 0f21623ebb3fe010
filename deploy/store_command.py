"""`groundswell store`: keeps what workers say; one runs for each database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog

from deploy import heap
from deploy.clock import wall_clock_us
from deploy.data_folder import database, locked, open_store, refusing_damage
from deploy.kafka_access import kafka_access
from deploy.kafka_figures import writer_figures
from deploy.refusal import Refusal
from deploy.regional import RegionalDescriptions, regional_figures
from deploy.registry import Registry
from deploy.session_keeping import forgetting
from deploy.settings import KafkaSettings, Settings
from deploy.start import run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.store_writer import STORED, StoreWriter
from deploy.upkeep import kept_in_shape
from deploy.watched import watched
from storage.sqlite import SqliteStore
from storage.store import StorageError, WritableStore
from streams.kafka.output import Output
from streams.kafka.reader import Reader
from streams.topics import Topic

log = structlog.get_logger()

GATHER_S = 0.4
"""For a commit, which costs 7 ms of processor time however little is in it; a row may be 2 s old."""
RARE_S = 2.0
"""For what hardly ever changes: a reader for each region is to cost nothing."""


def run_store(settings: Settings, *, data: Path | None, http: str | None, seconds: float | None) -> None:
    """Keep what comes until a signal, or for so long."""
    heap.keep()
    with opened_store(settings, data) as store:
        run_async(_run(store, settings, http, seconds))


@contextmanager
def opened_store(settings: Settings, data: Path | None) -> Iterator[WritableStore]:
    """Open the database of a configuration, to write into it."""
    with contextlib.ExitStack() as stack:
        if settings.database.url:
            yield stack.enter_context(_postgres(settings.database.url))
            return
        folder = data or Path(settings.server.data)
        stack.enter_context(locked(folder))
        stack.enter_context(refusing_damage(folder))
        yield stack.enter_context(contextlib.closing(open_store(folder)))


@contextmanager
def reading_store(settings: Settings, data: Path) -> Iterator[WritableStore]:
    """Open the database of a configuration, to read it beside the process that writes it.

    Raises
    ------
    Refusal
        It is not there.
    """
    if settings.database.url:
        with _postgres(settings.database.url) as store:
            yield store
        return
    file = database(data)
    if not file.exists():
        raise Refusal(f"there is no database at {file}; start `groundswell store` first, or correct --data")
    with refusing_damage(data), contextlib.closing(SqliteStore(file)) as sqlite:
        yield sqlite


@contextmanager
def _postgres(url: str) -> Iterator[WritableStore]:
    from storage.postgres import PostgresStore

    try:
        store = PostgresStore(url)
    except StorageError as error:
        raise Refusal(str(error)) from error
    with contextlib.closing(store):
        yield store


def _prepare(store: WritableStore, registry: Registry) -> None:
    """Become the only writer, and say what is configured."""
    store.hold()
    store.put_registry(
        stations=registry.stations,
        things=registry.things,
        properties=registry.properties,
        datastreams=registry.datastreams,
    )


async def _run(store: WritableStore, settings: Settings, http: str | None, seconds: float | None) -> None:
    stop = stop_on_signals()
    kafka: KafkaSettings = settings.kafka
    access = kafka_access(kafka, kafka.servers)
    readers: list[Reader] = []

    def reader(begin: Mapping[str, Mapping[int, int]]) -> Reader:
        readers.append(Reader(access, STORED, begin, kafka.prefix, gather_s=GATHER_S))
        return readers[-1]

    beside: list[asyncio.Task[None]] = []

    def trouble() -> str:
        ended = next(
            (f"{one.get_name()} ended by a fault: restart this process" for one in beside if one.done()), ""
        )
        return writer.health.error or next((one.error for one in readers), "") or ended

    writer = StoreWriter(
        store,
        reader,
        Output(access, "groundswell-store"),
        wall_clock_us,
        kafka.prefix,
    )
    writer.prepare = partial(_prepare, store, Registry.of(settings))

    def rare_reader(topic: Topic) -> Reader:
        return Reader(access, (topic,), {}, kafka.prefix, gather_s=RARE_S)

    children = settings.regions.children if settings.regions is not None else ()
    regions = [RegionalDescriptions(region, writer, rare_reader) for region in children]
    async with contextlib.AsyncExitStack() as stack:
        figures = writer_figures(writer.health) + regional_figures(regions)
        figures += await stack.enter_async_context(kept_in_shape(store, settings.database))
        figures += await stack.enter_async_context(forgetting(store, settings.caster.privacy))
        await stack.enter_async_context(watched(http, figures, trouble))
        work = asyncio.create_task(writer.run())
        beside += [asyncio.create_task(one.run(), name=f"descriptions of {one.region}") for one in regions]
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        log.info("storing", kafka=kafka.servers, prefix=kafka.prefix)
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            stopping.cancel()
            await work  # it ends by a fault only, and a supervisor is to know
        for task in (stopping, work, *beside):
            task.cancel()
        await asyncio.gather(stopping, work, *beside, return_exceptions=True)
        log.info("stopped", commits=writer.health.commits, messages=writer.health.messages)
