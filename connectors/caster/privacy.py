"""How much of rovers' addresses is kept."""

from __future__ import annotations

import ipaddress
from typing import Literal

Detail = Literal["full", "network", "none"]
"""The whole address; the network that it is in (IPv4 /24, IPv6 /48); nothing."""


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
