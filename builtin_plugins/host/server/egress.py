"""A plugin's HTTP client: only the hosts its manifest names; private addresses, the project's own services, under ``stack``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

import httpx

from builtin_plugins.egress import GuardedTransport

_TIMEOUT = httpx.Timeout(30, connect=10)
STACK = "stack"


def names(host: str, network: Iterable[str]) -> bool:
    """Whether ``permissions.network`` names a host."""
    return any(fnmatchcase(host.lower().rstrip("."), name.lower()) for name in network if name != STACK)


def guarded_client(network: Collection[str], services: Collection[str]) -> httpx.AsyncClient:
    """The client. ``services``: ``host:port`` of the stack's own. Each hop of a redirect is judged anew.

    Proxies of the environment are not used: they would resolve names themselves.
    """
    inner = services if STACK in network else ()
    transport = GuardedTransport(inner, schemes=("https", "http"), permits=lambda host: names(host, network))
    return httpx.AsyncClient(transport=transport, follow_redirects=False, timeout=_TIMEOUT, trust_env=False)
