"""What the Host does for the queue: recurring jobs, leases that ran out, queues that push, forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hookspecs import Job
from nself_plugin_jobs import push, queue

if TYPE_CHECKING:
    from hookspecs import HostContext


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs in the Host."""
    from prometheus_client import Counter, Gauge

    finished = Counter("jobs_pushed_total", "Jobs posted to an endpoint.", ("queue", "outcome"), registry=host.metrics)
    depth = Gauge("jobs_depth", "Jobs by queue and state.", ("account", "queue", "state"), registry=host.metrics)

    async def tick(payload: Mapping[str, Any]) -> None:
        lost = await queue.release_lost(host.pool)
        if lost:
            host.logger.warning("%s jobs taken back from workers that gave no sign of life", lost)
        await enqueue_due(host)
        for account, name in await push.due(host.pool):
            await push.wake(host, account, name)
        await _measure()

    async def _measure() -> None:
        depth.clear()
        for row in await host.pool.fetch(
            "SELECT source_account_id, queue, state, count(*) AS n FROM np_jobs_jobs"
            " WHERE state IN ('waiting', 'held', 'dead') GROUP BY 1, 2, 3"
        ):
            depth.labels(row["source_account_id"], row["queue"], row["state"]).set(row["n"])

    async def pushing(payload: Mapping[str, Any]) -> None:
        async for outcome in push.run(host, payload["account"], payload["queue"]):
            finished.labels(payload["queue"], outcome).inc()

    async def forget(payload: Mapping[str, Any]) -> None:
        before = host.now() - timedelta(days=host.settings["JOBS_RETENTION_DAYS"])
        await host.pool.execute("DELETE FROM np_jobs_jobs WHERE state IN ('done', 'cancelled') AND finished_at < $1", before)

    return [
        Job(name="tick", run=tick, schedule="* * * * *", retries=0, timeout=50, priority=10),
        Job(name="push", run=pushing, timeout=push.LONGEST + 90),
        Job(name="forget", run=forget, schedule="23 3 * * *", timeout=600),
    ]


async def enqueue_due(host: HostContext) -> int:
    """Enqueue each recurring job whose time has come, once however many Hosts there are; how many."""
    now = host.now()
    async with host.pool.acquire() as connection, connection.transaction():
        due = await connection.fetch("SELECT * FROM np_jobs_schedules WHERE next_run_at <= $1 FOR UPDATE SKIP LOCKED", now)
        for row in due:
            await connection.execute(
                "SELECT np_jobs_enqueue($1, $2, $3, $4, '0', $5, $6)",
                row["queue"],
                row["payload"],
                row["type"],
                row["priority"],
                f"schedule/{row['name']}",  # a run that still waits is not doubled
                row["source_account_id"],
            )
            await connection.execute(
                "UPDATE np_jobs_schedules SET next_run_at = $3 WHERE source_account_id = $1 AND name = $2",
                row["source_account_id"],
                row["name"],
                next_time(row["schedule"], now),
            )
    return len(due)


def next_time(schedule: str, after: datetime) -> datetime:
    """When a cron expression comes next, in UTC; ``ValueError`` where it is none or never comes."""
    from croniter import croniter

    if len(schedule.split()) != 5 or not croniter.is_valid(schedule):
        raise ValueError(f"{schedule!r} is no cron expression of five fields")
    try:
        found: datetime = croniter(schedule, after.astimezone(UTC)).get_next(datetime)
    except Exception:  # croniter has a family of errors
        raise ValueError(f"{schedule!r} never comes") from None
    return found
