"""`groundswell gather`: connectors into Kafka, and the rovers' corrections straight from them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import structlog
from starlette.routing import Route

from connectors.caster import frames_kernel
from connectors.caster.relay import Relay
from connectors.gathering.hall import prepare
from connectors.http_intake import PATH
from connectors.mqtt_memory import SessionMemory
from deploy.addresses import Addresses
from deploy.casting import casting, feeding
from deploy.clock import wall_clock_us
from deploy.data_folder import locked, open_store
from deploy.device_commands import devices_over_kafka
from deploy.edge import Edge
from deploy.figures import posting_figure
from deploy.following import following
from deploy.following_above import following_above
from deploy.kafka_access import kafka_access
from deploy.kafka_figures import above_figures, follower_figures, gatherer_figures, outlet_figures
from deploy.partitioning import site_of, site_of_subject
from deploy.raw_keeper import RawKeeper
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.roaming_figures import roaming_figures, verdict_figures
from deploy.session_keeping import kept_over_kafka
from deploy.session_link import sharing
from deploy.settings import Settings
from deploy.source_link import telling
from deploy.sources import MQTT_SESSIONS, Sources
from deploy.start import resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.verdicts import following_verdicts
from deploy.watched import watched
from gnss.to_rtcm.prepare import prepare as prepare_conversion
from storage.raw_archive import RawArchive
from streams.alerting_series import AlertingSeries
from streams.kafka.sink import KafkaSink, SpoolError

log = structlog.get_logger()


def run_gather(
    settings: Settings, *, ntrip: str | None, http: str | None, data: Path | None, seconds: float | None
) -> None:
    """Gather until a signal, or for so long."""
    prepare()
    frames_kernel.prepare()
    prepare_conversion()
    addresses, folder = resolve(settings, None, ntrip, data)
    run_async(_run(settings, folder, addresses, http, seconds))


async def _run(
    settings: Settings, folder: Path, addresses: Addresses, http: str | None, seconds: float | None
) -> None:
    if settings.http_push and http is None:
        raise Refusal("there is no address where samples can be posted; give --http HOST:PORT")
    stop = stop_on_signals()
    cut_off_s = settings.caster.cut_off_hours * 3600
    registry = Registry.of(settings)
    alerting = AlertingSeries(registry.datastreams)
    kafka = settings.kafka
    access = kafka_access(kafka, kafka.servers)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(locked(folder))
        sink = KafkaSink(
            access,
            folder=folder / "spool",
            site_of=site_of(registry),
            clock_us=wall_clock_us,
            prefix=kafka.prefix,
            client_id=f"groundswell-gather-{socket.gethostname()}",
            spool_bytes=round(kafka.spool_gb * 1e9),
            reserved=settings.regions.reserved if settings.regions is not None else (),
            is_urgent=alerting.has_any_of,
        )
        try:
            await sink.start()
        except SpoolError as error:
            raise Refusal(str(error)) from error
        stack.push_async_callback(sink.stop)
        relay = Relay(asyncio.get_running_loop().time)
        edge = Edge(settings, registry, alerting=alerting, follows_above=True)
        if addresses.ntrip is not None:
            caster = casting(
                relay,
                lambda: edge.stations,
                settings,
                addresses.ntrip,
                folder=folder,
                follows_changes=True,
            )
            edge.caster = await stack.enter_async_context(caster)
            addresses.ntrip = (addresses.ntrip[0], edge.caster.port)
            await stack.enter_async_context(sharing(edge.caster.admission, access, kafka.prefix))
            await stack.enter_async_context(kept_over_kafka(edge.caster, access, kafka.prefix))
        outlet = await stack.enter_async_context(feeding(relay, lambda: edge.stations, settings.relay))
        store = open_store(folder)
        stack.callback(store.close)
        archive = RawArchive(folder / "raw", store, keep_us=settings.archive.gathered_keep_us)
        stack.callback(archive.close)
        keeper = RawKeeper(sink, archive, store, wall_clock_us)
        archiving = asyncio.create_task(keeper.run(), name="raw archive")
        stack.push_async_callback(_cancelled, archiving)
        sources = Sources(keeper, sink, relay, memory=SessionMemory(folder / MQTT_SESSIONS))
        stack.push_async_callback(sources.stop)
        edge.sources = sources
        if edge.caster is not None:
            edge.caster.desk = sources.desk
        follower = await stack.enter_async_context(
            following(edge, access, kafka.prefix, folder / "registry", keep_s=cut_off_s)
        )
        own_name = settings.gather.name or socket.gethostname()
        devices = devices_over_kafka(settings, site_of_subject(registry), access, folder)
        await stack.enter_async_context(devices)
        await stack.enter_async_context(telling(sources, own_name, access, kafka.prefix))
        figures = gatherer_figures(sink.health, keeper) + follower_figures(follower, edge)
        if edge.caster is not None:
            verdicts = following_verdicts(access, kafka.prefix, edge.caster.roaming)
            figures += verdict_figures(await stack.enter_async_context(verdicts))
            figures += roaming_figures(edge.caster)
            above = following_above(edge, access, kafka.prefix, folder / "registry")
            figures += above_figures(await stack.enter_async_context(above), edge)
        if outlet is not None:
            figures += outlet_figures(outlet)
        figures.append(posting_figure(sources.posting))
        await stack.enter_async_context(
            watched(
                http,
                figures,
                lambda: sink.health.full or keeper.error,
                sources.streams,
                [Route(PATH, sources.posting)] if settings.http_push else (),
            )
        )
        edge.connect()
        log.info(
            "gathering",
            kafka=kafka.servers,
            prefix=kafka.prefix,
            caster=addresses.caster,
            stations=len(settings.station),
            brokers=len(settings.mqtt),
        )
        await until_stopped(stop, seconds)
        log.info("stopping")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
