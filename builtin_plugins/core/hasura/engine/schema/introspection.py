"""The role's schema as graphql-core types, built only when someone introspects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from ..compiler.aggregates import FUNCTIONS, aggregated
from ..compiler.order import DIRECTIONS
from ..compiler.update import OPERATORS
from ..db.catalog import Column, PgType
from .model import Call
from .roles import RoleSchema, RoleTable, Root
from .scalars import CASTS, JSONS, NUMERIC, comparison_name, graphql_name, is_list, operators

BUILTIN = {"Int": GraphQLInt, "Float": GraphQLFloat, "String": GraphQLString, "Boolean": GraphQLBoolean}


class Types:
    """Makes each named type once."""

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

    # objects ------------------------------------------------------------------------------------

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

    def columns(self, table: RoleTable, suffix: str, names: Any = None) -> Any:
        """An enum of column names."""
        name = f"{table.name}_{suffix}"
        listed = sorted(table.fields if names is None else names)
        values = {item: GraphQLEnumValue(item, description="column name") for item in listed} or {"_PLACEHOLDER": None}
        return self.once(name, lambda: GraphQLEnumType(name, values))

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

    # inputs -------------------------------------------------------------------------------------

    def bool_exp(self, table: RoleTable) -> Any:
        """`author_bool_exp`."""
        name = f"{table.name}_bool_exp"

        def fields() -> dict[str, GraphQLInputField]:
            this = self.made[name]
            many = GraphQLList(GraphQLNonNull(this))
            found = {"_and": GraphQLInputField(many), "_not": GraphQLInputField(this), "_or": GraphQLInputField(many)}
            for shown, column in table.fields.items():
                found[shown] = GraphQLInputField(self.comparison(table, column))
            for shown in table.tracked.relationships:
                link = self.role.relationship(table, shown)
                if link is not None:
                    found[shown] = GraphQLInputField(self.bool_exp(link[1]))
            for shown in table.computed:
                computed = self.role.computed_field(table, shown)
                if computed is None or any(not argument.has_default for _, argument, _ in computed.call.inputs):
                    continue
                target = self.role.table(computed.table) if computed.table else None
                kind = self.bool_exp(target) if target else self._comparison(computed.call.function.returns)
                found[shown] = GraphQLInputField(kind)
            return dict(sorted(found.items()))

        described = f"Boolean expression to filter rows from the table \"{table.tracked.table.name}\". All fields are combined with a logical 'AND'."  # noqa: E501
        return self.once(name, lambda: GraphQLInputObjectType(name, fields, description=described))

    def comparison(self, table: RoleTable, column: Column) -> Any:
        """The comparison input of a column."""
        kind = self.column_type(table, column)
        if not isinstance(kind, GraphQLEnumType):
            return self._comparison(column.type)
        name = f"{kind.name}_comparison_exp"
        listed = GraphQLList(GraphQLNonNull(kind))
        fields = {op: GraphQLInputField(listed if op in ("_in", "_nin") else kind) for op in ("_eq", "_in", "_neq", "_nin")}
        fields["_is_null"] = GraphQLInputField(GraphQLBoolean)
        return self.once(name, lambda: GraphQLInputObjectType(name, dict(sorted(fields.items()))))

    def _comparison(self, pg_type: PgType) -> Any:
        name = comparison_name(pg_type)

        def fields() -> dict[str, GraphQLInputField]:
            kind = self.of(pg_type)
            found: dict[str, GraphQLInputField] = {}
            for operator in operators(pg_type):
                if operator == "_is_null":
                    value: Any = GraphQLBoolean
                elif operator in ("_in", "_nin"):
                    value = GraphQLList(GraphQLNonNull(kind))
                elif operator == "_has_key":
                    value = GraphQLString
                elif operator in ("_has_keys_any", "_has_keys_all"):
                    value = GraphQLList(GraphQLNonNull(GraphQLString))
                elif operator.startswith("_matches"):
                    other = self.scalar("ltxtquery" if operator.endswith("fulltext") else "lquery")
                    value = GraphQLList(GraphQLNonNull(other)) if operator.endswith("_any") else other
                elif operator in ("_ancestor_any", "_descendant_any"):
                    value = GraphQLList(GraphQLNonNull(kind))
                elif operator.endswith("d_within"):
                    value = self._within(pg_type, kind)
                else:
                    value = kind
                found[operator] = GraphQLInputField(value)
            if pg_type.name in CASTS:
                target = CASTS[pg_type.name]
                cast_name = f"{pg_type.name}_cast_exp"
                inner = self._comparison(PgType(target[1], target[1]))
                found["_cast"] = GraphQLInputField(
                    self.once(cast_name, lambda: GraphQLInputObjectType(cast_name, {target[0]: GraphQLInputField(inner)}))
                )
            return dict(sorted(found.items()))

        described = f"Boolean expression to compare columns of type \"{graphql_name(pg_type)}\". All fields are combined with logical 'AND'."  # noqa: E501
        return self.once(name, lambda: GraphQLInputObjectType(name, fields, description=described))

    def _within(self, pg_type: PgType, kind: Any) -> Any:
        name = f"st_d_within_{'geography_' if pg_type.name == 'geography' else ''}input"
        fields = {
            "distance": GraphQLInputField(GraphQLNonNull(GraphQLFloat)),
            "from": GraphQLInputField(GraphQLNonNull(kind)),
        }
        return self.once(name, lambda: GraphQLInputObjectType(name, fields))

    def direction(self) -> Any:
        """The `order_by` enum."""
        values = {name: GraphQLEnumValue(name, description=text.lower()) for name, text in DIRECTIONS.items()}
        return self.once("order_by", lambda: GraphQLEnumType("order_by", values, description="column ordering options"))

    def order_by(self, table: RoleTable) -> Any:
        """`author_order_by`."""
        name = f"{table.name}_order_by"

        def fields() -> dict[str, GraphQLInputField]:
            found = {shown: GraphQLInputField(self.direction()) for shown in table.fields}
            for shown in table.tracked.relationships:
                link = self.role.relationship(table, shown)
                if link is not None and not link[0].array:
                    found[shown] = GraphQLInputField(self.order_by(link[1]))
                elif link is not None and link[1].aggregates:
                    found[f"{shown}_aggregate"] = GraphQLInputField(self._aggregate_order(link[1]))
            return dict(sorted(found.items())) or {"_PLACEHOLDER": GraphQLInputField(self.direction())}

        described = f'Ordering options when selecting data from "{table.tracked.table.name}".'
        return self.once(name, lambda: GraphQLInputObjectType(name, fields, description=described))

    def _aggregate_order(self, table: RoleTable) -> Any:
        name = f"{table.name}_aggregate_order_by"

        def fields() -> dict[str, GraphQLInputField]:
            found = {"count": GraphQLInputField(self.direction())}
            for function in FUNCTIONS:
                columns = [n for n, c in sorted(table.fields.items()) if aggregated(c, function)]
                if columns:
                    inner = f"{table.name}_{function}_order_by"
                    made = self.once(
                        inner,
                        lambda inner=inner, columns=columns: GraphQLInputObjectType(
                            inner, {n: GraphQLInputField(self.direction()) for n in columns}
                        ),
                    )
                    found[function] = GraphQLInputField(made)
            return dict(sorted(found.items()))

        return self.once(name, lambda: GraphQLInputObjectType(name, fields))

    # mutations ----------------------------------------------------------------------------------

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
        from ..remote.custom_types import action_field

        return action_field(self, root)


def graphql_schema(role: RoleSchema) -> GraphQLSchema:
    """The whole schema of a role."""
    types = Types(role)

    def fields(roots: dict[str, Root]) -> dict[str, GraphQLField]:
        made = {name: types.root(root) for name, root in roots.items()}
        return dict(sorted((name, field) for name, field in made.items() if field is not None))

    queries = fields(role.queries) or {"no_queries_available": GraphQLField(GraphQLNonNull(GraphQLString))}
    mutations, subscriptions = fields(role.mutations), fields(role.subscriptions)
    return GraphQLSchema(
        GraphQLObjectType("query_root", queries),
        GraphQLObjectType("mutation_root", mutations) if mutations else None,
        GraphQLObjectType("subscription_root", subscriptions) if subscriptions else None,
        assume_valid=True,
    )
