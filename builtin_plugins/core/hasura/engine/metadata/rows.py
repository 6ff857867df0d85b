"""The old query API's commands on rows: `select`, `count`, `insert`, `update` and `delete`, for the admin.

Columns go by their database names and conditions are written as permissions are. A value is written as its column's type
is in GraphQL (GeoJSON for geometries), and a column that a row does not name takes its default.
"""

# ruff: noqa: S608 - identifiers are quoted and values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from ..compiler.boolexp import TRUE, condition, conjunction, joined
from ..compiler.context import Context, Row
from ..compiler.fields import Collector
from ..compiler.plan import Statement
from ..compiler.scope import Scope
from ..compiler.select import json_object, output
from ..db.catalog import Column
from ..db.pool import DOWN
from ..db.sql import ident, qualified
from ..errors import DatabaseDown, EngineError, from_postgres
from ..executor import SESSION_SETTING, session_text
from ..schema.model import ADMIN
from ..schema.names import parse_name, show
from ..schema.roles import RoleTable, role_schema
from .api import command

if TYPE_CHECKING:
    from ..engine import Engine


def _admin_context(engine: Engine) -> Context:
    scope = Scope({}, {})
    return Context(role_schema(engine.schema, ADMIN), scope, Collector({}, scope))


def _table(c: Context, raw_name: Any) -> RoleTable:
    name = parse_name(raw_name)
    table = c.role.table(name)
    if table is None:
        raise EngineError("not-exists", f'table "{show(name)}" does not exist', "$.args.table")
    return table


def _as(table: RoleTable, row: Row) -> str:
    return f"{qualified(*table.tracked.key)} AS {row.alias}"


def _column(table: RoleTable, name: str, path: str) -> Column:
    found = table.tracked.table.by_name.get(name)
    if found is None:
        raise EngineError("not-exists", f'column "{name}" does not exist', path)
    return found


@command("select")
async def select(engine: Engine, args: Any) -> Any:
    """The old API's `select`: columns, relationships, where, order_by, limit and offset."""
    c = _admin_context(engine)
    sql = _select(c, args["table"], args, [])
    statement = Statement(f"SELECT {sql}", c.scope.params)
    async with engine.pool.lease() as lease:
        found = await lease.value(statement.sql, statement.values({}, {}))
    return orjson.loads(found or b"[]")


def _select(c: Context, raw_name: Any, args: dict[str, Any], joins: list[str], row: Row | None = None) -> str:
    table = _table(c, raw_name)
    name = table.tracked.key
    row = row or Row(c.alias())
    pairs: list[tuple[str, str]] = []
    for column in args.get("columns") or ["*"]:
        if isinstance(column, dict):
            link = table.tracked.relationships.get(column["name"])
            if link is None:
                raise EngineError("not-exists", f'relationship "{column["name"]}" does not exist', "$.args.columns")
            other = Row(c.alias())
            inner = _select(c, {"schema": link.target[0], "name": link.target[1]}, column, [joined(link, row, other)], other)
            pairs.append((column.get("alias") or column["name"], inner if link.array else f"({inner}) -> 0"))
        elif column == "*":
            pairs += [(col.name, output(c, col.type, row.col(col.name))) for col in table.tracked.table.columns]
        else:
            pairs.append((column, output(c, _column(table, column, "$.args.columns").type, row.col(column))))
    where = condition(c, table, c.scope.const(args.get("where") or {}), row, "$.args.where", meta=True)
    clause = conjunction([*joins, where])
    tail = f" WHERE {clause}" if clause != TRUE else ""
    order = []
    for item in _orders(args.get("order_by")):
        column = _column(table, item["column"], "$.args.order_by")
        order.append(row.col(column.name) + (" DESC" if item.get("type") == "desc" else " ASC"))
    tail += f" ORDER BY {', '.join(order)}" if order else ""
    for word in ("limit", "offset"):
        if args.get(word) is not None:
            tail += f" {word.upper()} {int(args[word])}"
    return (
        f"(SELECT coalesce(json_agg(s.o), '[]'::json) FROM "
        f"(SELECT {json_object(pairs)} AS o FROM {qualified(*name)} AS {row.alias}{tail}) AS s)"
    )


def _orders(raw: Any) -> list[dict[str, Any]]:
    found = []
    for item in raw if isinstance(raw, list) else [raw] if raw else []:
        if isinstance(item, str):
            found.append({"column": item.lstrip("+-"), "type": "desc" if item.startswith("-") else "asc"})
        else:
            found.append(item)
    return found


@command("count")
async def count(engine: Engine, args: Any) -> Any:
    """The old API's `count`."""
    c = _admin_context(engine)
    table = _table(c, args["table"])
    row = Row(c.alias())
    where = condition(c, table, c.scope.const(args.get("where") or {}), row, "$.args.where", meta=True)
    statement = Statement(f"SELECT count(*) FROM {_as(table, row)} WHERE {where}", c.scope.params)
    async with engine.pool.lease() as lease:
        return {"count": await lease.value(statement.sql, statement.values({}, {}))}


def _value(c: Context, table: RoleTable, name: str, raw: Any, path: str) -> str:
    return c.value(c.scope.const(raw), _column(table, name, path).type, path)


