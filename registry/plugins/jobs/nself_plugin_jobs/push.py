"""Queues that push: the Host holds a job and posts it; the answer says what became of it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from nself_plugin_jobs import queue

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import HostContext

#: Seconds that one run of the pusher works before it makes room for others.
LONGEST = 240
#: Seconds an endpoint has for one job, and as long as it is held; most jobs posted at once.
TIMEOUT, AT_ONCE = 60, 10
#: Bytes of a result that are kept.
KEPT = 100_000


async def wake(host: HostContext, account: str, name: str, delay: float = 0) -> None:
    """See that the pusher of a queue runs."""
    when = "later" if delay else "now"
    await host.enqueue("push", {"account": account, "queue": name}, delay=delay, key=f"{account}/{name}/{when}")


async def due(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    """The pushing queues that have a job to run."""
    rows = await pool.fetch(
        "SELECT source_account_id, name FROM np_jobs_queues q WHERE push_url IS NOT NULL AND NOT paused"
        " AND EXISTS (SELECT FROM np_jobs_jobs j WHERE j.source_account_id = q.source_account_id AND j.queue = q.name"
        " AND j.state = 'waiting' AND j.run_at <= now())"
    )
    return [(row["source_account_id"], row["name"]) for row in rows]


async def run(host: HostContext, account: str, name: str) -> AsyncIterator[str]:
    """Post jobs until none is due; the outcome of each: ``done``, ``retry`` or ``dead``."""
    end = monotonic() + LONGEST
    while monotonic() < end:
        url = await host.pool.fetchval(
            "SELECT push_url FROM np_jobs_queues WHERE source_account_id = $1 AND name = $2 AND NOT paused", account, name
        )
        if not url:
            return
        held = await queue.lease(host.pool, account, name, count=AT_ONCE, seconds=TIMEOUT + 30, worker="push")
        if not held:
            break
        for outcome in await asyncio.gather(*(_post(host, account, url, job) for job in held)):
            yield outcome
    wait = await host.pool.fetchval(
        "SELECT extract(epoch FROM min(run_at) - now())::float8 FROM np_jobs_jobs"
        " WHERE source_account_id = $1 AND queue = $2 AND state = 'waiting'",
        account,
        name,
    )
    if wait is not None:
        await wake(host, account, name, max(1.0, wait))


async def _post(host: HostContext, account: str, url: str, job: Mapping[str, Any]) -> str:
    import httpx

    body = json.dumps(
        {"id": job["id"], "queue": job["queue"], "type": job["type"], "payload": job["payload"], "attempt": job["attempts"]},
        ensure_ascii=False,
    )
    final, result, delay = False, None, None
    try:
        async with asyncio.timeout(TIMEOUT):
            answer = await host.http.post(url, content=body, headers=_headers(host, job, body), timeout=TIMEOUT)
        if answer.is_success:
            error, result = "", _result(answer)
        else:
            error, final = f"{answer.status_code} {answer.reason_phrase}", answer.status_code == 410
            delay = _retry_after(answer)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    if not error:
        await queue.complete(host.pool, account, job["id"], job["lease"], result)
        return "done"
    row = await queue.fail(host.pool, account, job["id"], job["lease"], error, final=final, delay=delay)
    return "dead" if row is not None and row["state"] == "dead" else "retry"


def _headers(host: HostContext, job: Mapping[str, Any], body: str) -> dict[str, str]:
    from standardwebhooks import Webhook

    now, key = host.now(), host.secret("JOBS_SECRET") or ""
    name = f"job_{job['id']}"
    return {
        "content-type": "application/json",
        "user-agent": "nself-jobs",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook("whsec_" + base64.b64encode(key.encode()).decode()).sign(name, now, body),
    }


def _result(answer: Any) -> Any:
    if len(answer.content) > KEPT or "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def _retry_after(answer: Any) -> int | None:
    given = answer.headers.get("retry-after", "")
    return min(int(given), queue.LONGEST_DELAY) if given.isdigit() else None
