"""The HTTP API, served under ``/plugins/jobs/``; for administrators and services."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import asyncpg
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Response

from hookspecs.web import account, admin
from nself_plugin_jobs import push, queue, upkeep
from nself_plugin_jobs.models import (
    Done,
    Extend,
    Failed,
    HeldJob,
    JobIn,
    JobOut,
    LeaseIn,
    Name,
    QueueIn,
    QueueOut,
    ScheduleIn,
    ScheduleOut,
    State,
)
from nself_plugin_jobs.waiting import Bell

if TYPE_CHECKING:
    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]

_QUEUES = """
SELECT n.name, COALESCE(q.paused, false) AS paused, COALESCE(q.max_attempts, $2) AS max_attempts,
       COALESCE(q.backoff_seconds, 5) AS backoff_seconds, q.concurrency, q.push_url,
       count(j.id) FILTER (WHERE j.state = 'waiting' AND j.run_at <= now()) AS waiting,
       count(j.id) FILTER (WHERE j.state = 'waiting' AND j.run_at > now()) AS delayed,
       count(j.id) FILTER (WHERE j.state = 'held') AS held, count(j.id) FILTER (WHERE j.state = 'dead') AS dead,
       extract(epoch FROM now() - min(j.run_at) FILTER (WHERE j.state = 'waiting' AND j.run_at <= now()))::float8
           AS oldest_seconds
FROM (SELECT name FROM np_jobs_queues WHERE source_account_id = $1
      UNION SELECT queue FROM np_jobs_jobs WHERE source_account_id = $1) n
LEFT JOIN np_jobs_queues q ON q.source_account_id = $1 AND q.name = n.name
LEFT JOIN np_jobs_jobs j ON j.source_account_id = $1 AND j.queue = n.name AND j.state IN ('waiting', 'held', 'dead')
WHERE $3::text IS NULL OR n.name = $3
GROUP BY n.name, q.paused, q.max_attempts, q.backoff_seconds, q.concurrency, q.push_url ORDER BY n.name
"""


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(title="Jobs", version="1.0.0", summary="A background queue in PostgreSQL.", dependencies=[Depends(admin)])
    api.include_router(_queues(host))
    api.include_router(_working(host))
    api.include_router(_jobs(host))
    api.include_router(_schedules(host))
    return api


def _queues(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/queues", tags=["queues"])
    tries = host.settings["JOBS_RETRY_ATTEMPTS"]

    @router.get("")
    async def list_(account: Account) -> list[QueueOut]:
        """Every queue with what stands in it."""
        return [QueueOut(**row) for row in await host.pool.fetch(_QUEUES, account, tries, None)]

    @router.put("/{name}")
    async def put(name: Name, wanted: QueueIn, account: Account) -> QueueOut:
        """Settle how a queue behaves. A queue without settings needs none: it comes to be with its first job."""
        await host.pool.execute(
            "INSERT INTO np_jobs_queues (source_account_id, name, paused, max_attempts, backoff_seconds, concurrency, push_url)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source_account_id, name) DO UPDATE SET paused = excluded.paused,"
            " max_attempts = excluded.max_attempts, backoff_seconds = excluded.backoff_seconds,"
            " concurrency = excluded.concurrency, push_url = excluded.push_url, updated_at = now()",
            account, name, wanted.paused, wanted.max_attempts, wanted.backoff_seconds, wanted.concurrency,
            str(wanted.push_url) if wanted.push_url else None,
        )  # fmt: skip
        if wanted.push_url and not wanted.paused:
            await push.wake(host, account, name)
        return QueueOut(**await host.pool.fetchrow(_QUEUES, account, tries, name))

    @router.post("/{name}/jobs", status_code=201, responses={200: {"description": "A job with this key is not over yet."}})
    async def enqueue(name: Name, wanted: JobIn, account: Account, response: Response) -> JobOut:
        """Put a job on the queue."""
        run_at = wanted.run_at or (host.now() + timedelta(seconds=wanted.delay) if wanted.delay else None)
        row, new = await queue.enqueue(
            host.pool, account, name, type=wanted.type, payload=wanted.payload, priority=wanted.priority, run_at=run_at,
            max_attempts=tries, key=wanted.unique_key,
        )  # fmt: skip
        if not new:
            response.status_code = 200
        elif await host.pool.fetchval(
            "SELECT true FROM np_jobs_queues WHERE source_account_id = $1 AND name = $2 AND push_url IS NOT NULL", account, name
        ):
            await push.wake(host, account, name, max(0.0, (row["run_at"] - host.now()).total_seconds()))
        return JobOut(**row)

    return router


def _working(host: HostContext) -> APIRouter:
    router = APIRouter(tags=["workers"])
    bell = Bell(host)

    @router.post("/queues/{name}/lease")
    async def lease(name: Name, wanted: LeaseIn, account: Account) -> list[HeldJob]:
        """Take jobs to work on. Say ``done``, ``failed`` or ``extend`` in time, with the job's lease, or others get it."""
        seconds = wanted.seconds or host.settings["JOBS_LEASE_SECS"]
        worker = wanted.worker or queue.worker_name()
        end = asyncio.get_running_loop().time() + wanted.wait
        while True:
            rang = bell.next()
            rows = await queue.lease(
                host.pool, account, name, count=wanted.count, seconds=seconds, worker=worker, types=wanted.types
            )
            left = end - asyncio.get_running_loop().time()
            if rows or left <= 0:
                return [HeldJob(**row) for row in rows]
            await bell.wait(rang, min(left, 5))  # delayed jobs come due without a sound

    @router.post("/jobs/{id}/done")
    async def done(id: int, said: Done, account: Account) -> JobOut:
        """The job is done."""
        return _held(await queue.complete(host.pool, account, id, said.lease, said.result))

    @router.post("/jobs/{id}/failed")
    async def failed(id: int, said: Failed, account: Account) -> JobOut:
        """The job failed: it is tried again later, or is a dead letter where its tries are used up."""
        return _held(await queue.fail(host.pool, account, id, said.lease, said.error, final=said.final, delay=said.delay))

    @router.post("/jobs/{id}/extend")
    async def extend(id: int, said: Extend, account: Account) -> JobOut:
        """A sign of life from the worker."""
        return _held(await queue.extend(host.pool, account, id, said.lease, said.seconds))

    return router