async def _write(engine: Engine, c: Context, table: RoleTable, change: str, row: Row, returning: Any) -> Any:
    """Run `INSERT … | UPDATE … | DELETE …` on `row` and tell what Hasura tells of it."""
    pairs = [("affected_rows", "(SELECT count(*) FROM m)")]
    if returning is not None:
        written = Row("m", "r")
        names = [col.name for col in table.tracked.table.columns] if "*" in returning else returning
        shown = [(n, output(c, _column(table, n, "$.args.returning").type, written.col(n))) for n in names]
        pairs.append(("returning", f"(SELECT coalesce(json_agg({json_object(shown)}), '[]'::json) FROM m)"))
    sql = f"WITH m AS ({change} RETURNING {row.alias} AS r) SELECT {json_object(pairs)}"
    statement = Statement(sql, c.scope.params)
    try:
        async with engine.pool.transaction() as lease:
            await lease.value(SESSION_SETTING, [session_text({"x-hasura-role": ADMIN})])
            return orjson.loads(await lease.value(statement.sql, statement.values({}, {})))
    except asyncpg.PostgresError as error:
        raise from_postgres(error, "$.args") from error
    except DOWN as error:
        raise DatabaseDown() from error


@command("insert")
async def insert(engine: Engine, args: Any) -> Any:
    """The old API's `insert`, with `on_conflict`."""
    c = _admin_context(engine)
    table, row = _table(c, args["table"]), Row(c.alias())
    objects = args["objects"]
    if not objects:
        raise EngineError("unexpected-payload", "objects should not be empty", "$.args.objects")
    names = list(dict.fromkeys(name for item in objects for name in item))
    tuples = [
        ", ".join(
            _value(c, table, name, item[name], f"$.args.objects[{number}].{name}") if name in item else "DEFAULT"
            for name in names
        )
        for number, item in enumerate(objects)
    ]
    listed = ", ".join(ident(name) for name in names)
    values = ", ".join(f"({cells})" for cells in tuples)
    rows = f"({listed}) VALUES {values}" if names else "DEFAULT VALUES"
    conflict = _on_conflict(table, args.get("on_conflict"), names)
    return await _write(engine, c, table, f"INSERT INTO {_as(table, row)} {rows}{conflict}", row, args.get("returning"))


def _on_conflict(table: RoleTable, given: Any, names: list[str]) -> str:
    if not given:
        return ""
    path = "$.args.on_conflict"
    columns, constraint = given.get("constraint_on"), given.get("constraint")
    if columns and constraint:
        raise EngineError("unexpected-payload", "'constraint' and 'constraint_on' cannot be set at a time", path)
    target = ""
    if columns:
        target = "(" + ", ".join(ident(_column(table, n, f"{path}.constraint_on").name) for n in columns) + ") "
    elif constraint:
        if constraint not in table.tracked.table.uniques:
            message = f'constraint "{constraint}" for table "{show(table.tracked.key)}" does not exist'
            raise EngineError("unexpected", message, f"{path}.constraint")
        target = f"ON CONSTRAINT {ident(constraint)} "
    if given.get("action", "update") == "ignore":
        return f" ON CONFLICT {target}DO NOTHING"
    if not target:
        message = "Expecting 'constraint' or 'constraint_on' when the 'action' is 'update'"
        raise EngineError("unexpected-payload", message, path)
    assigned = ", ".join(f"{ident(name)} = EXCLUDED.{ident(name)}" for name in names)
    return f" ON CONFLICT {target}DO UPDATE SET {assigned}"


@command("update")
async def update(engine: Engine, args: Any) -> Any:
    """The old API's `update`: `$set`, `$inc`, `$mul` and `$default`."""
    c = _admin_context(engine)
    table, row = _table(c, args["table"]), Row(c.alias())
    assigned: list[str] = []
    for operator, sign in (("set", ""), ("inc", "+"), ("mul", "*")):
        given = args.get(f"${operator}") or args.get(f"_{operator}") or {}
        for name, raw in given.items():
            text = _value(c, table, name, raw, f"$.args.${operator}.{name}")
            assigned.append(f"{ident(name)} = {f'{row.col(name)} {sign} {text}' if sign else text}")
    for name in args.get("$default") or args.get("_default") or ():
        assigned.append(f"{ident(_column(table, name, '$.args.$default').name)} = DEFAULT")
    if not assigned:
        raise EngineError("unexpected-payload", "atleast one of $set, $inc, $mul has to be present", "$.args")
    where = condition(c, table, c.scope.const(args["where"]), row, "$.args.where", meta=True)
    change = f"UPDATE {_as(table, row)} SET {', '.join(assigned)} WHERE {where}"
    return await _write(engine, c, table, change, row, args.get("returning"))


@command("delete")
async def delete(engine: Engine, args: Any) -> Any:
    """The old API's `delete`."""
    c = _admin_context(engine)
    table, row = _table(c, args["table"]), Row(c.alias())
    where = condition(c, table, c.scope.const(args["where"]), row, "$.args.where", meta=True)
    return await _write(engine, c, table, f"DELETE FROM {_as(table, row)} WHERE {where}", row, args.get("returning"))
