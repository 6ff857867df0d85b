"""What mutations are given and answer."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from ...compiler.update import OPERATORS
from ...db.catalog import Column
from ..roles import RoleTable
from ..scalars import NUMERIC
from .objects import Objects


class Mutations(Objects):
    """`…_insert_input`, `…_on_conflict`, `…_set_input` and their like."""

    def insert_input(self, table: RoleTable) -> Any:
        """`author_insert_input`."""
        name = f"{table.name}_insert_input"

        def fields() -> dict[str, GraphQLInputField]:
            found = {n: GraphQLInputField(self.column_type(table, c)) for n, c in table.insert_columns().items()}
            for shown, link in table.tracked.relationships.items():
                target = self.role.table(link.target)
                if target is not None and target.insert is not None:
                    found[shown] = GraphQLInputField(self._nested(target, link.array))
            return dict(sorted(found.items())) or {"_PLACEHOLDER": GraphQLInputField(GraphQLBoolean)}

        return self.once(
            name,
            lambda: GraphQLInputObjectType(
                name, fields, description=f'input type for inserting data into table "{table.tracked.table.name}"'
            ),
        )

    def _nested(self, table: RoleTable, array: bool) -> Any:
        name = f"{table.name}_{'arr' if array else 'obj'}_rel_insert_input"

        def fields() -> dict[str, GraphQLInputField]:
            data = self.insert_input(table)
            kind = GraphQLNonNull(GraphQLList(GraphQLNonNull(data))) if array else GraphQLNonNull(data)
            found = {"data": GraphQLInputField(kind)}
            conflict = self.on_conflict(table)
            if conflict is not None:
                found["on_conflict"] = GraphQLInputField(conflict)
            return found

        return self.once(name, lambda: GraphQLInputObjectType(name, fields))

    def on_conflict(self, table: RoleTable) -> Any:
        """`author_on_conflict`, where there is a unique constraint."""
        uniques = table.tracked.table.uniques
        if not uniques or table.update is None:
            return None
        name = f"{table.name}_on_conflict"

        def fields() -> dict[str, GraphQLInputField]:
            kind = f"{table.name}_constraint"
            values = {u: GraphQLEnumValue(u, description="unique or primary key constraint") for u in sorted(uniques)}
            constraint = self.once(kind, lambda: GraphQLEnumType(kind, values))
            columns = self.columns(table, "update_column", table.update_columns())
            return {
                "constraint": GraphQLInputField(GraphQLNonNull(constraint)),
                "update_columns": GraphQLInputField(GraphQLNonNull(GraphQLList(GraphQLNonNull(columns))), default_value=[]),
                "where": GraphQLInputField(self.bool_exp(table)),
            }

        return self.once(name, lambda: GraphQLInputObjectType(name, fields))

    def response(self, table: RoleTable) -> Any:
        """`author_mutation_response`."""
        name = f"{table.name}_mutation_response"

        def fields() -> dict[str, GraphQLField]:
            found = {"affected_rows": GraphQLField(GraphQLNonNull(GraphQLInt))}
            if table.selectable:
                found["returning"] = GraphQLField(GraphQLNonNull(GraphQLList(GraphQLNonNull(self.table(table)))))
            return found

        return self.once(name, lambda: GraphQLObjectType(name, fields))

    def operators(self, table: RoleTable) -> dict[str, Any]:
        """`_set`, `_inc` and the like, as input types."""
        found: dict[str, Any] = {}
        for operator in OPERATORS:
            columns = {
                n: c
                for n, c in table.update_columns().items()
                if operator == "_set" or (c.type.real in NUMERIC if operator == "_inc" else c.type.real == "jsonb")
            }
            if not columns:
                continue
            name = f"{table.name}{operator}_input"

            def fields(operator: str = operator, columns: dict[str, Column] = columns) -> dict[str, GraphQLInputField]:
                special = {
                    "_delete_key": GraphQLString,
                    "_delete_elem": GraphQLInt,
                    "_delete_at_path": GraphQLList(GraphQLNonNull(GraphQLString)),
                }
                return {
                    n: GraphQLInputField(special.get(operator) or self.column_type(table, c)) for n, c in sorted(columns.items())
                }

            found[operator] = self.once(name, lambda name=name, fields=fields: GraphQLInputObjectType(name, fields))
        return found
