"""`run_sql`: the admin's own SQL, with the metadata kept consistent."""

# ruff: noqa: S608 - the admin's own SQL is what is run

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import asyncpg

from ..db.pool import DOWN
from ..db.sql import ident
from ..errors import DatabaseDown, EngineError, from_postgres, postgres_detail
from .api import command, without

if TYPE_CHECKING:
    from ..engine import Engine

CHANGES = re.compile(r"\b(alter|drop|create|replace|comment\s+on|rename|truncate|do)\b", re.IGNORECASE)

BOOLEAN = "CASE WHEN q.{0} THEN 't' WHEN NOT q.{0} THEN 'f' END"
"""PostgreSQL's own output of a boolean, which a cast to text does not give."""


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
        attributes = statement.get_attributes()
        names = [attribute.name for attribute in attributes]
        if len(set(names)) == len(names) and re.match(r"\s*(select|values|table)\b", sql, re.IGNORECASE):
            body = sql.strip().rstrip(";")
            columns = zip((ident(name) for name in names), attributes, strict=True)
            shown = ", ".join(BOOLEAN.format(c) if a.type.name == "bool" else f"q.{c}::text" for c, a in columns)
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
