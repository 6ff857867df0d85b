"""What PostgreSQL says it has: tables, columns, keys, functions. One frozen snapshot per introspection."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import asyncpg
import orjson

from .queries import FUNCTIONS, RELATIONS, TYPES

UNBOUNDED = {"bpchar": "bpchar", "_bpchar": "bpchar[]", "bit": '"bit"', "_bit": '"bit"[]'}
"""Types whose plain SQL name means a length of one."""

Name = tuple[str, str]
"""A schema and the name in it."""


@dataclass(frozen=True, slots=True)
class PgType:
    """A type as a column or argument has it. `cast` is how to write it in SQL; `element` is set for arrays."""

    name: str
    cast: str
    kind: str = "b"
    element: PgType | None = None
    base: str = ""

    @property
    def real(self) -> str:
        """The name, seen through domains."""
        return self.base or self.name


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view."""

    name: str
    type: PgType
    nullable: bool
    has_default: bool
    identity: str
    generated: bool
    comment: str | None
    position: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key: the columns here and what they point to there."""

    name: str
    columns: tuple[str, ...]
    target: Name
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table, view, materialized view, partitioned or foreign table."""

    schema: str
    name: str
    kind: str
    comment: str | None
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    primary_key_name: str | None
    uniques: dict[str, tuple[str, ...]]
    foreign_keys: tuple[ForeignKey, ...]
    insertable: bool
    updatable: bool
    deletable: bool

    @property
    def key(self) -> Name:
        """Schema and name."""
        return (self.schema, self.name)

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class Argument:
    """An input argument of a function; unnamed ones have an empty name."""

    name: str
    type: PgType
    has_default: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function; `returns_table` names the relation whose row type it returns."""

    schema: str
    name: str
    arguments: tuple[Argument, ...]
    returns: PgType
    returns_table: Name | None
    returns_set: bool
    volatile: bool
    comment: str | None
    variadic: bool


@dataclass(frozen=True)
class Catalog:
    """One snapshot of everything tracked objects may refer to."""

    tables: dict[Name, Table] = field(default_factory=dict)
    functions: dict[Name, list[Function]] = field(default_factory=dict)
    types: dict[str, PgType] = field(default_factory=dict)
    version: int = 0
    triggers: bool = False
    """Whether any table has a trigger of a user's, which may want to know who writes."""


def _types(rows: list[dict[str, Any]]) -> dict[int, PgType]:
    by_oid = {row["oid"]: row for row in rows}
    made: dict[int, PgType] = {}

    def make(oid: int) -> PgType:
        if oid not in made:
            row = by_oid[oid]
            element = make(row["element"]) if row["element"] in by_oid else None
            base = row["base_name"] or ""
            made[oid] = PgType(row["name"], UNBOUNDED.get(row["name"], row["cast"]), row["kind"], element, base)
        return made[oid]

    for oid in by_oid:
        make(oid)
    return made


def _table(row: dict[str, Any], types: dict[int, PgType]) -> Table:
    columns = tuple(
        Column(c["name"], types[c["type"]], not c["not_null"], c["default"], c["identity"], c["generated"], c["comment"], c["n"])
        for c in row["columns"] or ()
    )
    keys = row["keys"] or ()
    primary = next((k for k in keys if k["type"] == "p"), None)
    updatable = row["updatable"]
    return Table(
        row["schema"],
        row["name"],
        row["kind"],
        row["comment"],
        columns,
        tuple(primary["columns"]) if primary else (),
        primary["name"] if primary else None,
        {k["name"]: tuple(k["columns"]) for k in keys if k["type"] in "pu"},
        tuple(
            ForeignKey(k["name"], tuple(k["columns"]), tuple(k["target"]), tuple(k["target_columns"]))
            for k in keys
            if k["type"] == "f"
        ),
        bool(updatable & 8),
        bool(updatable & 4),
        bool(updatable & 16),
    )


def _function(row: dict[str, Any], types: dict[int, PgType]) -> Function:
    names = row["names"] or []
    modes = row["modes"] or []
    inputs = [i for i, mode in enumerate(modes) if mode in "ibv"] if modes else list(range(len(row["types"])))
    count = len(row["types"])
    arguments = tuple(
        Argument(
            names[position] if position < len(names) else "",
            types[row["types"][number]],
            number >= count - row["defaults"],
        )
        for number, position in enumerate(inputs[:count])
    )
    return Function(
        row["schema"],
        row["name"],
        arguments,
        types[row["returns"]],
        tuple(row["returns_table"]) if row["returns_table"] else None,
        row["returns_set"],
        row["volatility"] == "v",
        row["comment"],
        row["variadic"],
    )


_VERSIONS = iter(range(1, 1 << 62))


async def introspect(connection: asyncpg.Connection) -> Catalog:
    """Read a snapshot on this connection (inside its transaction, if one is open)."""

    async def rows(sql: str) -> list[dict[str, Any]]:
        return orjson.loads(await connection.fetchval(sql) or b"[]")

    types = _types(await rows(TYPES))
    relations = await rows(RELATIONS)
    tables = [_table(row, types) for row in relations]
    functions: dict[Name, list[Function]] = {}
    for row in await rows(FUNCTIONS):
        if all(oid in types for oid in [*row["types"], row["returns"]]):
            functions.setdefault((row["schema"], row["name"]), []).append(_function(row, types))
    by_name: dict[str, PgType] = {}
    for pg_type in types.values():
        by_name.setdefault(pg_type.name, pg_type)
    return Catalog(
        {table.key: table for table in tables}, functions, by_name, next(_VERSIONS), any(row["triggers"] for row in relations)
    )
