"""Sign-in through a provider: the redirect there and the answer back."""

from __future__ import annotations

import json
import logging
import time
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import redirects, signup, users
from ..errors import ApiError
from ..http import Call, authenticate, operation, read_body, redirect, require_elevated, require_live
from ..models import SignUpOptions, storable
from ..oauth import accounts
from ..oauth.exchange import Exchange, ExchangeError
from ..oauth.exchange1 import Exchange1
from ..oauth.identity import IdentityError
from ..oauth.providers import Provider
from ..service import Service

log = logging.getLogger("nself.auth")
_LIFETIME = 600  # seconds a user has at the provider
# What a provider says of its refusal (RFC 6749, 4.1.2.1), by hasura-auth's names for it.
_TOLD = {"error": "error", "error_description": "error_description", "error_url": "error_uri"}
_OPTIONS = ("defaultRole", "displayName", "locale", "redirectTo")


def _provider(call: Call) -> Provider:
    provider = call.service.providers.get(call.request.path_params["provider"])
    if provider is None:
        raise ApiError("invalid-request", message="unknown provider")
    if not provider.enabled:
        raise ApiError("disabled-endpoint")
    return provider


def _exchange(service: Service, provider: Provider) -> Exchange | Exchange1:
    settings = service.settings
    callback = f"{settings.server_url}{settings.api_prefix}/signin/provider/{provider.name}/callback"
    return (Exchange1 if provider.oauth1 else Exchange)(provider, callback, service.provider_http)


def _options(request: Request) -> SignUpOptions:
    """The sign-up options of the query: lists as comma-separated values, metadata as JSON."""
    query = request.query_params
    given: dict[str, Any] = {name: query[name] for name in _OPTIONS if name in query}
    if "allowedRoles" in query:
        given["allowedRoles"] = [role for value in query.getlist("allowedRoles") for role in value.split(",") if role]
    try:
        if "metadata" in query:
            given["metadata"] = json.loads(query["metadata"])
        options = SignUpOptions.model_validate(given)
        kept = storable(options.model_dump())
    except (ValidationError, ValueError, RecursionError):
        raise ApiError("invalid-request") from None
    if not kept:
        raise ApiError("invalid-request")
    return options


def _failed(target: str, error: ApiError, service: Service, **more: str) -> Response:
    shown = error.concealed() if service.settings.conceal_errors else error
    return redirect(redirects.with_query(target, {"error": shown.code, "errorDescription": shown.message, **more}))


async def start(call: Call) -> Response:
    """Send the user to the provider."""
    service = call.service
    provider, options = _provider(call), _options(call.request)
    target = signup.redirect_target(service.settings, options)
    signup.roles(service.settings, options)
    user_id = await _connecting(call)
    state = uuid4()
    try:
        url, kept = await _exchange(service, provider).start(str(state))
    except ExchangeError as error:
        log.error("%s: %s", provider.name, error)
        return _failed(target, ApiError("oauth-provider-error"), service)
    await service.pool.execute(
        "INSERT INTO auth.provider_requests (id, options) VALUES ($1, $2)",
        state,
        {
            "provider": provider.name,
            "redirectTo": target,
            "options": options.model_dump(by_alias=True, exclude_none=True),
            "connect": str(user_id) if user_id else None,
            "kept": kept,
            "expiresAt": time.time() + _LIFETIME,
        },
    )
    answer = redirect(url)
    _bind(service, provider, answer, str(state), _LIFETIME)
    return answer


async def _connecting(call: Call) -> UUID | None:
    """The user who wants to add an identity: the bearer of the access token in the query."""
    token = call.request.query_params.get("connect")
    if not token:
        return None
    caller = authenticate(call.service, token)
    await require_live(call.service, caller)
    await require_elevated(call.service, caller)
    if caller.anonymous:
        raise ApiError("forbidden-anonymous")
    return caller.id


def _cookie(service: Service, state: str) -> str:
    """The name of the cookie of one way to a provider and back; several may be under way in one browser.

    With the prefix `__Host-` (RFC 6265bis, 4.1.3.2) browsers take it from this host alone, not from its neighbours.
    """
    secure = service.settings.server_url.startswith("https:")
    return f"{'__Host-' if secure else ''}auth-state-{state}"


