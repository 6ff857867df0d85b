"""What one role may see and do: the view of the schema that the compiler and introspection work from, built lazily."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..db.catalog import Column, Name
from .model import ADMIN, ComputedField, Relationship, Schema, TrackedFunction, TrackedTable
from .permissions import permitted_columns


@dataclass(frozen=True, slots=True)
class Part:
    """One parent role's select permission on a table."""

    columns: frozenset[str]
    computed: frozenset[str]
    filter: dict[str, Any]
    limit: int | None
    aggregates: bool
    query_roots: frozenset[str] | None
    subscription_roots: frozenset[str] | None


@dataclass(slots=True)
class Root:
    """A root field: what it does and on what."""

    name: str
    kind: str
    table: RoleTable | None = None
    function: TrackedFunction | None = None
    description: str | None = None
    extra: Any = None


@dataclass(slots=True)
class RoleTable:
    """A table as one role sees it. `parts` is None for the admin, who sees all."""

    tracked: TrackedTable
    parts: list[Part] | None
    insert: dict[str, Any] | None
    update: dict[str, Any] | None
    delete: dict[str, Any] | None
    fields: dict[str, Column] = field(default_factory=dict)
    computed: dict[str, ComputedField] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The GraphQL type name."""
        return self.tracked.name

    @property
    def selectable(self) -> bool:
        """True when the role has a select permission."""
        return self.parts is None or bool(self.parts)

    @property
    def aggregates(self) -> bool:
        """True when the role may aggregate."""
        return self.parts is None or any(part.aggregates for part in self.parts)

    @property
    def limit(self) -> int | None:
        """The row limit of the role; among several parents the widest."""
        if self.parts is None or any(part.limit is None for part in self.parts):
            return None
        return max((part.limit or 0 for part in self.parts), default=None)

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The row filters, any of which admits a row; empty when nothing is restricted."""
        if self.parts is None or any(not part.filter for part in self.parts):
            return []
        return [part.filter for part in self.parts]

    def guards(self, name: str, computed: bool = False) -> list[dict[str, Any]]:
        """For inherited roles: filters of the parents that may see this cell; empty when every row qualifies."""
        if self.parts is None or len(self.parts) < 2:
            return []
        holders = [part for part in self.parts if name in (part.computed if computed else part.columns)]
        if len(holders) == len(self.parts) or any(not part.filter for part in holders):
            return []
        return [part.filter for part in holders]

    def insert_columns(self) -> dict[str, Column]:
        """GraphQL field → column, as the role may insert them."""
        return self._writable(self.insert, "*")

    def update_columns(self) -> dict[str, Column]:
        """GraphQL field → column, as the role may update them."""
        return self._writable(self.update, [])

    def _writable(self, permission: dict[str, Any] | None, default: Any) -> dict[str, Column]:
        if permission is None:
            return {}
        allowed = set(permitted_columns(self.tracked, permission.get("columns", default)))
        presets = set(permission.get("set") or {})
        by_name = self.tracked.table.by_name
        return {
            shown: by_name[column]
            for shown, column in self.tracked.fields.items()
            if column in allowed and column not in presets and not by_name[column].generated
        }


class RoleSchema:
    """All root fields and tables of one role."""

    def __init__(self, schema: Schema, role: str, backend: bool) -> None:
        self.schema = schema
        self.role = role
        self.backend = backend
        self._tables: dict[Name, RoleTable] = {}

    def table(self, name: Name) -> RoleTable | None:
        """The role's view of a table; None when it is not tracked."""
        found = self._tables.get(name)
        if found is None:
            tracked = self.schema.tables.get(name)
            if tracked is None:
                return None
            found = self._tables[name] = self._view(tracked)
        return found

    def relationship(self, table: RoleTable, name: str) -> tuple[Relationship, RoleTable] | None:
        """A relationship the role may follow, with the table it leads to."""
        link = table.tracked.relationships.get(name)
        target = self.table(link.target) if link is not None else None
        return (link, target) if link is not None and target is not None and target.selectable else None

    def computed_field(self, table: RoleTable, name: str) -> ComputedField | None:
        """A computed field the role may read."""
        found = table.computed.get(name)
        if found is None or found.table is None:
            return found
        target = self.table(found.table)
        return found if target is not None and target.selectable else None

    def _parents(self, role: str, name: Name, tracked: TrackedTable, seen: frozenset[str]) -> list[dict[str, Any]]:
        own = tracked.permissions.get(role, {}).get("select")
        if own is not None:
            return [own]
        found: list[dict[str, Any]] = []
        for parent in self.schema.inherited.get(role, ()):
            if parent not in seen:
                found += self._parents(parent, name, tracked, seen | {parent})
        return found

    def _view(self, tracked: TrackedTable) -> RoleTable:
        table = tracked.table
        if self.role == ADMIN:
            anything: dict[str, Any] = {"columns": "*", "check": {}, "filter": {}}
            return RoleTable(
                tracked,
                None,
                anything if table.insertable else None,
                anything if table.updatable else None,
                anything if table.deletable else None,
                {shown: table.by_name[column] for shown, column in tracked.fields.items()},
                dict(tracked.computed),
            )
        parts = [self._part(tracked, p) for p in self._parents(self.role, tracked.key, tracked, frozenset({self.role}))]
        own = tracked.permissions.get(self.role, {})

        def usable(kind: str, possible: bool) -> dict[str, Any] | None:
            permission = own.get(kind)
            if permission is None or not possible or (permission.get("backend_only") and not self.backend):
                return None
            return permission

        columns = {column for part in parts for column in part.columns}
        computed = {name for part in parts for name in part.computed}
        return RoleTable(
            tracked,
            parts,
            usable("insert", table.insertable),
            usable("update", table.updatable),
            usable("delete", table.deletable),
            {shown: table.by_name[column] for shown, column in tracked.fields.items() if column in columns},
            {name: found for name, found in tracked.computed.items() if name in computed or (found.table is not None and parts)},
        )

    @staticmethod
    def _part(tracked: TrackedTable, permission: dict[str, Any]) -> Part:
        roots = permission.get("query_root_fields")
        streams = permission.get("subscription_root_fields")
        return Part(
            frozenset(permitted_columns(tracked, permission.get("columns"))),
            frozenset(permission.get("computed_fields") or ()),
            permission.get("filter") or {},
            permission.get("limit"),
            bool(permission.get("allow_aggregations")),
            frozenset(roots) if roots is not None else None,
            frozenset(streams) if streams is not None else None,
        )

    @cached_property
    def queries(self) -> Mapping[str, Root]:
        """Fields of query_root, without introspection's own."""
        return self._roots("query")

    @cached_property
    def subscriptions(self) -> Mapping[str, Root]:
        """Fields of subscription_root."""
        return self._roots("subscription")

    @cached_property
    def mutations(self) -> Mapping[str, Root]:
        """Fields of mutation_root."""
        return self._roots("mutation")

    def _roots(self, operation: str) -> Mapping[str, Root]:
        from .roots import Roots

        return Roots(self, operation)


def role_schema(schema: Schema, role: str, backend: bool = False) -> RoleSchema:
    """The role's view, kept with its schema."""
    key = (role, backend)
    found = schema.role_cache.get(key)
    if found is None:
        found = schema.role_cache[key] = RoleSchema(schema, role, backend)
    return found
