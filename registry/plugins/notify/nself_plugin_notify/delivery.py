"""The jobs: deliver one notification, pick up what was left behind, forget what is old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hookspecs import Job
from nself_plugin_notify import email, webhook
from nself_plugin_notify.outcome import PermanentError, TemporaryError

if TYPE_CHECKING:
    from hookspecs import HostContext

_CHANNELS = {"email": email.send, "webhook": webhook.send}
#: Seconds before the next try; the last one holds for all that follow.
_DELAYS = (5, 60, 300, 1800, 7200, 21600)


def jobs(host: HostContext) -> list[Job]:
    """The plugin's jobs. ``deliver`` counts its own attempts, so the queue's retries are for crashes alone."""
    from prometheus_client import Counter

    sent = Counter("notify_deliveries_total", "Attempts at delivery.", ("channel", "outcome"), registry=host.metrics)

    async def deliver(payload: Mapping[str, Any]) -> None:
        outcome = await _deliver(host, UUID(payload["id"]))
        if outcome:
            sent.labels(*outcome).inc()

    async def sweep(payload: Mapping[str, Any]) -> None:
        await _sweep(host)

    async def forget(payload: Mapping[str, Any]) -> None:
        before = host.now() - timedelta(days=host.settings["NOTIFY_RETENTION_DAYS"])
        gone = await host.pool.execute(
            "DELETE FROM np_notify_notifications WHERE created_at < $1 AND status IN ('sent', 'failed', 'suppressed')", before
        )
        host.logger.info("old notifications deleted: %s", gone.rpartition(" ")[2])

    return [
        Job(name="deliver", run=deliver, timeout=60),
        Job(name="sweep", run=sweep, schedule="* * * * *", retries=0, timeout=50),
        Job(name="forget", run=forget, schedule="17 3 * * *", timeout=600),
    ]


async def _deliver(host: HostContext, notification: UUID) -> tuple[str, str] | None:
    """One attempt. A lock on the row keeps two workers from sending the same notification at once."""
    most = host.settings["NOTIFY_MAX_ATTEMPTS"]
    async with host.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "SELECT * FROM np_notify_notifications WHERE id = $1 AND status IN ('queued', 'retrying') FOR UPDATE SKIP LOCKED",
            notification,
        )
        if row is None:
            return None
        wait = await _too_many(host, connection, row)
        if wait:
            await host.enqueue("deliver", {"id": str(row["id"])}, delay=wait, key=f"{row['id']}/rate")
            return None
        started = perf_counter()
        try:
            detail, outcome = await _CHANNELS[row["channel"]](host, row), "sent"
        except TemporaryError as failure:
            detail, outcome = str(failure), "retry" if row["attempts"] + 1 < most else "failed"
        except PermanentError as failure:
            detail, outcome = str(failure), "failed"
        number, detail = row["attempts"] + 1, detail[:500]
        delay = _DELAYS[min(number, len(_DELAYS)) - 1]
        await connection.execute(
            "INSERT INTO np_notify_attempts (notification_id, number, outcome, detail, took_ms) VALUES ($1, $2, $3, $4, $5)",
            row["id"], number, outcome, detail, round((perf_counter() - started) * 1000),
        )  # fmt: skip
        await connection.execute(
            "UPDATE np_notify_notifications SET attempts = $2, status = $3, error = $4, sent_at = $5, send_at = $6 WHERE id = $1",
            row["id"],
            number,
            {"sent": "sent", "retry": "retrying", "failed": "failed"}[outcome],
            "" if outcome == "sent" else detail,
            host.now() if outcome == "sent" else None,
            row["send_at"] if outcome != "retry" else host.now() + timedelta(seconds=delay),
        )
    if outcome == "retry":
        await host.enqueue("deliver", {"id": str(row["id"])}, delay=delay, key=f"{row['id']}/{number}")
    return row["channel"], outcome


async def _too_many(host: HostContext, connection: Any, row: Mapping[str, Any]) -> float:
    """Seconds to wait because the recipient got as many as NOTIFY_RATE_PER_MINUTE allows; transactional mail never waits."""
    allowed = host.settings["NOTIFY_RATE_PER_MINUTE"]
    if not allowed or row["category"] == "transactional":
        return 0
    since = host.now() - timedelta(minutes=1)
    times = await connection.fetch(
        "SELECT sent_at FROM np_notify_notifications WHERE recipient = $1 AND status = 'sent' AND sent_at > $2"
        " ORDER BY sent_at DESC LIMIT $3",
        row["recipient"],
        since,
        allowed,
    )
    return float((times[-1]["sent_at"] - since).total_seconds()) + 0.1 if len(times) >= allowed else 0


async def _sweep(host: HostContext) -> None:
    """Queue again what is due and has no delivery under way: the process died between storing and queueing."""
    due = await host.pool.fetch(
        "SELECT id FROM np_notify_notifications WHERE status IN ('queued', 'retrying') AND send_at < $1"
        " ORDER BY send_at LIMIT 500",
        host.now() - timedelta(seconds=90),
    )
    for row in due:
        await host.enqueue("deliver", {"id": str(row["id"])}, key=str(row["id"]))
