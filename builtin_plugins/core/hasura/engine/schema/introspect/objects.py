"""What operations answer: rows and aggregates."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from ...compiler.aggregates import FUNCTIONS, aggregated
from ...db.catalog import Column
from ..model import Call
from ..roles import RoleTable
from ..scalars import JSONS
from .inputs import Inputs


class Objects(Inputs):
    """A table's row type and its aggregates."""

    def table(self, table: RoleTable) -> Any:
        """A table's object type."""
        comment = table.tracked.config.get("comment")
        if comment is None:
            comment = table.tracked.table.comment or f'columns and relationships of "{table.tracked.table.name}"'
        return self.once(
            table.name,
            lambda: GraphQLObjectType(table.name, lambda: self._fields(table), description=comment or None),
        )

    def _fields(self, table: RoleTable) -> dict[str, GraphQLField]:
        found: dict[str, GraphQLField] = {}
        for name, column in table.fields.items():
            kind = self.column_type(table, column)
            arguments = {"path": GraphQLArgument(GraphQLString)} if column.type.real in JSONS else {}
            nullable = column.nullable or bool(table.guards(column.name))
            found[name] = GraphQLField(kind if nullable else GraphQLNonNull(kind), arguments, description=column.comment)
        for name in table.tracked.relationships:
            link = self.role.relationship(table, name)
            if link is None:
                continue
            relationship, target = link
            if relationship.array:
                rows = GraphQLNonNull(GraphQLList(GraphQLNonNull(self.table(target))))
                found[name] = GraphQLField(rows, self.row_arguments(target), description=relationship.comment)
                if target.aggregates:
                    found[f"{name}_aggregate"] = GraphQLField(GraphQLNonNull(self.aggregate(target)), self.row_arguments(target))
            else:
                kind = self.table(target)
                certain = not relationship.nullable and not target.filters
                found[name] = GraphQLField(GraphQLNonNull(kind) if certain else kind, description=relationship.comment)
        for name in table.computed:
            computed = self.role.computed_field(table, name)
            if computed is None:
                continue
            arguments = self.function_arguments(computed.call)
            if computed.table is None:
                kind = self.of(computed.call.function.returns)
            else:
                target = self.role.table(computed.table)
                assert target is not None  # noqa: S101 - computed_field has looked
                kind = self.table(target)
                if computed.call.function.returns_set:
                    kind = GraphQLList(GraphQLNonNull(kind))
                    arguments |= self.row_arguments(target)
            found[name] = GraphQLField(kind, arguments, description=computed.comment)
        return dict(sorted(found.items()))

    def function_arguments(self, call: Call) -> dict[str, GraphQLArgument]:
        """The `args` argument of a function."""
        if not call.inputs:
            return {}
        name = f"{call.function.name}_args"
        made = self.once(
            name,
            lambda: GraphQLInputObjectType(
                name, {shown: GraphQLInputField(self.of(argument.type)) for _, argument, shown in call.inputs}
            ),
        )
        needed = any(not argument.has_default for _, argument, _ in call.inputs)
        return {"args": GraphQLArgument(GraphQLNonNull(made) if needed else made)}

    def row_arguments(self, table: RoleTable) -> dict[str, GraphQLArgument]:
        """where, order_by, limit, offset and distinct_on."""
        found = {
            "limit": GraphQLArgument(GraphQLInt),
            "offset": GraphQLArgument(GraphQLInt),
            "order_by": GraphQLArgument(GraphQLList(GraphQLNonNull(self.order_by(table)))),
            "where": GraphQLArgument(self.bool_exp(table)),
        }
        if table.fields:
            found["distinct_on"] = GraphQLArgument(GraphQLList(GraphQLNonNull(self.columns(table, "select_column"))))
        return dict(sorted(found.items()))

    def aggregate(self, table: RoleTable) -> Any:
        """`author_aggregate`."""
        name = f"{table.name}_aggregate"

        def fields() -> dict[str, GraphQLField]:
            nodes = GraphQLNonNull(GraphQLList(GraphQLNonNull(self.table(table))))
            return {"aggregate": GraphQLField(self._aggregate_fields(table)), "nodes": GraphQLField(nodes)}

        return self.once(
            name, lambda: GraphQLObjectType(name, fields, description=f'aggregated selection of "{table.tracked.table.name}"')
        )

    def _aggregate_fields(self, table: RoleTable) -> Any:
        name = f"{table.name}_aggregate_fields"

        def fields() -> dict[str, GraphQLField]:
            arguments = {"distinct": GraphQLArgument(GraphQLBoolean)}
            if table.fields:
                arguments["columns"] = GraphQLArgument(GraphQLList(GraphQLNonNull(self.columns(table, "select_column"))))
            found = {"count": GraphQLField(GraphQLNonNull(GraphQLInt), arguments)}
            for function in FUNCTIONS:
                columns = {n: c for n, c in table.fields.items() if aggregated(c, function)}
                if columns:
                    found[function] = GraphQLField(self._function_fields(table, function, columns))
            return dict(sorted(found.items()))

        return self.once(
            name, lambda: GraphQLObjectType(name, fields, description=f'aggregate fields of "{table.tracked.table.name}"')
        )

    def _function_fields(self, table: RoleTable, function: str, columns: dict[str, Column]) -> Any:
        name = f"{table.name}_{function}_fields"
        same = function in ("max", "min", "sum")
        fields = {n: GraphQLField(self.of(c.type) if same else GraphQLFloat) for n, c in sorted(columns.items())}
        return self.once(name, lambda: GraphQLObjectType(name, fields, description=f"aggregate {function} on columns"))
