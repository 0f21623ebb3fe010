"""The caster of a process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from deploy.clock import wall_clock_us
from deploy.refusal import Refusal
from deploy.settings import Settings
from sensors.model import Station


@contextlib.asynccontextmanager
async def casting(
    relay: Relay, stations: Callable[[], Iterable[Station]], settings: Settings, address: tuple[str, int]
) -> AsyncIterator[Caster]:
    """Serve rovers what the relay gets; `stations` are those of the sourcetable.

    Raises
    ------
    Refusal
        The address cannot be listened on.
    """
    caster = Caster(relay, stations, wall_clock_us, users=settings.caster.users or None)
    try:
        await caster.start(*address)
    except OSError as error:
        raise Refusal(error.strerror or str(error)) from error
    try:
        yield caster
    finally:
        await caster.stop()
