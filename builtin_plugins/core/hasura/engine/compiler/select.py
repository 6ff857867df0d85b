"""Selections: rows, objects and their nested fields as JSON that PostgreSQL builds."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from typing import Any

from ..db.catalog import Column, PgType
from ..db.sql import ident, literal, qualified
from ..errors import EngineError, validation
from ..schema.model import Call, ComputedField
from ..schema.roles import RoleTable
from ..schema.scalars import GEO, JSONS, STRINGIFIED
from .boolexp import TRUE, any_filter, condition, conjunction, guarded, joined, permission
from .context import Context, Row
from .fields import Field
from .order import distinct_columns, order_by
from .scope import Val
from .values import ABSENT

ROWS = frozenset({"where", "order_by", "limit", "offset", "distinct_on"})
EMPTY = "'[]'::json"
PAIRS = 50
INT = PgType("int4", "integer")
BIGINT = PgType("int8", "bigint")


def json_object(pairs: list[tuple[str, str]]) -> str:
    """`json_build_object`, in pieces where there are more pairs than a function takes arguments."""
    pieces = [
        f"json_build_object({', '.join(f'{literal(key)}, {sql}' for key, sql in pairs[start : start + PAIRS])})"
        for start in range(0, len(pairs), PAIRS)
    ] or ["json_build_object()"]
    if len(pieces) == 1:
        return pieces[0]
    inner = " || ', ' || ".join(f"substr(left(({piece})::text, -1), 2)" for piece in pieces)
    return f"('{{' || {inner} || '}}')::json"


def output(c: Context, pg_type: PgType, sql: str) -> str:
    """A column as JSON shows it."""
    real = pg_type.real
    if c.schema.stringify and real in STRINGIFIED:
        return f"({sql})::text"
    if real in GEO:
        return f"ST_AsGeoJSON({sql}, 15, 4)::json"
    return sql


def require_selection(field: Field, type_name: str, path: str) -> None:
    """Objects must say which of their fields are wanted."""
    if not field.sets:
        raise validation(f"missing selection set for '{type_name}'", path)


def object_json(c: Context, table: RoleTable, field_sets: list[Any], row: Row, path: str) -> str:
    """One row as a JSON object."""
    c.deeper(path)
    pairs: list[tuple[str, str]] = []
    for field in c.collector.collect(field_sets, table.name, path):
        where = f"{path}.selectionSet.{field.name}"
        pairs.append((field.alias, _field(c, table, field, row, where)))
    c.depth -= 1
    return json_object(pairs)


def _field(c: Context, table: RoleTable, field: Field, row: Row, path: str) -> str:
    name = field.name
    if name == "__typename":
        return literal(table.name) + "::text"
    column = table.fields.get(name)
    if column is not None:
        if field.sets:
            raise validation(f'unexpected subselection set for non-object field "{name}"', path)
        return _column(c, table, field, column, row, path)
    link = c.role.relationship(table, name)
    if link is not None:
        relationship, target = link
        require_selection(field, target.name, path)
        other = Row(c.alias())
        join = joined(relationship, row, other)
        source = f"{qualified(*relationship.target)} AS {other.alias}"
        if relationship.array:
            return rows_json(c, target, field, other, source, [join], path)
        c.collector.arguments(field.node, (), path)
        where = conjunction([join, permission(c, target, other)])
        inner = object_json(c, target, field.sets, other, path)
        return f"(SELECT {inner} FROM {source} WHERE {where} LIMIT 1)"
    if name.endswith("_aggregate"):
        link = c.role.relationship(table, name.removesuffix("_aggregate"))
        if link is not None and link[0].array and link[1].aggregates:
            from .aggregates import aggregate_json

            other = Row(c.alias())
            source = f"{qualified(*link[0].target)} AS {other.alias}"
            return aggregate_json(c, link[1], field, other, source, [joined(link[0], row, other)], path)
    computed = c.role.computed_field(table, name)
    if computed is not None:
        return _computed(c, table, computed, field, row, path)
    raise validation(f"field \"{name}\" not found in type: '{table.name}'", path)


def _column(c: Context, table: RoleTable, field: Field, column: Column, row: Row, path: str) -> str:
    sql = guarded(c, table, column, row, meta=False)
    if not field.node.arguments:
        return output(c, column.type, sql)
    arguments = c.collector.arguments(field.node, ("path",) if column.type.real in JSONS else (), path)
    if "path" not in arguments or arguments["path"].missing:
        return output(c, column.type, sql)
    return json_path(c, sql, arguments["path"], f"{path}.args.path")


def json_path(c: Context, sql: str, val: Val, path: str) -> str:
    """A part of a json value: `$.a.b[0]["c d"]`."""
    from .jsonpath import parse_path
    from .values import array_literal

    placeholder = c.scope.param(val, lambda raw: None if raw is None else array_literal(parse_path(raw, path), None))
    return f"({sql}) #> coalesce(({placeholder})::text[], '{{}}')"


def _computed(c: Context, table: RoleTable, computed: ComputedField, field: Field, row: Row, path: str) -> str:
    result = computed.call.function.returns
    allowed = {"args"} if computed.call.inputs else set()
    if computed.table is None:
        if result.real in JSONS:
            allowed.add("path")
        arguments = c.collector.arguments(field.node, allowed, path)
        call = c.call(computed.call, row, function_arguments(c, computed.call, arguments.get("args"), f"{path}.args.args"))
        guards = table.guards(computed.name, computed=True)
        if guards:
            call = f"CASE WHEN {any_filter(c, table, guards, row)} THEN {call} END"
        if "path" in arguments and not arguments["path"].missing:
            return json_path(c, call, arguments["path"], f"{path}.args.path")
        return output(c, result, call)
    target = c.role.table(computed.table)
    if target is None:
        raise validation(f"field \"{computed.name}\" not found in type: '{table.name}'", path)
    require_selection(field, target.name, path)
    arguments = c.collector.arguments(field.node, allowed | ROWS, path)
    call = c.call(computed.call, row, function_arguments(c, computed.call, arguments.get("args"), f"{path}.args.args"))
    other = Row(c.alias())
    source = f"{call} AS {other.alias}"
    if not computed.call.function.returns_set:
        inner = object_json(c, target, field.sets, other, path)
        where = conjunction([f"{other.alias} IS DISTINCT FROM NULL", permission(c, target, other)])
        return f"(SELECT {inner} FROM {source} WHERE {where} LIMIT 1)"
    return rows_json(c, target, field, other, source, [], path, arguments)


def function_arguments(c: Context, call: Call, val: Val | None, path: str) -> dict[int, str]:
    """The client's `args` of a function, by position."""
    given: dict[str, Val] = {}
    if val is not None and not val.missing:
        if val.kind != "object":
            raise validation(f"expected an object for the arguments, but found {val.found}", path)
        given = dict(val.items())
    found: dict[int, str] = {}
    names = {name for _, _, name in call.inputs}
    for name in given:
        if name not in names:
            kind = f"{call.function.name}_args"
            raise validation(f"field \"{name}\" not found in type: '{kind}'", f"{path}.{name}")
    skipped_unnamed = False
    for position, argument, name in call.inputs:
        item = given.get(name)
        if item is None or item.raw is ABSENT:
            if not argument.has_default:
                raise EngineError("not-supported", "Non default arguments cannot be omitted", path)
            skipped_unnamed = skipped_unnamed or not argument.name
            continue
        if skipped_unnamed and not argument.name:
            raise EngineError("not-supported", "Non default arguments cannot be omitted", path)
        found[position] = c.value(item, argument.type, f"{path}.{name}")
    return found


