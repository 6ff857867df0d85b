"""Names and descriptions of root fields: `author`, `author_by_pk`, `insert_author_one` and the custom ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .model import ADMIN, Owner, Schema, TrackedFunction, TrackedTable
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


class Roots(Mapping[str, Root]):
    """The root fields of one kind of operation. One that is asked for by name costs no look at the other tables."""

    def __init__(self, role: RoleSchema, operation: str) -> None:
        self.role = role
        self.operation = operation
        self._all: dict[str, Root] | None = None

    def __getitem__(self, name: str) -> Root:
        if self._all is not None:
            return self._all[name]
        for owner in reversed(owners(self.role.schema).get(name, ())):
            found = [root for root in _roots_of(self.role, owner, self.operation) if root.name == name]
            if found:
                return found[-1]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        if self._all is None:
            every = _every_owner(self.role.schema)
            self._all = {root.name: root for owner in every for root in _roots_of(self.role, owner, self.operation)}
        return iter(self._all)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for owner in _every_owner(self.role.schema) for _ in _roots_of(self.role, owner, self.operation))


def _every_owner(schema: Schema) -> Iterable[Owner]:
    """What has root fields; where two claim a name, the later has it."""
    return itertools.chain(schema.tables.values(), schema.functions.values(), schema.actions.values())


def owners(schema: Schema) -> dict[str, list[Owner]]:
    """Who may have a root field of this name, for some role: made once for all roles."""
    if schema.owners is None:
        schema.owners = {}
        for owner in _every_owner(schema):
            for name in _possible_names(owner):
                schema.owners.setdefault(name, []).append(owner)
    return schema.owners


def _possible_names(owner: Owner) -> Iterable[str]:
    if isinstance(owner, TrackedTable):
        return (root_name(owner, kind) for kind in PATTERNS)
    return (owner.name, owner.aggregate_name) if isinstance(owner, TrackedFunction) else (owner["name"],)


def _roots_of(role: RoleSchema, owner: Owner, operation: str) -> Iterator[Root]:
    """The root fields that the role has of one table, function or action."""
    if isinstance(owner, TrackedTable):
        table = role.table(owner.key)
        assert table is not None  # noqa: S101 - it is tracked
        kinds = _written(table) if operation == "mutation" else _read(table, operation == "subscription")
        for kind in kinds:
            yield Root(root_name(owner, kind), kind, table, None, root_description(owner, kind))
    elif isinstance(owner, TrackedFunction):
        if owner.mutation == (operation == "mutation") and function_visible(role, owner):
            yield from _of_function(role, owner)
    elif _offered(owner.get("definition") or {}, operation) and action_visible(role, owner):
        yield Root(owner["name"], "action", None, None, owner.get("comment"), owner)


def _read(table: RoleTable, subscription: bool) -> Iterator[str]:
    if not table.selectable:
        return
    possible = {
        "select": True,
        "select_by_pk": pk_readable(table),
        "select_aggregate": table.aggregates,
        "select_stream": subscription,
    }
    yield from (kind for kind, can in possible.items() if can and _allowed(table, kind, subscription))


def _written(table: RoleTable) -> Iterator[str]:
    by_pk = pk_readable(table)
    if table.insert is not None:
        yield "insert"
        if table.selectable:
            yield "insert_one"
    if table.update is not None:
        yield from ("update", "update_many", *(["update_by_pk"] if by_pk else []))
    if table.delete is not None:
        yield from ("delete", *(["delete_by_pk"] if by_pk else []))


def _offered(definition: dict[str, Any], operation: str) -> bool:
    """Whether an action is a field of this kind of operation. What became of an asynchronous mutation is asked by a query."""
    if definition.get("type", "mutation") == "query":
        return operation == "query"
    return operation == "mutation" or definition.get("kind") == "asynchronous"


def _of_function(role: RoleSchema, function: TrackedFunction) -> Iterator[Root]:
    target = role.table(function.function.returns_table) if function.function.returns_table else None
    assert target is not None  # noqa: S101 - function_visible has just checked it
    shown = f'execute function "{function.function.name}" which returns "{target.tracked.table.name}"'
    yield Root(function.name, "function", target, function, function.comment or shown)
    if function.function.returns_set and target.aggregates:
        described = f'execute function "{function.function.name}" and query aggregates on result of table type "{target.tracked.table.name}"'  # noqa: E501
        yield Root(function.aggregate_name, "function_aggregate", target, function, described)


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
