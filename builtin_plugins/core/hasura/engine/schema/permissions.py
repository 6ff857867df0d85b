"""Checks on permissions when the schema is built: every column, relationship and operator they name must exist."""

from __future__ import annotations

from typing import Any

from ..errors import EngineError
from .model import Schema, TrackedTable
from .names import parse_name, show
from .scalars import COLUMN_COMPARE, operators

LOGIC = {"_and", "_or"}


def modern(key: str) -> str:
    """`$eq` and `_eq` are the same; the first is the old spelling."""
    return "_" + key[1:] if key.startswith("$") and len(key) > 1 else key


def permitted_columns(tracked: TrackedTable, raw: Any) -> list[str]:
    """`"*"` or a list of columns, as column names."""
    if raw == "*":
        return [column.name for column in tracked.table.columns]
    return list(raw or ())


def check_permission(schema: Schema, tracked: TrackedTable, kind: str, permission: dict[str, Any]) -> None:
    """Raise EngineError when a permission names what is not there."""
    if kind != "delete":
        for column in permitted_columns(tracked, permission.get("columns", "*" if kind == "insert" else [])):
            if column not in tracked.table.by_name:
                raise EngineError("not-exists", f'column "{column}" does not exist in table "{show(tracked.key)}"')
    for column in permission.get("set") or {}:
        if column not in tracked.table.by_name:
            raise EngineError("not-exists", f'column "{column}" does not exist in table "{show(tracked.key)}"')
    if kind == "select":
        for name in permission.get("computed_fields") or ():
            if name not in tracked.computed:
                raise EngineError("not-exists", f'computed field "{name}" does not exist in table "{show(tracked.key)}"')
    for section in ("filter", "check"):
        check_expression(schema, tracked, permission.get(section) or {})


def check_expression(schema: Schema, tracked: TrackedTable, expression: Any) -> None:
    """Walk a permission's condition."""
    if not isinstance(expression, dict):
        raise EngineError("parse-failed", "a condition must be an object")
    for raw, value in expression.items():
        key = modern(raw)
        if key in LOGIC:
            for item in value if isinstance(value, list) else [value]:
                check_expression(schema, tracked, item)
        elif key == "_not":
            check_expression(schema, tracked, value)
        elif key == "_exists":
            name = parse_name(value.get("_table") or value.get("$table"))
            other = schema.tables.get(name)
            if other is None:
                raise EngineError("not-exists", f'table "{show(name)}" is not tracked')
            check_expression(schema, other, value.get("_where") or value.get("$where") or {})
        elif raw in tracked.table.by_name:
            _check_operators(tracked, raw, value)
        elif raw in tracked.relationships:
            check_expression(schema, schema.tables[tracked.relationships[raw].target], value)
        elif raw in tracked.computed:
            target = tracked.computed[raw].table
            if target is not None:
                check_expression(schema, schema.tables[target], value)
        elif not (raw.endswith("_aggregate") and raw.removesuffix("_aggregate") in tracked.relationships):
            raise EngineError("not-exists", f'"{raw}" does not exist in table "{show(tracked.key)}"')


def _check_operators(tracked: TrackedTable, column: str, value: Any) -> None:
    if not isinstance(value, dict):
        return
    pg_type = tracked.table.by_name[column].type
    known = {*operators(pg_type), *COLUMN_COMPARE, "_ne", "_cast", "_st_d_within", "_st_3d_d_within"}
    for operator in value:
        if modern(operator) not in known and pg_type.real not in ("json", "jsonb"):
            raise EngineError("unexpected-payload", f'unknown operator "{operator}" for column "{column}"')
