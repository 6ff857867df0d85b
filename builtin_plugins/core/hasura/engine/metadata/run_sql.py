"""`run_sql`, and the other commands of the old query API that touch rows: `select` and `count`."""

# ruff: noqa: S608 - run_sql runs the admin's own SQL; select quotes and parameterises

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from ..compiler.boolexp import TRUE, condition
from ..compiler.context import Context, Row
from ..compiler.fields import Collector
from ..compiler.plan import Statement
from ..compiler.scope import Scope
from ..compiler.select import json_object, output
from ..db.pool import DOWN
from ..db.sql import qualified
from ..errors import DatabaseDown, EngineError, from_postgres, postgres_detail
from ..schema.model import ADMIN
from ..schema.names import parse_name, show
from ..schema.roles import role_schema
from .api import command, without

if TYPE_CHECKING:
    from ..engine import Engine

CHANGES = re.compile(r"\b(alter|drop|create|replace|comment\s+on|rename|truncate|do)\b", re.IGNORECASE)


def changes_schema(sql: str) -> bool:
    """True when a text might change the schema; wrong only towards caution."""
    return bool(CHANGES.search(sql))


@command("run_sql")
async def run_sql(engine: Engine, args: Any) -> Any:
    """Run SQL in one transaction, and keep the metadata consistent with what it did."""
    sql = args if isinstance(args, str) else args["sql"]
    given = args if isinstance(args, dict) else {}
    if not isinstance(sql, str):
        raise EngineError("parse-failed", "expected a string", "$.args.sql")
    read_only = bool(given.get("read_only"))
    wanted = given.get("check_metadata_consistency")
    check = not read_only and (wanted if wanted is not None else changes_schema(sql))
    try:
        if not check:
            async with engine.pool.lease() as lease, lease.connection.transaction(readonly=read_only):
                return await _execute(lease.connection, sql)
        async with engine.lock:
            return await _checked(engine, sql, bool(given.get("cascade")))
    except asyncpg.PostgresError as error:
        mapped = from_postgres(error)
        if isinstance(mapped, DatabaseDown):
            raise mapped from error
        raise EngineError("postgres-error", "query execution failed", "$", 400, postgres_detail(error)) from error
    except DOWN as error:
        raise DatabaseDown() from error


async def _checked(engine: Engine, sql: str, cascade: bool) -> Any:
    async with engine.pool.lease() as lease:
        transaction = lease.connection.transaction()
        await transaction.start()
        try:
            result = await _execute(lease.connection, sql)
            catalog = await engine.introspect(lease.connection)
            document = engine.document
            schema = await engine.build(document, catalog, lease.connection)
            known = {item.name for item in engine.schema.inconsistent}
            worse = [item for item in schema.inconsistent if item.name not in known]
            if worse and not cascade:
                listed = ", ".join(item.name for item in worse)
                message = f"cannot drop due to the following dependent objects: {listed}"
                raise EngineError("dependency-error", message, "$", 400, [item.json() for item in worse])
            if worse:
                document = engine.edited()
                while schema.inconsistent:
                    without(document, schema.inconsistent)
                    before = len(schema.inconsistent)
                    schema = await engine.build(document, catalog, lease.connection)
                    if len(schema.inconsistent) >= before:
                        break
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()
    version = engine.resource_version
    if document is not engine.document:
        version = await engine.store.save(document, version)
    await engine.install_triggers(schema)
    engine.adopt(document, version, catalog, schema)
    return result


async def _execute(connection: asyncpg.Connection, sql: str) -> Any:
    """Rows as text when the text is a single query, else the command's verdict."""
    if ";" not in sql.strip().rstrip(";") and re.match(r"\s*(select|with|values|show|explain|table)\b", sql, re.IGNORECASE):
        statement = await connection.prepare(sql)
        names = [attribute.name for attribute in statement.get_attributes()]
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        if len(set(names)) == len(names) and re.match(r"\s*(select|values|table)\b", sql, re.IGNORECASE):
            body = sql.strip().rstrip(";")
            shown = ", ".join(f"q.{column}::text" for column in listed.split(", ")) if names else ""
            try:
                async with connection.transaction():
                    rows = await connection.fetch(f"SELECT {shown} FROM ({body}) AS q")
                return {"result_type": "TuplesOk", "result": [names, *[list(row) for row in rows]]}
            except asyncpg.PostgresError:
                pass_through = await statement.fetch()
                return {"result_type": "TuplesOk", "result": [names, *[[_text(v) for v in row] for row in pass_through]]}
        rows = await statement.fetch()
        return {"result_type": "TuplesOk", "result": [names, *[[_text(value) for value in row] for row in rows]]}
    await connection.execute(sql)
    return {"result_type": "CommandOk", "result": None}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "t" if value else "f"
    return value.decode() if isinstance(value, bytes) else str(value)


def _admin_context(engine: Engine) -> Context:
    scope = Scope({}, {})
    return Context(role_schema(engine.schema, ADMIN), scope, Collector({}, scope))


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
    from ..compiler.boolexp import conjunction, joined

    name = parse_name(raw_name)
    table = c.role.table(name)
    if table is None:
        raise EngineError("not-exists", f'table "{show(name)}" does not exist', "$.args.table")
    row = row or Row(c.alias())
    by_name = table.tracked.table.by_name
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
        elif column in by_name:
            pairs.append((column, output(c, by_name[column].type, row.col(column))))
        else:
            raise EngineError("not-exists", f'column "{column}" does not exist', "$.args.columns")
    where = condition(c, table, c.scope.const(args.get("where") or {}), row, "$.args.where", meta=True)
    clause = conjunction([*joins, where])
    tail = f" WHERE {clause}" if clause != TRUE else ""
    order = []
    for item in _orders(args.get("order_by")):
        if item["column"] not in by_name:
            raise EngineError("not-exists", f'column "{item["column"]}" does not exist', "$.args.order_by")
        order.append(row.col(item["column"]) + (" DESC" if item.get("type") == "desc" else " ASC"))
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
    name = parse_name(args["table"])
    table = c.role.table(name)
    if table is None:
        raise EngineError("not-exists", f'table "{show(name)}" does not exist', "$.args.table")
    row = Row(c.alias())
    where = condition(c, table, c.scope.const(args.get("where") or {}), row, "$.args.where", meta=True)
    statement = Statement(f"SELECT count(*) FROM {qualified(*name)} AS {row.alias} WHERE {where}", c.scope.params)
    async with engine.pool.lease() as lease:
        return {"count": await lease.value(statement.sql, statement.values({}, {}))}
