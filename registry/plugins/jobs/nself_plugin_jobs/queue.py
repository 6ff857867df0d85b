"""The queue: every change of a job's state is one statement here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    import asyncpg

#: Seconds that a delay between two tries grows to at most.
LONGEST_DELAY = 86_400

_SETTINGS = "SELECT * FROM np_jobs_queues WHERE source_account_id = $1 AND name = $2"


async def enqueue(
    pool: asyncpg.Pool,
    account: str,
    queue: str,
    *,
    type: str = "",
    payload: Mapping[str, Any] | None = None,
    priority: int = 0,
    run_at: datetime | None = None,
    max_attempts: int,
    key: str | None = None,
) -> tuple[asyncpg.Record, bool]:
    """Put a job on a queue; where one with the same key is not over yet, that one. Whether it is new comes with it."""
    row = await pool.fetchrow(
        "INSERT INTO np_jobs_jobs AS j (source_account_id, queue, type, payload, priority, run_at, unique_key, max_attempts)"
        " VALUES ($1, $2, $3, $4, $5, COALESCE($6, now()), $7,"
        " COALESCE((SELECT q.max_attempts FROM np_jobs_queues q WHERE q.source_account_id = $1 AND q.name = $2), $8))"
        " ON CONFLICT (source_account_id, queue, unique_key) WHERE state IN ('waiting', 'held')"
        " DO UPDATE SET unique_key = excluded.unique_key RETURNING j.*, (xmax = 0) AS is_new",
        account, queue, type, payload or {}, priority, run_at, key, max_attempts,
    )  # fmt: skip
    return row, row["is_new"]


async def lease(
    pool: asyncpg.Pool, account: str, queue: str, *, count: int, seconds: int, worker: str, types: Sequence[str] = ()
) -> list[asyncpg.Record]:
    """Hand up to ``count`` jobs to a worker, the most urgent first, each under a lease of its own for ``seconds``.

    A paused queue gives none, and one with a ``concurrency`` no more than that are held at once.
    """
    async with pool.acquire() as connection, connection.transaction():
        settings = await connection.fetchrow(_SETTINGS + " FOR UPDATE", account, queue)
        if settings is not None:
            if settings["paused"]:
                return []
            if settings["concurrency"] is not None:  # the lock above keeps two workers from counting at once
                held = await connection.fetchval(
                    "SELECT count(*) FROM np_jobs_jobs WHERE source_account_id = $1 AND queue = $2 AND state = 'held'",
                    account,
                    queue,
                )
                count = min(count, settings["concurrency"] - held)
        if count <= 0:
            return []
        rows = await connection.fetch(
            "UPDATE np_jobs_jobs j SET state = 'held', attempts = attempts + 1, lease = gen_random_uuid(), worker = $5,"
            " leased_until = now() + make_interval(secs => $4)"
            " WHERE id IN (SELECT id FROM np_jobs_jobs WHERE source_account_id = $1 AND queue = $2 AND state = 'waiting'"
            " AND run_at <= now() AND (cardinality($6::text[]) = 0 OR type = ANY($6))"
            " ORDER BY priority DESC, run_at, id LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING j.*",
            account, queue, count, seconds, worker, list(types),
        )  # fmt: skip
    return sorted(rows, key=lambda row: (-row["priority"], row["run_at"], row["id"]))


async def complete(pool: asyncpg.Pool, account: str, job: int, lease: UUID, result: Any = None) -> asyncpg.Record | None:
    """Mark a held job as done; ``None`` where the lease is no longer the job's."""
    return await pool.fetchrow(
        "UPDATE np_jobs_jobs SET state = 'done', finished_at = now(), result = $4, error = '', lease = NULL"
        " WHERE source_account_id = $1 AND id = $2 AND lease = $3 AND state = 'held' RETURNING *",
        account, job, lease, result,
    )  # fmt: skip


async def fail(
    pool: asyncpg.Pool, account: str, job: int, lease: UUID, error: str, *, final: bool = False, delay: int | None = None
) -> asyncpg.Record | None:
    """Give a held job back: to be tried again later, or dead where its tries are used up or ``final``."""
    return await pool.fetchrow(
        _GIVE_BACK + " WHERE j.source_account_id = $1 AND j.id = $2 AND j.lease = $3 AND j.state = 'held' RETURNING j.*",
        account, job, lease, error[:2000], final, delay, LONGEST_DELAY,
    )  # fmt: skip


_GIVE_BACK = """
UPDATE np_jobs_jobs j SET
    state = CASE WHEN $5 OR j.attempts >= j.max_attempts THEN 'dead' ELSE 'waiting' END,
    finished_at = CASE WHEN $5 OR j.attempts >= j.max_attempts THEN now() END,
    run_at = now() + make_interval(secs => COALESCE($6::integer, LEAST($7::float8,
        COALESCE((SELECT q.backoff_seconds FROM np_jobs_queues q
                  WHERE q.source_account_id = j.source_account_id AND q.name = j.queue), 5)
        * power(2, LEAST(j.attempts - 1, 20))))),
    error = $4, lease = NULL, leased_until = NULL
"""


async def extend(pool: asyncpg.Pool, account: str, job: int, lease: UUID, seconds: int) -> asyncpg.Record | None:
    """A sign of life: hold the job for ``seconds`` from now."""
    return await pool.fetchrow(
        "UPDATE np_jobs_jobs SET leased_until = now() + make_interval(secs => $4)"
        " WHERE source_account_id = $1 AND id = $2 AND lease = $3 AND state = 'held' RETURNING *",
        account, job, lease, seconds,
    )  # fmt: skip


async def release_lost(pool: asyncpg.Pool) -> int:
    """Give back every job whose worker gave no sign of life in time; how many."""
    done = await pool.fetch(
        "UPDATE np_jobs_jobs SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'waiting' END, run_at = now(),"
        " finished_at = CASE WHEN attempts >= max_attempts THEN now() END,"
        " error = 'its worker gave no sign of life', lease = NULL, leased_until = NULL"
        " WHERE state = 'held' AND leased_until < now() RETURNING 1"
    )
    return len(done)


async def retry(pool: asyncpg.Pool, account: str, job: int) -> asyncpg.Record | None:
    """Put a dead or cancelled job back on its queue with all its tries; ``None`` where it is neither."""
    return await pool.fetchrow(
        "UPDATE np_jobs_jobs SET state = 'waiting', attempts = 0, run_at = now(), error = '', finished_at = NULL"
        " WHERE source_account_id = $1 AND id = $2 AND state IN ('dead', 'cancelled') RETURNING *",
        account,
        job,
    )


async def cancel(pool: asyncpg.Pool, account: str, job: int) -> asyncpg.Record | None:
    """Take a waiting job off its queue; ``None`` where it waits no longer."""
    return await pool.fetchrow(
        "UPDATE np_jobs_jobs SET state = 'cancelled', finished_at = now()"
        " WHERE source_account_id = $1 AND id = $2 AND state = 'waiting' RETURNING *",
        account,
        job,
    )


def worker_name() -> str:
    """A name for a worker that gives none."""
    return f"anonymous-{uuid4().hex[:8]}"
