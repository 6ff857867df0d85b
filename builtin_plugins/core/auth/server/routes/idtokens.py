"""Sign-in and linking with an id-token that an app got from Apple or Google itself."""

from __future__ import annotations

import hashlib
import logging

from starlette.responses import Response
from starlette.routing import BaseRoute

from ..errors import ApiError
from ..http import Call, ok, operation, reply
from ..models import IdToken, SignInIdToken
from ..oauth import accounts
from ..oauth.identity import Identity, IdentityError, check_id_token, from_profile, keys_of
from .account import current_user

log = logging.getLogger("nself.auth")


async def _identity(call: Call) -> Identity:
    """The identity in the token. Apple's apps sign the SHA-256 of their nonce, Google's the nonce itself: both count."""
    service, body = call.service, call.body
    provider = service.providers[body.provider]
    own = service.settings.apple_audience if body.provider == "apple" else service.settings.google_audience
    audiences = tuple(value for value in (*own, provider.client_id) if value)
    if not audiences:
        raise ApiError("disabled-endpoint")
    try:
        keys = await keys_of(service.provider_http, provider.jwks)
        claims = check_id_token(body.id_token, keys, provider.issuers, audiences, None)
        shown = claims.get("nonce")
        if body.nonce is not None or shown is not None:
            given = body.nonce or ""
            if shown not in (given, hashlib.sha256(given.encode()).hexdigest()):
                raise IdentityError("the id-token's nonce is another")
        return from_profile(provider, claims)
    except IdentityError as error:
        log.info("%s: %s", body.provider, error)
        raise ApiError("invalid-request", message="the id-token does not hold") from None


async def sign_in(call: Call) -> Response:
    """The session of the token's user, who is made if need be."""
    service = call.service
    identity = await _identity(call)
    user = await accounts.sign_in(service, call.body.provider, identity, call.body.options)
    return reply({"session": await service.sessions.open(service.pool, user)})


async def link(call: Call) -> Response:
    """Add the token's identity to the caller."""
    user = await current_user(call)
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    await accounts.link(call.service, user, call.body.provider, await _identity(call))
    return ok()


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signin/idtoken", sign_in, body=SignInIdToken, limits=("brute-force",)),
        operation("POST", "/link/idtoken", link, body=IdToken, auth="elevated"),
    ]
