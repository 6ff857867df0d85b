"""What every part of one compilation shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..db.catalog import Column, PgType
from ..db.sql import ident
from ..errors import validation
from ..schema.model import ADMIN, Call, Schema
from ..schema.roles import RoleSchema, role_schema
from ..schema.scalars import JSONS, graphql_name
from .fields import Collector
from .scope import Scope, Val
from .values import encode

MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Row:
    """A row source in SQL: an alias, or a composite column of one (`record`), as data-modifying CTEs give."""

    alias: str
    record: str | None = None

    def col(self, name: str) -> str:
        """A column of the row."""
        if self.record is None:
            return f"{self.alias}.{ident(name)}"
        return f"({self.alias}.{self.record}).{ident(name)}"

    @property
    def whole(self) -> str:
        """The row as a value of the table's row type."""
        return self.alias if self.record is None else f"{self.alias}.{self.record}"


class Context:
    """One operation being compiled for one role."""

    def __init__(self, role: RoleSchema, scope: Scope, collector: Collector) -> None:
        self.role = role
        self.scope = scope
        self.collector = collector
        self.aliases = 0
        self.depth = 0

    @property
    def schema(self) -> Schema:
        """The schema in force."""
        return self.role.schema

    @property
    def everything(self) -> RoleSchema:
        """The admin's view, which permission filters are written in."""
        return role_schema(self.role.schema, ADMIN)

    def alias(self, prefix: str = "t") -> str:
        """A fresh alias."""
        self.aliases += 1
        return f"{prefix}{self.aliases}"

    def deeper(self, path: str) -> None:
        """Count a level of nesting; refuses bottomless operations."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise validation("the operation is nested too deeply", path)

    def value(self, val: Val, pg_type: PgType, path: str, *, meta: bool = False, as_text: bool = False) -> str:
        """A placeholder for a value of a type, cast to it. In metadata, `x-hasura-…` names a session variable."""
        if meta and isinstance(val.raw, str) and val.raw.lower().startswith("x-hasura-"):
            return cast(self.scope.session(val.raw), pg_type, as_text)
        if not meta:
            self.scope.expect(val, graphql_name(pg_type), path)
        placeholder = self.scope.param(val, lambda raw: encode(raw, pg_type, path), (pg_type.cast, path))
        return cast(placeholder, pg_type, as_text)

    def column_value(self, val: Val, column: Column, enum: str | None, path: str) -> str:
        """A placeholder for what a client writes into a column."""
        if enum is not None:
            return cast(self.enum_param(val, column, enum, path), column.type)
        return self.value(val, column.type, path)

    def enum_param(self, val: Val, column: Column, enum: str, path: str) -> str:
        """A placeholder for a value of an enum table, checked on every run."""
        values = self.enum_values(enum)
        self.scope.expect(val, enum, path)
        if val.kind == "string" and val.var is None:
            raise validation(f'expected an enum value for type "{enum}", but found a string', path)
        return self.scope.param(val, lambda raw: check_enum(raw, values, enum, path), (enum, path))

    def enum_values(self, enum: str) -> tuple[str, ...]:
        """The values of an enum type by its GraphQL name."""
        for table in self.schema.tables.values():
            if table.enum_values is not None and table.name + "_enum" == enum:
                return tuple(value for value, _ in table.enum_values)
        return ()

    def enum_of(self, table: Any, column: str) -> str | None:
        """The GraphQL enum type of a column that refers to an enum table."""
        target = table.tracked.enum_columns.get(column)
        return self.schema.tables[target].name + "_enum" if target is not None else None

    def call(self, call: Call, row: Row | None, given: dict[int, str]) -> str:
        """A function call: the row, the session and the client's arguments in their places."""
        parts: list[str] = []
        named = False
        for position, argument in enumerate(call.function.arguments):
            if position == call.table_argument and row is not None:
                text = row.whole
            elif position == call.session_argument:
                text = f"({self.scope.whole_session()})::{argument.type.cast}"
            elif position in given:
                text = given[position]
            else:
                named = True
                continue
            parts.append(f"{ident(argument.name)} => {text}" if named and argument.name else text)
        function = call.function
        return f"{ident(function.schema)}.{ident(function.name)}({', '.join(parts)})"


def cast(placeholder: str, pg_type: PgType, as_text: bool = False) -> str:
    """A text placeholder turned into a value of the type."""
    if as_text or pg_type.name in ("text", "varchar"):
        return placeholder
    if pg_type.name == "geometry":
        return f"ST_GeomFromGeoJSON({placeholder})"
    if pg_type.name == "geography":
        return f"ST_GeomFromGeoJSON({placeholder})::geography"
    if pg_type.name in JSONS:
        return f"({placeholder})::{pg_type.cast}"
    return f"({placeholder})::{pg_type.cast}"


def check_enum(raw: Any, values: tuple[str, ...], enum: str, path: str) -> str | None:
    """The value of an enum, or the error that lists what it may be."""
    if raw is None or raw in values:
        return raw
    listed = [str(value) for value in values]
    text = listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + f", or {listed[-1]}"
    if len(listed) == 2:
        text = f"{listed[0]} or {listed[1]}"
    one = "the value" if len(listed) == 1 else "one of the values"
    raise validation(f'expected {one} {text} for type "{enum}", but found "{raw}"', path)
