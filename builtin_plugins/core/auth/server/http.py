"""From an HTTP request to a handler's call and back: body, caller, limits, errors."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .errors import ApiError, unauthenticated
from .keys import InvalidTokenError
from .models import Body, storable
from .service import Service

log = logging.getLogger("nself.auth")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who an access token stands for."""

    id: UUID
    anonymous: bool
    elevated: bool
    session: UUID | None


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a handler sees it."""

    service: Service
    request: Request
    body: Any
    caller: Caller | None

    @property
    def user_id(self) -> UUID:
        """The caller's id, on routes that need one."""
        if self.caller is None:
            raise unauthenticated()
        return self.caller.id


Handler = Callable[[Call], Awaitable[Response]]


def reply(value: Any, status: int = 200, background: BackgroundTask | None = None) -> Response:
    """A JSON answer. What it says of accounts is not for caches."""
    try:
        content = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits in a user's metadata
        content = json.dumps(value, ensure_ascii=False).encode()
    headers = {"cache-control": "no-store"}
    return Response(content, status, headers=headers, media_type="application/json", background=background)


def ok(background: BackgroundTask | None = None) -> Response:
    """The contract's `OKResponse`."""
    return reply("OK", background=background)


def redirect(url: str) -> Response:
    """A redirect to a URL that was allowed. It may carry a token, so it is neither stored nor told on as referrer."""
    return RedirectResponse(url, 302, headers={"cache-control": "no-store", "referrer-policy": "no-referrer"})


def refusal(error: ApiError, service: Service) -> Response:
    """The contract's `ErrorResponse`."""
    shown = error.concealed() if service.settings.conceal_errors else error
    return reply(shown.body(), shown.status)


def authenticate(service: Service, token: str) -> Caller:
    """The caller an access token stands for; the refusal of the contract if it does not hold."""
    try:
        claims = service.keys.verify(token)
        user_id = UUID(claims["x-hasura-user-id"])
        session = UUID(claims["sid"]) if claims["sid"] else None
    except (InvalidTokenError, KeyError, ValueError, TypeError, AttributeError):
        raise unauthenticated() from None
    elevated = claims.get("x-hasura-auth-elevated")
    matches = isinstance(elevated, str) and secrets.compare_digest(elevated.encode(), str(user_id).encode())
    return Caller(user_id, claims.get("x-hasura-user-is-anonymous") == "true", matches, session)


def bearer(request: Request) -> str | None:
    """The token of the Authorization header (RFC 6750), or nothing without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def require_elevated(service: Service, caller: Caller, *, first_key: bool = False) -> None:
    """AUTH_REQUIRE_ELEVATED_CLAIM: `recommended` asks it only of users who have a security key.

    So does a route that adds a `first_key`, whatever the mode: without a key there is no way to the claim.
    """
    mode = service.settings.require_elevated_claim
    if mode == "disabled" or caller.elevated:
        return
    if (mode == "recommended" or first_key) and not await service.pool.fetchval(
        "SELECT EXISTS (SELECT 1 FROM auth.user_security_keys WHERE user_id = $1)", caller.id
    ):
        return
    raise ApiError("invalid-request", status=401, message="elevated claim is required")


async def require_live(service: Service, caller: Caller) -> None:
    """An access token outlives its session by minutes; what changes an account or makes a new way in asks for the session.

    Tokens that hasura-auth made before the database moved here name no session; they are believed until they expire.
    """
    if caller.session is not None and not await service.pool.fetchval(
        "SELECT EXISTS (SELECT 1 FROM auth.refresh_tokens WHERE id = $1 AND user_id = $2 AND expires_at > now())",
        caller.session,
        caller.id,
    ):
        raise unauthenticated()


async def _caller(service: Service, request: Request, auth: str) -> Caller | None:
    token = bearer(request)
    if auth == "none" or (auth == "optional" and token is None):
        return None
    if token is None:
        raise unauthenticated()
    caller = authenticate(service, token)
    if auth in ("session", "elevated", "key"):
        await require_live(service, caller)
    if auth in ("elevated", "key"):
        await require_elevated(service, caller, first_key=auth == "key")
    return caller


async def read_body(request: Request, limit: int) -> bytes:
    """The request's body; 413 as soon as the announced or the received length is beyond the limit."""
    too_long = ApiError("invalid-request", status=413, message="the request body is too long")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise too_long
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > limit:
            raise too_long
    return bytes(received)


async def _body(service: Service, request: Request, model: type[Body], *, required: bool) -> Body | None:
    raw = await read_body(request, service.settings.body_limit)
    if not raw:
        if required:
            raise ApiError("invalid-request", message="a request body is needed")
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError("invalid-request", status=415, message="use content-type application/json")
    try:
        body = model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ApiError("invalid-request", message=f"{where}: {first['msg']}" if where else first["msg"]) from None
    if not storable(body.model_dump()):
        raise ApiError("invalid-request")
    return body


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as an ASGI application: what Starlette wraps round a function costs as much as the operation itself."""

    name: str
    handler: Handler
    body: type[Body] | None
    body_required: bool
    auth: str
    limits: tuple[str, ...] | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        response = await self._answer(service, request)
        await response(scope, receive, send)

    async def _answer(self, service: Service, request: Request) -> Response:
        try:
            caller_address = request.client.host if request.client else "-"
            wait = service.limits.check(self.limits, caller_address) if self.limits is not None else 0
            if wait > 0:
                answer = refusal(ApiError("invalid-request", status=429, message="Too many requests"), service)
                answer.headers["retry-after"] = str(int(wait) + 1)
                return answer
            caller = await _caller(service, request, self.auth) if self.auth != "none" else None
            parsed = await _body(service, request, self.body, required=self.body_required) if self.body else None
            return await self.handler(Call(service, request, parsed, caller))
        except ApiError as error:
            answer = refusal(error, service)
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                answer.headers["connection"] = "close"
            return answer
        except ClientDisconnect:
            return refusal(ApiError("invalid-request"), service)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.error("%s: database: %s", self.name, error)
            return refusal(ApiError("internal-server-error"), service)
        except Exception:  # here, not further out: the connection lives on, and the next request on it is answered
            log.exception("%s: unexpected", self.name)
            return refusal(ApiError("internal-server-error"), service)


def operation(
    method: str,
    path: str,
    handler: Handler,
    *,
    body: type[Body] | None = None,
    body_required: bool = True,
    auth: str = "none",
    limits: tuple[str, ...] | None = (),
) -> Route:
    """A route of the contract.

    `auth` is `none`, `optional`, `bearer`, `session` (`require_live`), `elevated` (that and `require_elevated`) or `key`
    (the same, but for a user without a security key);
    `limits` names groups of AUTH_RATE_LIMIT_* beside `global`; with nothing at all, not even that one counts.
    """
    name = f"{method} {path}"
    route = Route(path, Operation(name, handler, body, body_required, auth, limits), methods=[method], name=name)
    if route.methods and path != "/healthz":
        route.methods.discard("HEAD")  # mail scanners send HEAD to links, which must not use up a ticket
    return route
