"""`groundswell replay`: captures through the whole program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from connectors import replay
from deploy.addresses import Addresses
from deploy.clock import wall_clock_us
from deploy.refusal import Refusal
from deploy.service import opened
from deploy.settings import Settings, StationSettings, check_station_id
from deploy.start import prepare, resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped


def run_replay(
    files: Sequence[Path],
    *,
    station_id: str,
    speed: float | None,
    date_us: int | None,
    http: str | None,
    ntrip: str | None,
    data: Path | None,
    seconds: float | None,
) -> None:
    """Replay captures as one station and stop at their end.

    As fast as possible nothing is served unless an address is given; paced, the page and the caster are.
    """
    check_station_id(station_id)
    try:
        config = replay.ReplayConfig(paths=tuple(files), station_id=station_id, speed=speed, date_us=date_us)
    except ValueError as error:
        raise Refusal(str(error)) from error
    settings = Settings(station=[StationSettings(id=station_id, source="tcp://replay:1")])
    addresses, folder = resolve(settings, http, ntrip, data)
    if speed is None:
        addresses = Addresses(addresses.http if http else None, addresses.ntrip if ntrip else None)
    console = Console(stderr=True)
    prepare(settings, folder, addresses, console)
    run_async(_replay(config, settings, addresses, folder, seconds, console))


async def _replay(
    config: replay.ReplayConfig,
    settings: Settings,
    addresses: Addresses,
    folder: Path,
    seconds: float | None,
    console: Console,
) -> None:
    stop = stop_on_signals()
    paced = config.speed is not None
    async with opened(settings, folder, addresses, ticks=paced, end_of_input=True) as service:
        intake = service.sources.intake(config.station_id, "replay", config.source)
        with Progress(
            TextColumn(config.station_id),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as progress:
            bar = progress.add_task("replay", total=None)

            def show(done: int, total: int) -> None:
                progress.update(bar, completed=done, total=total)

            if service.addresses.http:
                console.print(f"live page: {service.addresses.page}/", soft_wrap=True)
            playing = asyncio.create_task(
                replay.run(config, intake, intake.state, clock_us=wall_clock_us, progress=show)
            )
            stopping = asyncio.create_task(until_stopped(stop, seconds))
            await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            playing.cancel()
            try:
                with contextlib.suppress(asyncio.CancelledError):
                    await playing
            except replay.ReplayError as error:
                raise Refusal(str(error)) from error
        await service.runtime.drained()
        state = intake.state
    if playing.done() and not playing.cancelled() and not state.messages_received:
        raise Refusal(f"{config.source} holds no RTCM 3 frames; name a capture of RTCM 3")
    console.print(
        f"{config.station_id}: {state.bytes_received:,} bytes, {state.messages_received:,} frames, "
        f"{state.bad_messages:,} bad"
    )
