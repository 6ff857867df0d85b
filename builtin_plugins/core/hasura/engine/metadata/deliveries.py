"""Metadata commands that read what was delivered and what waits: events, schedules, and the log of their invocations."""

# ruff: noqa: S608 - tables and columns are constants of this module, values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ..compiler.values import dumps
from ..db.pool import Pool
from ..errors import EngineError
from .api import command

if TYPE_CHECKING:
    from ..engine import Engine

KINDS = {"cron": "hdb_cron_event", "one_off": "hdb_scheduled_event"}
COLUMNS = "id, scheduled_time, status, tries, created_at, next_retry_at, "
OWN_COLUMNS = {"cron": "trigger_name", "one_off": "webhook_conf, retry_conf, payload, header_conf, comment"}
STATES = {
    "pending": "NOT delivered AND NOT error AND NOT archived",
    "processed": "delivered AND NOT archived",
    "error": "error AND NOT archived",
}
DEFAULT_LIMIT = 100


async def _page(pool: Pool, rows: str, given: list[str | None], order: str, args: Any) -> list[Any]:
    """One page of a SELECT whose parameters are `given`."""
    limit, offset = args.get("limit", DEFAULT_LIMIT), args.get("offset", 0)
    for name, number in (("limit", limit), ("offset", offset)):
        if not isinstance(number, int) or number < 0:
            raise EngineError("parse-failed", "expected a number that is not negative", f"$.args.{name}")
    page = f"{rows} ORDER BY {order} LIMIT {int(limit)} OFFSET {int(offset)}"
    async with pool.lease() as lease:
        found = await lease.value(f"SELECT coalesce(json_agg(q), '[]') FROM ({page}) AS q", given)
    listed: list[Any] = orjson.loads(found)
    return listed


async def _counted(pool: Pool, rows: str, given: list[str | None], order: str, args: Any, label: str) -> dict[str, Any]:
    found: dict[str, Any] = {label: await _page(pool, rows, given, order, args)}
    if args.get("get_rows_count"):
        async with pool.lease() as lease:
            found["count"] = await lease.value(f"SELECT count(*) FROM ({rows}) AS q", given)
    return found


def _kind(args: Any) -> str:
    if args.get("type") not in KINDS:
        raise EngineError("parse-failed", "type must be cron or one_off", "$.args.type")
    return str(args["type"])


@command("get_cron_triggers")
async def get_cron_triggers(engine: Engine, args: Any) -> Any:
    """All of them."""
    return {"cron_triggers": engine.document.get("cron_triggers") or []}


@command("get_scheduled_events")
async def get_scheduled_events(engine: Engine, args: Any) -> Any:
    """Events of a cron trigger, or one-off ones, the next first."""
    kind = _kind(args)
    wanted = args.get("status")
    statuses = dumps([wanted] if isinstance(wanted, str) else wanted) if wanted else None
    rows = f"SELECT {COLUMNS}{OWN_COLUMNS[kind]} FROM hdb_catalog.{KINDS[kind]}s WHERE (($1::text)::jsonb ? status) IS NOT FALSE"
    given = [statuses]
    if kind == "cron":
        rows += " AND trigger_name = $2::text"
        given.append(args["trigger_name"])
    return await _counted(engine.meta_pool, rows, given, "scheduled_time, id", args, "events")


@command("get_scheduled_event_invocations")
async def get_scheduled_event_invocations(engine: Engine, args: Any) -> Any:
    """What became of them, the latest first: of one event, or of all events of a cron trigger, or of all one-off ones."""
    kind = _kind(args)
    rows = (
        "SELECT l.id, l.event_id, l.status, l.request, l.response, l.created_at "
        f"FROM hdb_catalog.{KINDS[kind]}_invocation_logs AS l JOIN hdb_catalog.{KINDS[kind]}s AS e ON e.id = l.event_id "
        "WHERE (l.event_id = $1::text) IS NOT FALSE"
    )
    given = [args.get("event_id")]
    if kind == "cron":
        rows += " AND (e.trigger_name = $2::text) IS NOT FALSE"
        given.append(args.get("trigger_name"))
    return await _counted(engine.meta_pool, rows, given, "created_at DESC, id", args, "invocations")


def _known_trigger(engine: Engine, args: Any) -> str:
    if not any(args["name"] in table.triggers for table in engine.schema.tables.values()):
        raise EngineError("not-exists", f'event trigger "{args["name"]}" does not exist', "$.args.name")
    return str(args["name"])


@command("get_event_logs")
async def get_event_logs(engine: Engine, args: Any) -> Any:
    """Events of an event trigger, the latest first."""
    name = _known_trigger(engine, args)
    state = args.get("status")
    if state is not None and state not in STATES:
        raise EngineError("parse-failed", f"status must be one of {', '.join(STATES)}", "$.args.status")
    where = f" AND {STATES[state]}" if state else ""
    rows = f"SELECT * FROM hdb_catalog.event_log WHERE trigger_name = $1::text{where}"
    return await _page(engine.pool, rows, [name], "created_at DESC, id", args)


@command("get_event_invocation_logs")
async def get_event_invocation_logs(engine: Engine, args: Any) -> Any:
    """What became of them, the latest first."""
    rows = "SELECT * FROM hdb_catalog.event_invocation_logs WHERE trigger_name = $1::text"
    return await _page(engine.pool, rows, [_known_trigger(engine, args)], "created_at DESC, id", args)
