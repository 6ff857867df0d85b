"""Taking an event: stored with a delivery for each endpoint that wants it, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from nself_plugin_webhooks.models import EventIn

if TYPE_CHECKING:
    import asyncpg

    from hookspecs import HostContext

#: Characters of an event as JSON; receivers limit bodies, too.
LARGEST = 256_000


async def publish(host: HostContext, account: str, event: EventIn) -> tuple[asyncpg.Record, bool]:
    """Store an event and queue its deliveries; with whether it is new."""
    name = event.id or f"evt_{uuid4().hex}"
    payload = {"type": event.type, "timestamp": host.now().isoformat(), "data": event.data}
    async with host.pool.acquire() as connection, connection.transaction():
        new = await connection.fetchval(
            "INSERT INTO np_webhooks_events (id, source_account_id, type, payload) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT DO NOTHING RETURNING true",
            name,
            account,
            event.type,
            payload,
        )
        if new:
            await connection.execute(
                "INSERT INTO np_webhooks_deliveries (source_account_id, event_id, endpoint_id)"
                " SELECT $1, $2, id FROM np_webhooks_endpoints e WHERE source_account_id = $1 AND enabled"
                " AND (cardinality(events) = 0 OR EXISTS (SELECT FROM unnest(events) f WHERE"
                " CASE WHEN f = '*' THEN true WHEN right(f, 2) = '.*' THEN starts_with($3, left(f, -1)) ELSE f = $3 END))",
                account, name, event.type,
            )  # fmt: skip
    deliveries = await host.pool.fetch(
        "SELECT id, status FROM np_webhooks_deliveries WHERE source_account_id = $1 AND event_id = $2", account, name
    )
    for delivery in deliveries:
        if delivery["status"] == "queued":
            await host.enqueue("deliver", {"id": str(delivery["id"])}, key=str(delivery["id"]))
    row = await host.pool.fetchrow(
        "SELECT id, type, created_at, (SELECT count(*) FROM np_webhooks_deliveries d WHERE d.source_account_id = $1"
        " AND d.event_id = e.id) AS deliveries FROM np_webhooks_events e WHERE source_account_id = $1 AND id = $2",
        account,
        name,
    )
    return row, bool(new)
