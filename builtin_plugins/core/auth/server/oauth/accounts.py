"""From a provider's identity to a user: the linked one, the one with the same proven address, or a new one."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
from pydantic import TypeAdapter, ValidationError

from .. import linkmail, signup, tickets, users
from ..errors import ApiError
from ..models import Email, SignUpOptions
from ..service import Service
from ..users import User
from .identity import Identity

_EMAIL = TypeAdapter(Email)


async def sign_in(
    service: Service,
    provider: str,
    identity: Identity,
    options: SignUpOptions | None,
    tokens: tuple[str, str | None] = ("", None),
) -> User:
    """The user of this identity."""
    async with service.pool.acquire() as conn, conn.transaction():
        linked = await conn.fetchval(
            """UPDATE auth.user_providers SET access_token = $3, refresh_token = coalesce($4, refresh_token)
               WHERE provider_id = $1 AND provider_user_id = $2 RETURNING user_id""",
            provider,
            identity.id,
            *tokens,
        )
        if linked is not None:
            user = await users.by_id(conn, linked)
        else:
            user = await _by_email(conn, identity) or await _create(service, conn, identity, options)
            await _link(conn, user, provider, identity, tokens)
            if user.email and not user.email_verified and service.settings.email_verified_required:
                target = signup.redirect_target(service.settings, options)
                await linkmail.send(service, conn, user, tickets.VERIFY_EMAIL, target)
    service.outbox.notify()
    if user is None:
        raise ApiError("internal-server-error")
    if user.disabled:
        raise ApiError("disabled-user")
    if user.email and not user.email_verified and service.settings.email_verified_required:
        raise ApiError("unverified-user")
    return user


async def link(
    service: Service, user: User, provider: str, identity: Identity, tokens: tuple[str, str | None] = ("", None)
) -> None:
    """Add an identity to a user who is signed in."""
    async with service.pool.acquire() as conn, conn.transaction():
        await _link(conn, user, provider, identity, tokens)


async def _link(conn: asyncpg.Connection, user: User, provider: str, identity: Identity, tokens: tuple[str, str | None]) -> None:
    try:
        await conn.execute(
            """INSERT INTO auth.user_providers (user_id, provider_id, provider_user_id, access_token, refresh_token)
               VALUES ($1, $2, $3, $4, $5)""",
            user.id,
            provider,
            identity.id,
            *tokens,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError("invalid-request", message="this identity is linked already") from None


async def _by_email(conn: asyncpg.Connection, identity: Identity) -> User | None:
    """The user with the address, if the provider has proven it.

    Where the user itself had never proven it, somebody else may have signed up with it in advance: see `take_over`.
    """
    email = _valid(identity.email)
    if email is None or not identity.email_verified:
        return None
    user = await users.by_email(conn, email)
    if user is None:
        return None
    if not user.email_verified:
        await users.take_over(conn, user.id)
        return await users.by_id(conn, user.id)
    if tickets.second_factor(user):  # only who has passed it may add a way in that does not ask for it
        raise ApiError("email-already-in-use")
    return user


def _valid(email: str | None) -> str | None:
    """The address if it is of the form that users have here. Others are left out, not compared: letters that only look
    alike may count as equal in the database (the Kelvin sign is a `k` when letter case is put aside)."""
    try:
        return _EMAIL.validate_python(email) if email else None
    except ValidationError:
        return None


async def _create(service: Service, conn: asyncpg.Connection, identity: Identity, options: SignUpOptions | None) -> User:
    settings = service.settings
    signup.check_enabled(settings)
    email = _valid(identity.email)
    if email is not None:
        signup.check_email(settings, email)
    elif settings.allowed_emails or settings.allowed_email_domains:
        raise ApiError("invalid-email-password")
    new = signup.new_user(settings, options, name=identity.name or email or identity.id, email=email)
    new = replace(new, email_verified=bool(email) and identity.email_verified, avatar_url=identity.picture or new.avatar_url)
    return await users.insert(conn, new)
