"""The PROXY protocol: how a balancer says whose connection it passes on. No I/O.

Versions 1 (a line of text) and 2 (binary) of "The PROXY protocol", HAProxy Technologies, 2020/03/05. A
connection of a known balancer begins with such a header, and nobody else's: a rover could claim any address.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SIGNATURE_1 = b"PROXY "
_SIGNATURE_2 = b"\r\n\r\n\0\r\nQUIT\n"
_MOST_LINE_BYTES = 107
_HEAD_2 = struct.Struct("!12sBBH")
_MOST_BODY_BYTES = 4096
"""What follows the addresses (certificates' names and the like) is passed over."""
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESS_BYTES = {0x1: 4, 0x2: 16}
"""By family; others (unspecified, a socket of the balancer's own machine) tell no address."""


class ProxyHeaderError(ValueError):
    """It is no such header."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Whose connection it is."""

    address: str | None
    """IPv4 or IPv6; None: the balancer's own, for instance to see whether we live."""
    rest: bytes
    """What came behind the header."""


class ProxyHeaderParser:
    """Reads one header, however its bytes are cut, and holds no more than the longest one."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """Return the header once it is whole. Call it no more after that.

        Raises
        ------
        ProxyHeaderError
            There is none, or a damaged one.
        """
        self._held += data
        if self._held.startswith(_SIGNATURE_1):
            return _line(self._held)
        if self._held.startswith(_SIGNATURE_2):
            return _binary(self._held)
        if not any(s.startswith(self._held) for s in (_SIGNATURE_1, _SIGNATURE_2)):
            raise ProxyHeaderError("the connection does not begin with a PROXY header")
        return None


def plain_address(text: str) -> str:
    """Return an IP address in its usual form; an IPv4 address that is written as IPv6 as IPv4.

    Raises
    ------
    ValueError
        It is none.
    """
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks that addresses (`192.0.2.1`) and networks (`10.0.0.0/8`) name.

    Raises
    ------
    ValueError
        One of them is none.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def is_in(address: str, known: Iterable[Network]) -> bool:
    """Say whether a peer's address is in one of some networks."""
    try:
        ip = ipaddress.ip_address(plain_address(address))
    except ValueError:
        return False  # a local socket has none
    return any(ip in network for network in known)


def _line(held: bytes) -> ProxyHeader | None:
    end = held.find(b"\r\n", 0, _MOST_LINE_BYTES)
    if end < 0:
        if len(held) >= _MOST_LINE_BYTES:
            raise ProxyHeaderError("the PROXY header does not end")
        return None
    rest = held[end + 2 :]
    match held[:end].split(b" "):
        case [_, b"UNKNOWN", *_]:
            return ProxyHeader(None, rest)
        case [_, b"TCP4" | b"TCP6" as family, source, destination, port, other_port]:
            version = 4 if family == b"TCP4" else 6
            if (
                all(_is_address(one, version) for one in (source, destination))
                and _is_port(port)
                and _is_port(other_port)
            ):
                return ProxyHeader(plain_address(source.decode()), rest)
    raise ProxyHeaderError("the PROXY header has no usable addresses")


def _is_port(text: bytes) -> bool:
    return text.isdigit() and len(text) <= 5 and int(text) <= 65_535


def _is_address(text: bytes, version: int) -> bool:
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return False
    return address.version == version and b"%" not in text


def _binary(held: bytes) -> ProxyHeader | None:
    if len(held) < _HEAD_2.size:
        return None
    _, command, family, length = _HEAD_2.unpack_from(held)
    if command not in {_LOCAL, _PROXY} or length > _MOST_BODY_BYTES:
        raise ProxyHeaderError("the PROXY header is of no known version, or too long")
    end = _HEAD_2.size + length
    if len(held) < end:
        return None
    size = _ADDRESS_BYTES.get(family >> 4)
    if command == _LOCAL or size is None:
        return ProxyHeader(None, held[end:])
    if length < 2 * size + 4:
        raise ProxyHeaderError("the PROXY header is too short for its addresses")
    source = ipaddress.ip_address(held[_HEAD_2.size : _HEAD_2.size + size])
    return ProxyHeader(plain_address(str(source)), held[end:])
