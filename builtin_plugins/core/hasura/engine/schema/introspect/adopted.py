"""Types of a remote schema among our own: scalars are shared by name, and the first type of a name stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
)

if TYPE_CHECKING:
    from .scalars import Scalars


def adopt_field(types: Scalars, field: GraphQLField) -> GraphQLField:
    """A field whose types are ours or have become so."""
    arguments = {
        name: GraphQLArgument(adopt(types, a.type), default_value=a.default_value, description=a.description)
        for name, a in field.args.items()
    }
    reason = field.deprecation_reason
    return GraphQLField(adopt(types, field.type), arguments, description=field.description, deprecation_reason=reason)


def adopt(types: Scalars, kind: Any) -> Any:
    """A type of a remote schema as one of ours."""
    if isinstance(kind, GraphQLNonNull):
        return GraphQLNonNull(adopt(types, kind.of_type))
    if isinstance(kind, GraphQLList):
        return GraphQLList(adopt(types, kind.of_type))
    if isinstance(kind, GraphQLScalarType):
        return types.scalar(kind.name)
    return types.once(kind.name, lambda: _made(types, kind))


def _made(types: Scalars, kind: Any) -> Any:
    described = {"description": kind.description}
    if isinstance(kind, GraphQLInputObjectType):
        return GraphQLInputObjectType(
            kind.name,
            lambda: {
                name: GraphQLInputField(adopt(types, f.type), default_value=f.default_value, description=f.description)
                for name, f in kind.fields.items()
            },
            **described,
        )
    if isinstance(kind, GraphQLUnionType):
        return GraphQLUnionType(kind.name, lambda: [adopt(types, member) for member in kind.types], **described)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        return type(kind)(
            kind.name,
            lambda: {name: adopt_field(types, f) for name, f in kind.fields.items()},
            interfaces=lambda: [adopt(types, interface) for interface in kind.interfaces],
            **described,
        )
    return kind
