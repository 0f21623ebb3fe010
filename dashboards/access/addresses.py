"""From where somebody asks, and by which name of this server."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection


def address_of(connection: HTTPConnection) -> str:
    """Return the address that asks; the server has looked behind the proxies that it trusts."""
    return connection.client.host if connection.client else ""


def is_this_machine(address: str) -> bool:
    """Return whether an address is of this machine; so is none at all."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return not address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def is_local_name(host: str) -> bool:
    """Return whether a host is an address or this machine's name.

    A page that points its own name at this machine (DNS rebinding) shows that name.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
