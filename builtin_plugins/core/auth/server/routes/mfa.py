"""The second factor: time-based one-time passwords (RFC 6238)."""

from __future__ import annotations

import logging
import secrets
import time
from uuid import UUID

import pyotp
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import attempts, users
from ..errors import ApiError
from ..http import Call, ok, operation, reply
from ..models import MfaTotp, UserMfa
from ..service import Service
from .account import current_user

log = logging.getLogger("nself.auth")
_STEP = 30  # seconds, RFC 6238's default and what authenticator apps use
_PURPOSE = "totp"


async def _right(service: Service, user_id: UUID, secret: str, code: str) -> bool:
    """Whether the code is right now or one step to either side. A step counts once; guesses are limited."""
    if await attempts.count(service.pool, _PURPOSE, str(user_id)) > attempts.PER_WINDOW:
        return False
    now, given = int(time.time()) // _STEP, code.encode()
    try:
        totp = pyotp.TOTP(secret)
        step = next((n for n in (now, now - 1, now + 1) if secrets.compare_digest(totp.at(n * _STEP).encode(), given)), None)
    except ValueError:  # what stands in the database is no secret
        log.error("the TOTP secret of user %s is no base32", user_id)
        return False
    if step is None or not await service.pool.fetchval(
        """INSERT INTO auth.nself_totp_steps AS t (user_id, step) VALUES ($1, $2)
           ON CONFLICT (user_id) DO UPDATE SET step = $2 WHERE t.step < $2 RETURNING step""",
        user_id,
        step,
    ):
        return False
    await attempts.clear(service.pool, _PURPOSE, str(user_id))
    return True


def _enabled(call: Call) -> None:
    if not call.service.settings.mfa_enabled:
        raise ApiError("disabled-endpoint")


async def sign_in(call: Call) -> Response:
    """The session for the ticket of a sign-in and a code. Five wrong codes end the ticket."""
    service, body = call.service, call.body
    _enabled(call)
    user = await users.by_ticket(service.pool, body.ticket, consume=False)
    if user is None:
        raise ApiError("invalid-ticket")
    if user.disabled:
        raise ApiError("disabled-user")
    if user.active_mfa_type != "totp":
        raise ApiError("disabled-mfa-totp")
    if not user.totp_secret:
        raise ApiError("no-totp-secret")
    tried = await attempts.count(service.pool, "totp-ticket", body.ticket)
    if tried > attempts.PER_CODE:
        raise ApiError("invalid-ticket")
    if not await _right(service, user.id, user.totp_secret, body.otp):
        if tried == attempts.PER_CODE:
            await users.by_ticket(service.pool, body.ticket, consume=True)
        raise ApiError("invalid-totp")
    if await users.by_ticket(service.pool, body.ticket, consume=True) is None:
        raise ApiError("invalid-ticket")
    return reply({"session": await service.sessions.open(service.pool, user)})


async def generate(call: Call) -> Response:
    """A secret, and its QR code for an authenticator app. It counts once `manage` has seen a code of it."""
    service = call.service
    _enabled(call)
    user = await current_user(call)
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    if user.active_mfa_type == "totp":
        raise ApiError("totp-already-active")
    import segno  # here, so that a server without second factors does without it; `preflight` asks for it

    secret = pyotp.random_base32()
    await service.pool.execute("UPDATE auth.users SET totp_secret = $2 WHERE id = $1", user.id, secret)
    name = user.email or user.phone_number or str(user.id)
    uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=service.settings.mfa_totp_issuer)
    return reply({"imageUrl": segno.make(uri, error="m").png_data_uri(scale=4), "totpSecret": secret})


async def manage(call: Call) -> Response:
    """Switch the second factor on or off; both ask for a code."""
    service, body = call.service, call.body
    _enabled(call)
    if body.active_mfa_type is None:
        raise ApiError("mfa-type-not-found")
    user = await current_user(call)
    switch_on = body.active_mfa_type == "totp"
    if switch_on and user.active_mfa_type == "totp":
        raise ApiError("totp-already-active")
    if not switch_on and user.active_mfa_type != "totp":
        raise ApiError("disabled-mfa-totp")
    if not user.totp_secret:
        raise ApiError("no-totp-secret")
    if not await _right(service, user.id, user.totp_secret, body.code):
        raise ApiError("invalid-totp")
    await service.pool.execute(
        "UPDATE auth.users SET active_mfa_type = $2, totp_secret = CASE WHEN $3 THEN totp_secret END WHERE id = $1",
        user.id,
        "totp" if switch_on else None,
        switch_on,
    )
    return ok()


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("POST", "/signin/mfa/totp", sign_in, body=MfaTotp, limits=("brute-force",)),
        operation("GET", "/mfa/totp/generate", generate, auth="session"),
        operation("POST", "/user/mfa", manage, body=UserMfa, auth="session", limits=("brute-force",)),
    ]
