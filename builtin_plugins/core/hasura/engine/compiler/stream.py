"""Streaming subscriptions: rows after a cursor, in its order, a batch at a time."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from typing import Any

from ..db.catalog import PgType
from ..db.sql import literal, qualified
from ..errors import validation
from ..schema.roles import RoleTable
from .boolexp import condition, conjunction, permission
from .context import Context, Row, cast
from .fields import Field
from .scope import Val
from .select import EMPTY, count_argument, object_json, require_selection

INT = PgType("int4", "integer")


def stream_json(c: Context, table: RoleTable, field: Field, path: str) -> tuple[str, dict[str, Any]]:
    """`author_stream(batch_size, cursor, where)`: the rows and, for the next round, the cursor after them."""
    require_selection(field, table.name, path)
    given = c.collector.arguments(field.node, ("batch_size", "cursor", "where"), path)
    for name in ("batch_size", "cursor"):
        if name not in given:
            raise validation(f'missing required field "{name}"', f"{path}.args.{name}")
    row = Row(c.alias())
    column_name, val, ordering = _cursor(table, given["cursor"], f"{path}.args.cursor")
    column = table.tracked.table.by_name[column_name]
    where_path = f"{path}.args.cursor.initial_value"
    initial = c.value(val, column.type, where_path) if val is not None and not val.missing else "NULL"
    held = cast(c.scope.session("\x00cursor"), column.type)
    bound = f"coalesce({held}, {initial})"
    comparison = f"({bound} IS NULL OR {row.col(column_name)} {'>' if ordering == 'ASC' else '<'} {bound})"
    parts = [comparison, permission(c, table, row)]
    if "where" in given and not given["where"].missing:
        parts.append(condition(c, table, given["where"], row, f"{path}.args.where"))
    limit = count_argument(c, given["batch_size"], f"{path}.args.batch_size")
    inner = object_json(c, table, field.sets, row, path)
    edge = "max" if ordering == "ASC" else "min"
    sql = (
        f"(SELECT json_build_object('rows', coalesce(json_agg(s.o), {EMPTY}), 'cursor', {edge}(s.k)::text) FROM "
        f"(SELECT {inner} AS o, {row.col(column_name)} AS k FROM {qualified(*table.tracked.key)} AS {row.alias} "
        f"WHERE {conjunction(parts)} ORDER BY {row.col(column_name)} {ordering} LIMIT {limit}) AS s)"
    )
    return sql, {"alias": field.alias, "column": literal(column_name)}


def _cursor(table: RoleTable, val: Val, path: str) -> tuple[str, Val | None, str]:
    elements = val.elements()
    if len(elements) != 1:
        raise validation("multiple column cursors are not supported", path)
    given = dict(elements[0].items())
    initial = dict(given["initial_value"].items()) if "initial_value" in given else {}
    if len(initial) != 1:
        raise validation("a cursor needs exactly one column in initial_value", f"{path}.initial_value")
    (shown, item), *_ = initial.items()
    column = table.fields.get(shown)
    if column is None:
        kind = f"{table.name}_stream_cursor_value_input"
        raise validation(f"field \"{shown}\" not found in type: '{kind}'", f"{path}.initial_value.{shown}")
    ordering = given["ordering"].literal() if "ordering" in given and not given["ordering"].missing else "ASC"
    if ordering not in ("ASC", "DESC"):
        raise validation('expected one of the values ASC, DESC for type "cursor_ordering"', f"{path}.ordering")
    return column.name, item, ordering
