"""The types of actions, from the metadata's `custom_types`."""

from __future__ import annotations

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
)


def typed(types: Any, text: str, custom: dict[str, Any], *, is_input: bool) -> Any:
    """`[Name!]!` as a type."""
    text = text.strip()
    if text.endswith("!"):
        return GraphQLNonNull(typed(types, text[:-1], custom, is_input=is_input))
    if text.startswith("["):
        return GraphQLList(typed(types, text[1:-1], custom, is_input=is_input))
    for kind, section in (("enum", "enums"), ("input", "input_objects"), ("object", "objects")):
        for definition in custom.get(section) or ():
            if definition["name"] == text:
                return types.once(text, lambda d=definition, k=kind: _make(types, d, k, custom))
    return types.scalar(text)


def _make(types: Any, definition: dict[str, Any], kind: str, custom: dict[str, Any]) -> Any:
    name = definition["name"]
    described = definition.get("description")
    if kind == "enum":
        return GraphQLEnumType(name, {v["value"]: v["value"] for v in definition["values"]}, description=described)
    if kind == "input":
        return GraphQLInputObjectType(
            name,
            lambda: {f["name"]: GraphQLInputField(typed(types, f["type"], custom, is_input=True)) for f in definition["fields"]},
            description=described,
        )
    return GraphQLObjectType(
        name,
        lambda: {f["name"]: GraphQLField(typed(types, f["type"], custom, is_input=False)) for f in definition["fields"]},
        description=described,
    )


def action_field(types: Any, root: Any) -> GraphQLField:
    """An action as a root field."""
    custom = types.role.schema.custom_types
    definition = root.extra["definition"]
    arguments = {
        a["name"]: GraphQLArgument(typed(types, a["type"], custom, is_input=True)) for a in definition.get("arguments") or ()
    }
    kind = typed(types, definition["output_type"], custom, is_input=False)
    if definition.get("kind") == "asynchronous":
        kind = GraphQLNonNull(types.scalar("uuid"))
    return GraphQLField(kind, arguments, description=root.description)
