"""The statements by which workers share the queue: claim, keep, end, take over. Times are the database's."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from .model import Claimed

if TYPE_CHECKING:
    import asyncpg

# Each plugin is looked up by itself in the index: what waits for one that is not served here, or has no room, costs nothing.
# MATERIALIZED, since a locking LIMIT that is planned into a join may be run more than once.
_CLAIM = """
    WITH task AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::integer[]) AS t (plugin, name, retries)
    ), room AS MATERIALIZED (
        SELECT * FROM unnest($4::text[], $5::integer[]) AS r (plugin, free)
    ), next AS MATERIALIZED (
        SELECT due.id
        FROM room CROSS JOIN LATERAL (
            SELECT j.id, j.priority, j.run_at
            FROM nself_host.jobs AS j
            WHERE j.plugin = room.plugin AND j.state = 'queued' AND j.run_at <= now()
              AND j.name IN (SELECT name FROM task WHERE task.plugin = room.plugin)
            ORDER BY j.priority DESC, j.run_at, j.id
            LIMIT room.free
            FOR UPDATE SKIP LOCKED
        ) AS due
        ORDER BY due.priority DESC, due.run_at, due.id
        LIMIT $6
    )
    UPDATE nself_host.jobs AS j
    SET state = 'running', attempts = j.attempts + 1, last_try = j.attempts >= task.retries, worker = $7,
        lease_until = now() + make_interval(secs => $8), started_at = coalesce(j.started_at, now()), finished_at = NULL
    FROM next, task
    WHERE j.id = next.id AND task.plugin = j.plugin AND task.name = j.name
    RETURNING j.id, j.plugin, j.name, j.attempts, j.payload, j.event::text, j.once, j.secret, j.created_at, j.priority, j.run_at
"""
_EXTEND = """
    UPDATE nself_host.jobs SET lease_until = now() + make_interval(secs => $3)
    WHERE id = ANY($1::bigint[]) AND worker = $2 AND state = 'running'
    RETURNING id
"""
# The number of the attempt fences it: who lost the lease changes nothing.
_END = """
    UPDATE nself_host.jobs AS j
    SET state = e.state, error = nullif(e.error, ''), worker = NULL, lease_until = NULL,
        attempts = j.attempts - e.unused,
        run_at = CASE WHEN e.state = 'queued' THEN now() + make_interval(secs => e.delay) ELSE j.run_at END,
        finished_at = CASE WHEN e.state = 'queued' THEN NULL ELSE now() END
    FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::float8[], $5::text[], $6::integer[])
        AS e (id, attempt, state, delay, error, unused)
    WHERE j.id = e.id AND j.worker = $7 AND j.attempts = e.attempt AND j.state = 'running'
"""
_TAKE_OVER = """
    UPDATE nself_host.jobs
    SET state = CASE WHEN last_try THEN 'dead' ELSE 'queued' END, worker = NULL, lease_until = NULL, run_at = now(),
        error = 'the worker was lost during attempt ' || attempts, finished_at = CASE WHEN last_try THEN now() END
    WHERE id IN (SELECT id FROM nself_host.jobs WHERE state = 'running' AND lease_until < now() FOR UPDATE SKIP LOCKED)
    RETURNING state
"""
_PURGE = """
    DELETE FROM nself_host.jobs WHERE id IN (
        SELECT id FROM nself_host.jobs
        WHERE state = 'done' AND (event IS NULL) = $1 AND finished_at < now() - make_interval(secs => $2)
        ORDER BY finished_at LIMIT 5000 FOR UPDATE SKIP LOCKED
    )
"""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: ``done``, ``dead``, or ``queued`` again in ``delay`` seconds; ``unused`` 1 where it did not count."""

    id: int
    attempt: int
    state: str
    delay: float = 0
    error: str = ""
    unused: int = 0


class Claims:
    """One worker's view of the queue; ``lease`` is how many seconds it holds work without a sign of life."""

    def __init__(self, pool: asyncpg.Pool, lease: float) -> None:
        self._pool = pool
        self.lease = lease
        self.worker = uuid.uuid4()

    async def claim(self, tasks: Mapping[tuple[str, str], int], room: Mapping[str, int], most: int) -> list[Claimed]:
        """Take at most ``most`` due jobs of these tasks (→ retries), of each plugin at most its room; urgent ones first."""
        rows = await self._pool.fetch(
            _CLAIM, [p for p, _ in tasks], [n for _, n in tasks], list(tasks.values()), list(room), list(room.values()), most,
            self.worker, self.lease,
        )  # fmt: skip
        rows.sort(key=lambda row: (-row["priority"], row["run_at"], row["id"]))
        return [
            Claimed(
                id=row["id"],
                plugin=row["plugin"],
                name=row["name"],
                attempt=row["attempts"],
                payload=row["payload"],
                event=orjson.loads(row["event"]) if row["event"] else {},
                once=row["once"] or "",
                secret=row["secret"] or "",
                created_at=row["created_at"],
            )
            for row in rows
        ]

    async def extend(self, ids: Iterable[int]) -> set[int]:
        """Sign of life for these; returns those that are still held."""
        return {row["id"] for row in await self._pool.fetch(_EXTEND, list(ids), self.worker, self.lease)}

    async def end(self, ends: Sequence[End]) -> None:
        """Record how runs ended, in one commit; those no longer held are left alone."""
        await self._pool.execute(
            _END, [e.id for e in ends], [e.attempt for e in ends], [e.state for e in ends], [e.delay for e in ends],
            [e.error for e in ends], [e.unused for e in ends], self.worker,
        )  # fmt: skip

    async def take_over(self) -> list[str]:
        """Queue again what lost workers held, or declare it dead; returns the new states. Such a run counts as an attempt."""
        return [row["state"] for row in await self._pool.fetch(_TAKE_OVER)]

    async def purge(self, jobs: float, webhooks: float) -> None:
        """Delete what was done so many days ago; the dead are kept."""
        for is_job, days in ((True, jobs), (False, webhooks)):
            await self._pool.execute(_PURGE, is_job, days * 86400)
