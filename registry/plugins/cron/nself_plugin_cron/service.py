"""The HTTP API, served under ``/plugins/cron/``; for administrators and services."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query

from hookspecs.web import account, admin
from nself_plugin_cron import schedule
from nself_plugin_cron.models import JobIn, JobOut, Name, RunOut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]

_JOBS = """
SELECT j.*, l.status AS last_status, l.scheduled_for AS last_run_at FROM np_cron_jobs j LEFT JOIN LATERAL (
    SELECT status, scheduled_for FROM np_cron_runs r WHERE r.job_id = j.id ORDER BY scheduled_for DESC LIMIT 1) l ON true
WHERE j.source_account_id = $1
"""
_RUNS = "SELECT r.*, j.name AS job FROM np_cron_runs r JOIN np_cron_jobs j ON j.id = r.job_id WHERE j.source_account_id = $1"


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(
        title="Cron", version="1.0.0", summary="Named schedules that call an HTTP endpoint.", dependencies=[Depends(admin)]
    )
    api.include_router(_runs(host))  # before the other, whose /jobs/{name}/{action} would take its paths
    api.include_router(_jobs(host))

    @api.get("/preview", tags=["jobs"])
    async def preview(
        schedule_: Annotated[str, Query(alias="schedule")],
        timezone: str = "UTC",
        count: Annotated[int, Query(ge=1, le=50)] = 5,
    ) -> list[datetime]:
        """When a schedule would come, without making one."""
        try:
            schedule.check(schedule_, timezone)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return list(islice(schedule.upcoming(schedule_, timezone, host.now()), count))

    return api


def _jobs(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/jobs", tags=["jobs"])

    @router.get("")
    async def list_(account: Account) -> list[JobOut]:
        """Every schedule, with how its last run ended."""
        return [JobOut(**row) for row in await host.pool.fetch(_JOBS + " ORDER BY j.name", account)]

    @router.get("/{name}")
    async def show(name: Name, account: Account) -> JobOut:
        """One schedule."""
        return JobOut(**await _one(host, account, name))

    @router.put("/{name}")
    async def put(name: Name, wanted: JobIn, account: Account) -> JobOut:
        """Make or change a schedule. Its next time is counted anew."""
        following = next(schedule.upcoming(wanted.schedule, wanted.timezone, host.now()))
        await host.pool.execute(
            "INSERT INTO np_cron_jobs (source_account_id, name, schedule, timezone, method, url, headers, body, timeout_seconds,"
            " retries, overlap, missed, paused, next_run_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
            " ON CONFLICT (source_account_id, name) DO UPDATE SET schedule = excluded.schedule, timezone = excluded.timezone,"
            " method = excluded.method, url = excluded.url, headers = excluded.headers, body = excluded.body,"
            " timeout_seconds = excluded.timeout_seconds, retries = excluded.retries, overlap = excluded.overlap,"
            " missed = excluded.missed, paused = excluded.paused, next_run_at = excluded.next_run_at, updated_at = now()",
            account, name, wanted.schedule, wanted.timezone, wanted.method, str(wanted.url), wanted.headers, wanted.body,
            wanted.timeout_seconds, wanted.retries, wanted.overlap, wanted.missed, wanted.paused, following,
        )  # fmt: skip
        return JobOut(**await _one(host, account, name))

    @router.delete("/{name}", status_code=204)
    async def delete(name: Name, account: Account) -> None:
        """Delete a schedule and its history."""
        gone = await host.pool.execute("DELETE FROM np_cron_jobs WHERE source_account_id = $1 AND name = $2", account, name)
        if gone == "DELETE 0":
            raise HTTPException(404, f"there is no schedule {name!r}")

    @router.post("/{name}/{action}")
    async def pause(name: Name, action: Literal["pause", "resume"], account: Account) -> JobOut:
        """Stop a schedule from coming, or let it come again from its next time on."""
        job = await _one(host, account, name)
        following = next(schedule.upcoming(job["schedule"], job["timezone"], host.now()))
        await host.pool.execute(
            "UPDATE np_cron_jobs SET paused = $2, next_run_at = $3, updated_at = now() WHERE id = $1",
            job["id"],
            action == "pause",
            following,
        )
        return JobOut(**await _one(host, account, name))

    return router


def _runs(host: HostContext) -> APIRouter:
    router = APIRouter(tags=["runs"])

    @router.post("/jobs/{name}/runs", status_code=202)
    async def run_now(name: Name, account: Account) -> RunOut:
        """Run a schedule now, paused or not; its times stay as they are."""
        job = await _one(host, account, name)
        run = await host.pool.fetchval(
            "INSERT INTO np_cron_runs (job_id, cause, scheduled_for) VALUES ($1, 'manual', $2) RETURNING id",
            job["id"],
            host.now(),
        )
        await host.enqueue("run", {"id": str(run)}, key=str(run))
        return RunOut(**await host.pool.fetchrow(_RUNS + " AND r.id = $2", account, run))

    @router.get("/runs")
    async def list_(
        account: Account,
        job: Name | None = None,
        status: Literal["queued", "running", "succeeded", "failed", "missed", "skipped"] | None = None,
        before: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[RunOut]:
        """The history, newest first; ``before`` pages through it."""
        rows = await host.pool.fetch(
            _RUNS + " AND ($2::text IS NULL OR j.name = $2) AND ($3::text IS NULL OR r.status = $3)"
            " AND ($4::timestamptz IS NULL OR r.scheduled_for < $4) ORDER BY r.scheduled_for DESC LIMIT $5",
            account, job, status, before, limit,
        )  # fmt: skip
        return [RunOut(**row) for row in rows]

    @router.get("/runs/{id}")
    async def show(id: UUID, account: Account) -> RunOut:
        """One run."""
        row = await host.pool.fetchrow(_RUNS + " AND r.id = $2", account, id)
        if row is None:
            raise HTTPException(404, "there is no such run")
        return RunOut(**row)

    return router


async def _one(host: HostContext, account: str, name: str) -> Mapping[str, Any]:
    row = await host.pool.fetchrow(_JOBS + " AND j.name = $2", account, name)
    if row is None:
        raise HTTPException(404, f"there is no schedule {name!r}")
    return row
