"""A plugin's HTTP client: only the hosts its manifest names; private addresses only as the stack's own or the user's."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

import httpx

from builtin_plugins.egress import EgressRefusedError, GuardedTransport
from hookspecs import Settings

_TIMEOUT = httpx.Timeout(30, connect=10)
STACK, SETTING = "stack", "setting"


def named(host: str, names: Iterable[str]) -> bool:
    """Whether a host is one of these; ``*`` at the beginning stands for any."""
    return any(fnmatchcase(host.lower().rstrip("."), name.lower()) for name in names)


#: Where, in a sandbox, the proxy that leads out of it is reached by programs that know HTTP proxies.
PROXY = ("127.0.0.1", 3128)


class _HonestProxy(httpx.AsyncBaseTransport):
    """Tells a refusal of the proxy as what it is."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(proxy=f"http://{PROXY[0]}:{PROXY[1]}")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send through the proxy."""
        try:
            answer = await self._inner.handle_async_request(request)
        except httpx.ProxyError as error:
            raise EgressRefusedError(f"{request.url.host} may not be reached: {error}", request=request) from error
        if answer.headers.get("x-nself-egress"):
            text = (await answer.aread()).decode()
            raise EgressRefusedError(text, request=request)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def proxied_client() -> httpx.AsyncClient:
    """The client of a plugin in a sandbox: the proxy outside judges."""
    return httpx.AsyncClient(transport=_HonestProxy(), follow_redirects=False, timeout=_TIMEOUT, trust_env=False)


def reachable(
    network: Iterable[str], services: Collection[str], private_hosts: Collection[str], settings: Settings
) -> tuple[list[str], list[str]]:
    """What ``permissions.network`` comes to: names of public hosts, and ``host:port`` of private ones.

    ``*`` takes in the ``private_hosts`` that the user opened. ``stack`` stands for the stack's services, ``setting:NAME`` for the
    address in that setting, which the user wrote and which may therefore be private.
    """
    names: list[str] = []
    private: list[str] = []
    for entry in network:
        kind, colon, setting = entry.partition(":")
        if entry == STACK:
            private += services
        elif colon and kind == SETTING:
            private += _address(str(settings.get(setting) or ""))
        else:
            names.append(entry)
            private += private_hosts if entry == "*" else ()
    return names, private


def _address(url: str) -> list[str]:
    parts = httpx.URL(url) if "://" in url else httpx.URL(f"//{url}")
    if not parts.host:
        return []
    return [f"{parts.host}:{parts.port or (80 if parts.scheme == 'http' else 443)}"]


def guarded_client(names: Collection[str], private: Collection[str]) -> httpx.AsyncClient:
    """The client: any public address at hosts of these ``names``, and ``private`` ones by ``host:port``.

    Each hop of a redirect is judged anew. Proxies of the environment are not used: they would resolve names themselves.
    """
    transport = GuardedTransport(private, schemes=("https", "http"), permits=lambda host: named(host, names))
    return httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=_TIMEOUT, trust_env=False)