def count_argument(c: Context, val: Val, path: str, big: bool = False) -> str | None:
    """A `limit` or `offset`."""
    if val.missing:
        return None

    def encoder(raw: Any) -> str | None:
        if raw is None:
            return None
        if big and isinstance(raw, str) and raw.isdigit():
            return raw
        if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
            found = {str: "a string", bool: "a boolean", int: "an integer", float: "a float"}.get(type(raw), "an object")
            raise validation(f'expected a non-negative 32-bit integer for type "Int", but found {found}', path)
        return str(raw)

    return f"({c.scope.param(val, encoder)})::bigint"


def rows_json(
    c: Context,
    table: RoleTable,
    field: Field,
    row: Row,
    source: str,
    conditions: list[str],
    path: str,
    arguments: dict[str, Val] | None = None,
) -> str:
    """A list of rows as a JSON array."""
    require_selection(field, table.name, path)
    if arguments is None:
        arguments = c.collector.arguments(field.node, ROWS, path)
    tail = row_clauses(c, table, arguments, row, conditions, path)
    inner = object_json(c, table, field.sets, row, path)
    if not tail.limited and not tail.distinct:
        order = f" ORDER BY {tail.order}" if tail.order else ""
        return f"(SELECT coalesce(json_agg({inner}{order}), {EMPTY}) FROM {source}{tail.where})"
    return (
        f"(SELECT coalesce(json_agg(s.o), {EMPTY}) FROM "
        f"(SELECT {tail.distinct}{inner} AS o FROM {source}{tail.sql(table.limit)}) AS s)"
    )


