"""Sign-up and sign-in with an address and a password."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import signup, tickets, timing, users
from ..errors import ApiError
from ..http import Call, operation, reply
from ..models import EmailPassword, SignUpEmailPassword
from ..service import Service
from ..users import User


async def sign_up(call: Call) -> Response:
    """Store the user; with a session, or with a verification mail where addresses must be verified."""
    service, body = call.service, call.body
    settings = service.settings
    signup.check_enabled(settings)
    signup.check_email(settings, body.email)
    await signup.check_password(service, body.password)
    target = signup.redirect_target(settings, body.options)
    new = signup.new_user(settings, body.options, name=body.email, email=body.email)
    # The hash comes before the look at the table, so that a taken address costs the same time.
    new = replace(new, password_hash=await service.passwords.hash(body.password))
    if not settings.email_verified_required:
        async with service.pool.acquire() as conn, conn.transaction():
            user = await users.insert(conn, new)
        return reply({"session": None if user.disabled else await service.sessions.open(service.pool, user)})
    async with timing.level():
        await signup.store_unverified(service, new, target)
    return reply({"session": None})


async def sign_in(call: Call) -> Response:
    """A session, or the ticket of a second factor. What is wrong with an account is told only to who knows its password."""
    service, body = call.service, call.body
    # Hashes of another kind or cost than new ones have, from another server or setting, take another time to check.
    async with timing.level(refusals_only=True):
        user = await users.by_email(service.pool, body.email)
        if not await service.passwords.check(body.password, user.password_hash if user else None) or user is None:
            raise ApiError("invalid-email-password")
    check_may_sign_in(service, user)
    if tickets.second_factor(user):
        ticket = await tickets.issue(service.pool, user.id, tickets.MFA_TOTP)
        return reply({"mfa": {"ticket": ticket}})
    return reply({"session": await service.sessions.open(service.pool, user)})


def check_may_sign_in(service: Service, user: User) -> None:
    """Refuse disabled users, and unverified ones where addresses must be verified."""
    if user.disabled:
        raise ApiError("disabled-user")
    if user.email and not user.email_verified and service.settings.email_verified_required:
        raise ApiError("unverified-user")


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signup/email-password", sign_up, body=SignUpEmailPassword, limits=("signups",)),
        operation("POST", "/signin/email-password", sign_in, body=EmailPassword, limits=("brute-force",)),
    ]
