"""Build a Schema from a metadata document and a catalogue snapshot. What does not fit is set aside with its reason."""

from __future__ import annotations

import itertools
from typing import Any

from ..db.catalog import Catalog, Name
from ..errors import EngineError
from .functions import function_error, track_function
from .links import computed_field, relationship
from .model import Inconsistency, Schema, TrackedTable
from .names import as_json, graphql_table_name, parse_name, show, valid
from .permissions import check_permission

VERSIONS = itertools.count(1)
PERMISSION_KEYS = {
    "select": "select_permissions",
    "insert": "insert_permissions",
    "update": "update_permissions",
    "delete": "delete_permissions",
}


def source_of(metadata: dict[str, Any]) -> dict[str, Any]:
    """The PostgreSQL source that this engine serves: the first one (`default`)."""
    for source in metadata.get("sources") or ():
        return source
    return {"name": "default", "kind": "postgres", "tables": [], "functions": []}


def build(
    metadata: dict[str, Any],
    catalog: Catalog,
    enums: dict[Name, list[tuple[str, str | None]]],
    *,
    stringify: bool = False,
    infer_functions: bool = True,
) -> Schema:
    """Join metadata and catalogue. Never raises for a bad object: it lands in `inconsistent`."""
    schema = Schema(next(VERSIONS), metadata, catalog, stringify=stringify, infer_functions=infer_functions)
    source = source_of(metadata)
    where = f" in source {source.get('name', 'default')}"
    for meta in source.get("tables") or ():
        _track(schema, meta, enums, where)
    for tracked in schema.tables.values():
        _enum_columns(schema, tracked)
        _links(schema, tracked, where)
    for role in metadata.get("inherited_roles") or ():
        schema.inherited[role["role_name"]] = tuple(role.get("role_set") or ())
    for tracked in schema.tables.values():
        _permissions(schema, tracked, where)
        for trigger in tracked.meta.get("event_triggers") or ():
            tracked.triggers[trigger["name"]] = trigger
    for meta in source.get("functions") or ():
        name = parse_name(meta.get("function"))
        try:
            schema.functions[name] = track_function(schema, meta, name)
        except EngineError as error:
            schema.inconsistent.append(function_error(name, error.message, where))
    options = metadata.get("graphql_schema_introspection") or {}
    schema.introspection_disabled = frozenset(options.get("disabled_for_roles") or ())
    schema.actions = {action["name"]: action for action in metadata.get("actions") or ()}
    schema.custom_types = metadata.get("custom_types") or {}
    _roles(schema)
    return schema


def _track(schema: Schema, meta: dict[str, Any], enums: dict[Name, Any], where: str) -> None:
    name = parse_name(meta.get("table"))
    table = schema.catalog.tables.get(name)

    def bad(reason: str) -> None:
        schema.inconsistent.append(
            Inconsistency("table", f"table {show(name)}{where}", as_json(name), f"Inconsistent object: {reason}")
        )

    if table is None:
        bad(f'no such table/view exists in source: "{show(name)}"')
        return
    config = meta.get("configuration") or {}
    graphql = config.get("custom_name") or graphql_table_name(name)
    if not valid(graphql):
        bad(f'in table "{show(name)}": "{graphql}" is not a valid GraphQL identifier')
        return
    tracked = TrackedTable(table, meta, graphql)
    custom = dict(config.get("custom_column_names") or {})
    for column, settings in (config.get("column_config") or {}).items():
        if isinstance(settings, dict) and settings.get("custom_name"):
            custom[column] = settings["custom_name"]
    for column in table.columns:
        shown = custom.get(column.name, column.name)
        if valid(shown) and not shown.startswith("__"):
            tracked.fields[shown] = column.name
            tracked.columns[column.name] = shown
    if meta.get("is_enum"):
        rows = enums.get(name)
        usable = [row for row in rows or () if valid(row[0]) and row[0] not in ("true", "false", "null")]
        if rows is None or len(usable) != len(rows) or not rows:
            bad(f'the table "{show(name)}" cannot be used as an enum: it needs a text primary key whose values are names')
            return
        tracked.enum_values = tuple(rows)
    schema.tables[name] = tracked


def _enum_columns(schema: Schema, tracked: TrackedTable) -> None:
    for key in tracked.table.foreign_keys:
        target = schema.tables.get(key.target)
        if len(key.columns) == 1 and target is not None and target.enum_values is not None:
            tracked.enum_columns[key.columns[0]] = key.target


def _links(schema: Schema, tracked: TrackedTable, where: str) -> None:
    for array, section in ((False, "object_relationships"), (True, "array_relationships")):
        for meta in tracked.meta.get(section) or ():
            try:
                link = relationship(schema, tracked, meta, array)
                if link.name in tracked.fields or not valid(link.name):
                    raise EngineError("already-exists", f'field "{link.name}" clashes with a column')
                tracked.relationships[link.name] = link
            except EngineError as error:
                kind = "array_relation" if array else "object_relation"
                _bad_child(schema, tracked, kind, meta["name"], meta, error.message, where)
    for meta in tracked.meta.get("computed_fields") or ():
        try:
            found = computed_field(schema, tracked, meta)
            if found.name in tracked.fields or found.name in tracked.relationships:
                raise EngineError("already-exists", f'field "{found.name}" clashes with a column or relationship')
            tracked.computed[found.name] = found
        except EngineError as error:
            _bad_child(schema, tracked, "computed_field", meta["name"], meta, error.message, where)


def _permissions(schema: Schema, tracked: TrackedTable, where: str) -> None:
    for kind, section in PERMISSION_KEYS.items():
        for meta in tracked.meta.get(section) or ():
            try:
                check_permission(schema, tracked, kind, meta.get("permission") or {})
            except EngineError as error:
                _bad_child(schema, tracked, f"{kind}_permission", meta["role"], meta, error.message, where)
                continue
            tracked.permissions.setdefault(meta["role"], {})[kind] = meta.get("permission") or {}
            schema.roles.add(meta["role"])


def _bad_child(schema: Schema, tracked: TrackedTable, kind: str, name: str, meta: Any, reason: str, where: str) -> None:
    table = show(tracked.key)
    definition = {"table": as_json(tracked.key), "source": "default", "name": name, "definition": meta}
    text = f'Inconsistent object: in table "{table}": in {kind.replace("_", " ")} "{name}": {reason}'
    label = f"{kind} {name} in table {table}{where}"
    schema.inconsistent.append(Inconsistency(kind, label, definition, text))


def _roles(schema: Schema) -> None:
    schema.roles.update(schema.inherited)
    for function in schema.functions.values():
        schema.roles.update(function.roles)
    for action in schema.actions.values():
        schema.roles.update(p["role"] for p in action.get("permissions") or ())
    for remote in schema.metadata.get("remote_schemas") or ():
        schema.roles.update(p["role"] for p in remote.get("permissions") or ())
