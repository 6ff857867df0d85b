"""Scheduled jobs: queued when they are due, once over all Hosts; what was missed while none ran is made up for once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

#: The key of a scheduled run: while one waits, no second one is queued.
KEY = "@schedule"

_KEEP = """
    INSERT INTO nself_host.schedules AS s (plugin, name, expression, next_at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
    ON CONFLICT (plugin, name) DO UPDATE SET expression = excluded.expression, next_at = excluded.next_at
    WHERE s.expression <> excluded.expression
"""
_FORGET = """
    DELETE FROM nself_host.schedules AS s WHERE s.plugin = ANY($1::text[])
    AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS k (plugin, name) WHERE k.plugin = s.plugin AND k.name = s.name)
"""
_DUE = """
    SELECT plugin, name, expression FROM nself_host.schedules WHERE next_at <= $1 AND plugin = ANY($2::text[])
    ORDER BY next_at FOR UPDATE SKIP LOCKED
"""
_NEXT = "UPDATE nself_host.schedules SET next_at = $3 WHERE plugin = $1 AND name = $2"
_QUEUE = """
    INSERT INTO nself_host.jobs (plugin, name, payload, key) VALUES ($1, $2, '{}', $3)
    ON CONFLICT (plugin, name, key) WHERE key IS NOT NULL AND state = 'queued' AND started_at IS NULL DO NOTHING
"""


def next_run(expression: str, after: datetime) -> datetime:
    """When a cron expression of five fields comes next, in UTC. ``ValueError`` for what is none, or never comes."""
    import croniter

    if len(expression.split()) != 5:
        raise ValueError(f"{expression!r} is no schedule: five fields are needed, as in '0 3 * * *'")
    try:
        found = croniter.croniter(expression, after.astimezone(UTC)).get_next(datetime)
    except (croniter.CroniterError, ValueError) as error:
        raise ValueError(f"{expression!r} is no schedule: {error}") from None
    assert isinstance(found, datetime)  # noqa: S101 - what was asked of croniter, whose stubs do not say so
    return found


class Schedules:
    """The schedules of the plugins served here, kept in the database beside those of other Hosts."""

    def __init__(self, pool: asyncpg.Pool, clock: Callable[[], datetime]) -> None:
        self._pool, self._clock = pool, clock
        self._wanted: dict[tuple[str, str], str] = {}
        self._plugins: set[str] = set()
        self._kept = False

    def add(self, plugin: str, name: str, expression: str) -> None:
        """Have a job run on schedule from now on."""
        next_run(expression, self._clock())
        self._wanted[plugin, name] = expression
        self._plugins.add(plugin)
        self._kept = False

    def drop(self, plugin: str) -> None:
        """Leave a plugin's schedules to other Hosts."""
        self._wanted = {name: expression for name, expression in self._wanted.items() if name[0] != plugin}
        self._plugins.discard(plugin)

    async def queue_due(self) -> int:
        """Queue what is due now; returns how many. Host and Host take turns by the rows' locks."""
        if not self._plugins:
            return 0
        if not self._kept:
            await self._keep()
        now = self._clock()
        async with self._pool.acquire() as connection, connection.transaction():
            due = await connection.fetch(_DUE, now, list(self._plugins))
            for row in due:
                await connection.execute(_QUEUE, row["plugin"], row["name"], KEY)
                await connection.execute(_NEXT, row["plugin"], row["name"], next_run(row["expression"], now))
        return len(due)

    async def _keep(self) -> None:
        wanted = dict(self._wanted)
        plugins, names = [p for p, _ in wanted], [n for _, n in wanted]
        now = self._clock()
        times = [next_run(expression, now) for expression in wanted.values()]
        await self._pool.execute(_KEEP, plugins, names, list(wanted.values()), times)
        await self._pool.execute(_FORGET, list(self._plugins), plugins, names)
        self._kept = wanted == self._wanted
