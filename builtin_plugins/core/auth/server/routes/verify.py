"""The links in mails."""

from __future__ import annotations

import asyncpg
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import redirects, signup, tickets, users
from ..errors import ApiError
from ..http import Call, operation, redirect
from ..users import User


async def verify(call: Call) -> Response:
    """Take the ticket, do what it stands for, and lead on with a session's refresh token.

    Who has a second factor gets its ticket as `mfaTicket` instead: `POST /signin/mfa/totp` makes it a session.
    """
    service, query = call.service, call.request.query_params
    settings = service.settings
    target, ticket = query.get("redirectTo"), query.get("ticket")
    if not target or not ticket or "\x00" in ticket or query.get("type", "emailVerify") not in tickets.LINK_TYPES.values():
        raise ApiError("invalid-request")
    if not redirects.allowed(target, settings.client_url, settings.allowed_redirect_urls):
        raise ApiError("redirectTo-not-allowed")
    try:
        user = await _take(call, ticket)
    except ApiError as error:
        shown = error.concealed() if settings.conceal_errors else error
        return redirect(redirects.with_query(target, {"error": shown.code, "errorDescription": shown.message}))
    kind = tickets.LINK_TYPES[tickets.kind_of(ticket)]
    if tickets.second_factor(user):
        given = {"mfaTicket": await tickets.issue(service.pool, user.id, tickets.MFA_TOTP)}
    else:
        given = {"refreshToken": (await service.sessions.refresh_token(service.pool, user))[1]}
    return redirect(redirects.with_query(target, {**given, "type": kind}))


async def _take(call: Call, ticket: str) -> User:
    kind = tickets.kind_of(ticket)
    if kind not in tickets.LINK_TYPES:
        raise ApiError("invalid-ticket")
    async with call.service.pool.acquire() as conn, conn.transaction():
        user = await users.by_ticket(conn, ticket, consume=True)
        if user is None:
            raise ApiError("invalid-ticket")
        if user.disabled:
            raise ApiError("disabled-user")
        if kind == tickets.CONFIRM_CHANGE:
            await _change_email(conn, user)
        elif kind == tickets.VERIFY_EMAIL:
            await conn.execute("UPDATE auth.users SET email_verified = true WHERE id = $1", user.id)
        elif not user.email_verified:
            user = await signup.proven(call.service.settings, conn, user)
    return user


async def _change_email(conn: asyncpg.Connection, user: User) -> None:
    if not user.new_email:
        raise ApiError("invalid-ticket")
    try:
        await conn.execute(
            """UPDATE auth.users SET email = new_email, new_email = NULL, email_verified = true, otp_hash = NULL
               WHERE id = $1""",
            user.id,
        )
    except asyncpg.UniqueViolationError:
        raise ApiError("email-already-in-use") from None


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [operation("GET", "/verify", verify)]
