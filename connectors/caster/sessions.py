"""Who uses which station now: what the monitoring centre shows of rovers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.caster.connection import Connection


@dataclass(frozen=True, slots=True)
class RoverSession:
    """One rover that gets a stream."""

    account: str
    """Empty where the caster is open to all."""
    address: str
    mountpoint: str
    base: str
    """The station whose epochs it gets; empty: none at the moment."""
    since_us: int
    """When the stream began."""
    base_since_us: int
    """When it got its base; 0: it has none."""
    reason: str
    """Why it has this base and not the one before: a `Reason`; empty on a mountpoint of one station."""
    distance_km: float | None
    """From the base when it got it; None: not known."""
    longitude: float | None
    """Degrees, rounded as the configuration says; None: not told, or not to be known."""
    latitude: float | None


def sessions_of(connections: Iterable[Connection], decimals: int | None) -> Iterator[RoverSession]:
    """Yield the sessions of those that get a stream.

    Parameters
    ----------
    decimals
        To which positions are rounded, in degrees; None: nobody is told them, nor distances.
    """
    for one in connections:
        if not one.station_id:
            continue
        rover, position = one.rover, None if one.upload is None else one.upload.position
        if decimals is None:
            position = None
        is_led = rover is not None and rover.base != ""
        yield RoverSession(
            account=one.username,
            address=one.address,
            mountpoint=one.station_id,
            base=one.station_id if rover is None else rover.base,
            since_us=one.since_us,
            base_since_us=one.since_us if rover is None else rover.base_since_us if is_led else 0,
            reason="" if rover is None else rover.last_reason,
            distance_km=round(rover.distance_km, 1) if rover and is_led and position else None,
            longitude=None if position is None else round(position.longitude, decimals),
            latitude=None if position is None else round(position.latitude, decimals),
        )
