"""How much of rovers' addresses and places is told and kept."""

from __future__ import annotations

import ipaddress
from typing import Literal

import msgspec

from streams.records import KeptSession, SessionLeg

Detail = Literal["full", "network", "none"]
"""The whole address; the network that it is in (IPv4 /24, IPv6 /48); nothing."""
Place = tuple[float, float] | tuple[None, None]
"""Longitude and latitude in degrees."""
NOWHERE: Place = (None, None)


def coarse(address: str, detail: Detail) -> str:
    """Return what is kept of an address."""
    if detail == "full":
        return address
    if detail == "none":
        return ""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def coarse_place(longitude: float | None, latitude: float | None, decimals: int | None) -> Place:
    """Return what is told of a place; twice is once, and one that is coarse already gets no finer."""
    if decimals is None or longitude is None or latitude is None:
        return NOWHERE
    return round(longitude, decimals), round(latitude, decimals)


def coarse_session(kept: KeptSession, decimals: int | None) -> KeptSession:
    """Return what is kept of a session, no finer than to so many decimals."""
    most = -1 if decimals is None else decimals
    if kept.decimals <= most:
        return kept
    begin = coarse_place(kept.begin_longitude, kept.begin_latitude, decimals)
    last = coarse_place(kept.longitude, kept.latitude, decimals)
    return msgspec.structs.replace(
        kept,
        decimals=most,
        begin_longitude=begin[0],
        begin_latitude=begin[1],
        longitude=last[0],
        latitude=last[1],
        legs=[coarse_leg(leg, decimals) for leg in kept.legs],
    )


def coarse_leg(leg: SessionLeg, decimals: int | None) -> SessionLeg:
    """Return a leg with its place no finer than to so many decimals."""
    longitude, latitude = coarse_place(leg.longitude, leg.latitude, decimals)
    return msgspec.structs.replace(leg, longitude=longitude, latitude=latitude)
