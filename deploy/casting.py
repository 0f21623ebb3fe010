"""The caster of a process, and the way from gatherers to casters that are processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from connectors.caster import frames_kernel, send_kernel
from connectors.caster.above import Above
from connectors.caster.connection import CasterLimits
from connectors.caster.link.follow import Gatherer
from connectors.caster.link.outlet import Outlet
from connectors.caster.link.proof import LEAST_SECRET
from connectors.caster.proxy_header import networks
from connectors.caster.relay import Relay
from connectors.caster.roaming.roaming import Roaming
from connectors.caster.server import Caster
from deploy import open_files, volume_file
from deploy.clock import wall_clock_us
from deploy.refusal import Refusal
from deploy.settings import RelaySettings, Settings, address
from sensors.model import Station
from streams.definitions import PrivacyDefinition

_STRICTEST = PrivacyDefinition(addresses="none")
"""Until it is known what was changed of the file's setting."""


@contextlib.asynccontextmanager
async def casting(
    relay: Relay,
    stations: Callable[[], Iterable[Station]],
    settings: Settings,
    address: tuple[str, int],
    *,
    folder: Path,
    follows_changes: bool = False,
    shared: bool = False,
) -> AsyncIterator[Caster]:
    """Serve rovers what the relay gets.

    Parameters
    ----------
    relay, stations
        Frames, and what the sourcetable lists.
    settings, address
        The accounts of the file, and where to listen.
    folder
        Keeps how much accounts have had.
    follows_changes
        Accounts come over Kafka: without any in the file nobody is let in until they are known (`Edge.know`).
    shared
        Other processes of this program listen there too.

    Raises
    ------
    Refusal
        The address cannot be listened on.
    """
    send_kernel.prepare()
    frames_kernel.prepare()
    asked = settings.caster
    roaming = None
    if asked.roaming.mountpoints:
        clock_s = asyncio.get_running_loop().time
        roaming = Roaming(relay, stations, asked.roaming, clock_s, wall_clock_us)
    with volume_file.own_file(folder) as file:
        caster = Caster(
            relay,
            stations,
            wall_clock_us,
            users=asked.users or None,
            limits=CasterLimits(
                connections=open_files.bounded(asked.connections, reserved=len(list(stations()))),
                connections_per_address=asked.connections_per_address,
            ),
            proxies=networks(asked.proxies),
            name=volume_file.name_of(file),
            privacy=_STRICTEST if follows_changes else asked.privacy,
            roaming=roaming,
            station_decimals=settings.server.station_decimals,
        )
        caster.accounts.is_known = bool(asked.users) or not follows_changes
        caster.admission.above = Above(round(asked.cut_off_hours * 3.6e9), asked.cut_off_sessions)
        async with volume_file.keeping(caster.admission.volumes, file):
            try:
                await caster.start(*address, shared=shared)
            except OSError as error:
                raise Refusal(error.strerror or str(error)) from error
            leading = None if roaming is None else asyncio.create_task(roaming.run(), name="roaming")
            try:
                yield caster
            finally:
                if leading is not None:
                    leading.cancel()
                await caster.stop()  # what rovers have had is counted as they leave


@contextlib.asynccontextmanager
async def feeding(
    relay: Relay, stations: Callable[[], Iterable[Station]], settings: RelaySettings
) -> AsyncIterator[Outlet | None]:
    """Let casters of their own have what the relay gets, if `listen` of `[relay]` says where.

    Raises
    ------
    Refusal
        The address cannot be listened on, or the secret or a certificate is missing.
    """
    if not settings.listen:
        yield None
        return
    outlet = Outlet(stations, checked_secret(settings), wall_clock_us)
    try:
        await outlet.start(*address(settings.listen, "listen of [relay]"), server_tls(settings))
    except OSError as error:
        raise Refusal(error.strerror or str(error)) from error
    relay.listeners.append(outlet.publish)
    try:
        yield outlet
    finally:
        relay.listeners.remove(outlet.publish)
        await outlet.stop()


def gatherers(settings: RelaySettings) -> dict[str, Gatherer]:
    """Return the gatherers that a caster is to follow, by their address.

    Raises
    ------
    Refusal
        There are none, or the secret or a certificate is missing.
    """
    if not settings.follow:
        raise Refusal(
            "no gatherer is named; write follow of [relay], and listen of [relay] for the gatherers"
        )
    secret, tls = checked_secret(settings), client_tls(settings)
    return {where: Gatherer(*address(where, "follow of [relay]"), secret, tls) for where in settings.follow}


def checked_secret(settings: RelaySettings) -> str:
    """Return the secret, if it is one."""
    if len(settings.secret) < LEAST_SECRET:
        raise Refusal(
            f"secret of [relay] has fewer than {LEAST_SECRET} characters; draw a long one at random, "
            "the same for gatherers and casters"
        )
    return settings.secret


def server_tls(settings: RelaySettings) -> ssl.SSLContext | None:
    """Return what a gatherer shows to casters; None: no TLS."""
    if not settings.certificate and not settings.key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.certificate, settings.key or None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(
            f"certificate and key of [relay] cannot be used ({reason}); "
            "name readable PEM files that belong together"
        ) from error
    return context


def client_tls(settings: RelaySettings) -> ssl.SSLContext | None:
    """Return how a caster looks at the gatherers' certificates; None: no TLS."""
    if not settings.ca_file:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(f"ca_file of [relay] cannot be read ({reason}); name a readable PEM file") from error
