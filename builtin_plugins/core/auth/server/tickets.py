"""Tickets: one-time secrets in links, one per user at a time, in `auth.users.ticket`."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from .users import User

# prefix in the ticket → (type shown in links, lifetime); the names are hasura-auth's
VERIFY_EMAIL = "verifyEmail"
CONFIRM_CHANGE = "emailConfirmChange"
PASSWORDLESS = "passwordlessEmail"
PASSWORD_RESET = "passwordReset"  # noqa: S105 - a ticket's name
MFA_TOTP = "mfaTotp"
LINK_TYPES = {
    VERIFY_EMAIL: "emailVerify",
    CONFIRM_CHANGE: "emailConfirmChange",
    PASSWORDLESS: "signinPasswordless",
    PASSWORD_RESET: "passwordReset",
}
LIFETIMES = {
    VERIFY_EMAIL: timedelta(days=30),
    CONFIRM_CHANGE: timedelta(hours=1),
    PASSWORDLESS: timedelta(hours=1),
    PASSWORD_RESET: timedelta(hours=1),
    MFA_TOTP: timedelta(minutes=5),
}


async def issue(conn: asyncpg.Pool | asyncpg.Connection, user_id: UUID, kind: str) -> str:
    """Give the user a ticket of this kind in place of any earlier one."""
    ticket = f"{kind}:{uuid4()}"
    await conn.execute(
        "UPDATE auth.users SET ticket = $2, ticket_expires_at = now() + $3 WHERE id = $1", user_id, ticket, LIFETIMES[kind]
    )
    return ticket


def second_factor(user: User) -> bool:
    """Whether the user asked for a second factor: whoever proves only a password or a mailbox gets its ticket, no session."""
    return user.active_mfa_type == "totp"


def kind_of(ticket: str) -> str:
    """The kind a ticket claims to be of."""
    return ticket.partition(":")[0]
