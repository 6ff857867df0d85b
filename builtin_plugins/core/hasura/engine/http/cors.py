"""Cross-origin answers, by HASURA_GRAPHQL_CORS_DOMAIN: `*`, a list of origins, `https://*.example.com`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..config import Config

NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]+(\s*,\s*[\w!#$%&'*+.^`|~-]+)*", re.ASCII)


@lru_cache(maxsize=1024)
def _allowed(domains: str, origin: str) -> bool:
    for raw in domains.split(","):
        domain = raw.strip().rstrip("/")
        if domain in ("*", origin):
            return True
        if "://*." in domain:
            scheme, _, rest = domain.partition("://*.")
            if origin.startswith(scheme + "://") and origin.endswith("." + rest):
                return True
    return False


def origin_allowed(config: Config, headers: Mapping[str, str]) -> bool:
    """Whether a page of this origin may open a WebSocket: any where CORS is off, and always a page of this very server."""
    origin = headers.get("origin")
    if config.disable_cors or not origin or _allowed(config.cors_domain, origin):
        return True
    return origin.partition("://")[2] == headers.get("host")


def cors_headers(config: Config, origin: str | None) -> list[tuple[bytes, bytes]]:
    """What to add for this origin; nothing when it is not allowed."""
    if config.disable_cors or not origin or not _allowed(config.cors_domain, origin):
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def preflight_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """What a preflight of an allowed origin is told. `*` is no wildcard where credentials are allowed, so names are repeated."""
    asked = headers.get("access-control-request-headers", "")
    return [
        (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,OPTIONS"),
        (b"access-control-allow-headers", (asked if NAMES.fullmatch(asked) else "content-type").encode("latin-1")),
        (b"access-control-max-age", b"1728000"),
    ]
