"""Everything of one process, put together: the composition root of the embedded mode."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from importlib.metadata import version as package_version
from pathlib import Path

from connectors.caster.relay import Relay
from connectors.device_desk import DeviceDesk
from connectors.mqtt_memory import SessionMemory
from dashboards.access.book import Book
from dashboards.api import create_app
from dashboards.api.context import CapSource
from dashboards.live import LiveFeed, LiveHub, run_live
from dashboards.push.hub import run_push
from deploy.access import access_of
from deploy.addresses import Addresses
from deploy.call_channels import callbacks_of, channels_of, doors_of
from deploy.calling import MOST_DUE, Caller, calling
from deploy.cap_areas import cap_areas
from deploy.casting import casting
from deploy.clock import wall_clock_us
from deploy.data_folder import locked, open_store, refusing_damage
from deploy.device_commands import WithDevices, sampling_by_alerts
from deploy.edge import Edge
from deploy.figures import (
    DetectorFaults,
    caster_figures,
    pipeline_figures,
    posting_figure,
    station_figures,
)
from deploy.http_server import bind, serving
from deploy.partitioning import pipeline, site_of_subject
from deploy.provider import provider_of
from deploy.pushing import hub_of_one_process
from deploy.registry import Registry
from deploy.rehearsal_desk import RehearsalFolder
from deploy.roaming_figures import roaming_figures
from deploy.session_keeping import forgetting, kept_in_store
from deploy.settings import Settings
from deploy.sky_link import WatchedSink
from deploy.sources import MQTT_SESSIONS, Sources
from deploy.sta_mqtt import observation_brokers, teller_of
from deploy.station_list import StationList
from deploy.upkeep import kept_in_shape
from deploy.verdicts import verdict_listener
from deploy.webhooks import sending
from storage.keeper import StoreKeeper
from storage.objects import ObjectFolder
from storage.raw_archive import RawArchive
from storage.raw_reader import RawReader
from storage.sqlite import SqliteStore
from streams.embedded import EmbeddedRuntime
from streams.records import SourceChanges
from streams.sky_watch import SkyWatch


@dataclass(slots=True)
class Service:
    """The parts of a running process. `opened` makes and unmakes it."""

    settings: Settings
    registry: Registry
    store: SqliteStore
    runtime: EmbeddedRuntime
    sources: Sources
    addresses: Addresses
    edge: Edge


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    data: Path,
    addresses: Addresses,
    *,
    ticks: bool = True,
    end_of_input: bool = False,
) -> AsyncIterator[Service]:
    """Open the store, the runtime, the caster, the page and the webhooks; close them in reverse order."""
    registry = Registry.of(settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(locked(data))
        listener = None
        if addresses.http is not None:
            listener = stack.enter_context(bind(*addresses.http, "--http"))
            addresses = replace(addresses, http=(addresses.http[0], listener.getsockname()[1]))
        store = open_store(data, behind=True)
        stack.callback(store.close)
        with refusing_damage(data):
            store.put_registry(
                stations=registry.stations,
                things=registry.things,
                properties=registry.properties,
                datastreams=registry.datastreams,
            )
        archive = RawArchive(data / "raw", store, keep_us=settings.archive.keep_us)
        keeper = StoreKeeper(store, archive, [w.id for w in settings.webhook], beside=ticks)
        stack.callback(keeper.close)
        runtime = EmbeddedRuntime(pipeline(registry), keeper, wall_clock_us, ticks=ticks)
        with refusing_damage(data):
            await runtime.start()
        stack.push_async_callback(runtime.stop, end_of_input=end_of_input)
        runtime.listeners.append(DetectorFaults(runtime.pipeline.processors))
        figures = pipeline_figures(runtime, keeper, archive) + station_figures(runtime.pipeline.processors)

        figures += await stack.enter_async_context(kept_in_shape(store, settings.database))
        figures += await stack.enter_async_context(forgetting(store, settings.caster.privacy))
        relay = Relay(asyncio.get_running_loop().time)
        watch = SkyWatch()
        sources = Sources(
            WatchedSink(runtime, watch), runtime, relay, memory=SessionMemory(data / MQTT_SESSIONS)
        )
        figures.append(posting_figure(sources.posting))
        sources.changed = lambda change: runtime.note(SourceChanges(changes=[change]))
        edge = Edge(settings, registry, sources)
        service = Service(settings, registry, store, runtime, sources, addresses, edge)
        stack.push_async_callback(sources.stop)
        if addresses.ntrip is not None:
            stations = StationList(store.station_places)
            await stack.enter_async_context(stations.followed())
            runtime.listeners.append(stations.listen)
            caster = await stack.enter_async_context(
                casting(relay, stations, settings, addresses.ntrip, folder=data)
            )
            await stack.enter_async_context(kept_in_store(caster, store))
            service.addresses.ntrip = (addresses.ntrip[0], caster.port)
            figures += caster_figures(caster, relay) + roaming_figures(caster)
            edge.caster = caster
            if caster.roaming is not None:
                runtime.listeners.append(verdict_listener(caster.roaming))
            caster.desk = sources.desk
        desk = DeviceDesk(settings.mqtt)
        commands = WithDevices(runtime, desk, runtime.keep)
        sampling = sampling_by_alerts(
            desk, site_of_subject(registry), commands, data, runtime.listeners, store.open_alerts
        )
        await stack.enter_async_context(sampling)
        await edge.take(runtime.standing)
        runtime.listeners.append(edge.listen)
        hub, feed = LiveHub(), LiveFeed()
        runtime.viewers += [feed.listen, watch.listen]
        sources.start(run_live(feed, hub, wall_clock_us), "live")
        page_url = settings.server.public_url or addresses.page
        links = settings.calls.links(page_url)
        channels = await stack.enter_async_context(channels_of(settings))
        caller = Caller(doors_of(channels), runtime, wall_clock_us, links)
        await stack.enter_async_context(calling(caller))
        if ticks:  # a replay calls nobody
            caller.book.add(store.due_calls(wall_clock_us(), MOST_DUE))
            runtime.listeners.append(caller.listen)
        figures += caller.figures()
        webhooks = await stack.enter_async_context(sending(settings, store, page_url))
        runtime.listeners.append(webhooks.listen)
        figures += webhooks.figures
        if listener is not None and addresses.http is not None:
            book = Book(registry.base)
            book.take(runtime.standing)
            runtime.listeners.append(book.listen)
            rehearsals = RehearsalFolder(settings, data, data / "rehearsals", wall_clock_us)
            stack.push_async_callback(rehearsals.close)
            server, host = settings.server, addresses.http[0]
            access = stack.enter_context(access_of(server, book, host, server.public_url, data))
            provider = await stack.enter_async_context(provider_of(server, server.public_url))
            push = hub_of_one_process(runtime, store, registry.datastreams)
            sources.start(run_push(push, wall_clock_us), "push")
            sources.start(push.catalogue.follow(store), "the catalogue")
            if settings.sta.mqtt is not None and ticks:  # a replay tells nobody
                decimals = server.station_decimals
                teller = teller_of(settings.sta.mqtt, store, page_url, decimals, registry.base)
                teller.know(runtime.standing)
                figures += teller.figures()
                runtime.listeners.append(teller.listen)
                sources.start(teller.run(), "SensorThings over MQTT")
            app = create_app(
                store,
                commands=commands,
                hub=hub,
                feed=feed,
                streams=sources.streams,
                version=package_version("groundswell"),
                clock_us=wall_clock_us,
                figures=figures,
                alive=lambda: runtime.health.keep_error or keeper.archive_error,
                access=access,
                provider=provider,
                station_decimals=settings.server.station_decimals,
                networks={one.id: one.members for one in settings.network},
                about=settings.catalogue,
                observation_brokers=observation_brokers(settings),
                sessions=edge.book,
                privacy=settings.caster.privacy,
                posting=sources.posting if settings.http_push else None,
                samples=runtime,
                receipts=runtime,
                links=links,
                cap=CapSource(settings.cap, cap_areas(settings.cap)),
                public_url=settings.server.public_url,
                webhooks=[one.id for one in settings.webhook],
                callbacks=callbacks_of(channels, store, runtime),
                raw_reader=RawReader(ObjectFolder(data / "raw"), store),
                push_hub=push,
                sky_watch=watch,
                rehearsals=rehearsals,
            )

            def end_streams() -> None:
                hub.close()
                push.close()

            await stack.enter_async_context(serving(app, listener, end_streams, server.proxies))
        yield service
