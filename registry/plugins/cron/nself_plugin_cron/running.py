"""The jobs: find what is due, make one call, forget old runs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hookspecs import Job
from nself_plugin_cron.schedule import upcoming

if TYPE_CHECKING:
    import asyncpg
    import httpx

    from hookspecs import HostContext

#: Characters of the answer that the history keeps.
KEPT = 2000


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs."""
    from prometheus_client import Counter

    runs = Counter("cron_runs_total", "Finished runs.", ("status",), registry=host.metrics)

    async def tick(payload: Mapping[str, Any]) -> None:
        for run in await start_due(host):
            await host.enqueue("run", {"id": str(run)}, key=str(run))

    async def run(payload: Mapping[str, Any]) -> None:
        status = await make_call(host, UUID(payload["id"]))
        if status:
            runs.labels(status).inc()

    async def forget(payload: Mapping[str, Any]) -> None:
        before = host.now() - timedelta(days=host.settings["CRON_RETENTION_DAYS"])
        await host.pool.execute(
            "DELETE FROM np_cron_runs WHERE scheduled_for < $1 AND status NOT IN ('queued', 'running')", before
        )

    return [
        Job(name="tick", run=tick, schedule="* * * * *", retries=0, timeout=50, priority=10),
        Job(name="run", run=run, timeout=3700),
        Job(name="forget", run=forget, schedule="41 3 * * *", timeout=600),
    ]


async def start_due(host: HostContext) -> list[UUID]:
    """Make a run for each schedule whose time has come, in one transaction with its next time; ids of what is to be called.

    Runs left ``queued`` by a process that died in between are among them.
    """
    now = host.now()
    missed_before = now - timedelta(seconds=host.settings["CRON_MISSED_AFTER_SECS"])
    async with host.pool.acquire() as connection, connection.transaction():
        due = await connection.fetch(
            "SELECT * FROM np_cron_jobs WHERE NOT paused AND next_run_at <= $1 ORDER BY next_run_at FOR UPDATE SKIP LOCKED", now
        )
        started = [await _start(connection, job, now, missed_before) for job in due]
        left = await connection.fetch(
            "SELECT id FROM np_cron_runs WHERE status = 'queued' AND scheduled_for < $1", now - timedelta(minutes=2)
        )
    return [run for run in started if run is not None] + [row["id"] for row in left]


async def _start(connection: asyncpg.Connection, job: Mapping[str, Any], now: datetime, missed_before: datetime) -> UUID | None:
    late = job["next_run_at"] < missed_before
    busy = not job["overlap"] and await connection.fetchval(
        "SELECT EXISTS (SELECT FROM np_cron_runs WHERE job_id = $1 AND status IN ('queued', 'running'))", job["id"]
    )
    status, detail = "queued", ""
    if late and job["missed"] == "skip":
        status, detail = "missed", "its time came while nothing ran here"
    elif busy:
        status, detail = "skipped", "the run before was still under way"
    run = await connection.fetchval(
        "INSERT INTO np_cron_runs (job_id, cause, scheduled_for, status, detail) VALUES ($1, 'schedule', $2, $3, $4)"
        " ON CONFLICT DO NOTHING RETURNING id",
        job["id"],
        job["next_run_at"],
        status,
        detail,
    )
    await connection.execute(
        "UPDATE np_cron_jobs SET next_run_at = $2 WHERE id = $1", job["id"], next(upcoming(job["schedule"], job["timezone"], now))
    )
    return run if status == "queued" else None


async def make_call(host: HostContext, run: UUID) -> str | None:
    """One attempt at a run, and another one queued where it failed and may be tried again. The status a run ended with."""
    row = await host.pool.fetchrow(
        "UPDATE np_cron_runs r SET status = 'running', attempt = attempt + 1, started_at = COALESCE(started_at, $2)"
        " FROM np_cron_jobs j WHERE j.id = r.job_id AND r.id = $1 AND r.status IN ('queued', 'running')"
        " RETURNING r.attempt, r.scheduled_for, j.name, j.method, j.url, j.headers, j.body, j.retries, j.timeout_seconds",
        run,
        host.now(),
    )
    if row is None:
        return None
    code, answer, detail = await _call(host, run, row)
    if not detail:
        await _finish(host, run, "succeeded", code, answer, "")
        return "succeeded"
    if row["attempt"] <= row["retries"]:
        await host.pool.execute("UPDATE np_cron_runs SET detail = $2, http_status = $3 WHERE id = $1", run, detail, code)
        await host.enqueue("run", {"id": str(run)}, delay=min(2 ** row["attempt"] * 5, 600), key=f"{run}/{row['attempt']}")
        return None
    await _finish(host, run, "failed", code, answer, detail)
    return "failed"


async def _call(host: HostContext, run: UUID, row: Mapping[str, Any]) -> tuple[int | None, str, str]:
    """Status code, start of the answer, and what went wrong (empty where nothing did)."""
    import asyncio

    import httpx

    headers = {"user-agent": "nself-cron", "x-nself-cron-job": row["name"], **_signature(host, run, row["body"] or "")}
    headers |= {name.lower(): value for name, value in row["headers"].items()}
    if row["body"] is not None:
        headers.setdefault("content-type", "application/json" if row["body"].lstrip()[:1] in {"{", "["} else "text/plain")
    timeout = row["timeout_seconds"] or host.settings["CRON_TIMEOUT_SECS"]
    try:
        async with (
            asyncio.timeout(timeout),  # httpx's own counts from byte to byte
            host.http.stream(row["method"], row["url"], content=row["body"], headers=headers, timeout=timeout) as answer,
        ):
            text = await _beginning(answer)
    except TimeoutError:
        return None, "", f"no whole answer within {timeout} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return None, "", (f"{type(error).__name__}: {error}").rstrip(": ")[:500]
    fault = "" if answer.is_success else f"it answered {answer.status_code} {answer.reason_phrase}"
    return answer.status_code, text, fault


async def _beginning(answer: httpx.Response) -> str:
    data = b""
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) >= KEPT:
            break
    return data[:KEPT].decode(errors="replace").replace("\0", "")


def _signature(host: HostContext, run: UUID, body: str) -> dict[str, str]:
    """Headers of Standard Webhooks, so that an endpoint can tell our calls from others'."""
    from standardwebhooks import Webhook

    key, now = host.secret("CRON_SECRET"), host.now()
    if not key:
        return {}
    signer = Webhook("whsec_" + base64.b64encode(key.encode()).decode())
    return {
        "webhook-id": str(run),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signer.sign(str(run), now, body),
    }


async def _finish(host: HostContext, run: UUID, status: str, code: int | None, answer: str, detail: str) -> None:
    await host.pool.execute(
        "UPDATE np_cron_runs SET status = $2, http_status = $3, response = $4, detail = $5, finished_at = $6 WHERE id = $1",
        run, status, code, answer, detail, host.now(),
    )  # fmt: skip
