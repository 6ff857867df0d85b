"""Conditions: a client's `where`, and the filters and checks of permissions, as SQL.

Both are the same language. In permissions (`meta`) columns go by their database names, the admin's view applies,
a bare value means `_eq`, and strings may name session variables.
"""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from typing import Any

from ..db.catalog import Column
from ..db.sql import qualified
from ..errors import validation
from ..schema.model import ComputedField, Relationship
from ..schema.names import parse_name
from ..schema.permissions import modern
from ..schema.roles import RoleTable
from .aggregates import aggregate_condition
from .context import Context, Row
from .operators import column_condition
from .scope import Val

TRUE, FALSE = "TRUE", "FALSE"


def condition(c: Context, table: RoleTable, val: Val, row: Row, path: str, *, meta: bool = False, root: Row | None = None) -> str:
    """The SQL of a condition on a row."""
    if val.kind == "null":
        return TRUE
    if val.kind != "object":
        raise validation(f'expected an object for type "{table.name}_bool_exp", but found {val.found}', path)
    c.depth += 1
    if c.depth > 400:
        raise validation("the condition is nested too deeply", path)
    parts = [_part(c, table, key, item, row, f"{path}.{key}", meta, root or row) for key, item in val.items()]
    c.depth -= 1
    return conjunction(parts)


def conjunction(parts: list[str]) -> str:
    """All of these."""
    kept = [part for part in parts if part != TRUE]
    if FALSE in kept:
        return FALSE
    return " AND ".join(f"({part})" for part in kept) if len(kept) > 1 else kept[0] if kept else TRUE


def disjunction(parts: list[str]) -> str:
    """Any of these."""
    if TRUE in parts:
        return TRUE
    kept = [part for part in parts if part != FALSE]
    return " OR ".join(f"({part})" for part in kept) if len(kept) > 1 else kept[0] if kept else FALSE


def _part(c: Context, table: RoleTable, raw: str, val: Val, row: Row, path: str, meta: bool, root: Row) -> str:  # noqa: PLR0911 - one return per kind
    key = modern(raw) if meta else raw
    if key == "_and":
        return conjunction([condition(c, table, v, row, f"{path}[{i}]", meta=meta, root=root) for i, v in _list(val)])
    if key == "_or":
        if val.kind == "null":
            return TRUE
        return disjunction([condition(c, table, v, row, f"{path}[{i}]", meta=meta, root=root) for i, v in _list(val)])
    if key == "_not":
        inner = condition(c, table, val, row, path, meta=meta, root=root)
        return FALSE if inner == TRUE else TRUE if inner == FALSE else f"NOT ({inner})"
    if key == "_exists" and meta:
        return _exists(c, val, path, root)
    column = table.tracked.table.by_name.get(raw) if meta else table.fields.get(raw)
    if column is not None:
        return column_condition(c, table, column, val, guarded(c, table, column, row, meta), path, meta, row, root)
    link = c.everything.relationship(table, raw) if meta else c.role.relationship(table, raw)
    if link is not None:
        return through(c, link[0], link[1], val, row, path, meta, root)
    computed = table.tracked.computed.get(raw) if meta else c.role.computed_field(table, raw)
    if computed is not None:
        return _computed(c, table, computed, val, row, path, meta, root)
    if raw.endswith("_aggregate"):
        name = raw.removesuffix("_aggregate")
        link = c.everything.relationship(table, name) if meta else c.role.relationship(table, name)
        if link is not None and link[0].array and link[1].aggregates:
            return aggregate_condition(c, link[0], link[1], val, row, path, meta)
    raise validation(f"field \"{raw}\" not found in type: '{table.name}_bool_exp'", path)


def _list(val: Val) -> list[tuple[int, Val]]:
    return [] if val.kind == "null" else list(enumerate(val.elements()))


def guarded(c: Context, table: RoleTable, column: Column, row: Row, meta: bool) -> str:
    """A column, or NULL where an inherited role may not see this row's cell."""
    text = row.col(column.name)
    guards = [] if meta else table.guards(column.name)
    if not guards:
        return text
    return f"CASE WHEN {any_filter(c, table, guards, row)} THEN {text} END"


def any_filter(c: Context, table: RoleTable, filters: list[dict[str, Any]], row: Row) -> str:
    """Any of these permission filters."""
    view = c.everything.table(table.tracked.key) or table
    return disjunction([condition(c, view, c.scope.const(f), row, "$", meta=True) for f in filters])


def permission(c: Context, table: RoleTable, row: Row) -> str:
    """The row filter of the role on a table."""
    filters = table.filters
    return any_filter(c, table, filters, row) if filters else TRUE


def joined(link: Relationship, row: Row, other: Row) -> str:
    """The join condition of a relationship."""
    return " AND ".join(f"{other.col(there)} = {row.col(here)}" for here, there in link.mapping) or TRUE


def through(c: Context, link: Relationship, target: RoleTable, val: Val, row: Row, path: str, meta: bool, root: Row) -> str:
    """Some related row satisfies the condition (and, for clients, the role may see it)."""
    if val.kind == "null":
        return TRUE
    other = Row(c.alias())
    parts = [joined(link, row, other), condition(c, target, val, other, path, meta=meta, root=root)]
    if not meta:
        parts.append(permission(c, target, other))
    return f"EXISTS (SELECT 1 FROM {qualified(*link.target)} AS {other.alias} WHERE {conjunction(parts)})"


def _exists(c: Context, val: Val, path: str, root: Row) -> str:
    parts = {modern(key): item for key, item in val.items()}
    name = parse_name(parts["_table"].raw)
    target = c.everything.table(name)
    if target is None:
        return FALSE
    other = Row(c.alias())
    where = parts.get("_where")
    inner = condition(c, target, where, other, path, meta=True, root=root) if where is not None else TRUE
    return f"EXISTS (SELECT 1 FROM {qualified(*name)} AS {other.alias} WHERE {inner})"


def _computed(c: Context, table: RoleTable, found: ComputedField, val: Val, row: Row, path: str, meta: bool, root: Row) -> str:
    if [item for item in found.call.inputs if not item[1].has_default]:
        raise validation(f"field \"{found.name}\" not found in type: '{table.name}_bool_exp'", path)
    call = c.call(found.call, row, {})
    if found.table is None:
        column = Column(found.name, found.call.function.returns, True, False, "", False, None, 0)
        return column_condition(c, table, column, val, call, path, meta, row, root)
    target = (c.everything if meta else c.role).table(found.table)
    if target is None:
        return FALSE
    other = Row(c.alias())
    parts = [condition(c, target, val, other, path, meta=meta, root=root)]
    if not meta:
        parts.append(permission(c, target, other))
    return f"EXISTS (SELECT 1 FROM {call} AS {other.alias} WHERE {conjunction(parts)})"
