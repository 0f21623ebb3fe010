"""Connections that do not reach into private networks (server-side request forgery), over HTTP and else.

The name is resolved here, the addresses are judged, and the connection is made to the very address that
was judged: a name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class RefusedAddressError(httpx.ConnectError):
    """The destination is not on the public internet, and the configuration does not allow that."""


def is_public(address: IpAddress) -> bool:
    """Say whether an address belongs to the public internet; embedded IPv4 addresses are unwrapped."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if embedded is None and address in _NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses only, without proxies.

    Parameters
    ----------
    allow_private
        Connect to any address.
    threads
        Names being resolved at one time. The threads are this transport's own, so that a name that does
        not resolve holds up nobody else.
    """

    def __init__(self, *, allow_private: bool = False, threads: int = 4) -> None:
        self._allow_private = allow_private
        self._inner = httpx.AsyncHTTPTransport(trust_env=False)
        self._threads = ThreadPoolExecutor(threads, "resolve")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first permitted address that can be reached.

        Raises
        ------
        RefusedAddressError
            No address of the host is permitted.
        httpx.ConnectError
            The name does not resolve, or no address can be reached.
        """
        host = request.url.host
        permitted = _permitted(host, await self._resolve(host), self._allow_private)
        extensions = {**request.extensions, "sni_hostname": host}
        for address in permitted[:-1]:
            try:
                return await self._inner.handle_async_request(_at(request, address, extensions))
            except httpx.ConnectError:
                continue
        return await self._inner.handle_async_request(_at(request, permitted[-1], extensions))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _resolve(self, host: str) -> list[IpAddress]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _addresses, host)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} does not resolve: {error}") from error


async def connected(
    host: str, port: int, *, allow_private: bool, threads: ThreadPoolExecutor
) -> socket.socket:
    """Return a socket that is connected to a host, at the first permitted address that can be reached.

    Parameters
    ----------
    allow_private
        Connect to any address.
    threads
        Where the name is resolved.

    Raises
    ------
    RefusedAddressError
        No address of the host is permitted.
    OSError
        The name does not resolve, or no address can be reached.
    """
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for address in _permitted(host, await loop.run_in_executor(threads, _addresses, host), allow_private):
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, (str(address), port))
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last or OSError(f"{host} has no address")


def _permitted(host: str, found: list[IpAddress], allow_private: bool) -> list[IpAddress]:
    permitted = [address for address in found if allow_private or is_public(address)]
    if not permitted:
        raise RefusedAddressError(
            f"{host} is a private address; set allow_private = true there if that is meant"
        )
    return permitted


def _addresses(host: str) -> list[IpAddress]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    names = dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found)
    return [ipaddress.ip_address(name) for name in names]


def _at(request: httpx.Request, address: IpAddress, extensions: dict[str, object]) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,  # the Host header names the host, not the address
        stream=request.stream,
        extensions=extensions,
    )
