"""From options and settings to a running program: refusals first, then the compilation, then the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console

from deploy import open_files
from deploy.addresses import Addresses
from deploy.data_folder import locked
from deploy.garbage import Patience
from deploy.http_server import bind
from deploy.partitioning import pipeline
from deploy.registry import Registry
from deploy.service import opened
from deploy.settings import Settings, address
from deploy.stopping import ignore_signals, stop_on_signals, until_stopped
from deploy.warm_up import warm_up

log = structlog.get_logger()

SWITCH_S = 0.0005
"""Two threads hand work to and fro; with Python's 5 ms each hand-over would wait so long for the other."""


def resolve(
    settings: Settings, http: str | None, ntrip: str | None, data: Path | None
) -> tuple[Addresses, Path]:
    """Let the options of the command line win over the file."""
    server = settings.server
    return (
        Addresses(
            address(http, "--http") if http else address(server.http, "http of [server]"),
            address(ntrip, "--ntrip") if ntrip else address(server.ntrip, "ntrip of [server]"),
        ),
        data or Path(server.data),
    )


def prepare(settings: Settings, data: Path, addresses: Addresses, console: Console) -> None:
    """Refuse what cannot work, then compile: nobody waits a minute to hear that a port is taken."""
    registry = Registry.of(settings)
    pipeline(registry)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(data))
        for where, option in ((addresses.http, "--http"), (addresses.ntrip, "--ntrip")):
            if where is not None:
                stack.enter_context(bind(*where, option))
    warm_up(registry, console)


def run_async(main: Coroutine[Any, Any, None]) -> None:
    """Run the program's event loop."""
    # It tells each attempt; what is wrong is said once, in our own words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    sys.setswitchinterval(SWITCH_S)
    open_files.allow_many()
    patience = Patience()
    patience.begin()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
    finally:
        patience.end()
    ignore_signals()


def run_service(
    settings: Settings, *, http: str | None, ntrip: str | None, data: Path | None, seconds: float | None
) -> None:
    """`groundswell run`."""
    addresses, folder = resolve(settings, http, ntrip, data)
    prepare(settings, folder, addresses, Console(stderr=True))
    run_async(_run(settings, folder, addresses, seconds))


async def _run(settings: Settings, folder: Path, addresses: Addresses, seconds: float | None) -> None:
    stop = stop_on_signals()
    async with opened(settings, folder, addresses) as service:
        service.edge.connect()
        log.info(
            "running",
            page=service.addresses.page,
            caster=service.addresses.caster,
            stations=len(settings.station),
            brokers=len(settings.mqtt),
            data=str(folder),
        )
        await until_stopped(stop, seconds)
        log.info("stopping")