def _bind(service: Service, provider: Provider, answer: Response, state: str, seconds: int) -> None:
    """Tie the state to this browser, so that nobody signs it in with an answer that was meant for another one.

    A form that the provider's page posts (Apple) brings cookies along only where they are `SameSite=None`, which needs
    https, as Apple itself does.
    """
    secure = service.settings.server_url.startswith("https:")
    answer.set_cookie(
        _cookie(service, state),
        "1" if seconds else "",
        max_age=seconds,
        path="/",
        secure=secure,
        httponly=True,
        samesite="none" if provider.form_post and secure else "lax",
    )


async def callback_get(call: Call) -> Response:
    """The provider's answer as a query."""
    return await _finish(call, dict(call.request.query_params))


async def callback_post(call: Call) -> Response:
    """The provider's answer as a form (Apple's `form_post`)."""
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ApiError("invalid-request", status=415)
    raw = await read_body(call.request, call.service.settings.body_limit)
    try:
        answer = dict(parse_qsl(raw.decode(), max_num_fields=30))
    except ValueError:
        raise ApiError("invalid-request") from None
    return await _finish(call, answer)


async def _finish(call: Call, answer: dict[str, str]) -> Response:
    """A state that does not count leads to the client's own address: whoever comes from a provider is a person in a browser."""
    service = call.service
    provider = _provider(call)
    state = answer.get("state", "")
    if not state:  # no provider's answer at all
        raise ApiError("invalid-state")
    try:
        if _cookie(service, state) not in call.request.cookies:
            raise ApiError("invalid-state")
        kept = await _take_state(service, provider, state)
    except ApiError as error:
        return _failed(service.settings.client_url, error, service)
    response = await _conclude(service, provider, answer, kept)
    _bind(service, provider, response, state, 0)
    return response


async def _conclude(service: Service, provider: Provider, answer: dict[str, str], kept: dict[str, Any]) -> Response:
    target = kept["redirectTo"]
    if answer.get("error"):
        told = {f"provider_{part}": answer.get(name, "") for part, name in _TOLD.items()}
        return _failed(target, ApiError("oauth-provider-error"), service, **told)
    try:
        token = await _complete(service, provider, answer, kept)
    except ExchangeError as error:
        log.warning("%s: %s", provider.name, error)
        return _failed(target, ApiError("oauth-token-echange-failed"), service)
    except IdentityError as error:
        log.warning("%s: %s", provider.name, error)
        return _failed(target, ApiError("oauth-profile-fetch-failed"), service)
    except ApiError as error:
        return _failed(target, error, service)
    return redirect(redirects.with_query(target, {"refreshToken": token}) if token else target)


async def _take_state(service: Service, provider: Provider, state: str) -> dict[str, Any]:
    """What was remembered under this state; it counts once, for its provider, and for a time."""
    try:
        request_id = UUID(state)
    except ValueError:
        raise ApiError("invalid-state") from None
    kept = await service.pool.fetchval("DELETE FROM auth.provider_requests WHERE id = $1 RETURNING options", request_id)
    if not isinstance(kept, dict) or kept.get("provider") != provider.name or kept.get("expiresAt", 0) < time.time():
        raise ApiError("invalid-state")
    return kept


async def _complete(service: Service, provider: Provider, answer: dict[str, str], kept: dict[str, Any]) -> str | None:
    """The refresh token of the user, or nothing after an identity was added to a user who is signed in already."""
    tokens, identity = await _exchange(service, provider).finish(answer, kept["kept"])
    pair = (tokens.access, tokens.refresh)
    if kept["connect"]:
        user = await users.by_id(service.pool, UUID(kept["connect"]))
        if user is None or user.disabled:
            raise ApiError("disabled-user")
        await accounts.link(service, user, provider.name, identity, pair)
        return None
    options = SignUpOptions.model_validate(kept["options"])
    user = await accounts.sign_in(service, provider.name, identity, options, pair)
    return (await service.sessions.refresh_token(service.pool, user))[1]


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("GET", "/signin/provider/{provider}", start),
        operation("GET", "/signin/provider/{provider}/callback", callback_get),
        operation("POST", "/signin/provider/{provider}/callback", callback_post),
    ]
