"""Health, version and public keys."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from starlette.responses import Response
from starlette.routing import BaseRoute

from ..http import Call, ok, operation, reply


async def health(call: Call) -> Response:
    """The server answers and so does its database."""
    await call.service.pool.fetchval("SELECT 1")
    return ok()


async def show_version(_call: Call) -> Response:
    """The version of the package this server is part of."""
    try:
        number = version("nself")
    except PackageNotFoundError:
        number = "0+unknown"
    return reply({"version": number})


async def jwks(call: Call) -> Response:
    """Public keys for checking access tokens; empty with HMAC keys."""
    answer = reply(call.service.keys.jwks())
    answer.headers["cache-control"] = "public, max-age=60"
    return answer


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("GET", "/healthz", health, limits=None),
        operation("GET", "/version", show_version),
        operation("GET", "/.well-known/jwks.json", jwks),
    ]
