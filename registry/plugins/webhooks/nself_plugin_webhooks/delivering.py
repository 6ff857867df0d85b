"""The jobs: one try at a delivery, picking up what was left behind, forgetting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hookspecs import Job
from nself_plugin_webhooks import signing

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import HostContext

#: Characters of an answer that the log keeps.
KEPT = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request; ``error`` is empty where it was taken."""

    error: str
    status: int | None = None
    text: str = ""
    retry_after: int = 0
    gone: bool = False


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs. ``deliver`` counts its own tries; the queue's retries are for crashes alone."""
    from prometheus_client import Counter

    tried = Counter("webhooks_attempts_total", "Tries at a delivery.", ("outcome",), registry=host.metrics)

    async def deliver(payload: Mapping[str, Any]) -> None:
        outcome = await attempt(host, UUID(payload["id"]))
        if outcome:
            tried.labels(outcome).inc()

    async def sweep(payload: Mapping[str, Any]) -> None:
        due = await host.pool.fetch(
            "SELECT id FROM np_webhooks_deliveries WHERE status IN ('queued', 'retrying') AND next_at < $1"
            " ORDER BY next_at LIMIT 500",
            host.now() - timedelta(seconds=90),
        )
        for row in due:
            await host.enqueue("deliver", {"id": str(row["id"])}, key=str(row["id"]))

    async def forget(payload: Mapping[str, Any]) -> None:
        before = host.now() - timedelta(days=host.settings["WEBHOOKS_RETENTION_DAYS"])
        await host.pool.execute(
            "DELETE FROM np_webhooks_events e WHERE created_at < $1 AND NOT EXISTS (SELECT FROM np_webhooks_deliveries d"
            " WHERE d.source_account_id = e.source_account_id AND d.event_id = e.id AND d.status IN ('queued', 'retrying'))",
            before,
        )

    return [
        Job(name="deliver", run=deliver, timeout=90),
        Job(name="sweep", run=sweep, schedule="* * * * *", retries=0, timeout=50),
        Job(name="forget", run=forget, schedule="53 3 * * *", timeout=600),
    ]


async def attempt(host: HostContext, delivery: UUID) -> str | None:
    """One try: ``delivered``, ``retrying`` or ``dead``; ``None`` where there is nothing to do (any more, or yet)."""
    async with host.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT d.*, e.payload, p.url, p.secret, p.previous_secret, p.previous_secret_until, p.enabled"
            " FROM np_webhooks_deliveries d JOIN np_webhooks_endpoints p ON p.id = d.endpoint_id"
            " JOIN np_webhooks_events e ON e.id = d.event_id AND e.source_account_id = d.source_account_id"
            " WHERE d.id = $1 AND d.status IN ('queued', 'retrying') FOR UPDATE OF d SKIP LOCKED",
            delivery,
        )
        if row is None:
            return None
        if not row["enabled"]:
            return await _close(host, connection, row, Answer("the endpoint is turned off"), "dead", tries=0)
        if not await _place(host, connection, row["endpoint_id"]):
            await host.enqueue("deliver", {"id": str(delivery)}, delay=1, key=f"{delivery}/busy")
            return None
        started = perf_counter()
        answer = await _post(host, row)
        await connection.execute(
            "INSERT INTO np_webhooks_attempts (delivery_id, http_status, error, response, took_ms) VALUES ($1, $2, $3, $4, $5)",
            delivery, answer.status, answer.error, answer.text, round((perf_counter() - started) * 1000),
        )  # fmt: skip
        return await _settle(host, connection, row, answer)


async def _place(host: HostContext, connection: asyncpg.Connection, endpoint: UUID) -> bool:
    """Take one of the endpoint's places for the rest of the transaction, so that a slow endpoint holds up itself alone."""
    places = host.settings["WEBHOOKS_CONCURRENT_DELIVERIES"]
    lock, name = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, $2))", f"np_webhooks/{endpoint}"
    for place in range(places):
        if await connection.fetchval(lock, name, place):
            return True
    return False


