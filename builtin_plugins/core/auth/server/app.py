"""The ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router

from .errors import ApiError
from .http import refusal, reply
from .routes import (
    account,
    anonymous,
    idtokens,
    mfa,
    passkeys,
    password,
    passwordless,
    passwordless_sms,
    pats,
    providers,
    system,
    tokens,
    verify,
)
from .service import Service
from .settings import Settings

log = logging.getLogger("nself.auth")
# Routes are tried in order: the busiest first.
_MODULES = (
    tokens, password, account, system, passwordless, passwordless_sms, anonymous, pats, mfa, passkeys, verify, providers, idtokens
)  # fmt: skip


def routes() -> list[BaseRoute]:
    """Every operation of the contract."""
    return [route for module in _MODULES for route in module.routes()]


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such path, no such method) in the contract's form."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status in (404, 405, 400, 413):
        refused = ApiError("invalid-request", status=status, message="no such operation" if status in (404, 405) else None)
        answer = reply(refused.body(), status)
        answer.headers.update({k: v for k, v in (getattr(error, "headers", None) or {}).items() if k.lower() == "allow"})
        return answer
    return refusal(ApiError("internal-server-error"), request.app.state.service)


async def _crash(_request: Request, error: Exception) -> Response:
    log.error("unexpected", exc_info=error)
    crash = ApiError("internal-server-error")
    return reply(crash.body(), crash.status)


def create_app(settings: Settings) -> Starlette:
    """The application; its lifespan opens and closes what it needs.

    Any origin may call: access is by tokens in headers, never by cookies, so a foreign page gains nothing. The only cookie
    ties the way to a provider and back to one browser, and answers no script.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.service = await Service.start(settings)
        try:
            yield
        finally:
            await app.state.service.stop()

    operations = routes()
    prefix = settings.api_prefix
    app = Starlette(
        routes=[Mount(prefix, app=Router(operations, redirect_slashes=False))] if prefix else operations,
        lifespan=lifespan,
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=600),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _crash},
    )
    # A path with a slash too many is no operation: a redirect would lead to whatever host the request names.
    app.router.redirect_slashes = False
    return app
