"""Webhooks: each carries the object as it was, which is laid into the mirror unless something newer is there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hookspecs import WebhookResult
from hookspecs.mirror import delete, upsert
from nself_plugin_stripe.accounts import PRIMARY
from nself_plugin_stripe.objects import MIRRORS

if TYPE_CHECKING:
    from hookspecs import Event, HostContext

#: Events that say that the object is gone; ``payment_method.detached`` leaves an object that no customer has.
_GONE = (".deleted",)


async def handle(event: Event, host: HostContext) -> WebhookResult:
    """Store the event and its object in one transaction; the same event twice changes nothing."""
    payload = event.payload
    thing: dict[str, Any] = payload["data"]["object"]
    created = datetime.fromtimestamp(payload["created"], UTC)
    account = await account_of(host, payload)
    async with host.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO np_stripe_webhook_events (source_account_id, id, type, api_version, object_id, object_type, livemode,"
            " created, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            account, payload["id"], payload["type"], payload.get("api_version"), thing.get("id"), thing.get("object"),
            payload.get("livemode"), created, payload,
        )  # fmt: skip
        mirror = MIRRORS.get(thing.get("object", ""))
        if mirror is None or not thing.get("id"):
            return WebhookResult(handled=False, detail=f"{payload['type']} is kept, and has no table of its own")
        if payload["type"].endswith(_GONE) and thing["object"] != "subscription":  # a deleted subscription is a cancelled one
            await delete(connection, mirror, account, [thing["id"]], created)
            return WebhookResult(detail=f"{thing['object']} {thing['id']} is gone")
        await upsert(connection, mirror, account, [thing], created)
    return WebhookResult(detail=f"{thing['object']} {thing['id']}")


async def account_of(host: HostContext, payload: dict[str, Any]) -> str:
    """Whose event it is: the account that has the object already, else the primary one.

    Events do not tell which key their endpoint belongs to; a customer's or an object's id is of one account alone.
    """
    thing = payload["data"]["object"]
    mirror = MIRRORS.get(thing.get("object", ""))
    customer = thing.get("customer")
    customer = customer.get("id") if isinstance(customer, dict) else customer
    if mirror is not None and thing.get("id"):
        query = f'SELECT source_account_id FROM "{mirror.table}" WHERE id = $1 LIMIT 1'  # noqa: S608  a name of ours
        known = await host.pool.fetchval(query, thing["id"])
        if known:
            return str(known)
    if customer:
        known = await host.pool.fetchval("SELECT source_account_id FROM np_stripe_customers WHERE id = $1 LIMIT 1", customer)
        if known:
            return str(known)
    return PRIMARY
