"""The HTTP API, served under ``/plugins/webhooks/``; for administrators and services."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Response

from hookspecs.web import account, admin
from nself_plugin_webhooks import events, signing
from nself_plugin_webhooks.models import (
    DeliveryDetail,
    DeliveryOut,
    DeliveryPage,
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointWithSecret,
    EventIn,
    EventOut,
    EventType,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookspecs import HostContext

Account = Annotated[str, Depends(account)]

_DELIVERIES = """
SELECT d.*, e.type AS event_type, p.url FROM np_webhooks_deliveries d
JOIN np_webhooks_events e ON e.source_account_id = d.source_account_id AND e.id = d.event_id
JOIN np_webhooks_endpoints p ON p.id = d.endpoint_id WHERE d.source_account_id = $1
"""


def application(host: HostContext) -> FastAPI:
    """The application; its schema is at ``openapi.json`` below it."""
    api = FastAPI(
        title="Webhooks",
        version="1.0.0",
        summary="Delivers an application's own events, signed by the Standard Webhooks specification.",
        dependencies=[Depends(admin)],
    )
    api.include_router(_publishing(host))
    api.include_router(_endpoints(host))
    api.include_router(_deliveries(host))
    return api


def _publishing(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/events", tags=["events"])

    @router.post("", status_code=202, responses={200: {"description": "An event with this id is known."}})
    async def publish(event: EventIn, account: Account, response: Response) -> EventOut:
        """Deliver an event to every endpoint that wants its type."""
        if len(json.dumps(event.data)) > events.LARGEST:
            raise HTTPException(413, f"an event has at most {events.LARGEST} characters")
        row, new = await events.publish(host, account, event)
        if not new:
            response.status_code = 200
        return EventOut(**row)

    return router


def _endpoints(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/endpoints", tags=["endpoints"])

    @router.get("")
    async def list_(account: Account) -> list[EndpointOut]:
        """Every endpoint."""
        rows = await host.pool.fetch(
            "SELECT * FROM np_webhooks_endpoints WHERE source_account_id = $1 ORDER BY created_at, id", account
        )
        return [EndpointOut(**row) for row in rows]

    @router.post("", status_code=201)
    async def create(wanted: EndpointIn, account: Account) -> EndpointWithSecret:
        """Make an endpoint. Its secret is told now and never again."""
        row = await host.pool.fetchrow(
            "INSERT INTO np_webhooks_endpoints (source_account_id, url, description, events, secret)"
            " VALUES ($1, $2, $3, $4, $5) RETURNING *",
            account,
            str(wanted.url),
            wanted.description,
            wanted.events,
            signing.make_secret(),
        )
        return EndpointWithSecret(**row)

    @router.get("/{id}")
    async def show(id: UUID, account: Account) -> EndpointOut:
        """One endpoint."""
        return EndpointOut(**await _endpoint(host, account, id))

    @router.patch("/{id}")
    async def change(id: UUID, wanted: EndpointChange, account: Account) -> EndpointOut:
        """Change an endpoint, or turn it on or off."""
        await _endpoint(host, account, id)
        row = await host.pool.fetchrow(
            "UPDATE np_webhooks_endpoints SET url = COALESCE($3, url), description = COALESCE($4, description),"
            " events = COALESCE($5, events), enabled = COALESCE($6, enabled),"
            " failures = CASE WHEN $6 THEN 0 ELSE failures END,"
            " disabled_reason = CASE WHEN $6 THEN '' WHEN NOT $6 THEN 'turned off by hand' ELSE disabled_reason END,"
            " updated_at = now() WHERE source_account_id = $1 AND id = $2 RETURNING *",
            account, id, str(wanted.url) if wanted.url else None, wanted.description, wanted.events, wanted.enabled,
        )  # fmt: skip
        return EndpointOut(**row)

    @router.delete("/{id}", status_code=204)
    async def delete(id: UUID, account: Account) -> None:
        """Delete an endpoint with its deliveries."""
        await _endpoint(host, account, id)
        await host.pool.execute("DELETE FROM np_webhooks_endpoints WHERE source_account_id = $1 AND id = $2", account, id)

    @router.post("/{id}/rotate-secret")
    async def rotate(id: UUID, account: Account, overlap_hours: Annotated[int, Query(ge=0, le=720)] = 24) -> EndpointWithSecret:
        """Make a new secret. Until the overlap is over, deliveries are signed by both."""
        await _endpoint(host, account, id)
        row = await host.pool.fetchrow(
            "UPDATE np_webhooks_endpoints SET previous_secret = secret, previous_secret_until = $3, secret = $4,"
            " updated_at = now() WHERE source_account_id = $1 AND id = $2 RETURNING *",
            account,
            id,
            host.now() + timedelta(hours=overlap_hours),
            signing.make_secret(),
        )
        return EndpointWithSecret(**row)

    @router.post("/{id}/test", status_code=202)
    async def test(id: UUID, account: Account, type: EventType = "webhooks.test") -> DeliveryOut:
        """Send an event of no meaning to this endpoint alone, whatever types it wants."""
        await _endpoint(host, account, id)
        name = f"evt_test_{host.now().timestamp():.6f}".replace(".", "_")
        payload = {"type": type, "timestamp": host.now().isoformat(), "data": {"test": True}}
        async with host.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO np_webhooks_events (id, source_account_id, type, payload) VALUES ($1, $2, $3, $4)",
                name,
                account,
                type,
                payload,
            )
            delivery = await connection.fetchval(
                "INSERT INTO np_webhooks_deliveries (source_account_id, event_id, endpoint_id) VALUES ($1, $2, $3) RETURNING id",
                account,
                name,
                id,
            )
        await host.enqueue("deliver", {"id": str(delivery)}, key=str(delivery))
        return _delivery(await host.pool.fetchrow(_DELIVERIES + " AND d.id = $2", account, delivery))

    return router


async def _endpoint(host: HostContext, account: str, id: UUID) -> Mapping[str, Any]:
    row = await host.pool.fetchrow("SELECT * FROM np_webhooks_endpoints WHERE source_account_id = $1 AND id = $2", account, id)
    if row is None:
        raise HTTPException(404, "there is no such endpoint")
    return row


def _deliveries(host: HostContext) -> APIRouter:
    router = APIRouter(prefix="/deliveries", tags=["deliveries"])

    @router.get("")
    async def list_(
        account: Account,
        status: Status | None = None,
        endpoint: UUID | None = None,
        event: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """Deliveries, newest first. ``status=dead`` gives the dead letters."""
        at, after = _read(cursor) if cursor else (None, None)
        rows = await host.pool.fetch(
            _DELIVERIES + " AND ($2::text IS NULL OR d.status = $2) AND ($3::uuid IS NULL OR d.endpoint_id = $3)"
            " AND ($4::text IS NULL OR d.event_id = $4)"
            " AND ($5::timestamptz IS NULL OR (d.created_at, d.id) < ($5, $6::uuid))"
            " ORDER BY d.created_at DESC, d.id DESC LIMIT $7",
            account, status, endpoint, event, at, after, limit + 1,
        )  # fmt: skip
        more = len(rows) > limit
        return DeliveryPage(deliveries=[_delivery(row) for row in rows[:limit]], next=_cursor(rows[limit - 1]) if more else None)

    @router.get("/{id}")
    async def show(id: UUID, account: Account) -> DeliveryDetail:
        """One delivery with every try at it."""
        row = await host.pool.fetchrow(_DELIVERIES + " AND d.id = $2", account, id)
        if row is None:
            raise HTTPException(404, "there is no such delivery")
        payload = await host.pool.fetchval(
            "SELECT payload FROM np_webhooks_events WHERE source_account_id = $1 AND id = $2", account, row["event_id"]
        )
        log = await host.pool.fetch(
            "SELECT http_status, error, response, took_ms, at FROM np_webhooks_attempts WHERE delivery_id = $1 ORDER BY id", id
        )
        return DeliveryDetail(**_delivery(row).model_dump(), payload=payload, log=[dict(line) for line in log])

    @router.post("/{id}/replay", status_code=202)
    async def replay(id: UUID, account: Account) -> DeliveryOut:
        """Deliver again, with all its tries, whatever became of it."""
        row = await host.pool.fetchrow(
            "UPDATE np_webhooks_deliveries SET status = 'queued', attempts = 0, next_at = $3, error = '', finished_at = NULL"
            " WHERE source_account_id = $1 AND id = $2 RETURNING id",
            account,
            id,
            host.now(),
        )
        if row is None:
            raise HTTPException(404, "there is no such delivery")
        await host.enqueue("deliver", {"id": str(id)}, key=f"{id}/replay/{host.now().timestamp()}")
        return _delivery(await host.pool.fetchrow(_DELIVERIES + " AND d.id = $2", account, id))

    @router.post("/replay", status_code=202)
    async def replay_many(account: Account, endpoint: UUID, since: datetime) -> dict[str, int]:
        """Deliver an endpoint's dead letters since a time again, after it was away for long."""
        rows = await host.pool.fetch(
            "UPDATE np_webhooks_deliveries SET status = 'queued', attempts = 0, next_at = $4, error = '', finished_at = NULL"
            " WHERE source_account_id = $1 AND endpoint_id = $2 AND status = 'dead' AND created_at >= $3 RETURNING id",
            account,
            endpoint,
            since,
            host.now(),
        )
        for row in rows:
            await host.enqueue("deliver", {"id": str(row["id"])}, key=f"{row['id']}/replay/{host.now().timestamp()}")
        return {"replayed": len(rows)}

    return router


def _delivery(row: Mapping[str, Any]) -> DeliveryOut:
    fields = {name: row[name] for name in DeliveryOut.model_fields}
    return DeliveryOut(**{**fields, "next_at": row["next_at"] if row["status"] in {"queued", "retrying"} else None})


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row["created_at"].isoformat(), str(row["id"])]).encode()).decode()


def _read(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, after = json.loads(base64.urlsafe_b64decode(cursor))
        return datetime.fromisoformat(at), UUID(after)
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(422, "this cursor is not one that a page gave") from None
