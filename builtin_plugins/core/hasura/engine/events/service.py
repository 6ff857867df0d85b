"""The background worker: event triggers, cron and one-off scheduled events, asynchronous actions.

Each event is locked in its table before it is delivered, by `FOR UPDATE SKIP LOCKED`, so that several processes share the
work. The lock is a lease: its process renews it for as long as it delivers, and what is not renewed for LEASE_SECONDS, because
its process died or could not store the verdict, is delivered again by whichever process looks next (at least once). A slow
webhook takes one of the slots and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import EngineError
from .delivery import deliver

if TYPE_CHECKING:
    from ..process import Process

LEASE_SECONDS = 15
RENEWALS = 5
"""How often a lease is renewed within its length."""
CRON_AHEAD = 100
LAPSED = f"now() - interval '{LEASE_SECONDS} seconds'"

FETCH_EVENTS = f"""
UPDATE hdb_catalog.event_log SET locked = now() WHERE id IN (
  SELECT id FROM hdb_catalog.event_log WHERE delivered = false AND error = false AND archived = false
    AND (locked IS NULL OR locked < {LAPSED})
    AND (next_retry_at IS NULL OR next_retry_at <= now()) AND trigger_name = ANY (($1::text)::text[])
  ORDER BY created_at LIMIT $2::int FOR UPDATE SKIP LOCKED)
RETURNING id, schema_name, table_name, trigger_name, payload::text AS payload, tries,
  to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US') AS created_at
"""  # noqa: S608 - the substitution is a constant
LOG_EVENT = """
INSERT INTO hdb_catalog.event_invocation_logs (trigger_name, event_id, status, request, response)
VALUES ($1::text, $2::text, ($3::text)::int, ($4::text)::json, ($5::text)::json)
"""
FETCH_SCHEDULED = """
UPDATE hdb_catalog.{table} SET status = 'locked', locked_at = now() WHERE id IN (
  SELECT id FROM hdb_catalog.{table} WHERE scheduled_time <= now()
    AND (status = 'scheduled' OR status = 'locked' AND (locked_at IS NULL OR locked_at < {lapsed}))
    AND (next_retry_at IS NULL OR next_retry_at <= now()) ORDER BY scheduled_time LIMIT $1::int FOR UPDATE SKIP LOCKED)
RETURNING *
"""
FETCH_ACTIONS = f"""
UPDATE hdb_catalog.hdb_action_log SET status = 'processing', locked_at = now() WHERE id IN (
  SELECT id FROM hdb_catalog.hdb_action_log
  WHERE status = 'created' OR status = 'processing' AND (locked_at IS NULL OR locked_at < {LAPSED})
  ORDER BY created_at LIMIT $1::int FOR UPDATE SKIP LOCKED)
