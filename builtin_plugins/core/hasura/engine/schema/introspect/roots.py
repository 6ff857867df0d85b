"""The root fields, and the whole schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
)

from ..roles import RoleSchema, RoleTable, Root
from .adopted import adopt_field
from .mutations import Mutations


class Types(Mutations):
    """All types of a role."""

    def root(self, root: Root) -> GraphQLField | None:
        """A root field."""
        table = root.table
        if root.kind == "action":
            return self._action(root)
        if table is None:
            return GraphQLField(GraphQLString)
        rows = lambda: GraphQLNonNull(GraphQLList(GraphQLNonNull(self.table(table))))  # noqa: E731
        where = {"where": GraphQLArgument(GraphQLNonNull(self.bool_exp(table)))}
        kind: Any
        arguments: dict[str, GraphQLArgument]
        if root.kind == "select":
            kind, arguments = rows(), self.row_arguments(table)
        elif root.kind == "select_aggregate":
            kind, arguments = GraphQLNonNull(self.aggregate(table)), self.row_arguments(table)
        elif root.kind in ("select_by_pk", "delete_by_pk"):
            kind, arguments = self.table(table), {n: GraphQLArgument(t) for n, t in self._keys(table).items()}
        elif root.kind == "select_stream":
            kind, arguments = rows(), self._stream(table)
        elif root.kind in ("function", "function_aggregate"):
            assert root.function is not None  # noqa: S101 - functions carry theirs
            kind = self.table(table) if not root.function.function.returns_set else rows()
            kind = GraphQLNonNull(self.aggregate(table)) if root.kind == "function_aggregate" else kind
            arguments = self.function_arguments(root.function.call) | self.row_arguments(table)
        elif root.kind in ("insert", "insert_one"):
            one = root.kind == "insert_one"
            data = GraphQLNonNull(self.insert_input(table))
            kind = self.table(table) if one else self.response(table)
            arguments = (
                {"object": GraphQLArgument(data)} if one else {"objects": GraphQLArgument(GraphQLNonNull(GraphQLList(data)))}
            )
            conflict = self.on_conflict(table)
            if conflict is not None:
                arguments["on_conflict"] = GraphQLArgument(conflict)
        elif root.kind == "delete":
            kind, arguments = self.response(table), where
        else:
            kind, arguments = self._update(root, table, where)
        return GraphQLField(kind, arguments, description=root.description)

    def _keys(self, table: RoleTable) -> dict[str, Any]:
        key = table.tracked.table.primary_key
        by_name = table.tracked.table.by_name
        return {table.tracked.columns[c]: GraphQLNonNull(self.column_type(table, by_name[c])) for c in key}

    def _update(self, root: Root, table: RoleTable, where: dict[str, GraphQLArgument]) -> tuple[Any, dict[str, GraphQLArgument]]:
        operators = {name: GraphQLArgument(kind) for name, kind in self.operators(table).items()}
        if root.kind == "update":
            return self.response(table), operators | where
        if root.kind == "update_by_pk":
            name = f"{table.name}_pk_columns_input"
            keys = {n: GraphQLInputField(t) for n, t in self._keys(table).items()}
            made = self.once(name, lambda: GraphQLInputObjectType(name, keys))
            return self.table(table), operators | {"pk_columns": GraphQLArgument(GraphQLNonNull(made))}
        name = f"{table.name}_updates"
        fields = {n: GraphQLInputField(k) for n, k in self.operators(table).items()}
        fields["where"] = GraphQLInputField(GraphQLNonNull(self.bool_exp(table)))
        made = self.once(name, lambda: GraphQLInputObjectType(name, fields))
        updates = GraphQLArgument(GraphQLNonNull(GraphQLList(GraphQLNonNull(made))))
        return GraphQLList(self.response(table)), {"updates": updates}

    def _stream(self, table: RoleTable) -> dict[str, GraphQLArgument]:
        order = self.once("cursor_ordering", lambda: GraphQLEnumType("cursor_ordering", {"ASC": None, "DESC": None}))
        value_name = f"{table.name}_stream_cursor_value_input"
        values = {n: GraphQLInputField(self.of(c.type)) for n, c in sorted(table.fields.items())}
        value = self.once(value_name, lambda: GraphQLInputObjectType(value_name, values or {"_": GraphQLInputField(GraphQLInt)}))
        name = f"{table.name}_streaming_cursor_input" if table.name else ""
        fields = {"initial_value": GraphQLInputField(GraphQLNonNull(value)), "ordering": GraphQLInputField(order)}
        cursor = self.once(name, lambda: GraphQLInputObjectType(name, fields))
        return {
            "batch_size": GraphQLArgument(GraphQLNonNull(GraphQLInt)),
            "cursor": GraphQLArgument(GraphQLNonNull(GraphQLList(cursor))),
            "where": GraphQLArgument(self.bool_exp(table)),
        }

    def _action(self, root: Root) -> GraphQLField:
        from ...remote.custom_types import action_field

        return action_field(self, root)


def graphql_schema(role: RoleSchema, remote: dict[str, dict[str, GraphQLField]] | None = None) -> GraphQLSchema:
    """The whole schema of a role. `remote` are root fields of other schemas, by kind of operation."""
    types = Types(role)
    adopted = {kind: {name: adopt_field(types, field) for name, field in found.items()} for kind, found in (remote or {}).items()}

    def fields(roots: Mapping[str, Root]) -> dict[str, GraphQLField]:
        made = {name: types.root(root) for name, root in roots.items()}
        return dict(sorted((name, field) for name, field in made.items() if field is not None))

    queries = {**adopted.get("query", {}), **fields(role.queries)} or {
        "no_queries_available": GraphQLField(GraphQLNonNull(GraphQLString))
    }
    mutations = {**adopted.get("mutation", {}), **fields(role.mutations)}
    subscriptions = fields(role.subscriptions)
    return GraphQLSchema(
        GraphQLObjectType("query_root", queries),
        GraphQLObjectType("mutation_root", mutations) if mutations else None,
        GraphQLObjectType("subscription_root", subscriptions) if subscriptions else None,
        assume_valid=True,
    )
