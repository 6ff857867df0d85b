"""What a role sees of a remote schema: all of it, or what its own SDL says, with presets it cannot see.

The directive is that of Hasura's remote schema permissions: `@preset(value: …, static: Boolean)` on an argument or input
field; a string that begins with `x-hasura-` names a session variable unless it is static.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_ast_schema,
    get_named_type,
    parse,
    validate,
    visit,
)
from graphql.language import ast

from ..compiler.values import literal_value
from ..errors import EngineError, validation

PRESET = "preset"
Presets = dict[tuple[str, str], dict[str, ast.DirectiveNode]]


@dataclass
class View:
    """A schema as one role may use it. `presets` are by type and field, then argument; input fields have the field `""`."""

    schema: GraphQLSchema
    presets: Presets = field(default_factory=dict)

    def roots(self, kind: str) -> dict[str, Any]:
        """The root fields of an operation kind."""
        root = {"query": self.schema.query_type, "mutation": self.schema.mutation_type}.get(kind)
        return root.fields if root is not None else {}

    def checked(self, document: DocumentNode, session: dict[str, str]) -> DocumentNode:
        """The operation with presets filled in; raises when it asks for what this view does not have."""
        problems = validate(self.schema, document)
        if problems:
            raise validation(problems[0].message, "$")
        if not self.presets:
            return document
        info = TypeInfo(self.schema)
        filled: DocumentNode = visit(document, TypeInfoVisitor(info, _Filler(info, self.presets, session)))
        return filled


def view_of(schema: GraphQLSchema, sdl: str | None) -> View:
    """The whole schema, or the part of it that a role's SDL describes."""
    if sdl is None:
        return View(schema)
    collector = _Collector()
    document = visit(parse(sdl, no_location=True), collector)
    return View(build_ast_schema(document, assume_valid_sdl=True), collector.found)


def permitted_sdl(remote: dict[str, Any], role: str) -> str | None:
    """The SDL of a role, or None where it has no permission."""
    for permission in remote.get("permissions") or ():
        if permission["role"] == role:
            return str((permission.get("definition") or {}).get("schema", ""))
    return None


class _Collector(Visitor):
    """Takes arguments and input fields with a preset out of an SDL, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Presets = {}
        self.type = ""
        self.field = ""

    def enter_object_type_definition(self, node: Any, *_: Any) -> None:
        self.type, self.field = node.name.value, ""

    enter_interface_type_definition = enter_input_object_type_definition = enter_object_type_definition

    def enter_field_definition(self, node: Any, *_: Any) -> None:
        self.field = node.name.value

    def enter_input_value_definition(self, node: Any, *_: Any) -> Any:
        for directive in node.directives or ():
            if directive.name.value == PRESET:
                self.found.setdefault((self.type, self.field), {})[node.name.value] = directive
                return REMOVE
        return None


class _Filler(Visitor):
    """Writes presets into an operation."""

    def __init__(self, info: TypeInfo, presets: Presets, session: dict[str, str]) -> None:
        super().__init__()
        self.info, self.presets, self.session = info, presets, session

    def leave_field(self, node: ast.FieldNode, *_: Any) -> Any:
        parent = self.info.get_parent_type()
        preset = self.presets.get((parent.name, node.name.value)) if parent is not None else None
        if not preset:
            return None
        added = tuple(ast.ArgumentNode(name=ast.NameNode(value=k), value=self._value(v)) for k, v in preset.items())
        return _copy(node, arguments=(*(node.arguments or ()), *added))

    def leave_object_value(self, node: ast.ObjectValueNode, *_: Any) -> Any:
        kind = self.info.get_input_type()
        preset = self.presets.get((get_named_type(kind).name, "")) if kind is not None else None
        if not preset:
            return None
        added = tuple(ast.ObjectFieldNode(name=ast.NameNode(value=k), value=self._value(v)) for k, v in preset.items())
        return ast.ObjectValueNode(fields=(*node.fields, *added))

    def _value(self, directive: ast.DirectiveNode) -> ast.ValueNode:
        given = {argument.name.value: argument.value for argument in directive.arguments or ()}
        static = "static" in given and literal_value(given["static"], {})
        return given["value"] if static else self._resolved(given["value"])

    def _resolved(self, value: ast.ValueNode) -> ast.ValueNode:
        if isinstance(value, ast.ObjectValueNode):
            return ast.ObjectValueNode(
                fields=tuple(ast.ObjectFieldNode(name=f.name, value=self._resolved(f.value)) for f in value.fields)
            )
        if isinstance(value, ast.ListValueNode):
            return ast.ListValueNode(values=tuple(self._resolved(item) for item in value.values))
        if isinstance(value, ast.StringValueNode) and value.value.lower().startswith("x-hasura-"):
            name = value.value.lower()
            if name not in self.session:
                raise EngineError("not-found", f'missing session variable: "{name}"')
            return ast.StringValueNode(value=self.session[name])
        return value


def _copy(node: ast.FieldNode, **changed: Any) -> ast.FieldNode:
    return ast.FieldNode(**{key: changed.get(key, getattr(node, key, None)) for key in node.keys if key != "loc"})


def readable(sdl: str) -> None:
    """Refuse an SDL that cannot be read."""
    try:
        view_of(GraphQLSchema(), sdl)
    except (GraphQLError, TypeError, KeyError) as error:
        raise EngineError("parse-failed", f"the schema of the permission cannot be read: {error}", "$.args.definition") from None
