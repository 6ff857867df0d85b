"""Mails with a link that carries a ticket."""

from __future__ import annotations

from urllib.parse import urlencode

import asyncpg

from . import tickets
from .service import Service
from .users import User

_TEMPLATES = {
    tickets.VERIFY_EMAIL: "email-verify",
    tickets.CONFIRM_CHANGE: "email-confirm-change",
    tickets.PASSWORDLESS: "signin-passwordless",
    tickets.PASSWORD_RESET: "password-reset",
}


async def send(
    service: Service, conn: asyncpg.Connection, user: User, kind: str, redirect_to: str, *, to: str = "", template: str = ""
) -> None:
    """Give the user a ticket of this kind and leave the mail in the outbox, both in the caller's transaction.

    `to` and `template` stand in for the user's address and the kind's usual template.
    """
    ticket = await tickets.issue(conn, user.id, kind)
    settings = service.settings
    query = urlencode({"ticket": ticket, "type": tickets.LINK_TYPES[kind], "redirectTo": redirect_to})
    values = {
        "link": f"{settings.server_url}{settings.api_prefix}/verify?{query}",
        "displayName": user.display_name,
        "email": user.email or "",
        "newEmail": to,
        "ticket": ticket,
        "redirectTo": redirect_to,
    }
    recipient = to or user.email
    if recipient:
        await service.outbox.put(conn, recipient, user.locale, template or _TEMPLATES[kind], values)
