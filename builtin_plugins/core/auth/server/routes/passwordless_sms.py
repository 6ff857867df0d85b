"""Sign-in by a code sent to a phone. An unknown number signs up by it."""

from __future__ import annotations

import logging
from dataclasses import replace

from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import codes, signup, sms, tickets, users
from ..errors import ApiError
from ..http import Call, ok, operation, reply
from ..models import Sms, SmsOtp

log = logging.getLogger("nself.auth")


async def send(call: Call) -> Response:
    """Send a code. When the provider does not take it nothing is stored; no connection is held while it is asked."""
    service, body = call.service, call.body
    settings = service.settings
    if not settings.sms_passwordless_enabled:
        raise ApiError("disabled-endpoint")
    signup.redirect_target(settings, body.options)
    new = replace(signup.new_user(settings, body.options, name=body.phone_number), phone_number=body.phone_number)
    known = await users.by_phone(service.pool, body.phone_number)
    code = codes.new_code()
    code_hash = await service.passwords.hash(code)
    if known.disabled if known else settings.disable_signup:
        return ok()
    text = service.outbox.templates.text((known or new).locale, "signin-passwordless-sms", {"code": code})
    try:
        await sms.send(settings, service.http, body.phone_number, text)
    except sms.SmsError as error:
        log.error("a code is not sent: %s", error)
        raise ApiError("cannot-send-sms") from error
    async with service.pool.acquire() as conn, conn.transaction():
        user = known or await users.find_or_insert(conn, new)
        await codes.store(service, conn, user.id, "sms", code_hash)
    return ok()


async def verify(call: Call) -> Response:
    """The session for a code, or the ticket of a second factor."""
    service, body = call.service, call.body
    if not service.settings.sms_passwordless_enabled:
        raise ApiError("disabled-endpoint")
    user = await users.by_phone(service.pool, body.phone_number)
    if not await codes.redeem(service, user, "sms", body.phone_number, body.otp) or user is None:
        raise ApiError("invalid-otp")
    if user.disabled:
        raise ApiError("disabled-user")
    if not user.phone_number_verified:
        await service.pool.execute("UPDATE auth.users SET phone_number_verified = true WHERE id = $1", user.id)
        user = await users.by_id(service.pool, user.id) or user
    if tickets.second_factor(user):
        return reply({"mfa": {"ticket": await tickets.issue(service.pool, user.id, tickets.MFA_TOTP)}})
    return reply({"session": await service.sessions.open(service.pool, user)})


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signin/passwordless/sms", send, body=Sms, limits=("sms",)),
        operation("POST", "/signin/passwordless/sms/otp", verify, body=SmsOtp, limits=("brute-force",)),
    ]
