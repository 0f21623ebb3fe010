"""`groundswell demo`: a simulated country through real sockets, with a live page."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.embedded_broker import embedded_broker
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_publish import publisher
from connectors.webhook import WebhookConfig
from deploy import demo_sources as sources
from deploy import demo_world as world
from deploy.addresses import Addresses
from deploy.clock import wall_clock_us
from deploy.service import Service, opened
from deploy.settings import Settings, StationSettings
from deploy.start import prepare, resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.warm_up import warm_up_simulator
from sensors.model import Station
from sensors.payloads.json import JsonMapping

SECRET = "whsec_Z3JvdW5kc3dlbGwtZGVtby1zZWNyZXQtMjAyNg=="  # noqa: S105 - of the demonstration only
USER, PASSWORD = "demo", "demo"
SHOWN_WEBHOOKS = 4
MIN_DURATION_S = 4.0
"""A tsunami must last so long to be one: short, for people who watch."""


def run_demo(*, http: str | None, ntrip: str | None, data: Path | None, seconds: float | None) -> None:
    """Run until Ctrl-C, or for so many seconds. Without `data` nothing is kept."""
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="groundswell-demo-")))
        addresses, _ = resolve(Settings(), http, ntrip, folder)
        console = Console()
        prepare(Settings(thing=world.things(MIN_DURATION_S)), folder, addresses, console)
        warm_up_simulator(console)
        run_async(_demo(addresses, folder, seconds, console))


def settings_of(caster_port: int, broker_port: int, webhook_url: str) -> Settings:
    """Return the configuration that a person would write for this country."""
    return Settings(
        station=[
            StationSettings(
                id=station_id,
                name=name,
                source=f"ntrip://{USER}:{PASSWORD}@127.0.0.1:{caster_port}/{station_id}",
                version=str(1 + i % 2),
                longitude=longitude,
                latitude=latitude,
                height_m=height_m,
            )
            for i, (station_id, name, longitude, latitude, height_m) in enumerate(world.SITES)
        ],
        thing=world.things(MIN_DURATION_S),
        mqtt=[
            MqttConfig(
                host="127.0.0.1",
                port=broker_port,
                version="3.1.1",
                client_id="groundswell-demo",
                topics=["demo/#"],
                mappings=[
                    JsonMapping(
                        topic="demo/+",
                        datastream="{1}",
                        samples="samples",
                        value="value",
                        time="time",
                        time_format="epoch_s",
                    )
                ],
            )
        ],
        webhook=[WebhookConfig(id="subscriber", url=webhook_url, secret=SECRET, allow_private=True)],
    )


async def _demo(addresses: Addresses, folder: Path, seconds: float | None, console: Console) -> None:
    stop = stop_on_signals()
    subscriber = sources.Subscriber(SECRET)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(sources.listening(subscriber))
        relay = Relay(asyncio.get_running_loop().time)
        mountpoints = [Station(id=site[0], name=site[1]) for site in world.SITES]
        upstream = Caster(relay, lambda: mountpoints, wall_clock_us, users={USER: PASSWORD})
        with sources.free_listener() as free:
            broker_port = free.getsockname()[1]
        await stack.enter_async_context(embedded_broker("127.0.0.1", broker_port))
        await upstream.start("127.0.0.1", 0)
        stack.push_async_callback(upstream.stop)

        settings = settings_of(upstream.port, broker_port, url)
        service = await stack.enter_async_context(opened(settings, folder, addresses))
        service.edge.connect()
        publish = await stack.enter_async_context(publisher("127.0.0.1", broker_port, "devices"))
        # devices send their memory once: whoever is not listening by then will not know what is usual
        await sources.listened(service.sources.streams)
        plan, start_us = world.Plan(), wall_clock_us()
        stations = world.stations(start_us, plan)
        service.sources.start(sources.send_stations(stations, relay, wall_clock_us), "simulated stations")
        for series in world.sensors(start_us, plan):
            service.sources.start(sources.send_sensor(series, publish, wall_clock_us), series.datastream_id)
        service.sources.start(_show(console, service, subscriber), "terminal")
        await until_stopped(stop, seconds)


async def _show(console: Console, service: Service, subscriber: sources.Subscriber) -> None:
    """Keep a small panel in a terminal; elsewhere print where the page is, and stay quiet."""
    page = f"{service.addresses.page}/"
    if not console.is_terminal:
        console.print(f"live page: {page}", soft_wrap=True)
        return
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            rows = await asyncio.to_thread(service.store.stations, limit=100)
            alerts = await asyncio.to_thread(service.store.open_alerts)
            states = Counter(row.report.state if row.report else "unknown" for row in rows.items)
            table = Table.grid(padding=(0, 2))
            table.add_row("live page", f"[link={page}]{page}[/link]")
            table.add_row("caster", f"{service.addresses.caster}/")
            table.add_row("stations", ", ".join(f"{n} {s}" for s, n in sorted(states.items())) or "not yet")
            table.add_row("alerts", ", ".join(f"[bold]{a.level}[/] {a.title}" for a in alerts) or "none")
            told = "\n".join(subscriber.verified[-SHOWN_WEBHOOKS:]) or "nothing yet"
            table.add_row("subscriber got", told)
            live.update(Group(Panel(table, title="Groundswell demo"), "Ctrl-C ends it"))
            await asyncio.sleep(1)
