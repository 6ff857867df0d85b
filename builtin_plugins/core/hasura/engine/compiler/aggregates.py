"""Aggregates: `author_aggregate { aggregate { count sum { id } } nodes { … } }`, and conditions on them."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from ..db.catalog import Column, PgType
from ..db.sql import literal, qualified
from ..errors import validation
from ..schema.model import Relationship
from ..schema.roles import RoleTable
from ..schema.scalars import NUMERIC, UNORDERED
from .context import Context, Row
from .fields import Field
from .scope import Val

FUNCTIONS = ("sum", "avg", "max", "min", "stddev", "stddev_pop", "stddev_samp", "var_pop", "var_samp", "variance")
INT = PgType("int4", "integer")


def sql_function(name: str) -> str:
    """The aggregate function of PostgreSQL; the names are the same."""
    if name not in FUNCTIONS:
        raise validation(f'no aggregate function "{name}"')
    return name


def aggregated(column: Column, function: str) -> bool:
    """True when a function applies to a column's type."""
    real = column.type.real
    if function in ("max", "min"):
        return real not in UNORDERED and real not in ("geometry", "geography") and column.type.element is None
    return real in NUMERIC and (real != "money" or function == "sum")


def aggregate_json(
    c: Context,
    table: RoleTable,
    field: Field,
    row: Row,
    source: str,
    conditions: list[str],
    path: str,
    arguments: dict[str, Val] | None = None,
) -> str:
    """The aggregate object of a table, relationship or function."""
    from .select import EMPTY, ROWS, json_object, object_json, require_selection, row_clauses

    require_selection(field, f"{table.name}_aggregate", path)
    if arguments is None:
        arguments = c.collector.arguments(field.node, ROWS, path)
    tail = row_clauses(c, table, arguments, row, conditions, path)
    inner: list[str] = []
    pairs: list[tuple[str, str]] = []

    def add(sql: str) -> str:
        inner.append(sql)
        return f"s.c{len(inner)}"

    for item in c.collector.collect(field.sets, f"{table.name}_aggregate", path):
        where = f"{path}.selectionSet.{item.name}"
        if item.name == "__typename":
            pairs.append((item.alias, literal(f"{table.name}_aggregate") + "::text"))
        elif item.name == "aggregate":
            require_selection(item, f"{table.name}_aggregate_fields", where)
            pairs.append((item.alias, _aggregate(c, table, item, row, where, add)))
        elif item.name == "nodes":
            require_selection(item, table.name, where)
            nodes = add(object_json(c, table, item.sets, row, where))
            if table.limit is not None:
                pairs.append((item.alias, f"coalesce(to_json((array_agg({nodes}))[1:{int(table.limit)}]), {EMPTY})"))
            else:
                pairs.append((item.alias, f"coalesce(json_agg({nodes}), {EMPTY})"))
        else:
            raise validation(f"field \"{item.name}\" not found in type: '{table.name}_aggregate'", where)
    columns = ", ".join(f"{sql} AS c{number + 1}" for number, sql in enumerate(inner)) or "1 AS c1"
    return f"(SELECT {json_object(pairs)} FROM (SELECT {tail.distinct}{columns} FROM {source}{tail.sql(None)}) AS s)"


def _aggregate(c: Context, table: RoleTable, field: Field, row: Row, path: str, add) -> str:  # type: ignore[no-untyped-def]
    from .select import json_object, output

    pairs: list[tuple[str, str]] = []
    kind = f"{table.name}_aggregate_fields"
    for item in c.collector.collect(field.sets, kind, path):
        where = f"{path}.selectionSet.{item.name}"
        if item.name == "__typename":
            pairs.append((item.alias, literal(kind) + "::text"))
        elif item.name == "count":
            pairs.append((item.alias, _count(c, table, item, row, where, add)))
        elif item.name in FUNCTIONS:
            inner: list[tuple[str, str]] = []
            name = f"{table.name}_{item.name}_fields"
            for leaf in c.collector.collect(item.sets, name, where):
                if leaf.name == "__typename":
                    inner.append((leaf.alias, literal(name) + "::text"))
                    continue
                column = table.fields.get(leaf.name)
                if column is None or not aggregated(column, item.name):
                    raise validation(f"field \"{leaf.name}\" not found in type: '{name}'", f"{where}.selectionSet.{leaf.name}")
                call = f"{item.name}({add(row.col(column.name))})"
                plain = item.name not in ("max", "min", "sum")
                inner.append((leaf.alias, call if plain else output(c, column.type, call)))
            pairs.append((item.alias, json_object(inner)))
        else:
            raise validation(f"field \"{item.name}\" not found in type: '{kind}'", where)
    return json_object(pairs)


def _count(c: Context, table: RoleTable, field: Field, row: Row, path: str, add) -> str:  # type: ignore[no-untyped-def]
    from .boolexp import guarded
    from .order import distinct_columns

    arguments = c.collector.arguments(field.node, ("columns", "distinct"), path)
    columns = arguments.get("columns")
    if columns is None or columns.missing:
        return "count(*)"
    found = distinct_columns(table, columns, f"{path}.args.columns")
    listed = ", ".join(add(guarded(c, table, column, row, meta=False)) for column in found)
    distinct = "distinct" in arguments and arguments["distinct"].literal() is True
    inner = listed if len(found) == 1 else f"({listed})"
    return f"count({'DISTINCT ' if distinct else ''}{inner})"


def aggregate_condition(c: Context, link: Relationship, target: RoleTable, val: Val, row: Row, path: str, meta: bool) -> str:
    """`articles_aggregate: {count: {predicate: {_gt: 1}, filter: …}}` in a condition."""
    from .boolexp import condition, conjunction, joined, permission
    from .operators import column_condition

    parts: list[str] = []
    for function, spec in val.items():
        where = f"{path}.{function}"
        given = dict(spec.items())
        other = Row(c.alias())
        filters = [joined(link, row, other)]
        if not meta:
            filters.append(permission(c, target, other))
        if "filter" in given and not given["filter"].missing:
            filters.append(condition(c, target, given["filter"], other, f"{where}.filter", meta=meta))
        raw = given["arguments"].literal() if "arguments" in given and not given["arguments"].missing else []
        names = raw if isinstance(raw, list) else [raw]
        columns = [target.fields.get(name) for name in names]
        if None in columns or "predicate" not in given:
            raise validation('missing required field "predicate"' if "predicate" not in given else "unknown column", where)
        listed = ", ".join(other.col(column.name) for column in columns if column is not None)
        distinct = "DISTINCT " if "distinct" in given and given["distinct"].literal() is True else ""
        if function == "count":
            result = Column("count", INT, True, False, "", False, None, 0)
            call = (
                f"count({distinct}{listed})" if len(columns) == 1 else f"count({distinct}({listed}))" if columns else "count(*)"
            )
        elif function in ("bool_and", "bool_or") and len(columns) == 1:
            result = Column(function, PgType("bool", "boolean"), True, False, "", False, None, 0)
            call = f"{function}({distinct}{listed})"
        else:
            kind = f"{target.name}_aggregate_bool_exp"
            raise validation(f"field \"{function}\" not found in type: '{kind}'", where)
        sub = f"(SELECT {call} FROM {qualified(*link.target)} AS {other.alias} WHERE {conjunction(filters)})"
        parts.append(column_condition(c, target, result, given["predicate"], sub, f"{where}.predicate", meta, row, row))
    return conjunction(parts)
