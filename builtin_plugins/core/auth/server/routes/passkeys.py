"""Passkeys: sign-up, sign-in, more keys, and elevation of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import signup, timing, users
from ..errors import ApiError
from ..http import Call, operation, reply
from ..late import late
from ..models import EmailWithOptions, SignUpOptions, WebauthnAdd, WebauthnEmail, WebauthnSignIn, WebauthnSignUp
from .account import current_user
from .password import check_may_sign_in

if TYPE_CHECKING:
    from .. import passkeys
else:
    passkeys = late("builtin_plugins.core.auth.server.passkeys")  # with its library a fifth of the start, and off by default

_SIGN_UP, _SIGN_IN, _ADD, _ELEVATE = "signup", "signin", "add", "elevate"


def _enabled(call: Call) -> None:
    if not call.service.settings.webauthn_enabled:
        raise ApiError("disabled-endpoint")


async def sign_up(call: Call) -> Response:
    """Creation options for a user that is stored when the key has answered."""
    service, settings, body = call.service, call.service.settings, call.body
    _enabled(call)
    signup.check_enabled(settings)
    signup.check_email(settings, body.email)
    signup.redirect_target(settings, body.options)
    new = signup.new_user(settings, body.options, name=body.email)
    quiet = settings.hides_accounts and settings.email_verified_required
    if not quiet and await users.by_email(service.pool, body.email):
        raise ApiError("email-already-in-use")
    kept = {"email": body.email, "options": (body.options or SignUpOptions()).model_dump(by_alias=True, exclude_none=True)}
    return reply(await passkeys.creation_options(service, _SIGN_UP, uuid4(), body.email, new.display_name, kept))


async def verify_sign_up(call: Call) -> Response:
    """Store the user with its key. The options given here replace those of the first step."""
    service, settings, body = call.service, call.service.settings, call.body
    _enabled(call)
    signup.check_enabled(settings)
    ceremony = await passkeys.answered(service, body.credential, _SIGN_UP)
    email = ceremony.options["email"]
    options = body.options or SignUpOptions.model_validate(ceremony.options["options"])
    target = signup.redirect_target(settings, options)
    new = replace(signup.new_user(settings, options, name=email, email=email), id=ceremony.user_id)
    key = passkeys.checked_key(service, ceremony, body.credential, body.nickname)
    if not settings.email_verified_required:
        async with service.pool.acquire() as conn, conn.transaction():
            user = await users.insert(conn, new)
            await passkeys.store_key(conn, user.id, key)
        return reply({"session": None if user.disabled else await service.sessions.open(service.pool, user)})
    async with timing.level():
        await signup.store_unverified(service, new, target, also=lambda conn: passkeys.store_key(conn, ceremony.user_id, key))
    return reply({"session": None})


async def sign_in(call: Call) -> Response:
    """Request options: for any passkey of this site, or for the keys of an address."""
    service = call.service
    _enabled(call)
    email = call.body.email if call.body else None
    if email is None:
        return reply(await passkeys.request_options(service, _SIGN_IN, None, None))
    user = await users.by_email(service.pool, email)
    # without hints, which a decoy lacks; looked for in any case, as that takes time
    keys = await passkeys.descriptors(service, user.id if user else uuid4(), hints=False)
    return reply(
        await passkeys.request_options(
            service, _SIGN_IN, user.id if user and keys else None, keys or passkeys.decoy(service, email)
        )
    )


async def verify_sign_in(call: Call) -> Response:
    """The session of the key's user."""
    service = call.service
    _enabled(call)
    key = await passkeys.assertion(service, call.body.credential, _SIGN_IN)
    user = await users.by_id(service.pool, key.user_id)
    if user is None:
        raise ApiError("invalid-request")
    check_may_sign_in(service, user)
    return reply({"session": await service.sessions.open(service.pool, user)})


async def add(call: Call) -> Response:
    """Creation options for one more key."""
    _enabled(call)
    user = await current_user(call)
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    name = user.email or user.phone_number or user.display_name
    return reply(await passkeys.creation_options(call.service, _ADD, user.id, name, user.display_name))


async def verify_add(call: Call) -> Response:
    """Store one more key of the caller."""
    service, body = call.service, call.body
    _enabled(call)
    user = await current_user(call)
    ceremony = await passkeys.answered(service, body.credential, _ADD)
    if ceremony.user_id != user.id:
        raise ApiError("invalid-request", message="the challenge was made for another user")
    key = passkeys.checked_key(service, ceremony, body.credential, body.nickname)
    async with service.pool.acquire() as conn, conn.transaction():
        key_id = await passkeys.store_key(conn, user.id, key)
    return reply({"id": str(key_id)} | ({"nickname": body.nickname} if body.nickname is not None else {}))


async def elevate(call: Call) -> Response:
    """Request options for the caller's own keys."""
    service = call.service
    _enabled(call)
    user = await current_user(call)
    keys = await passkeys.descriptors(service, user.id)
    if not keys:
        raise ApiError("invalid-request", message="the user has no security key")
    return reply(await passkeys.request_options(service, _ELEVATE, user.id, keys))


async def verify_elevate(call: Call) -> Response:
    """A session whose access token carries the elevated claim."""
    service = call.service
    _enabled(call)
    user = await current_user(call)
    key = await passkeys.assertion(service, call.body.credential, _ELEVATE)
    if key.user_id != user.id:
        raise ApiError("invalid-request", message="the security key is another user's")
    return reply({"session": await service.sessions.open(service.pool, user, elevated=True)})


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signup/webauthn", sign_up, body=EmailWithOptions, limits=("signups",)),
        operation("POST", "/signup/webauthn/verify", verify_sign_up, body=WebauthnSignUp, limits=("signups",)),
        operation("POST", "/signin/webauthn", sign_in, body=WebauthnEmail, body_required=False, limits=("brute-force",)),
        operation("POST", "/signin/webauthn/verify", verify_sign_in, body=WebauthnSignIn, limits=("brute-force",)),
        operation("POST", "/user/webauthn/add", add, auth="key"),
        operation("POST", "/user/webauthn/verify", verify_add, body=WebauthnAdd, auth="key"),
        operation("POST", "/elevate/webauthn", elevate, auth="session"),
        operation("POST", "/elevate/webauthn/verify", verify_elevate, body=WebauthnSignIn, auth="session"),
    ]
