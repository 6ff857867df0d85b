"""The rules every sign-up passes, whatever its way in: who may, with which roles, locale and redirect."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable

import asyncpg
import httpx

from . import linkmail, redirects, tickets, users
from .errors import ApiError
from .models import RedirectOptions, SignUpOptions
from .service import Service
from .settings import Settings
from .users import NewUser, User, gravatar

log = logging.getLogger("nself.auth")


def check_enabled(settings: Settings) -> None:
    """AUTH_DISABLE_SIGNUP."""
    if settings.disable_signup:
        raise ApiError("signup-disabled")


def email_allowed(settings: Settings, email: str) -> bool:
    """The allow and block lists of addresses and domains; a block wins, and any allow list makes the rest refused."""
    address = email.lower()
    domain = address.rpartition("@")[2]
    if address in map(str.lower, settings.blocked_emails) or domain in map(str.lower, settings.blocked_email_domains):
        return False
    if not settings.allowed_emails and not settings.allowed_email_domains:
        return True
    return address in map(str.lower, settings.allowed_emails) or domain in map(str.lower, settings.allowed_email_domains)


def check_email(settings: Settings, email: str) -> None:
    """Refuse an address the lists refuse, in the words used for a wrong password."""
    if not email_allowed(settings, email):
        raise ApiError("invalid-email-password")


def redirect_target(settings: Settings, options: SignUpOptions | RedirectOptions | None) -> str:
    """Where a link leads in the end: the asked URL if it is allowed, the client's without one."""
    asked = options.redirect_to if options else None
    if asked is None:
        return settings.client_url
    if not redirects.allowed(asked, settings.client_url, settings.allowed_redirect_urls):
        raise ApiError("redirectTo-not-allowed")
    return asked


def roles(settings: Settings, options: SignUpOptions) -> tuple[str, tuple[str, ...]]:
    """The default role and the roles a new user gets."""
    default = options.default_role or settings.default_role
    asked = options.allowed_roles
    allowed = settings.allowed_roles if asked is None else tuple(dict.fromkeys(asked))
    if default not in allowed:
        raise ApiError("default-role-must-be-in-allowed-roles")
    if not set(allowed) <= set(settings.allowed_roles):
        raise ApiError("role-not-allowed")
    return default, allowed


def new_user(settings: Settings, options: SignUpOptions | None, *, name: str, email: str | None = None) -> NewUser:
    """A user by the options; `name` is shown where the options give none. An unknown locale becomes the default."""
    given = options or SignUpOptions()
    default, allowed = roles(settings, given)
    return NewUser(
        locale=given.locale if given.locale in settings.locales and given.locale else settings.locale_default,
        default_role=default,
        roles=allowed,
        display_name=given.display_name or name,
        metadata=given.metadata,
        avatar_url=gravatar(settings, email),
        email=email,
        disabled=settings.disable_new_users,
    )


async def store_unverified(
    service: Service, new: NewUser, target: str, also: Callable[[asyncpg.Connection], Awaitable[object]] | None = None
) -> None:
    """Store a user who must verify its address, and send the mail; `also` is done in the same transaction.

    A taken address is told only by a mail to itself: with a link that lets choose a new password.
    """
    async with service.pool.acquire() as conn, conn.transaction():
        try:
            async with conn.transaction():
                user = await users.insert(conn, new)
                if also:
                    await also(conn)
                await linkmail.send(service, conn, user, tickets.VERIFY_EMAIL, target)
        except ApiError as error:
            if error.code != "email-already-in-use" or not service.settings.hides_accounts or new.email is None:
                raise
            owner = await users.by_email(conn, new.email)
            if owner is not None and not owner.disabled:
                await linkmail.send(service, conn, owner, tickets.PASSWORD_RESET, target, template="account-exists")
    service.outbox.notify()


async def proven(settings: Settings, conn: asyncpg.Connection, user: User) -> User:
    """The user after a mail's reader came by a link or code that the reader, not the sign-up, had asked for.

    Where addresses must be verified the sign-up itself proved nothing, so that what it set ends (see `take_over`). Where they
    need not be, its password counted all the time and goes on to.
    """
    if settings.email_verified_required:
        await users.take_over(conn, user.id)
    else:
        await conn.execute("UPDATE auth.users SET email_verified = true WHERE id = $1", user.id)
    return await users.by_id(conn, user.id) or user


async def check_password(service: Service, password: str) -> None:
    """The shortest length, and the list of leaked passwords where that is asked for."""
    if len(password) < service.settings.password_min_length:
        raise ApiError("password-too-short")
    if service.settings.password_hibp_enabled and await leaked(service, password):
        raise ApiError("password-in-hibp-database")


async def leaked(service: Service, password: str) -> bool:
    """Ask Pwned Passwords by the first five digits of the hash (its range API); no answer counts as not leaked."""
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    url = f"{service.settings.password_hibp_url.rstrip('/')}/range/{digest[:5]}"
    try:
        answer = await service.http.get(url, headers={"add-padding": "true"})
        answer.raise_for_status()
    except httpx.HTTPError as error:
        log.warning("leaked passwords are not checked: %s", type(error).__name__)
        return False
    counts = dict(line.strip().split(":", 1) for line in answer.text.splitlines() if ":" in line)
    return counts.get(digest[5:], "0").strip() not in ("", "0")
