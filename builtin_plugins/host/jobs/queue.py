"""Putting work on the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .model import PAYLOAD_LIMIT

if TYPE_CHECKING:
    import asyncpg

#: PostgreSQL's notification channel by which a waiting worker is woken.
CHANNEL = "nself_host_jobs"


async def _keep(_connection: object) -> None:
    """Nothing to undo when a connection comes back: the queue leaves no state in a session, and asyncpg itself rolls back."""


#: Settings of a pool for the queue: no round trip to reset a connection, and a commit that returns is on disk.
POOL: Mapping[str, Any] = {"reset": _keep, "server_settings": {"application_name": "nself host", "synchronous_commit": "on"}}

_ENQUEUE = """
    INSERT INTO nself_host.jobs (plugin, name, payload, run_at, priority, key, once, secret)
    VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5, $6, $7, $8)
"""
# A row that is updated is locked: where a worker is just claiming it, this waits, and then queues a second one.
_UNLESS_WAITING = """
    ON CONFLICT (plugin, name, key) WHERE key IS NOT NULL AND state = 'queued' AND started_at IS NULL
    DO UPDATE SET priority = greatest(nself_host.jobs.priority, excluded.priority),
        run_at = least(nself_host.jobs.run_at, excluded.run_at)
"""
_UNLESS_KNOWN = """
    ON CONFLICT (plugin, name, once) WHERE once IS NOT NULL DO UPDATE SET once = excluded.once
"""


class Queue:
    """The queue of all plugins, in the database of ``pool``. What is queued is durable when the call returns."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def enqueue(
        self,
        plugin: str,
        job: str,
        payload: Mapping[str, Any],
        *,
        delay: float = 0,
        priority: int = 0,
        key: str = "",
        once: str = "",
        secret: str = "",
        connection: asyncpg.Connection | None = None,
    ) -> str:
        """Queue a job to run in ``delay`` seconds; returns its id.

        While one of that name and ``key`` waits for its first run, that one's id is returned, its priority and time moved
        forward if these are sooner. One of that name and ``once`` is queued once, whatever became of it. In a transaction of
        ``connection`` it is queued if that commits. ``ValueError`` for a payload that is no JSON or is over `PAYLOAD_LIMIT`.
        """
        if key and once:
            raise ValueError("a job has a key or an outside id, not both")
        body = encode(payload)
        query = _ENQUEUE + (_UNLESS_WAITING if key else _UNLESS_KNOWN if once else "") + "RETURNING id"
        on = connection or self._pool
        found = await on.fetchval(query, plugin, job, body, max(delay, 0.0), priority, key or None, once or None, secret or None)
        if delay <= 0:
            await on.execute("SELECT pg_notify($1, '')", CHANNEL)
        return str(found)


def encode(payload: Mapping[str, Any]) -> bytes:
    """A payload as JSON. The standard encoder: it takes integers of any size, and refuses NaN when told."""
    try:
        body = json.dumps(dict(payload), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"the payload is no JSON: {error}") from None
    if len(body) > PAYLOAD_LIMIT:
        raise ValueError(f"the payload has {len(body)} bytes, at most {PAYLOAD_LIMIT} are taken: queue a reference to the data")
    return body
