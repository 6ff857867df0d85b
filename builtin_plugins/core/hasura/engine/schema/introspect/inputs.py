"""What operations are given: conditions and orders."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLFloat,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLString,
)

from ...compiler.aggregates import FUNCTIONS, aggregated
from ...compiler.order import DIRECTIONS
from ...db.catalog import Column, PgType
from ..roles import RoleTable
from ..scalars import CASTS, comparison_name, graphql_name, operators
from .scalars import Scalars


class Inputs(Scalars):
    """`…_bool_exp`, `…_comparison_exp`, `…_order_by`."""

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
