"""Requests to outside providers: HTTPS only, no redirects, never to a private address.

Provider URLs come from settings and from documents that providers serve, so both could point inwards. The address is
resolved here, judged, and the connection made to that very address, so that a second answer of the DNS changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

_TIMEOUT = httpx.Timeout(10)
_MOST_BYTES = 1024 * 1024


class EgressRefusedError(httpx.RequestError):
    """The URL leads where the server must not go."""


_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def public_address(address: str) -> bool:
    """Whether this is an address of the public internet; an IPv4 address inside an IPv6 one is judged as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


class GuardedTransport(httpx.AsyncBaseTransport):
    """Lets through what `public_address` allows, and the hosts the operator named."""

    def __init__(self, allowed_hosts: tuple[str, ...], inner: httpx.AsyncBaseTransport | None = None) -> None:
        self._allowed = {host.lower() for host in allowed_hosts}
        self._inner = inner or httpx.AsyncHTTPTransport(retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Judge, then send to the address that was judged."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if not {host.lower(), f"{host.lower()}:{port}"} & self._allowed:
            if request.url.scheme != "https":
                raise EgressRefusedError("only https is used for providers", request=request)
            address = await self._resolve(host, port, request)
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        response = await self._inner.handle_async_request(request)
        if int(response.headers.get("content-length") or 0) > _MOST_BYTES:
            await response.aclose()
            raise EgressRefusedError("the answer is too long", request=request)
        return response

    @staticmethod
    async def _resolve(host: str, port: int, request: httpx.Request) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise EgressRefusedError(f"{host} cannot be resolved", request=request) from error
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(public_address(address) for address in addresses):
            raise EgressRefusedError(f"{host} is not a public address", request=request)
        return addresses[0]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def guarded_client(allowed_hosts: tuple[str, ...]) -> httpx.AsyncClient:
    """A client for providers. Proxies of the environment are not used: they would resolve names themselves."""
    return httpx.AsyncClient(transport=GuardedTransport(allowed_hosts), follow_redirects=False, timeout=_TIMEOUT, trust_env=False)


def is_web_url(url: str) -> bool:
    """Whether a provider may name this as an endpoint at all."""
    parts = urlsplit(url)
    return parts.scheme in ("https", "http") and bool(parts.hostname)
