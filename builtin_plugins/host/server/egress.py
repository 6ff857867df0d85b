"""A plugin's HTTP client: only the hosts its manifest names, only the address that was judged, redirects judged anew.

A name is resolved here and the connection made to that very address, so a second answer of the DNS changes nothing. Private,
loopback, link-local and metadata addresses are reached under ``stack`` alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from fnmatch import fnmatchcase

import httpx

_TIMEOUT = httpx.Timeout(30, connect=10)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
STACK = "stack"


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet; an IPv4 address inside an IPv6 one is judged as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


def is_named(host: str, names: Iterable[str]) -> bool:
    """Whether ``permissions.network`` names a host."""
    return any(fnmatchcase(host.lower().rstrip("."), name.lower()) for name in names if name != STACK)


class Egress:
    """What one plugin may reach. ``inner``: addresses of the project's own services, ``host:port``."""

    def __init__(self, names: Iterable[str], inner: Iterable[str] = ()) -> None:
        self._names = tuple(names)
        self._inner = frozenset(inner) if STACK in self._names else frozenset()

    async def address(self, host: str, port: int) -> str:
        """The address to connect to; ``PermissionError`` with the reason where it may not, ``OSError`` for no such host."""
        if f"{host}:{port}" in self._inner:
            return host
        if not is_named(host, self._names):
            raise PermissionError(f"{host} is not among `permissions.network` of the plugin")
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise PermissionError(f"{host} is at a private address, and those are refused")
        return addresses[0]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects where ``Egress`` lets it. Each hop of a redirect comes through here."""

    def __init__(self, egress: Egress, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._egress = egress
        self._inner = inner or httpx.AsyncHTTPTransport(retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Judge, then send to the address that was judged."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            address = await self._egress.address(host, port)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        if address != host:
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def guarded_client(names: Iterable[str], inner: Iterable[str] = ()) -> httpx.AsyncClient:
    """The client. Proxies of the environment are not used: they would resolve names themselves."""
    return httpx.AsyncClient(
        transport=GuardedTransport(Egress(names, inner)), follow_redirects=False, timeout=_TIMEOUT, trust_env=False
    )
