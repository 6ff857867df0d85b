"""Metadata commands about events: manual invocation, redelivery, one-off scheduled events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..compiler.values import dumps
from ..errors import EngineError
from .api import SUCCESS, command

if TYPE_CHECKING:
    from ..engine import Engine


@command("invoke_event_trigger")
async def invoke_event_trigger(engine: Engine, args: Any) -> Any:
    """A manual event."""
    for table in engine.schema.tables.values():
        spec = table.triggers.get(args["name"])
        if spec is None:
            continue
        if not (spec.get("definition") or {}).get("enable_manual"):
            raise EngineError("not-supported", f'manual mode is not enabled for event trigger: "{args["name"]}"', "$.args")
        payload = {"op": "MANUAL", "data": {"old": None, "new": args["payload"]}, "session_variables": None}
        async with engine.pool.lease() as lease:
            made = await lease.value(
                "INSERT INTO hdb_catalog.event_log (schema_name, table_name, trigger_name, payload) "
                "VALUES ($1::text, $2::text, $3::text, ($4::text)::jsonb) RETURNING id",
                [*table.key, args["name"], dumps(payload)],
            )
        return {"event_id": made}
    raise EngineError("not-exists", f'event trigger "{args["name"]}" does not exist', "$.args")


@command("redeliver_event")
async def redeliver_event(engine: Engine, args: Any) -> Any:
    """Deliver an event once more."""
    async with engine.pool.lease() as lease:
        found = await lease.value(
            "UPDATE hdb_catalog.event_log SET delivered = false, error = false, tries = 0, locked = NULL, next_retry_at = NULL "
            "WHERE id = $1::text RETURNING id",
            [args["event_id"]],
        )
    if found is None:
        raise EngineError("not-exists", "event not found", "$.args")
    return SUCCESS


@command("create_scheduled_event")
async def create_scheduled_event(engine: Engine, args: Any) -> Any:
    """An event at a moment."""
    async with engine.meta_pool.lease() as lease:
        made = await lease.value(
            "INSERT INTO hdb_catalog.hdb_scheduled_events "
            "(webhook_conf, scheduled_time, retry_conf, payload, header_conf, comment) VALUES (($1::text)::json, "
            "($2::text)::timestamptz, ($3::text)::json, ($4::text)::json, ($5::text)::json, $6::text) RETURNING id",
            [
                dumps(args["webhook"]),
                args["schedule_at"],
                dumps(args.get("retry_conf") or {}),
                dumps(args.get("payload")),
                dumps(args.get("headers") or []),
                args.get("comment"),
            ],
        )
    return {"message": "success", "event_id": made}


@command("delete_scheduled_event")
async def delete_scheduled_event(engine: Engine, args: Any) -> Any:
    """Forget a scheduled or cron event that has not run."""
    table = "hdb_scheduled_events" if args.get("type") == "one_off" else "hdb_cron_events"
    async with engine.meta_pool.lease() as lease:
        sql = f"DELETE FROM hdb_catalog.{table} WHERE id = $1::text RETURNING id"  # noqa: S608 - one of two constants
        if await lease.value(sql, [args["event_id"]]) is None:
            raise EngineError("not-exists", "event not found", "$.args")
    return SUCCESS
