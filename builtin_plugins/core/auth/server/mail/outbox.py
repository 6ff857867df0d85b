"""Mails waiting in PostgreSQL, and the task that delivers them.

A mail is stored in the transaction that made it necessary. When SMTP is down the account stands and the mail waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from ..settings import Settings
from .smtp import Delivery, DeliveryError
from .templates import Templates

log = logging.getLogger("nself.auth")
_BATCH = 20
_GIVE_UP_AFTER_HOURS = 72
_LONGEST_WAIT = 3600


@dataclass(frozen=True, slots=True)
class _Waiting:
    id: object
    template: str
    recipient: str
    attempts: int


class Outbox:
    """Where handlers leave mails."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self._pool, self._settings = pool, settings
        self._templates = Templates(settings.templates_path, settings.locale_default)
        self._delivery = Delivery(settings.smtp)
        self._wake = asyncio.Event()

    @property
    def templates(self) -> Templates:
        """The texts, for short messages too."""
        return self._templates

    async def put(self, conn: asyncpg.Connection, recipient: str, locale: str, name: str, values: Mapping[str, str]) -> None:
        """Leave a mail in the caller's transaction; `notify` after it is committed sets off the delivery."""
        common = {"serverUrl": self._settings.server_url, "clientUrl": self._settings.client_url, "locale": locale}
        mail = self._templates.mail(locale, name, {**common, **values})
        await conn.execute(
            "INSERT INTO auth.nself_outbox (template, recipient, subject, html, plain) VALUES ($1, $2, $3, $4, $5)",
            name,
            recipient,
            mail.subject,
            mail.html,
            mail.plain,
        )

    def notify(self) -> None:
        """There is something to deliver."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for as long as the server lives."""
        pause = self._settings.smtp.retry_after
        while True:
            self._wake.clear()
            try:
                while await self.deliver_some():
                    await asyncio.sleep(0)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.error("the outbox cannot be read: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def deliver_some(self) -> bool:
        """Try the mails that are due; whether any was delivered. Several servers may do so at once: a row is locked by one."""
        if not self._settings.smtp.host:
            return False
        delivered = 0
        for _ in range(_BATCH):
            async with self._pool.acquire() as conn, conn.transaction():  # one each: a stop gives back only the one under way
                row = await conn.fetchrow(
                    """SELECT * FROM auth.nself_outbox WHERE next_attempt_at <= now()
                       ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
                )
                if row is None:
                    break
                try:
                    await self._delivery.send(row["recipient"], row["subject"], row["html"], row["plain"], row["template"])
                except DeliveryError as error:
                    await self._postpone(conn, _Waiting(row["id"], row["template"], row["recipient"], row["attempts"]), error)
                else:
                    delivered += 1
                    await conn.execute("DELETE FROM auth.nself_outbox WHERE id = $1", row["id"])
        return delivered > 0

    async def _postpone(self, conn: asyncpg.Connection, mail: _Waiting, error: DeliveryError) -> None:
        wait = min(self._settings.smtp.retry_after * 2 ** min(mail.attempts, 10), _LONGEST_WAIT)
        dropped = await conn.fetchval(
            """DELETE FROM auth.nself_outbox WHERE id = $1 AND ($2 OR created_at < now() - make_interval(hours => $3))
               RETURNING id""",
            mail.id,
            error.permanent,
            _GIVE_UP_AFTER_HOURS,
        )
        if dropped:
            log.error("mail %s is given up: %s", mail.template, error)
            return
        log.warning("mail %s waits %.0f s: %s", mail.template, wait, error)
        await conn.execute(
            """UPDATE auth.nself_outbox SET attempts = attempts + 1, last_error = $2,
                 next_attempt_at = now() + make_interval(secs => $3) WHERE id = $1""",
            mail.id,
            str(error)[:500],
            float(wait),
        )
