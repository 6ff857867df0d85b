"""Requests to addresses that others name: never to a private one, and no redirects (server-side request forgery).

Such a URL may point inwards. The address is resolved here, judged, and the connection made to that very address, so that a
second answer of the DNS changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Collection

import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
#: All that is routed on the internet (RFC 4291, section 2.4); beside it lie forms that a network may lead to an IPv4 address of
#: its own: IPv4-compatible and IPv4-translated ones, a local NAT64 (RFC 8215), site-local ones.
_UNICAST = ipaddress.ip_network("2000::/3")


class EgressRefusedError(httpx.ConnectError):
    """The URL leads where this program must not go."""


def public_address(address: str) -> bool:
    """Whether this is an address of the public internet; an IPv4 address inside an IPv6 one is judged as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            ip = inner
        elif ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


class _Bounded(httpx.AsyncByteStream):
    """An answer's body, ended by an error beyond so many bytes, whatever length was announced."""

    def __init__(self, inner: httpx.AsyncByteStream, most_bytes: int, request: httpx.Request) -> None:
        self._inner, self._most_bytes, self._request = inner, most_bytes, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The parts as they come."""
        received = 0
        async for part in self._inner:
            received += len(part)
            if received > self._most_bytes:
                raise EgressRefusedError("the answer is too long", request=self._request)
            yield part

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._inner.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Lets through public addresses by one of ``schemes``, at hosts that ``permits`` allows, and any of ``private_hosts``.

    A private host is ``name`` or ``name:port``, as the operator wrote it; it is asked as it is, by HTTP too. An answer of
    more than ``most_bytes`` is refused, and so is a compressed one then: a few bytes may unfold to any number.
    """

    def __init__(
        self,
        private_hosts: Collection[str] = (),
        inner: httpx.AsyncBaseTransport | None = None,
        *,
        schemes: Collection[str] = ("https",),
        permits: Callable[[str], bool] = lambda host: True,
        most_bytes: int | None = None,
    ) -> None:
        self._private = {host.lower() for host in private_hosts}
        self._inner = inner or httpx.AsyncHTTPTransport(retries=0)
        self._schemes, self._permits, self._most_bytes = schemes, permits, most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Judge, then send to the address that was judged."""
        host = request.url.host.lower()
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if not {host, f"{host}:{port}"} & self._private:
            if request.url.scheme not in self._schemes:
                raise EgressRefusedError(f"only {' and '.join(self._schemes)} may be used for {host}", request=request)
            if not self._permits(host):
                raise EgressRefusedError(f"{host} is not among the hosts that may be reached", request=request)
            address = await self._resolve(host, port, request)
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        response = await self._inner.handle_async_request(request)
        if self._most_bytes is not None:
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise EgressRefusedError("the answer is compressed", request=request)
            assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  what an asynchronous transport gives
            response.stream = _Bounded(response.stream, self._most_bytes, request)
        return response

    @staticmethod
    async def _resolve(host: str, port: int, request: httpx.Request) -> str:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise EgressRefusedError(f"{host} cannot be resolved", request=request) from error
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(public_address(address) for address in addresses):
            raise EgressRefusedError(f"{host} is not a public address", request=request)
        return addresses[0]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
