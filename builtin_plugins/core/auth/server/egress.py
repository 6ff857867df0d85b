"""Requests to outside providers: HTTPS only, no redirects, never to a private address but those the operator named.

Provider URLs come from settings and from documents that providers serve, so both could point inwards.
"""

from __future__ import annotations

import httpx

from builtin_plugins.egress import GuardedTransport

_TIMEOUT = httpx.Timeout(10)
_MOST_BYTES = 1024 * 1024


def guarded_client(allowed_hosts: tuple[str, ...]) -> httpx.AsyncClient:
    """A client for providers. Proxies of the environment are not used: they would resolve names themselves."""
    transport = GuardedTransport(allowed_hosts, most_bytes=_MOST_BYTES)
    return httpx.AsyncClient(
        transport=transport,
        headers={"accept-encoding": "identity"},
        follow_redirects=False,
        timeout=_TIMEOUT,
        trust_env=False,
    )
