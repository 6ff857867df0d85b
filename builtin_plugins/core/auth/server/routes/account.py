"""What a user reads and changes of the own account: profile, address, password."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from starlette.responses import Response
from starlette.routing import BaseRoute

from .. import linkmail, refresh_tokens, signup, tickets, timing, users
from ..errors import ApiError, unauthenticated
from ..http import Call, Caller, authenticate, bearer, ok, operation, reply, require_elevated, require_live
from ..models import EmailChange, EmailWithRedirect, PasswordChange
from ..users import User


async def current_user(call: Call) -> User:
    """The caller's row. A token may outlive its user."""
    user = await users.by_id(call.service.pool, call.user_id)
    if user is None:
        raise unauthenticated()
    if user.disabled:
        raise ApiError("disabled-user")
    return user


async def show(call: Call) -> Response:
    """The caller's profile."""
    return reply((await current_user(call)).public())


async def change_email(call: Call) -> Response:
    """Ask for a new address; the link in a mail to it makes the change."""
    service, body = call.service, call.body
    user = await current_user(call)
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    signup.check_email(service.settings, body.new_email)
    target = signup.redirect_target(service.settings, body.options)
    async with timing.level():
        async with service.pool.acquire() as conn, conn.transaction():
            owner = await users.by_email(conn, body.new_email)
            if owner is not None and service.settings.hides_accounts and not owner.disabled and owner.id != user.id:
                await linkmail.send(service, conn, owner, tickets.PASSWORD_RESET, target, template="account-exists")
            if owner is None:
                await conn.execute(
                    "UPDATE auth.users SET new_email = $2::text::auth.email WHERE id = $1", user.id, body.new_email
                )
                await linkmail.send(service, conn, user, tickets.CONFIRM_CHANGE, target, to=body.new_email)
        service.outbox.notify()
    if owner is not None and not service.settings.hides_accounts:
        raise ApiError("email-already-in-use")
    return ok()


async def send_verification(call: Call) -> Response:
    """Send the verification mail again. An unknown address gets the same answer."""
    service, body = call.service, call.body
    target = signup.redirect_target(service.settings, body.options)
    verified = False
    async with timing.level():
        async with service.pool.acquire() as conn, conn.transaction():
            user = await users.by_email(conn, body.email)
            if user is not None and not user.disabled:
                verified = user.email_verified
                if not verified:
                    await linkmail.send(service, conn, user, tickets.VERIFY_EMAIL, target)
        service.outbox.notify()
    if verified and not service.settings.hides_accounts:
        raise ApiError("email-already-verified")
    return ok()


async def reset_password(call: Call) -> Response:
    """Send a link that lets choose a new password. An unknown address gets the same answer."""
    service, body = call.service, call.body
    target = signup.redirect_target(service.settings, body.options)
    async with timing.level():
        async with service.pool.acquire() as conn, conn.transaction():
            user = await users.by_email(conn, body.email)
            if user is not None and not user.disabled:
                await linkmail.send(service, conn, user, tickets.PASSWORD_RESET, target)
        service.outbox.notify()
    return ok()


async def change_password(call: Call) -> Response:
    """Set a new password, as the signed-in user or with a ticket from a reset mail. All other sessions end."""
    service, body = call.service, call.body
    caller = None if body.ticket is not None else await _signed_in(call)
    async with service.pool.acquire() as conn, conn.transaction():  # a refused password gives the ticket back
        user_id, session = await _whose_password(call, conn, caller)
        await signup.check_password(service, body.new_password)
        password_hash = await service.passwords.hash(body.new_password)
        await conn.execute("UPDATE auth.users SET password_hash = $2 WHERE id = $1", user_id, password_hash)
        await refresh_tokens.revoke_all(conn, user_id, keep=session)
    return ok()


async def _signed_in(call: Call) -> Caller:
    """The bearer of a token. Asked before a connection is taken: who holds one must not wait for another."""
    token = bearer(call.request)
    if token is None:
        raise unauthenticated()
    caller = authenticate(call.service, token)
    await require_live(call.service, caller)
    await require_elevated(call.service, caller)
    return caller


async def _whose_password(call: Call, conn: asyncpg.Connection, caller: Caller | None) -> tuple[UUID, UUID | None]:
    """The user, and the session that goes on."""
    if caller is None:
        user, session = await users.by_ticket(conn, call.body.ticket, consume=True), None
        if user is None:
            raise ApiError("invalid-ticket")
        if not user.email_verified and not user.disabled:  # the ticket came by mail to the address
            user = await signup.proven(call.service.settings, conn, user)
    else:
        user, session = await users.by_id(conn, caller.id), caller.session
        if user is None:
            raise unauthenticated()
    if user.is_anonymous:
        raise ApiError("forbidden-anonymous")
    if user.disabled:
        raise ApiError("disabled-user")
    return user.id, session


def routes() -> list[BaseRoute]:
    """This module's operations."""
    return [
        operation("GET", "/user", show, auth="bearer"),
        operation("POST", "/user/email/change", change_email, body=EmailChange, auth="elevated", limits=("email",)),
        operation("POST", "/user/email/send-verification-email", send_verification, body=EmailWithRedirect, limits=("email",)),
        operation("POST", "/user/password", change_password, body=PasswordChange, limits=("brute-force",)),
        operation("POST", "/user/password/reset", reset_password, body=EmailWithRedirect, limits=("email",)),
    ]