def _held(row: asyncpg.Record | None) -> JobOut:
    if row is None:
        raise HTTPException(409, "this lease is over: the job is done, or another worker's by now")
    return JobOut(**row)


def _jobs(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.get("")
    async def list_(
        account: Account,
        queue: Name | None = None,
        state: State | None = None,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[JobOut]:
        """Jobs, newest first; ``before`` (an id) pages through them. ``state=dead`` gives the dead letters."""
        rows = await host.pool.fetch(
            "SELECT * FROM np_jobs_jobs WHERE source_account_id = $1 AND ($2::text IS NULL OR queue = $2)"
            " AND ($3::text IS NULL OR state = $3) AND ($4::bigint IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
            account, queue, state, before, limit,
        )  # fmt: skip
        return [JobOut(**row) for row in rows]

    @router.get("/{id}")
    async def show(id: int, account: Account) -> JobOut:
        """One job."""
        return await _one(host, account, id)

    @router.post("/{id}/retry", responses={409: {"description": "It is not over, or its key is taken."}})
    async def retry(id: int, account: Account) -> JobOut:
        """Put a dead or cancelled job back on its queue, with all its tries."""
        try:
            row = await queue.retry(host.pool, account, id)
        except asyncpg.UniqueViolationError:
            raise HTTPException(409, "another job with its key is on the queue") from None
        if row is None:
            raise HTTPException(409, f"it is {(await _one(host, account, id)).state}, not dead or cancelled")
        return JobOut(**row)

    @router.post("/{id}/cancel", responses={409: {"description": "It waits no longer."}})
    async def cancel(id: int, account: Account) -> JobOut:
        """Take a waiting job off its queue."""
        row = await queue.cancel(host.pool, account, id)
        if row is None:
            raise HTTPException(409, f"it is {(await _one(host, account, id)).state}, not waiting")
        return JobOut(**row)

    return router


async def _one(host: HostContext, account: str, id: int) -> JobOut:
    row = await host.pool.fetchrow("SELECT * FROM np_jobs_jobs WHERE source_account_id = $1 AND id = $2", account, id)
    if row is None:
        raise HTTPException(404, "there is no such job")
    return JobOut(**row)


def _schedules(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/schedules", tags=["recurring jobs"])

    @router.get("")
    async def list_(account: Account) -> list[ScheduleOut]:
        """Every recurring job."""
        rows = await host.pool.fetch("SELECT * FROM np_jobs_schedules WHERE source_account_id = $1 ORDER BY name", account)
        return [ScheduleOut(**{name: row[name] for name in ScheduleOut.model_fields}) for row in rows]

    @router.put("/{name}")
    async def put(name: Name, wanted: ScheduleIn, account: Account) -> ScheduleOut:
        """Make or change a recurring job."""
        try:
            following = upkeep.next_time(wanted.schedule, host.now())
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        await host.pool.execute(
            "INSERT INTO np_jobs_schedules (source_account_id, name, queue, type, payload, priority, schedule, next_run_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (source_account_id, name) DO UPDATE SET queue = excluded.queue,"
            " type = excluded.type, payload = excluded.payload, priority = excluded.priority, schedule = excluded.schedule,"
            " next_run_at = excluded.next_run_at, updated_at = now()",
            account, name, wanted.queue, wanted.type, wanted.payload, wanted.priority, wanted.schedule, following,
        )  # fmt: skip
        return ScheduleOut(**wanted.model_dump(), name=name, next_run_at=following)

    @router.delete("/{name}", status_code=204)
    async def delete(name: Name, account: Account) -> None:
        """Delete a recurring job; what it has enqueued stays."""
        gone = await host.pool.execute("DELETE FROM np_jobs_schedules WHERE source_account_id = $1 AND name = $2", account, name)
        if gone == "DELETE 0":
            raise HTTPException(404, f"there is no recurring job {name!r}")

    return router
