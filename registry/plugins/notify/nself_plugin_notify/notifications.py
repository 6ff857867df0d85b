"""Queueing and reading notifications."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nself_plugin_notify import templates
from nself_plugin_notify.models import Channel, Notification, Status
from nself_plugin_notify.templates import Content

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import HostContext

#: Always sent, whatever a user prefers: the mail a user asked for a moment ago.
ALWAYS = "transactional"

_COLUMNS = "id, user_id, channel, recipient, category, template, subject, status, attempts, error, send_at, created_at, sent_at"


class RefusedError(ValueError):
    """A notification that cannot be made: which field, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


async def queue(host: HostContext, account: str, wanted: Notification) -> tuple[Mapping[str, Any], bool]:
    """Store a notification, put its delivery on the queue, and return it with whether it is new."""
    pool = host.pool
    if wanted.idempotency_key and (known := await _by_key(pool, account, wanted.idempotency_key)):
        await _enqueue(host, known)  # the process may have died between the two
        return known, False
    channel, recipient, user_id, locale = await _recipient(pool, wanted)
    content, category = await _content(pool, account, wanted, locale)
    if channel == "email" and not content.subject:
        raise RefusedError("subject", "a mail needs a subject")
    suppressed = user_id is not None and not await wants(pool, account, user_id, category, channel)
    row = await pool.fetchrow(
        f"INSERT INTO np_notify_notifications (source_account_id, user_id, channel, recipient, category, template, subject,"  # noqa: S608
        " text, html, data, status, error, idempotency_key, send_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, COALESCE($14, now()))"
        f" ON CONFLICT (source_account_id, idempotency_key) DO NOTHING RETURNING {_COLUMNS}",
        account, user_id, channel, recipient, category, wanted.template, content.subject, content.text, content.html,
        wanted.data, "suppressed" if suppressed else "queued", "the user turned this off" if suppressed else "",
        wanted.idempotency_key, wanted.send_at,
    )  # fmt: skip
    if row is None:  # two requests with one key at once: the other was first
        known = await _by_key(pool, account, wanted.idempotency_key or "")
        if known is None:
            raise RuntimeError("the notification with this key went away while it was being read")
        return known, False
    await _enqueue(host, row)
    return row, True


async def _enqueue(host: HostContext, row: Mapping[str, Any]) -> None:
    if row["status"] in {"queued", "retrying"}:
        delay = max(0.0, (row["send_at"] - host.now()).total_seconds())
        await host.enqueue("deliver", {"id": str(row["id"])}, delay=delay, key=str(row["id"]))


async def _by_key(pool: asyncpg.Pool, account: str, key: str) -> asyncpg.Record | None:
    return await pool.fetchrow(
        f"SELECT {_COLUMNS} FROM np_notify_notifications WHERE source_account_id = $1 AND idempotency_key = $2",  # noqa: S608
        account,
        key,
    )


async def _recipient(pool: asyncpg.Pool, wanted: Notification) -> tuple[Channel, str, UUID | None, str]:
    to = wanted.to
    if to.email:
        return "email", to.email, None, wanted.locale or ""
    if to.url:
        return "webhook", str(to.url), None, wanted.locale or ""
    user = await pool.fetchrow("SELECT email::text AS email, locale, disabled FROM auth.users WHERE id = $1", to.user_id)
    if user is None:
        raise RefusedError("to.user_id", "there is no such user")
    if not user["email"]:
        raise RefusedError("to.user_id", "this user has no e-mail address")
    if user["disabled"]:
        raise RefusedError("to.user_id", "this user is disabled")
    return "email", user["email"], to.user_id, wanted.locale if wanted.locale is not None else user["locale"]


async def _content(pool: asyncpg.Pool, account: str, wanted: Notification, locale: str) -> tuple[Content, str]:
    if not wanted.template:
        return Content(" ".join(wanted.subject.split()), wanted.text, wanted.html), wanted.category or ALWAYS
    row = await find_template(pool, account, wanted.template, locale)
    if row is None:
        raise RefusedError("template", f"there is no template {wanted.template!r}")
    try:
        filled = templates.fill(Content(row["subject"], row["text"], row["html"]), wanted.data)
    except templates.TemplateFaultError as fault:
        raise RefusedError("data", str(fault)) from None
    return filled, wanted.category or row["category"]


async def find_template(pool: asyncpg.Pool, account: str, name: str, locale: str) -> asyncpg.Record | None:
    """The template nearest to a language: ``de-AT``, then ``de``, then the one for all."""
    near = [locale, locale.partition("-")[0], ""]
    return await pool.fetchrow(
        "SELECT * FROM np_notify_templates WHERE source_account_id = $1 AND name = $2 AND locale = ANY($3)"
        " ORDER BY array_position($3, locale) LIMIT 1",
        account,
        name,
        near,
    )


async def wants(pool: asyncpg.Pool, account: str, user_id: UUID, category: str, channel: str) -> bool:
    """Whether a user takes a category on a channel: the most exact line of their preferences counts, without one yes."""
    if category == ALWAYS:
        return True
    enabled = await pool.fetchval(
        "SELECT enabled FROM np_notify_preferences WHERE source_account_id = $1 AND user_id = $2"
        " AND category IN ($3, '*') AND channel IN ($4, '*')"
        " ORDER BY (category = $3) DESC, (channel = $4) DESC LIMIT 1",
        account,
        user_id,
        category,
        channel,
    )
    return enabled is None or bool(enabled)


async def prefer(pool: asyncpg.Pool, account: str, user_id: UUID, category: str, channel: str, enabled: bool) -> None:
    """Record what a user wants."""
    await pool.execute(
        "INSERT INTO np_notify_preferences (source_account_id, user_id, category, channel, enabled) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (source_account_id, user_id, category, channel)"
        " DO UPDATE SET enabled = excluded.enabled, updated_at = now()",
        account,
        user_id,
        category,
        channel,
        enabled,
    )


async def page(
    pool: asyncpg.Pool, account: str, *, status: Status | None, user_id: UUID | None, limit: int, cursor: str | None
) -> tuple[list[asyncpg.Record], str | None]:
    """Notifications newest first, from after ``cursor``, and the cursor of the next page."""
    at, after = _read_cursor(cursor) if cursor else (None, None)
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM np_notify_notifications WHERE source_account_id = $1"  # noqa: S608
        " AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR user_id = $3)"
        " AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))"
        " ORDER BY created_at DESC, id DESC LIMIT $6",
        account, status, user_id, at, after, limit + 1,
    )  # fmt: skip
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, _cursor(rows[-1]) if more else None


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row["created_at"].isoformat(), str(row["id"])]).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, after = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(at), UUID(after)
    except (ValueError, TypeError, binascii.Error):
        raise RefusedError("cursor", "it is not one that a page gave") from None
