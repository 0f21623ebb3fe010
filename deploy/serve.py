"""`groundswell serve`: the API and the page, from the database and what comes over Kafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import cast

import structlog

from dashboards.access.book import Book
from dashboards.alert_memory import AlertMemory
from dashboards.api import create_app
from dashboards.api.context import CapSource
from dashboards.api.live import Snapshot
from dashboards.fallback import Fallback
from dashboards.live import LiveFeed, LiveHub, run_live
from dashboards.metrics import Figure
from dashboards.push.hub import run_push
from deploy.access import access_of, following_book
from deploy.addresses import Addresses
from deploy.call_channels import callbacks_of, channels_of
from deploy.cap_areas import cap_areas
from deploy.clock import wall_clock_us
from deploy.database_watch import DatabaseWatch
from deploy.dead_letter_count import counted_dead_letters
from deploy.http_server import bind, serving
from deploy.kafka_access import kafka_access
from deploy.kafka_calling import KafkaReceipts
from deploy.late_store import late_postgres
from deploy.partitioning import site_of
from deploy.provider import provider_of
from deploy.pushing import READ_BACK_US, Pushing, hub_over_kafka
from deploy.raw_link import archive_elsewhere
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.rehearsal_desk import RehearsalFolder
from deploy.session_link import watching
from deploy.settings import Settings
from deploy.sky_link import following_skies
from deploy.source_link import hearing
from deploy.sta_mqtt import observation_brokers, teller_of, telling_over_kafka
from deploy.start import resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.store_command import reading_store
from storage.store import StorageError, Store
from streams import codec
from streams.kafka.commands import KafkaCommands
from streams.kafka.output import Output
from streams.kafka.reader import Read, Reader
from streams.kafka.samples import KafkaSamples
from streams.records import Command, CommandOutcome, Record
from streams.sky_watch import SkyWatch
from streams.stream_state import StreamStates
from streams.topics import ALERTS, COMMAND_OUTCOMES, FLAGGED_SAMPLES, STATION_REPORTS

log = structlog.get_logger()

SHOWN = (STATION_REPORTS, FLAGGED_SAMPLES, COMMAND_OUTCOMES)
WAIT_S = 0.2
GATHER_S = 0.05
"""What the page shows need not come one by one."""
REMEMBER_S = 60.0
STORED_S, POLL_S = 3.0, 0.05


def run_serve(settings: Settings, *, http: str | None, data: Path | None, seconds: float | None) -> None:
    """Serve until a signal, or for so long."""
    addresses, folder = resolve(settings, http, None, data)
    if addresses.http is None:
        raise Refusal("there is no address to serve on; give --http HOST:PORT")
    if url := settings.database.url:
        with late_postgres(url) as late:
            run_async(_run(cast("Store", late), late.look, settings, addresses, folder, seconds))
        return
    with reading_store(settings, folder) as store:
        run_async(_run(store, lambda: store.commands(1), settings, addresses, folder, seconds))


async def _run(
    store: Store,
    look: Callable[[], object],
    settings: Settings,
    addresses: Addresses,
    folder: Path,
    seconds: float | None,
) -> None:
    stop = stop_on_signals()
    kafka = settings.kafka
    access = kafka_access(kafka, kafka.servers)
    assert addresses.http is not None
    async with contextlib.AsyncExitStack() as stack:
        listener = stack.enter_context(bind(*addresses.http, "--http"))
        addresses.http = (addresses.http[0], listener.getsockname()[1])
        output = Output(access, "groundswell-serve")
        stack.push_async_callback(output.close)
        since_us = wall_clock_us() - READ_BACK_US
        reader = Reader(access, SHOWN, None, kafka.prefix, gather_s=GATHER_S, since_us=since_us)
        stack.push_async_callback(reader.stop)
        alerts = Reader(access, (ALERTS,), {}, kafka.prefix)
        stack.push_async_callback(alerts.stop)
        sessions = await stack.enter_async_context(watching(access, kafka.prefix))
        told = await stack.enter_async_context(hearing(access, kafka.prefix))
        sky_watch = SkyWatch()
        await stack.enter_async_context(following_skies(sky_watch, access, kafka.prefix))
        parked = await stack.enter_async_context(counted_dead_letters(access, kafka.prefix))
        commands, hub, feed = KafkaCommands(output, kafka.prefix), LiveHub(), LiveFeed()
        registry = Registry.of(settings)
        push = hub_over_kafka(kafka.prefix, registry.datastreams)
        watch, memory = DatabaseWatch(look), AlertMemory()
        fallback = Fallback(memory, lambda: watch.away)
        tasks = [
            asyncio.create_task(_follow(Pushing(push, reader), feed, commands), name="what comes over Kafka"),
            asyncio.create_task(follow_alerts(Pushing(push, alerts), memory, feed), name="alerts"),
            asyncio.create_task(run_live(feed, hub, wall_clock_us), name="live"),
            asyncio.create_task(run_push(push, wall_clock_us), name="push"),
            asyncio.create_task(push.catalogue.follow(store, fallback), name="the catalogue"),
            asyncio.create_task(watch.run(), name="looking after the database"),
        ]
        stack.push_async_callback(_cancel, tasks)
        book = Book(registry.base, is_known=False)
        tasks.append(await stack.enter_async_context(following_book(book, access, kafka.prefix)))
        server, host = settings.server, addresses.http[0]
        entry = stack.enter_context(access_of(server, book, host, server.public_url, folder))
        provider = await stack.enter_async_context(provider_of(server, server.public_url))
        receipts = KafkaReceipts(output, kafka.prefix)
        telling = list[Figure]()
        if settings.sta.mqtt is not None:
            page = server.public_url or addresses.page
            teller = teller_of(settings.sta.mqtt, store, page, server.station_decimals, registry.base)
            telling = teller.figures()
            over_kafka = telling_over_kafka(teller, access, kafka.prefix)
            tasks.append(await stack.enter_async_context(over_kafka))
        samples = KafkaSamples(output, site_of(registry), kafka.prefix)
        channels = await stack.enter_async_context(channels_of(settings))
        stored = None if settings.database.url else folder
        archive = stack.enter_context(archive_elsewhere(settings.archive))
        rehearsals = RehearsalFolder(settings, stored, folder / "rehearsals", wall_clock_us)
        stack.push_async_callback(rehearsals.close)
        app = create_app(
            store,
            commands=StoredCommands(commands, store, lambda: watch.away),
            hub=hub,
            feed=feed,
            streams=StreamStates(),
            version=package_version("groundswell"),
            clock_us=wall_clock_us,
            alive=lambda: reader.error or alerts.error or output.error or _ended(tasks),
            access=entry,
            provider=provider,
            station_decimals=settings.server.station_decimals,
            networks={one.id: one.members for one in settings.network},
            about=settings.catalogue,
            observation_brokers=observation_brokers(settings),
            fallback=fallback,
            regional=settings.regions.reserved if settings.regions is not None else (),
            sessions=lambda: sessions,
            privacy=settings.caster.privacy,
            told=told.states,
            samples=samples,
            receipts=receipts,
            links=settings.calls.links(settings.server.public_url or addresses.page),
            cap=CapSource(settings.cap, cap_areas(settings.cap)),
            public_url=settings.server.public_url,
            webhooks=[one.id for one in settings.webhook],
            callbacks=callbacks_of(channels, store, receipts),
            raw_reader=archive,
            sky_watch=sky_watch,
            rehearsals=rehearsals,
            figures=[
                parked,
                Figure(
                    "unheard_streams",
                    "Reports of streams that were too many to be shown.",
                    "counter",
                    lambda: {(): told.left_out},
                ),
                Figure(
                    "created_samples",
                    "Observations that were created over SensorThings: sent to Kafka, or not.",
                    "counter",
                    lambda: {("sent",): samples.sent, ("refused",): samples.refused},
                    ("outcome",),
                ),
                *telling,
            ],
            push_hub=push,
        )
        app.state.snapshot.begin_with(
            registry.stations, registry.things, registry.properties, registry.datastreams
        )
        tasks.append(asyncio.create_task(_remember(app.state.snapshot), name="remembering the page"))

        def end_streams() -> None:
            hub.close()
            push.close()

        await stack.enter_async_context(serving(app, listener, end_streams, server.proxies))
        log.info("serving", page=addresses.page, kafka=kafka.servers, prefix=kafka.prefix)
        await until_stopped(stop, seconds)
        log.info("stopping")


@dataclass(slots=True)
class StoredCommands:
    """Answers a command when its effect is in the database too, as the API promises (`CommandSink`).

    While the database is `away` the answer comes as soon as the change is in force.
    """

    commands: KafkaCommands
    store: Store
    away: Callable[[], str]

    async def command(self, command: Command) -> CommandOutcome:
        """Return the answer; after `STORED_S` also when the database is behind."""
        outcome = await self.commands.command(command)
        with contextlib.suppress(TimeoutError, StorageError):
            async with asyncio.timeout(STORED_S):
                # another process stores it: there is nothing here to wait for but the row itself
                while not (bool(self.away()) or await asyncio.to_thread(self._is_stored, command.id)):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)
        return outcome

    def _is_stored(self, command_id: str) -> bool:
        return any(row.command.id == command_id and row.ok is not None for row in self.store.commands())


async def follow_alerts(pushing: Pushing, memory: AlertMemory, feed: LiveFeed) -> None:
    """Read all alerts that there ever were into memory, and show those that come from then on."""
    reader = pushing.reader
    await reader.start()
    await pushing.begin()
    while not await reader.is_at_end():
        memory.listen(_batches(await reader.next(WAIT_S), pushing))
        await pushing.read(is_current=False)
    memory.complete = True
    while True:
        batches = _batches(await reader.next(WAIT_S), pushing)
        memory.listen(batches)
        feed.listen(batches)
        await pushing.read(is_current=True)


async def _remember(snapshot: Snapshot) -> None:
    """Keep something that the page can begin with when the database goes away."""
    while True:
        await snapshot.remember()
        await asyncio.sleep(REMEMBER_S)


def _batches(read: Iterable[Read], pushing: Pushing) -> list[Record]:
    """Decode messages, also for who is pushed to; the writer parks those that cannot be."""
    found = []
    for one in read:
        try:
            batch = codec.decode(one.value)
        except codec.CodecError as error:
            log.warning("a message cannot be shown", topic=one.topic.name, error=str(error))
        else:
            pushing.take(one, batch)
            found.append(batch)
    return found


async def _follow(pushing: Pushing, feed: LiveFeed, commands: KafkaCommands) -> None:
    """Hand on what comes; the page and the API serve what is stored while Kafka is away."""
    reader = pushing.reader
    await reader.start()
    await pushing.begin()
    while True:
        batches = _batches(await reader.next(WAIT_S), pushing)
        commands.listen(batches)
        if pushing.is_current:  # what came before is in the database
            feed.listen(batches)
        await pushing.read(is_current=pushing.is_current or await reader.is_past_start())


def _ended(tasks: list[asyncio.Task[None]]) -> str:
    """Return in a sentence that something ended by a fault, or an empty text."""
    names = ", ".join(task.get_name() for task in tasks if task.done())
    return f"{names} ended by a fault: restart this process" if names else ""


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
