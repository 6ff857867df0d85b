"""The database triggers behind event triggers: they write Hasura's payload into `hdb_catalog.event_log`."""

# ruff: noqa: S608 - identifiers are quoted, names go through a quoted literal

from __future__ import annotations

from typing import Any

import asyncpg

from ..db.sql import ident, literal, qualified
from ..schema.model import Schema, TrackedTable

PREFIX = "notify_hasura_"
OPERATIONS = ("insert", "update", "delete")


async def statements(connection: asyncpg.Connection, schema: Schema) -> list[str]:
    """What to run so that exactly the triggers of the metadata exist."""
    existing = await connection.fetch(
        "SELECT n.nspname, c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND t.tgname LIKE 'notify\\_hasura\\_%'"
    )
    wanted: set[tuple[str, str, str]] = set()
    made: list[str] = []
    for table in schema.tables.values():
        for name, meta in table.triggers.items():
            for operation in OPERATIONS:
                if (meta.get("definition") or {}).get(operation):
                    trigger = f"{PREFIX}{name}_{operation.upper()}"
                    wanted.add((*table.key, trigger))
                    made += _create(table, name, operation, meta["definition"][operation], trigger)
    dropped = [
        f"DROP TRIGGER IF EXISTS {ident(row['tgname'])} ON {qualified(row['nspname'], row['relname'])}"
        for row in existing
        if (row["nspname"], row["relname"], row["tgname"]) not in wanted
    ]
    return dropped + made


def _record(table: TrackedTable, columns: Any, row: str) -> str:
    if columns in (None, "*"):
        return f"row_to_json({row})::jsonb"
    pairs = ", ".join(f"{literal(name)}, {row}.{ident(name)}" for name in columns)
    return f"jsonb_build_object({pairs})"


def _create(table: TrackedTable, name: str, operation: str, spec: dict[str, Any], trigger: str) -> list[str]:
    payload = spec.get("payload")
    columns = payload if payload is not None else (spec.get("columns") if operation != "update" else "*")
    old = "NULL" if operation == "insert" else _record(table, columns, "OLD")
    new = "NULL" if operation == "delete" else _record(table, columns, "NEW")
    guard = ""
    if operation == "update" and spec.get("columns") not in (None, "*"):
        changed = " OR ".join(f"OLD.{ident(c)}::text IS DISTINCT FROM NEW.{ident(c)}::text" for c in spec["columns"]) or "FALSE"
        guard = f"IF NOT ({changed}) THEN RETURN NULL; END IF;"
    function = qualified("hdb_catalog", trigger)
    body = f"""
DECLARE user_text text := nullif(current_setting('hasura.user', true), '');
BEGIN
  {guard}
  INSERT INTO hdb_catalog.event_log (schema_name, table_name, trigger_name, payload) VALUES (
    TG_TABLE_SCHEMA, TG_TABLE_NAME, {literal(name)}, jsonb_build_object(
      'op', TG_OP, 'data', jsonb_build_object('old', {old}, 'new', {new}),
      'session_variables', user_text::jsonb,
      'trace_context', NULL));
  RETURN NULL;
END"""
    quoted = "$hdb_body$"
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {quoted}{body}{quoted}",
        f"DROP TRIGGER IF EXISTS {ident(trigger)} ON {qualified(*table.key)}",
        f"CREATE TRIGGER {ident(trigger)} AFTER {operation.upper()} ON {qualified(*table.key)} "
        f"FOR EACH ROW EXECUTE FUNCTION {function}()",
    ]
