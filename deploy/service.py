"""Everything of one process, put together: the composition root of the embedded mode."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import ipaddress
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console

from connectors import mqtt, ntrip_client, tcp
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.gatherer import StationIntake
from connectors.webhook import WebhookSender
from dashboards.api import create_app
from dashboards.live import LiveFeed, LiveHub, run_live
from deploy.clock import wall_clock_us
from deploy.http_server import bind, serving
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.settings import Settings, address
from deploy.warm_up import warm_up
from storage.keeper import StoreKeeper
from storage.raw_archive import RawArchive
from storage.sqlite import SqliteStore
from storage.store import StationRow, StorageError
from streams.embedded import EmbeddedRuntime
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.processors.score_stations import ScoreStations
from streams.records import AlertTransitions, Record
from streams.stream_state import StreamStates

log = structlog.get_logger()


@dataclass(slots=True)
class Addresses:
    """Where the program listens; None: it does not."""

    http: tuple[str, int] | None
    ntrip: tuple[str, int] | None


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


def every_station(store: SqliteStore) -> Iterator[StationRow]:
    """Return all stations, page by page."""
    after = None
    while True:
        page = store.stations(after=after, limit=1000)
        yield from page.items
        if (after := page.next) is None:
            return


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a connector ended by a fault", connector=task.get_name(), error=repr(error))


@contextlib.contextmanager
def _locked(folder: Path) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise Refusal(
            f"cannot write to the data folder {folder} ({(error.strerror or '').lower()}); "
            "choose another with --data DIR"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal(
                f"the data folder {folder} is in use by another groundswell; "
                "stop that one or choose another folder with --data DIR"
            ) from error
        yield


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
        stack.enter_context(_locked(data))
        listener = stack.enter_context(bind(*addresses.http, "--http")) if addresses.http else None
        try:
            store = SqliteStore(data / "groundswell.sqlite")
        except StorageError as error:
            raise Refusal(str(error)) from error
        stack.callback(store.close)
        store.put_registry(
            stations=registry.stations,
            things=registry.things,
            properties=registry.properties,
            datastreams=registry.datastreams,
        )
        keeper = StoreKeeper(store, RawArchive(data / "raw", store), [w.id for w in settings.webhook])
        stack.callback(keeper.close)
        runtime = EmbeddedRuntime(
            Pipeline(
                [
                    ScoreStations(registry.stations),
                    QualityControl(registry.properties, registry.datastreams),
                    Detect(registry.datastreams, registry.things),
                    Alert(),
                ]
            ),
            keeper,
            wall_clock_us,
            ticks=ticks,
        )
        await runtime.start()
        stack.push_async_callback(runtime.stop, end_of_input=end_of_input)

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
        hub, feed = LiveHub(), LiveFeed()
        runtime.listeners.append(feed.listen)
        service.start(run_live(feed, hub, wall_clock_us), "live")
        if settings.webhook:
            sender = WebhookSender(settings.webhook, store, wall_clock_us, _api_url(addresses))
            runtime.listeners.append(_waker(sender.wake))
            service.start(sender.run(), "webhooks")
        if listener is not None and addresses.http is not None:
            app = create_app(
                store,
                commands=runtime,
                hub=hub,
                feed=feed,
                streams=service.streams,
                version=package_version("groundswell"),
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


def _api_url(addresses: Addresses) -> str:
    return f"http://{addresses.http[0]}:{addresses.http[1]}" if addresses.http else ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def until_stopped(seconds: float | None) -> None:
    """Return on SIGINT, on SIGTERM, or after so many seconds."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def run_async(main: Awaitable[None]) -> None:
    """Run the program's event loop."""

    async def whole() -> None:
        await main

    # Two threads hand work to and fro; with Python's 5 ms each hand-over would wait so long for the other.
    sys.setswitchinterval(0.0005)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


def resolve(
    settings: Settings, http: str | None, ntrip: str | None, data: Path | None
) -> tuple[Addresses, Path]:
    """Let the options of the command line win over the file."""
    server = settings.server
    return (
        Addresses(address(http or server.http, "--http"), address(ntrip or server.ntrip, "--ntrip")),
        data or Path(server.data),
    )


def run_service(
    settings: Settings, *, http: str | None, ntrip: str | None, data: Path | None, seconds: float | None
) -> None:
    """`groundswell run`."""
    addresses, folder = resolve(settings, http, ntrip, data)

    async def main() -> None:
        warm_up(Registry.of(settings), Console(stderr=True))
        async with opened(settings, folder, addresses) as service:
            service.connect()
            log.info(
                "running",
                page=_api_url(addresses),
                stations=len(settings.station),
                brokers=len(settings.mqtt),
                data=str(folder),
            )
            await until_stopped(seconds)
            log.info("stopping")

    run_async(main())
