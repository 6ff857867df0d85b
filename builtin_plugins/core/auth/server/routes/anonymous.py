"""Anonymous users, and their way to an account of their own."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import asyncpg
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import linkmail, refresh_tokens, signup, tickets, users
from ..errors import ApiError
from ..http import Call, ok, operation, reply, require_live
from ..models import Anonymous, Deanonymize
from ..users import NewUser


async def sign_in(call: Call) -> Response:
    """A new user who can only be reached by its session."""
    service, settings = call.service, call.service.settings
    if not settings.anonymous_users_enabled:
        raise ApiError("disabled-endpoint")
    signup.check_enabled(settings)
    body = call.body or Anonymous()
    new = NewUser(
        locale=body.locale if body.locale and body.locale in settings.locales else settings.locale_default,
        default_role="anonymous",
        roles=("anonymous",),
        display_name=body.display_name or "Anonymous User",
        metadata=body.metadata,
        is_anonymous=True,
    )
    async with service.pool.acquire() as conn, conn.transaction():
        user = await users.insert(conn, new)
    return reply({"session": await service.sessions.open(service.pool, user)})


async def deanonymize(call: Call) -> Response:
    """Give an anonymous user an address and roles; a mail proves the address where that is asked for."""
    service, settings, body = call.service, call.service.settings, call.body
    user = await users.by_id(service.pool, call.user_id)
    if user is None or user.disabled:
        raise ApiError("disabled-user")
    if not user.is_anonymous:
        raise ApiError("user-not-anonymous")
    if call.caller is not None:
        await require_live(service, call.caller)
    by_link = body.sign_in_method == "passwordless"
    if by_link and body.password is not None:
        raise ApiError("invalid-request", message="a passwordless user has no password")
    if not by_link and body.password is None:
        raise ApiError("invalid-request", message="a password is needed")
    if by_link and not settings.email_passwordless_enabled:
        raise ApiError("disabled-endpoint")
    signup.check_enabled(settings)
    signup.check_email(settings, body.email)
    target = signup.redirect_target(settings, body.options)
    new = signup.new_user(settings, body.options, name=body.email, email=body.email)
    password_hash = None
    if body.password is not None:
        await signup.check_password(service, body.password)
        password_hash = await service.passwords.hash(body.password)
    async with service.pool.acquire() as conn, conn.transaction():
        await _adopt(conn, user.id, replace(new, password_hash=password_hash))
        await users.set_roles(conn, user.id, new.roles)
        # The anonymous sessions end: whoever holds one must now prove the address or know the password.
        await refresh_tokens.revoke_all(conn, user.id, keep_pats=False)
        known = await users.by_id(conn, user.id) or user
        if by_link:
            await linkmail.send(service, conn, known, tickets.PASSWORDLESS, target)
        elif settings.email_verified_required:
            await linkmail.send(service, conn, known, tickets.VERIFY_EMAIL, target)
    service.outbox.notify()
    return ok()


async def _adopt(conn: asyncpg.Connection, user_id: UUID, new: NewUser) -> None:
    try:
        adopted = await conn.fetchval(
            """UPDATE auth.users SET email = $2::text::auth.email, password_hash = $3, default_role = $4, is_anonymous = false,
                 display_name = $5, locale = $6, avatar_url = $7, metadata = coalesce($8, metadata), disabled = $9
               WHERE id = $1 AND is_anonymous RETURNING id""",
            user_id,
            new.email,
            new.password_hash,
            new.default_role,
            new.display_name,
            new.locale,
            new.avatar_url,
            new.metadata,
            new.disabled,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError("email-already-in-use") from None
    if adopted is None:  # another request of the same user was faster
        raise ApiError("user-not-anonymous")


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signin/anonymous", sign_in, body=Anonymous, body_required=False, limits=("signups",)),
        operation("POST", "/user/deanonymize", deanonymize, body=Deanonymize, auth="bearer", limits=("email",)),
    ]
