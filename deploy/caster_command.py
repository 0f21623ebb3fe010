"""`groundswell caster`: rovers, fed by any number of gatherers.

Kafka has no part in it but for changes of accounts: while it is away, those that were known last hold, also
through a restart, by a copy on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from connectors.caster import frames_kernel, send_kernel
from connectors.caster.link.change_over import ChangeOver
from connectors.caster.link.follow import Following, follow
from connectors.caster.relay import Relay
from connectors.tcp import format_address
from deploy.addresses import Addresses
from deploy.casting import casting, gatherers
from deploy.clock import wall_clock_us
from deploy.edge import Edge
from deploy.figures import caster_figures
from deploy.following import following as following_changes
from deploy.following_above import FollowerAbove, following_above
from deploy.http_server import bind
from deploy.kafka_access import kafka_access
from deploy.kafka_figures import above_figures, follower_figures, following_figures
from deploy.refusal import Refusal
from deploy.registry import Registry
from deploy.roaming_figures import roaming_figures, verdict_figures
from deploy.session_keeping import kept_over_kafka
from deploy.session_link import sharing
from deploy.settings import Settings, address
from deploy.several_processes import divided
from deploy.start import resolve, run_async
from deploy.stopping import stop_on_signals, until_stopped
from deploy.verdicts import following_verdicts
from deploy.watched import watched
from streams.kafka.registry import RegistryFollower
from streams.stream_state import StreamStates

log = structlog.get_logger()

COPY = "accounts"
"""File in the data folder with the accounts that were known last."""


def run_caster(
    settings: Settings, *, ntrip: str | None, http: str | None, data: Path | None, seconds: float | None
) -> None:
    """Serve rovers until a signal, or for so long."""
    addresses, folder = resolve(settings, None, ntrip, data)
    gatherers(settings.relay)
    if addresses.ntrip is None:
        raise Refusal("there is no address for rovers; give --ntrip HOST:PORT")
    count = settings.caster.processes
    if count == 1:
        run_async(_run(settings, folder / COPY, addresses, http, seconds))
        return
    with bind(*addresses.ntrip, "--ntrip"):
        pass  # another program there would take a part of the rovers
    with reserved(*addresses.ntrip) as port:
        addresses.ntrip = (addresses.ntrip[0], port)
        send_kernel.prepare()
        frames_kernel.prepare()
        number = divided(count)
    name = f"{COPY}-{number}" if number else COPY
    run_async(_run(settings, folder / name, addresses, next_port(http, number), seconds))


def next_port(where: str | None, number: int) -> str | None:
    """Return where the figures of a process are: HOST and PORT + number."""
    if where is None:
        return None
    host, port = address(where, "--http")
    return format_address(host, port + number if port else 0)


@contextlib.contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Hold a port that several processes will share; return its number."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
        yield int(holder.getsockname()[1])


async def _run(
    settings: Settings, copy: Path, addresses: Addresses, http: str | None, seconds: float | None
) -> None:
    stop = stop_on_signals()
    cut_off_s = settings.caster.cut_off_hours * 3600
    followed = gatherers(settings.relay)
    assert addresses.ntrip is not None, "checked before"
    clock_s = asyncio.get_running_loop().time
    relay = Relay(clock_s)
    following = Following(ChangeOver(relay.publish, clock_s))
    streams = StreamStates()
    async with contextlib.AsyncExitStack() as stack:
        caster = await stack.enter_async_context(
            casting(
                relay,
                following.stations,
                settings,
                addresses.ntrip,
                folder=copy.parent,
                follows_changes=True,
                shared=settings.caster.processes > 1,
            )
        )
        addresses.ntrip = (addresses.ntrip[0], caster.port)
        edge = Edge(settings, Registry.of(settings), caster=caster, follows_above=True)
        kafka = kafka_access(settings.kafka, settings.kafka.servers)
        changes = await stack.enter_async_context(
            following_changes(
                edge,
                kafka,
                settings.kafka.prefix,
                copy,
                patience_s=0.0,
                keep_s=cut_off_s,
            )
        )
        above = await stack.enter_async_context(following_above(edge, kafka, settings.kafka.prefix, copy))
        await stack.enter_async_context(sharing(caster.admission, kafka, settings.kafka.prefix))
        await stack.enter_async_context(kept_over_kafka(caster, kafka, settings.kafka.prefix))
        figures = caster_figures(caster, relay) + following_figures(following, streams)
        figures += follower_figures(changes, edge) + above_figures(above, edge) + roaming_figures(caster)
        verdicts = following_verdicts(kafka, settings.kafka.prefix, caster.roaming)
        figures += verdict_figures(await stack.enter_async_context(verdicts))

        def trouble() -> str:
            return _trouble(streams) if caster.accounts.is_known else _unknown(changes, above)

        await stack.enter_async_context(watched(http, figures, trouble, streams))
        tasks = [
            asyncio.create_task(
                follow(
                    gatherer, following, streams.add(name, "relay", gatherer.source), clock_us=wall_clock_us
                ),
                name=f"gatherer {name}",
            )
            for name, gatherer in followed.items()
        ]
        stack.push_async_callback(_cancelled, tasks)
        log.info("casting", caster=addresses.caster, gatherers=list(followed))
        stopping = asyncio.create_task(until_stopped(stop, seconds))
        ended, _ = await asyncio.wait((stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            await task  # one that follows ends by a fault only, and a supervisor is to know
        log.info("stopping")


def _unknown(changes: RegistryFollower, above: FollowerAbove) -> str:
    """Return why nobody is let in."""
    why = changes.reader.error or above.reader.error or "the registry is being read"
    return f"who may have streams is not known, so no rover is let in: {why}"


def _trouble(streams: StreamStates) -> str:
    """Return what is wrong when there is nobody to follow: one gatherer is enough to be of use."""
    if any(state.phase == "streaming" for state in streams):
        return ""
    errors = {state.last_error for state in streams if state.last_error}
    return f"no gatherer is followed: {'; '.join(sorted(errors)) or 'connecting'}"


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