RETURNING id::text, action_name, input_payload::text, request_headers::text, session_variables::text
"""  # noqa: S608 - the substitution is a constant
LEASES = {
    "event_log": "locked",
    "hdb_cron_events": "locked_at",
    "hdb_scheduled_events": "locked_at",
    "hdb_action_log": "locked_at",
}
"""Where the lease of each kind is kept."""
PLAN_CRON = """
INSERT INTO hdb_catalog.hdb_cron_events (trigger_name, scheduled_time)
SELECT $1::text, unnest(($2::text)::timestamptz[]) ON CONFLICT DO NOTHING
"""
LOG_SCHEDULED = """
INSERT INTO hdb_catalog.{table} (event_id, status, request, response)
VALUES ($1::text, ($2::text)::int, ($3::text)::json, ($4::text)::json)
"""


class EventService:
    """Polls and delivers, each kind in a loop of its own."""

    def __init__(self, app: Process) -> None:
        self.app = app
        self.tasks: list[asyncio.Task[None]] = []
        self.running: dict[asyncio.Task[None], tuple[str, str]] = {}
        """Each delivery under way, with its table and id."""

    def start(self) -> None:
        """Start the loops."""
        config = self.app.config
        loops = (
            (self.events, config.events_fetch_ms),
            (self.cron, 1000),
            (self.scheduled, 1000),
            (self.actions, config.async_actions_fetch_ms),
            (self.renew, 1000 * LEASE_SECONDS / RENEWALS),
        )
        self.tasks = [asyncio.create_task(self._loop(work, every / 1000)) for work, every in loops]

    async def stop(self) -> None:
        """End them; what is locked by us is delivered again later."""
        ended = [*self.tasks, *self.running]
        for task in ended:
            task.cancel()
        for task in ended:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _loop(self, work: Any, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            if not self.app.engine.ready:
                continue
            try:
                while await work():
                    continue
            except Exception as error:
                # Whatever it was, the next round is a new chance: a loop that ended would deliver nothing ever again.
                self.app.logger.write("event-trigger", {"error": f"{type(error).__name__}: {error}"}, "warn")

    async def renew(self) -> int:
        """Renew the lease of everything that is being delivered."""
        held: dict[str, list[str]] = {}
        for table, identifier in self.running.values():
            held.setdefault(table, []).append(identifier)
        for table, identifiers in held.items():
            pool = self.app.engine.pool if table == "event_log" else self.app.engine.meta_pool
            async with pool.lease() as lease:
                sql = f"UPDATE hdb_catalog.{table} SET {LEASES[table]} = now() WHERE id::text = ANY (($1::text)::text[])"  # noqa: S608 - constants
                await lease.row(f"{sql} AND {LEASES[table]} IS NOT NULL", [text_array(identifiers)])
        return 0

    @property
    def free(self) -> int:
        """How many deliveries may begin now."""
        return max(0, self.app.config.events_pool - len(self.running))

    def _launch(self, table: str, identifier: str, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(job))
        self.running[task] = (table, identifier)
        task.add_done_callback(self.running.pop)

    async def _guarded(self, job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        except Exception as error:
            # The verdict could not be stored; the lease lapses.
            self.app.logger.write("event-trigger", {"error": f"{type(error).__name__}: {error}"}, "error")

    # event triggers -----------------------------------------------------------------------------

    async def events(self) -> int:
        """Deliver one batch; returns how many there were."""
        triggers = {name: spec for table in self.app.engine.schema.tables.values() for name, spec in table.triggers.items()}
        if not triggers or not self.free:
            return 0
        async with self.app.engine.pool.lease() as lease:
            statement = await lease.prepare(FETCH_EVENTS)
            rows = await statement.fetch(text_array(triggers), min(self.app.config.events_batch, self.free))
        for row in rows:
            self._launch("event_log", row["id"], self._event(row, triggers[row["trigger_name"]]))
        return len(rows)

    async def _event(self, row: Any, spec: dict[str, Any]) -> None:
        retry = spec.get("retry_conf") or {}
        payload = {
            "created_at": row["created_at"],
            "delivery_info": {"current_retry": row["tries"], "max_retries": retry.get("num_retries", 0)},
            "event": orjson.loads(row["payload"]),
            "id": row["id"],
            "table": {"name": row["table_name"], "schema": row["schema_name"]},
            "trigger": {"name": row["trigger_name"]},
        }
        verdict = await deliver(self.app, spec, payload, retry.get("timeout_sec", 60))
        async with self.app.engine.pool.transaction() as lease:
            status = str(verdict.status) if verdict.status is not None else None
            await lease.row(LOG_EVENT, [row["trigger_name"], row["id"], status, verdict.request, verdict.response])
            if verdict.delivered:
                done = "UPDATE hdb_catalog.event_log SET delivered = true, tries = tries + 1, locked = NULL, next_retry_at = NULL"
                await lease.row(done + " WHERE id = $1::text", [row["id"]])
            elif row["tries"] >= retry.get("num_retries", 0) and verdict.retry_after is None:
                failed = "UPDATE hdb_catalog.event_log SET error = true, tries = tries + 1, locked = NULL, next_retry_at = NULL"
                await lease.row(failed + " WHERE id = $1::text", [row["id"]])
            else:
                seconds = verdict.retry_after or retry.get("interval_sec", 10)
                again = "UPDATE hdb_catalog.event_log SET tries = tries + 1, locked = NULL, "
                again += "next_retry_at = now() + $2::int * interval '1 second' WHERE id = $1::text"
                await lease.row(again, [row["id"], int(seconds)])

    # cron and one-off events --------------------------------------------------------------------

    async def cron(self) -> int:
        """Schedule the next moments of each cron trigger, then deliver what is due."""
        triggers = {t["name"]: t for t in self.app.engine.document.get("cron_triggers") or ()}
        if triggers:
            await self._plan_cron(triggers)
        rows = await self._due("hdb_cron_events")
        for row in rows:
            spec = triggers.get(row["trigger_name"])
            if spec is None:
                await self._settle("hdb_cron_events", row["id"], "status = 'dead'")
                continue
            payload = {
                "scheduled_time": stamp(row["scheduled_time"]),
                "payload": spec.get("payload"),
                "name": spec["name"],
                "id": row["id"],
                "comment": spec.get("comment"),
            }
            delivery = self._scheduled("cron", row, spec, payload, spec.get("retry_conf") or {})
            self._launch("hdb_cron_events", row["id"], delivery)
        return len(rows)

    async def _plan_cron(self, triggers: dict[str, Any]) -> None:
        from croniter import croniter

        now = datetime.now(UTC)
        async with self.app.engine.meta_pool.lease() as lease:
            statement = await lease.prepare(
                "SELECT trigger_name, count(*) AS n, max(scheduled_time) AS last FROM hdb_catalog.hdb_cron_events "
                "WHERE status = 'scheduled' AND scheduled_time > now() GROUP BY 1"
            )
            known = {row["trigger_name"]: (row["n"], row["last"]) for row in await statement.fetch()}
        wanted: dict[str, list[str]] = {}
        for name, spec in triggers.items():
            count, last = known.get(name, (0, now))
            if count < CRON_AHEAD // 2:
                moments = croniter(spec["schedule"], last)
                wanted[name] = [moments.get_next(datetime).isoformat() for _ in range(CRON_AHEAD - count)]
        if not wanted:
            return
        async with self.app.engine.store.unchanged(self.app.engine.resource_version) as lease:
            for name, found in wanted.items():
                await lease.row(PLAN_CRON, [name, text_array(found)])

    async def scheduled(self) -> int:
        """Deliver one-off events that are due."""
        rows = await self._due("hdb_scheduled_events")
        for row in rows:
            spec = {"webhook": orjson.loads(row["webhook_conf"]), "headers": orjson.loads(row["header_conf"] or b"[]")}
            payload = {
                "scheduled_time": stamp(row["scheduled_time"]),
                "created_at": stamp(row["created_at"]),
                "payload": orjson.loads(row["payload"] or b"null"),
                "id": row["id"],
                "comment": row["comment"],
            }
            delivery = self._scheduled("scheduled", row, spec, payload, orjson.loads(row["retry_conf"] or b"{}"))
            self._launch("hdb_scheduled_events", row["id"], delivery)
        return len(rows)

    async def _due(self, table: str) -> list[Any]:
        if not self.free:
            return []
        async with self.app.engine.meta_pool.lease() as lease:
            statement = await lease.prepare(FETCH_SCHEDULED.format(table=table, lapsed=LAPSED))
            return await statement.fetch(self.free)

    async def _settle(self, table: str, identifier: str, change: str) -> None:
        async with self.app.engine.meta_pool.lease() as lease:
            sql = f"UPDATE hdb_catalog.{table} SET {change} WHERE id = $1::text"  # noqa: S608 - constants of this module
            await lease.row(sql, [identifier])

    async def _scheduled(self, kind: str, row: Any, spec: dict[str, Any], payload: Any, retry: dict[str, Any]) -> None:
        table = f"hdb_{kind}_events"
        late = (datetime.now(UTC) - row["scheduled_time"]).total_seconds()
        if late > (retry.get("tolerance_seconds") or 21600) and row["tries"] == 0:
            await self._settle(table, row["id"], "status = 'dead'")
            return
        verdict = await deliver(self.app, spec, payload, retry.get("timeout_seconds") or 60)
        async with self.app.engine.meta_pool.lease() as lease:
            log = f"hdb_{kind}_event_invocation_logs"
            status = str(verdict.status) if verdict.status is not None else None
            await lease.row(LOG_SCHEDULED.format(table=log), [row["id"], status, verdict.request, verdict.response])
        if verdict.delivered:
            change = "status = 'delivered', tries = tries + 1, next_retry_at = NULL"
        elif row["tries"] >= (retry.get("num_retries") or 0):
            change = "status = 'error', tries = tries + 1, next_retry_at = NULL"
        else:
            seconds = int(verdict.retry_after or retry.get("retry_interval_seconds") or 10)
            change = f"status = 'scheduled', tries = tries + 1, next_retry_at = now() + interval '{seconds} seconds'"
        await self._settle(table, row["id"], change)

    # asynchronous actions -----------------------------------------------------------------------

    async def actions(self) -> int:
        """Run asynchronous actions that wait."""
        if (
            not any((a["definition"].get("kind") == "asynchronous") for a in self.app.engine.document.get("actions") or ())
            or not self.free
        ):
            return 0
        async with self.app.engine.meta_pool.lease() as lease:
            statement = await lease.prepare(FETCH_ACTIONS)
            rows = await statement.fetch(self.free)
        for row in rows:
            self._launch("hdb_action_log", row["id"], self._action(row))
        return len(rows)

    async def _action(self, row: Any) -> None:
        from ..remote.actions import call_webhook

        action = self.app.engine.schema.actions.get(row["action_name"])
        response, errors = None, None
        try:
            if action is None:
                raise EngineError("not-exists", f'action "{row["action_name"]}" does not exist')
            payload = {
                "action": {"name": action["name"]},
                "id": row["id"],
                "input": orjson.loads(row["input_payload"]),
                "session_variables": orjson.loads(row["session_variables"]),
            }
            response = await call_webhook(self.app, action, payload, orjson.loads(row["request_headers"]))
        except EngineError as error:
            errors = error.plain()
        async with self.app.engine.meta_pool.lease() as lease:
            await lease.row(
                "UPDATE hdb_catalog.hdb_action_log SET status = $2::text, response_payload = ($3::text)::jsonb, "
                "errors = ($4::text)::jsonb, response_received_at = now() WHERE id = ($1::text)::uuid",
                [
                    row["id"],
                    "error" if errors else "completed",
                    orjson.dumps(response).decode() if not errors else None,
                    orjson.dumps(errors).decode() if errors else None,
                ],
            )


def text_array(items: Iterable[str]) -> str:
    """An array of texts as PostgreSQL reads it."""
    return "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items) + "}"


def stamp(moment: datetime) -> str:
    """A moment as the payloads write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
