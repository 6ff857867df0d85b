"""Named types that need nothing else: scalars, and enums of columns and of tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
)

from ...db.catalog import Column, PgType
from ..roles import RoleSchema, RoleTable
from ..scalars import graphql_name, is_list

BUILTIN = {"Int": GraphQLInt, "Float": GraphQLFloat, "String": GraphQLString, "Boolean": GraphQLBoolean}


class Scalars:
    """Makes each named type once: scalars and enums."""

    def __init__(self, role: RoleSchema) -> None:
        self.role = role
        self.made: dict[str, Any] = dict(BUILTIN)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The type of this name."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def scalar(self, name: str) -> Any:
        """A scalar by its GraphQL name."""
        return self.once(name, lambda: GraphQLScalarType(name))

    def of(self, pg_type: PgType) -> Any:
        """The GraphQL type of a PostgreSQL type."""
        named = self.scalar(graphql_name(pg_type))
        return GraphQLList(GraphQLNonNull(named)) if is_list(pg_type) else named

    def column_type(self, table: RoleTable, column: Column) -> Any:
        """A column's type: an enum where it refers to an enum table."""
        target = table.tracked.enum_columns.get(column.name)
        if target is None:
            return self.of(column.type)
        other = self.role.schema.tables[target]
        values = {value: GraphQLEnumValue(value, description=text) for value, text in other.enum_values or ()}
        return self.once(other.name + "_enum", lambda: GraphQLEnumType(other.name + "_enum", values))

    def columns(self, table: RoleTable, suffix: str, names: Any = None) -> Any:
        """An enum of column names."""
        name = f"{table.name}_{suffix}"
        listed = sorted(table.fields if names is None else names)
        values = {item: GraphQLEnumValue(item, description="column name") for item in listed} or {"_PLACEHOLDER": None}
        return self.once(name, lambda: GraphQLEnumType(name, values))
