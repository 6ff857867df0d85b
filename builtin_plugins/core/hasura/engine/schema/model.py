"""The tracked objects of one schema cache: metadata joined with the catalogue, checked, and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..db.catalog import Argument, Catalog, Column, Function, Name, PgType, Table

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Relationship:
    """A link to another table. `mapping` pairs this table's columns with the target's."""

    name: str
    array: bool
    target: Name
    mapping: tuple[tuple[str, str], ...]
    nullable: bool
    after_parent: bool
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """How to call a tracked function: which arguments the engine fills, which the client gives."""

    function: Function
    table_argument: int | None = None
    session_argument: int | None = None

    @property
    def inputs(self) -> list[tuple[int, Argument, str]]:
        """The client's arguments: position, argument, and the GraphQL name (`arg_N` for unnamed ones)."""
        found = []
        unnamed = 0
        for position, argument in enumerate(self.function.arguments):
            if position in (self.table_argument, self.session_argument):
                continue
            if not argument.name:
                unnamed += 1
            found.append((position, argument, argument.name or f"arg_{unnamed}"))
        return found


@dataclass(frozen=True, slots=True)
class ComputedField:
    """A field computed by a function of the row."""

    name: str
    call: Call
    comment: str | None

    @property
    def table(self) -> Name | None:
        """The table whose rows it returns; None for a scalar."""
        return self.call.function.returns_table


@dataclass(slots=True)
class TrackedTable:
    """A tracked table with its names, links and permissions by role."""

    table: Table
    meta: dict[str, Any]
    name: str
    fields: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    relationships: dict[str, Relationship] = field(default_factory=dict)
    computed: dict[str, ComputedField] = field(default_factory=dict)
    permissions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    enum_values: tuple[tuple[str, str | None], ...] | None = None
    enum_columns: dict[str, Name] = field(default_factory=dict)
    triggers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def key(self) -> Name:
        """Schema and name."""
        return self.table.key

    @property
    def config(self) -> dict[str, Any]:
        """The `configuration` of its metadata."""
        return self.meta.get("configuration") or {}

    def column_of(self, field_name: str) -> Column | None:
        """The column behind a GraphQL field name."""
        name = self.fields.get(field_name)
        return self.table.by_name.get(name) if name is not None else None


@dataclass(frozen=True, slots=True)
class TrackedFunction:
    """A function tracked as a root field."""

    call: Call
    meta: dict[str, Any]
    name: str
    aggregate_name: str
    mutation: bool
    roles: frozenset[str]

    @property
    def function(self) -> Function:
        """The catalogue's function."""
        return self.call.function

    @property
    def comment(self) -> str | None:
        """Its description: metadata first, then the database."""
        return self.meta.get("comment") or self.function.comment


Owner = TrackedTable | TrackedFunction | dict[str, Any]
"""What has root fields; an action is as metadata has it."""


@dataclass(slots=True)
class Inconsistency:
    """A metadata object that cannot be used, and why."""

    type: str
    name: str
    definition: Any
    reason: str
    code: str = "invalid-configuration"

    def json(self) -> dict[str, Any]:
        """As `get_inconsistent_metadata` lists it."""
        return {"definition": self.definition, "reason": self.reason, "name": self.name, "type": self.type}


@dataclass(slots=True)
class Schema:
    """One version of everything the compiler reads."""

    version: int
    metadata: dict[str, Any]
    catalog: Catalog
    tables: dict[Name, TrackedTable] = field(default_factory=dict)
    functions: dict[Name, TrackedFunction] = field(default_factory=dict)
    inherited: dict[str, tuple[str, ...]] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    inconsistent: list[Inconsistency] = field(default_factory=list)
    introspection_disabled: frozenset[str] = frozenset()
    stringify: bool = False
    infer_functions: bool = True
    actions: dict[str, Any] = field(default_factory=dict)
    custom_types: dict[str, Any] = field(default_factory=dict)
    remotes: dict[str, Any] = field(default_factory=dict)
    role_cache: dict[Any, Any] = field(default_factory=dict)
    owners: dict[str, list[Owner]] | None = None

    def type_named(self, name: str) -> PgType | None:
        """A type of the database by its name."""
        return self.catalog.types.get(name)
