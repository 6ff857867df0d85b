"""Relationships and computed fields of a table, from their metadata."""

from __future__ import annotations

from typing import Any

from ..db.catalog import ForeignKey, Table
from ..errors import EngineError
from .model import Call, ComputedField, Relationship, Schema, TrackedTable
from .names import parse_name, show


def _listed(raw: Any) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) else tuple(raw or ())


def _key_on(table: Table, columns: tuple[str, ...], target: tuple[str, str] | None = None) -> ForeignKey:
    for key in table.foreign_keys:
        if set(key.columns) == set(columns) and (target is None or key.target == target):
            return key
    shown = ", ".join(columns)
    raise EngineError("constraint-error", f'no foreign constraint exists on the given column(s): "{shown}"')


def relationship(schema: Schema, tracked: TrackedTable, meta: dict[str, Any], array: bool) -> Relationship:
    """Resolve one relationship; raises EngineError with the reason when it cannot be."""
    using = meta.get("using") or {}
    comment = meta.get("comment")
    if "manual_configuration" in using:
        manual = using["manual_configuration"]
        target = parse_name(manual.get("remote_table"))
        mapping = tuple((manual.get("column_mapping") or {}).items())
        _check(schema, tracked, target, mapping)
        after = manual.get("insertion_order") == "after_parent"
        return Relationship(meta["name"], array, target, mapping, True, array or after, comment)
    on = using.get("foreign_key_constraint_on")
    if on is None:
        raise EngineError("parse-failed", "a relationship needs foreign_key_constraint_on or manual_configuration")
    if isinstance(on, dict):
        target = parse_name(on.get("table"))
        columns = _listed(on.get("columns") or on.get("column"))
        remote = schema.catalog.tables.get(target)
        if remote is None:
            raise EngineError("not-exists", f'table "{show(target)}" does not exist')
        key = _key_on(remote, columns, tracked.key)
        mapping = tuple(zip(key.target_columns, key.columns, strict=True))
        _check(schema, tracked, target, mapping)
        return Relationship(meta["name"], array, target, mapping, True, True, comment)
    key = _key_on(tracked.table, _listed(on))
    mapping = tuple(zip(key.columns, key.target_columns, strict=True))
    _check(schema, tracked, key.target, mapping)
    nullable = any(tracked.table.by_name[column].nullable for column in key.columns)
    return Relationship(meta["name"], array, key.target, mapping, nullable, False, comment)


def _check(schema: Schema, tracked: TrackedTable, target: tuple[str, str], mapping: tuple[tuple[str, str], ...]) -> None:
    remote = schema.tables.get(target)
    if remote is None:
        raise EngineError("not-exists", f'table "{show(target)}" is not tracked')
    for here, there in mapping:
        for table, column in ((tracked.table, here), (remote.table, there)):
            if column not in table.by_name:
                raise EngineError("not-exists", f'column "{column}" does not exist in table "{show(table.key)}"')


def computed_field(schema: Schema, tracked: TrackedTable, meta: dict[str, Any]) -> ComputedField:
    """Resolve one computed field; raises EngineError with the reason when it cannot be."""
    definition = meta.get("definition") or {}
    name = parse_name(definition.get("function"))
    found = schema.catalog.functions.get(name)
    if not found:
        raise EngineError("not-exists", f'no such function exists: "{show(name)}"')
    if len(found) > 1:
        raise EngineError("not-supported", f'function "{show(name)}" is overloaded')
    function = found[0]
    row_type = tracked.table.name
    wanted = definition.get("table_argument")
    position = None
    for index, argument in enumerate(function.arguments):
        if argument.name == wanted if wanted else argument.type.name == row_type:
            position = index
            break
    if position is None or function.arguments[position].type.name != row_type:
        raise EngineError("invalid-configuration", f'the function "{show(name)}" takes no argument of the table\'s row type')
    if function.volatile:
        raise EngineError("invalid-configuration", f'the function "{show(name)}" is VOLATILE; computed fields need STABLE')
    session = None
    if definition.get("session_argument"):
        for index, argument in enumerate(function.arguments):
            if argument.name == definition["session_argument"] and argument.type.name in ("json", "jsonb"):
                session = index
        if session is None:
            raise EngineError("invalid-configuration", f'session argument of "{show(name)}" is not an input of type json')
    if function.returns_table is not None and function.returns_table not in schema.tables:
        raise EngineError("not-exists", f'table "{show(function.returns_table)}" is not tracked')
    comment = meta.get("comment")
    if comment is None:
        comment = function.comment or f'A computed field, executes function "{show(name)}"'
    return ComputedField(meta["name"], Call(function, position, session), comment or None)
