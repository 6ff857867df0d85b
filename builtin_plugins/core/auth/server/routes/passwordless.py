"""Sign-in without a password by mail: a link, or a code. An unknown address signs up by it."""

from __future__ import annotations

import asyncpg
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import codes, linkmail, signup, tickets, timing, users
from ..errors import ApiError
from ..http import Call, ok, operation, reply
from ..models import EmailWithOptions, OtpEmailVerify
from ..users import User


async def _find_or_make(call: Call, conn: asyncpg.Connection) -> User | None:
    """The user of the address, made if need be; nothing where the answer must hide that there is none to write to."""
    settings, body = call.service.settings, call.body
    user = await users.by_email(conn, body.email)
    if user is not None:
        return None if user.disabled else user
    if settings.disable_signup:
        return None
    user = await users.find_or_insert(conn, signup.new_user(settings, body.options, name=body.email, email=body.email))
    return None if user.disabled else user


def _check(call: Call, *, enabled: bool) -> str:
    if not enabled:
        raise ApiError("disabled-endpoint")
    settings, body = call.service.settings, call.body
    signup.check_email(settings, body.email)
    signup.new_user(settings, body.options, name=body.email)
    return signup.redirect_target(settings, body.options)


async def link(call: Call) -> Response:
    """Send a link that signs in."""
    service = call.service
    target = _check(call, enabled=service.settings.email_passwordless_enabled)
    async with timing.level():
        async with service.pool.acquire() as conn, conn.transaction():
            user = await _find_or_make(call, conn)
            if user is not None:
                await linkmail.send(service, conn, user, tickets.PASSWORDLESS, target)
        service.outbox.notify()
    return ok()


async def code(call: Call) -> Response:
    """Send a code that signs in."""
    service = call.service
    target = _check(call, enabled=service.settings.otp_email_enabled)
    async with timing.level():
        async with service.pool.acquire() as conn, conn.transaction():
            user = await _find_or_make(call, conn)
            if user is not None and user.email:
                otp = codes.new_code()
                await codes.store(service, conn, user.id, "email", await service.passwords.hash(otp))
                values = {"otp": otp, "ticket": otp, "displayName": user.display_name, "email": user.email, "redirectTo": target}
                await service.outbox.put(conn, user.email, user.locale, "signin-otp", values)
            else:
                await service.passwords.hash("000000")  # the work of a code that is not sent
        service.outbox.notify()
    return ok()


async def verify_code(call: Call) -> Response:
    """The session for a code, or the ticket of a second factor. It proves the address, too."""
    service, body = call.service, call.body
    if not service.settings.otp_email_enabled:
        raise ApiError("disabled-endpoint")
    user = await users.by_email(service.pool, body.email)
    if not await codes.redeem(service, user, "email", body.email, body.otp) or user is None:
        raise ApiError("invalid-otp")
    if user.disabled:
        raise ApiError("disabled-user")
    if not user.email_verified:
        async with service.pool.acquire() as conn, conn.transaction():
            user = await signup.proven(service.settings, conn, user)
    if tickets.second_factor(user):
        return reply({"mfa": {"ticket": await tickets.issue(service.pool, user.id, tickets.MFA_TOTP)}})
    return reply({"session": await service.sessions.open(service.pool, user)})


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signin/passwordless/email", link, body=EmailWithOptions, limits=("email",)),
        operation("POST", "/signin/otp/email", code, body=EmailWithOptions, limits=("email",)),
        operation("POST", "/signin/otp/email/verify", verify_code, body=OtpEmailVerify, limits=("brute-force",)),
    ]
