"""Cross-origin answers, by HASURA_GRAPHQL_CORS_DOMAIN: `*`, a list of origins, `https://*.example.com`."""

from __future__ import annotations

from functools import lru_cache

from ..config import Config


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


def cors_headers(config: Config, origin: str | None) -> list[tuple[bytes, bytes]]:
    """What to add for this origin; nothing when it is not allowed."""
    if config.disable_cors or not origin or not _allowed(config.cors_domain, origin):
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"GET,POST,PUT,PATCH,DELETE,OPTIONS"),
        (b"access-control-allow-headers", b"*, authorization, content-type, x-hasura-role, x-hasura-admin-secret"),
        (b"vary", b"Origin"),
    ]
