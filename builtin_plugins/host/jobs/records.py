"""Jobs as an operator sees them: listed, shown, run again, deleted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from hookspecs.models.base import Model

from .queue import CHANNEL

if TYPE_CHECKING:
    import asyncpg

State = Literal["queued", "running", "done", "dead"]
STATES: tuple[State, ...] = ("queued", "running", "done", "dead")

_COLUMNS = (
    "id, plugin, name, state, priority, run_at, attempts, key, error, created_at, started_at, finished_at,"
    " octet_length(payload) AS bytes"
)
_LIST = f"""
    SELECT {_COLUMNS} FROM nself_host.jobs
    WHERE event IS NULL AND ($1 = '' OR plugin = $1) AND ($2 = '' OR name = $2) AND ($3::text IS NULL OR state = $3)
    ORDER BY id DESC LIMIT $4
"""  # noqa: S608 - the columns are ours
_GET = f"SELECT {_COLUMNS}, payload FROM nself_host.jobs WHERE id = $1 AND event IS NULL"  # noqa: S608
_COUNTS = """
    SELECT plugin, count(*) FILTER (WHERE state = 'queued') AS queued, count(*) FILTER (WHERE state = 'running') AS running,
        count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'done') AS done,
        coalesce(extract(epoch FROM max(now() - run_at) FILTER (WHERE state = 'queued' AND run_at <= now())), 0)::float8 AS waits
    FROM nself_host.jobs GROUP BY plugin ORDER BY plugin
"""

_REQUEUE = """
    UPDATE nself_host.jobs SET state = 'queued', attempts = 0, run_at = now(), finished_at = NULL, error = NULL
    WHERE KIND AND CASE WHEN $1::bigint[] <> '{}' THEN id = ANY($1) AND state IN ('done', 'dead')
        ELSE state = 'dead' AND ($2 = '' OR plugin = $2) AND ($3 = '' OR name = $3) END
    RETURNING id
"""


class Record(Model):
    """A job in the list. ``run_at`` is when it is, or was, due; the dead-letter list is those in state ``dead``."""

    id: int
    plugin: str
    name: str
    state: State
    priority: int
    run_at: datetime
    attempts: int
    key: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    bytes: int


class Count(Model):
    """How many jobs of a plugin are in each state, and how many seconds the oldest due one waits."""

    plugin: str
    queued: int
    running: int
    dead: int
    done: int
    waits: float


class Records:
    """Reads and mends the queue. ``connection`` is a connection or a pool."""

    def __init__(self, connection: asyncpg.Connection | asyncpg.Pool) -> None:
        self._on = connection

    async def newest(self, *, plugin: str = "", name: str = "", state: State | None = None, limit: int = 50) -> list[Record]:
        """Newest first; webhooks stand in a list of their own (`webhooks.Events`)."""
        rows = await self._on.fetch(_LIST, plugin, name, state, limit)
        return [Record(**dict(row)) for row in rows]

    async def get(self, number: int) -> tuple[Record, str] | None:
        """A job and its payload as text; ``None`` where there is none of that id."""
        row = await self._on.fetchrow(_GET, number)
        if row is None:
            return None
        fields = dict(row)
        payload = fields.pop("payload").decode("utf-8", "replace")
        return Record(**fields), payload

    async def retry(self, *, numbers: Collection[int] = (), plugin: str = "", name: str = "") -> list[int]:
        """Queue these again where they have ended, or without any all dead ones of a plugin or name; returns their ids.

        They have all their tries before them.
        """
        return await requeue(self._on, "event IS NULL", numbers, plugin, name)

    async def delete(self, number: int) -> bool:
        """Delete a job that does not run; whether there was one."""
        done = await self._on.execute(
            "DELETE FROM nself_host.jobs WHERE id = $1 AND event IS NULL AND state <> 'running'", number
        )
        return bool(done != "DELETE 0")

    async def counts(self) -> list[Count]:
        """Jobs per plugin, webhooks too."""
        rows = await self._on.fetch(_COUNTS)
        return [Count(**dict(row)) for row in rows]


async def requeue(
    on: asyncpg.Connection | asyncpg.Pool, kind: str, numbers: Collection[int], plugin: str, name: str
) -> list[int]:
    """Queue again what has ended: those of these numbers, or all dead ones of a plugin or name. ``kind``: a condition of ours."""
    rows = await on.fetch(_REQUEUE.replace("KIND", kind), list(numbers), plugin, name)
    await on.execute("SELECT pg_notify($1, '')", CHANNEL)
    return [row["id"] for row in rows]
