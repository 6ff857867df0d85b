"""Webhooks that came in, as an operator sees them: listed, shown, replayed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from builtin_plugins.host.jobs.records import State, requeue
from hookspecs.models.base import Model

from .store import PREFIX

if TYPE_CHECKING:
    import asyncpg

_COLUMNS = (
    "id AS number, plugin, substr(name, 9) AS source, once AS id, coalesce(event->>'type', '') AS type, state, attempts, error,"
    " created_at AS received_at, run_at, finished_at, octet_length(payload) AS bytes"
)

_LIST = f"""
    SELECT {_COLUMNS} FROM nself_host.jobs
    WHERE event IS NOT NULL AND ($1 = '' OR plugin = $1) AND ($2 = '' OR name = $2) AND ($3 = '' OR event->>'type' = $3)
      AND ($4::text IS NULL OR state = $4)
    ORDER BY id DESC LIMIT $5
"""  # noqa: S608 - the columns are ours
_FIND = f"SELECT {_COLUMNS} FROM nself_host.jobs WHERE event IS NOT NULL AND (id = $1 OR once = $2) ORDER BY id"  # noqa: S608


class Received(Model):
    """A stored webhook. ``number`` is ours, ``id`` the sender's; the dead-letter list is those in state ``dead``."""

    number: int
    plugin: str
    source: str
    id: str
    type: str
    state: State
    attempts: int
    error: str | None
    received_at: datetime
    run_at: datetime
    finished_at: datetime | None
    bytes: int


class Content(Model):
    """What a webhook held: the headers that were kept, and its body as text."""

    headers: Mapping[str, str]
    body: str


class Events:
    """Reads and replays stored webhooks. ``connection`` is a connection or a pool."""

    def __init__(self, connection: asyncpg.Connection | asyncpg.Pool) -> None:
        self._on = connection

    async def newest(
        self, *, plugin: str = "", source: str = "", kind: str = "", state: State | None = None, limit: int = 50
    ) -> list[Received]:
        """Newest first."""
        rows = await self._on.fetch(_LIST, plugin, PREFIX + source if source else "", kind, state, limit)
        return [Received(**dict(row)) for row in rows]

    async def find(self, name: str) -> list[Received]:
        """Those of this number or sender's id: the latter may be known to several sources."""
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None
        rows = await self._on.fetch(_FIND, number, name)
        return [Received(**dict(row)) for row in rows]

    async def content(self, number: int) -> Content | None:
        """What a webhook held."""
        row = await self._on.fetchrow(
            "SELECT event::text, payload FROM nself_host.jobs WHERE id = $1 AND event IS NOT NULL", number
        )
        if row is None:
            return None
        return Content(headers=orjson.loads(row["event"])["headers"], body=row["payload"].decode("utf-8", "replace"))

    async def replay(self, *, numbers: Collection[int] = (), plugin: str = "", source: str = "") -> list[int]:
        """Have these handled again where they have ended, or without any all dead ones of a plugin or source."""
        return await requeue(self._on, "event IS NOT NULL", numbers, plugin, PREFIX + source if source else "")