async def _settle(host: HostContext, connection: asyncpg.Connection, row: Mapping[str, Any], answer: Answer) -> str:
    if not answer.error:
        await connection.execute(
            "UPDATE np_webhooks_endpoints SET failures = 0 WHERE id = $1 AND failures > 0", row["endpoint_id"]
        )
        return await _close(host, connection, row, answer, "delivered")
    failures = await connection.fetchval(
        "UPDATE np_webhooks_endpoints SET failures = failures + 1 WHERE id = $1 RETURNING failures", row["endpoint_id"]
    )
    most = host.settings["WEBHOOKS_AUTO_DISABLE_THRESHOLD"]
    if answer.gone or (most and failures >= most):
        reason = "it answered 410 Gone" if answer.gone else f"{failures} tries in a row failed, the last with: {answer.error}"
        await connection.execute(
            "UPDATE np_webhooks_endpoints SET enabled = false, disabled_reason = $2, updated_at = now() WHERE id = $1",
            row["endpoint_id"],
            reason,
        )
        host.logger.warning("endpoint %s is turned off: %s", row["endpoint_id"], reason)
        return await _close(host, connection, row, answer, "dead")
    if row["attempts"] + 1 >= host.settings["WEBHOOKS_MAX_ATTEMPTS"]:
        return await _close(host, connection, row, answer, "dead")
    delays = [int(text) for text in host.settings["WEBHOOKS_RETRY_DELAYS"]]
    delay = max(delays[min(row["attempts"], len(delays) - 1)], answer.retry_after)
    await connection.execute(
        "UPDATE np_webhooks_deliveries SET status = 'retrying', attempts = attempts + 1, http_status = $2, error = $3,"
        " next_at = $4 WHERE id = $1",
        row["id"], answer.status, answer.error, host.now() + timedelta(seconds=delay),
    )  # fmt: skip
    await host.enqueue("deliver", {"id": str(row["id"])}, delay=delay, key=f"{row['id']}/{row['attempts'] + 1}")
    return "retrying"


async def _close(
    host: HostContext, connection: asyncpg.Connection, row: Mapping[str, Any], answer: Answer, status: str, tries: int = 1
) -> str:
    await connection.execute(
        "UPDATE np_webhooks_deliveries SET status = $2, attempts = attempts + $3, http_status = $4, error = $5, finished_at = $6"
        " WHERE id = $1",
        row["id"], status, tries, answer.status, answer.error, host.now(),
    )  # fmt: skip
    return status


async def _post(host: HostContext, row: Mapping[str, Any]) -> Answer:
    """The request. A redirect is a failure (Standard Webhooks): following one would send the event to who knows where."""
    import asyncio

    import httpx

    now = host.now()
    keys = [row["secret"]]
    if row["previous_secret"] and row["previous_secret_until"] > now:
        keys.append(row["previous_secret"])
    body = json.dumps(row["payload"], ensure_ascii=False, separators=(",", ":"))
    headers = {"content-type": "application/json", "user-agent": "nself-webhooks"}
    headers |= signing.headers(keys, row["event_id"], now, body)
    seconds = host.settings["WEBHOOKS_REQUEST_TIMEOUT_MS"] / 1000
    try:
        async with (
            asyncio.timeout(seconds),
            host.http.stream("POST", row["url"], content=body, headers=headers, timeout=seconds) as answer,
        ):
            text = await _beginning(answer)
    except TimeoutError:
        return Answer(f"no answer within {seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer((f"{type(error).__name__}: {error}").rstrip(": ")[:500])
    if answer.is_success:
        return Answer("", answer.status_code, text)
    wait = answer.headers.get("retry-after", "")
    return Answer(
        f"it answered {answer.status_code} {answer.reason_phrase}".rstrip(),
        answer.status_code,
        text,
        retry_after=min(int(wait), 86_400) if wait.isdigit() else 0,
        gone=answer.status_code == 410,
    )


async def _beginning(answer: Any) -> str:
    data = b""
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) >= KEPT:
            break
    return data[:KEPT].decode(errors="replace").replace("\0", "")
