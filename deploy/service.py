"""Everything of one process, put together: the composition root of the embedded mode."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import structlog

from connectors import mqtt, ntrip_client, tcp
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.gatherer import StationIntake
from connectors.webhook import WebhookSender
from dashboards.api import create_app
from dashboards.live import LiveFeed, LiveHub, run_live
from deploy.clock import wall_clock_us
from deploy.data_folder import every_station, locked, open_store, refusing_damage
from deploy.figures import (
    DetectorFaults,
    caster_figures,
    pipeline_figures,
    station_figures,
    webhook_figures,
)
from deploy.http_server import bind, serving
from deploy.partitioning import pipeline
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import Settings
from storage.keeper import StoreKeeper
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from streams.embedded import EmbeddedRuntime
from streams.records import AlertTransitions, Record
from streams.stream_state import StreamStates

log = structlog.get_logger()


@dataclass(slots=True)
class Addresses:
    """Where the program listens; None: it does not."""

    http: tuple[str, int] | None
    ntrip: tuple[str, int] | None

    @property
    def page(self) -> str:
        """URL of the page and the API; empty: there is none."""
        return f"http://{_host_port(*self.http)}" if self.http else ""

    @property
    def caster(self) -> str:
        """URL of the caster; empty: there is none."""
        return f"ntrip://{_host_port(*self.ntrip)}" if self.ntrip else ""


@dataclass(slots=True)
class Service:
    """The parts of a running process. `opened` makes and unmakes it."""

    settings: Settings
    registry: Registry
    store: SqliteStore
    runtime: EmbeddedRuntime
    relay: Relay
    streams: StreamStates
    addresses: Addresses
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def intake(self, station_id: str, kind: str, source: str) -> StationIntake:
        """Return the door for the bytes of one station."""
        state = self.streams.add(station_id, kind, source)
        return StationIntake(station_id, self.runtime, self.relay.publish, state)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a connector until the service stops; one that dies is reported, the others go on."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self.tasks.append(task)

    def connect(self) -> None:
        """Start every connector that the configuration names."""
        for station in self.settings.station:
            config = station.connection()
            kind = "tcp" if isinstance(config, tcp.TcpConfig) else "ntrip"
            intake = self.intake(station.id, kind, config.source)
            if isinstance(config, tcp.TcpConfig):
                work = tcp.run(config, intake, intake.state, clock_us=wall_clock_us)
            else:
                work = ntrip_client.run(config, intake, intake.state, clock_us=wall_clock_us)
            self.start(work, station.id)
        for i, broker in enumerate(self.settings.mqtt):
            name = f"{broker.source}#{i + 1}"  # several sessions at one broker are several streams
            state = self.streams.add(name, "mqtt", broker.source)
            self.start(mqtt.run(broker, self.runtime, state, clock_us=wall_clock_us), name)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connector ended by a fault", connector=task.get_name(), error=repr(error))


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
        store = open_store(data)
        stack.callback(store.close)
        with refusing_damage(data):
            store.put_registry(
                stations=registry.stations,
                things=registry.things,
                properties=registry.properties,
                datastreams=registry.datastreams,
            )
        archive = RawArchive(data / "raw", store)
        keeper = StoreKeeper(store, archive, [w.id for w in settings.webhook])
        stack.callback(keeper.close)
        runtime = EmbeddedRuntime(pipeline(registry), keeper, wall_clock_us, ticks=ticks)
        with refusing_damage(data):
            await runtime.start()
        stack.push_async_callback(runtime.stop, end_of_input=end_of_input)
        runtime.listeners.append(DetectorFaults(runtime.pipeline.processors))
        figures = pipeline_figures(runtime, keeper, archive) + station_figures(runtime.pipeline.processors)

        relay = Relay(asyncio.get_running_loop().time)
        service = Service(settings, registry, store, runtime, relay, StreamStates(), addresses)
        stack.push_async_callback(_cancel, service.tasks)
        if addresses.ntrip is not None:
            caster = Caster(
                relay, lambda: every_station(store), wall_clock_us, users=settings.caster.users or None
            )
            try:
                await caster.start(*addresses.ntrip)
            except OSError as error:
                raise Refusal(error.strerror or str(error)) from error
            stack.push_async_callback(caster.stop)
            service.addresses.ntrip = (addresses.ntrip[0], caster.port)
            figures += caster_figures(caster, relay)
        hub, feed = LiveHub(), LiveFeed()
        runtime.listeners.append(feed.listen)
        service.start(run_live(feed, hub, wall_clock_us), "live")
        if settings.webhook:
            sender = WebhookSender(settings.webhook, store, wall_clock_us, addresses.page)
            runtime.listeners.append(_waker(sender.wake))
            service.start(sender.run(), "webhooks")
            figures += webhook_figures(sender)
        if listener is not None and addresses.http is not None:
            app = create_app(
                store,
                commands=runtime,
                hub=hub,
                feed=feed,
                streams=service.streams,
                version=package_version("groundswell"),
                clock_us=wall_clock_us,
                figures=figures,
                alive=lambda: runtime.health.keep_error or keeper.archive_error,
                write_token=settings.server.write_token or None,
                open_writes=_is_loopback(addresses.http[0]),
            )
            await stack.enter_async_context(serving(app, listener, hub.close))
        yield service


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _waker(wake: Callable[[], None]) -> Callable[[Sequence[Record]], None]:
    def listen(outputs: Sequence[Record]) -> None:
        if any(isinstance(batch, AlertTransitions) for batch in outputs):
            wake()

    return listen


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