class Tail:
    """The clauses after FROM."""

    def __init__(self, where: str, order: str, distinct: str, limit: str | None, offset: str | None, cap: int | None) -> None:
        self.where = f" WHERE {where}" if where != TRUE else ""
        self.order = order
        self.distinct = distinct
        self.limit = limit
        self.offset = offset
        self.limited = limit is not None or offset is not None or cap is not None

    def sql(self, cap: int | None) -> str:
        """WHERE, ORDER BY, LIMIT and OFFSET, no more rows than the cap."""
        limits = [text for text in (self.limit, str(cap) if cap is not None else None) if text is not None]
        text = self.where + (f" ORDER BY {self.order}" if self.order else "")
        if limits:
            text += " LIMIT " + (limits[0] if len(limits) == 1 else f"least({', '.join(limits)})")
        return text + (f" OFFSET {self.offset}" if self.offset else "")


def row_clauses(c: Context, table: RoleTable, arguments: dict[str, Val], row: Row, conditions: list[str], path: str) -> Tail:
    """Compile where, order_by, limit, offset and distinct_on."""
    parts = [*conditions, permission(c, table, row)]
    where = arguments.get("where")
    if where is not None and where.raw is not ABSENT:
        c.scope.expect(where, f"{table.name}_bool_exp", f"{path}.args.where")
        parts.append(condition(c, table, where, row, f"{path}.args.where"))
    limit = count_argument(c, arguments["limit"], f"{path}.args.limit") if "limit" in arguments else None
    offset = count_argument(c, arguments["offset"], f"{path}.args.offset", True) if "offset" in arguments else None
    terms = order_by(c, table, arguments.get("order_by"), row, f"{path}.args.order_by")
    distinct = ""
    if "distinct_on" in arguments and not arguments["distinct_on"].missing:
        columns = distinct_columns(table, arguments["distinct_on"], f"{path}.args.distinct_on")
        if columns:
            sqls = [row.col(column.name) for column in columns]
            if terms and {term.sql for term in terms[: len(sqls)]} != set(sqls):
                raise validation('"distinct_on" columns must match initial "order_by" columns', f"{path}.args")
            distinct = f"DISTINCT ON ({', '.join(sqls)}) "
    order = ", ".join(f"{term.sql} {term.direction}" for term in terms)
    return Tail(conjunction(parts), order, distinct, limit, offset, table.limit)


def by_pk_json(c: Context, table: RoleTable, field: Field, path: str) -> str:
    """One row by its primary key."""
    require_selection(field, table.name, path)
    row = Row(c.alias())
    keys = pk_conditions(c, table, field, row, path)
    where = conjunction([*keys, permission(c, table, row)])
    inner = object_json(c, table, field.sets, row, path)
    return f"(SELECT {inner} FROM {qualified(*table.tracked.key)} AS {row.alias} WHERE {where})"


def pk_conditions(c: Context, table: RoleTable, field: Field, row: Row, path: str) -> list[str]:
    """`column = value` for each column of the primary key, from a field's own arguments."""
    names = {table.tracked.columns[column]: column for column in table.tracked.table.primary_key}
    arguments = c.collector.arguments(field.node, names, path)
    return key_equals(c, table, arguments, names, row, f"{path}.args")


def key_equals(c: Context, table: RoleTable, given: dict[str, Val], names: dict[str, str], row: Row, path: str) -> list[str]:
    """`column = value` for each named column; all are required."""
    parts = []
    for shown, column_name in names.items():
        if shown not in given:
            raise validation(f'missing required field "{shown}"', f"{path}.{shown}")
        if given[shown].kind == "null":
            raise validation(f'unexpected null value for "{shown}"', f"{path}.{shown}")
        column = table.tracked.table.by_name[column_name]
        value = c.column_value(given[shown], column, c.enum_of(table, column_name), f"{path}.{shown}")
        parts.append(f"{row.col(column_name)} = {value}")
    return parts


def quoted_list(names: list[str]) -> str:
    """Quoted identifiers, comma separated."""
    return ", ".join(ident(name) for name in names)
