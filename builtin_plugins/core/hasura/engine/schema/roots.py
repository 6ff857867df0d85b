"""Names and descriptions of root fields: `author`, `author_by_pk`, `insert_author_one` and the custom ones."""

from __future__ import annotations

from typing import Any

from .model import ADMIN, TrackedFunction, TrackedTable
from .roles import RoleSchema, RoleTable, Root

PATTERNS = {
    "select": "{}",
    "select_by_pk": "{}_by_pk",
    "select_aggregate": "{}_aggregate",
    "select_stream": "{}_stream",
    "insert": "insert_{}",
    "insert_one": "insert_{}_one",
    "update": "update_{}",
    "update_by_pk": "update_{}_by_pk",
    "update_many": "update_{}_many",
    "delete": "delete_{}",
    "delete_by_pk": "delete_{}_by_pk",
}
DESCRIPTIONS = {
    "select": 'fetch data from the table: "{}"',
    "select_by_pk": 'fetch data from the table: "{}" using primary key columns',
    "select_aggregate": 'fetch aggregated fields from the table: "{}"',
    "select_stream": 'fetch data from the table in a streaming manner: "{}"',
    "insert": 'insert data into the table: "{}"',
    "insert_one": 'insert a single row into the table: "{}"',
    "update": 'update data of the table: "{}"',
    "update_by_pk": 'update single row of the table: "{}"',
    "update_many": 'update multiples rows of table: "{}"',
    "delete": 'delete data from the table: "{}"',
    "delete_by_pk": 'delete single row from the table: "{}"',
}


def root_name(tracked: TrackedTable, kind: str) -> str:
    """The name of a table's root field."""
    custom = (tracked.config.get("custom_root_fields") or {}).get(kind)
    if isinstance(custom, dict):
        custom = custom.get("name")
    return custom or PATTERNS[kind].format(tracked.name)


def root_description(tracked: TrackedTable, kind: str) -> str | None:
    """Its description; an empty comment in metadata removes it."""
    custom = (tracked.config.get("custom_root_fields") or {}).get(kind)
    comment = custom.get("comment") if isinstance(custom, dict) else None
    if comment is not None:
        return comment or None
    if kind == "select" and tracked.config.get("comment") == "":
        return None
    return DESCRIPTIONS[kind].format(tracked.table.name)


def _add(roots: dict[str, Root], table: RoleTable, kind: str) -> None:
    name = root_name(table.tracked, kind)
    roots[name] = Root(name, kind, table, None, root_description(table.tracked, kind))


def _allowed(table: RoleTable, kind: str, subscription: bool) -> bool:
    if table.parts is None:
        return True
    for part in table.parts:
        allowed = part.subscription_roots if subscription else part.query_roots
        if allowed is None or kind in allowed:
            return True
    return False


def pk_readable(table: RoleTable) -> bool:
    """True when the table has a primary key and the role may read all of it."""
    key = table.tracked.table.primary_key
    readable = {column.name for column in table.fields.values()}
    return bool(key) and all(column in readable for column in key)


def function_visible(role: RoleSchema, function: TrackedFunction) -> bool:
    """True when the role may call a tracked function."""
    target = role.table(function.function.returns_table) if function.function.returns_table else None
    if target is None or not target.selectable:
        return False
    if role.role == ADMIN or _granted(role, role.role, function, frozenset()):
        return True
    return role.schema.infer_functions and not function.mutation and not function.function.volatile


def _granted(role: RoleSchema, name: str, function: TrackedFunction, seen: frozenset[str]) -> bool:
    if name in function.roles:
        return True
    parents = role.schema.inherited.get(name, ())
    return any(_granted(role, parent, function, seen | {name}) for parent in parents if parent not in seen)


def query_roots(role: RoleSchema, *, subscription: bool) -> dict[str, Root]:
    """Fields of query_root or subscription_root."""
    roots: dict[str, Root] = {}
    for name in role.schema.tables:
        table = role.table(name)
        if table is None or not table.selectable:
            continue
        kinds = ["select"]
        if pk_readable(table):
            kinds.append("select_by_pk")
        if table.aggregates:
            kinds.append("select_aggregate")
        if subscription:
            kinds.append("select_stream")
        for kind in kinds:
            if _allowed(table, kind, subscription):
                _add(roots, table, kind)
    for function in role.schema.functions.values():
        if not function.mutation and function_visible(role, function):
            _add_function(role, roots, function)
    for action in role.schema.actions.values():
        kind = (action.get("definition") or {}).get("type", "mutation")
        asynchronous = (action.get("definition") or {}).get("kind") == "asynchronous"
        if ((kind == "query" and not subscription) or (kind != "query" and asynchronous)) and action_visible(role, action):
            roots[action["name"]] = Root(action["name"], "action", None, None, action.get("comment"), action)
    return roots


def mutation_roots(role: RoleSchema) -> dict[str, Root]:
    """Fields of mutation_root."""
    roots: dict[str, Root] = {}
    for name in role.schema.tables:
        table = role.table(name)
        if table is None:
            continue
        kinds: list[str] = []
        by_pk = pk_readable(table)
        if table.insert is not None:
            kinds += ["insert", *(["insert_one"] if table.selectable else [])]
        if table.update is not None:
            kinds += ["update", "update_many", *(["update_by_pk"] if by_pk else [])]
        if table.delete is not None:
            kinds += ["delete", *(["delete_by_pk"] if by_pk else [])]
        for kind in kinds:
            _add(roots, table, kind)
    for function in role.schema.functions.values():
        if function.mutation and function_visible(role, function):
            _add_function(role, roots, function)
    for action in role.schema.actions.values():
        if (action.get("definition") or {}).get("type", "mutation") != "query" and action_visible(role, action):
            roots[action["name"]] = Root(action["name"], "action", None, None, action.get("comment"), action)
    return roots


def _add_function(role: RoleSchema, roots: dict[str, Root], function: TrackedFunction) -> None:
    target = role.table(function.function.returns_table) if function.function.returns_table else None
    assert target is not None  # noqa: S101 - function_visible has just checked it
    shown = f'execute function "{function.function.name}" which returns "{target.tracked.table.name}"'
    roots[function.name] = Root(function.name, "function", target, function, function.comment or shown)
    if function.function.returns_set and target.aggregates:
        described = f'execute function "{function.function.name}" and query aggregates on result of table type "{target.tracked.table.name}"'  # noqa: E501
        roots[function.aggregate_name] = Root(function.aggregate_name, "function_aggregate", target, function, described)


def action_visible(role: RoleSchema, action: dict[str, Any]) -> bool:
    """True when the role may run an action; inherited roles take it from any parent."""
    if role.role == ADMIN:
        return True
    granted = {permission["role"] for permission in action.get("permissions") or ()}

    def holds(name: str, seen: frozenset[str]) -> bool:
        parents = role.schema.inherited.get(name, ())
        return name in granted or any(holds(parent, seen | {name}) for parent in parents if parent not in seen)

    return holds(role.role, frozenset())


def duplicate_roots(schema_role: RoleSchema) -> list[str]:
    """Root field names that two objects claim, newest first."""
    seen: set[str] = set()
    clashes: list[str] = []
    kinds = ("select", "select_by_pk", "select_aggregate")
    names = [root_name(table, kind) for table in schema_role.schema.tables.values() for kind in kinds]
    for function in schema_role.schema.functions.values():
        if not function.mutation:
            names += [function.name, function.aggregate_name]
    for name in names:
        if name in seen:
            clashes.append(name)
        seen.add(name)
    return clashes[::-1]
