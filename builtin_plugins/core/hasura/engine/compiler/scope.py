"""One compilation's variables and parameters.

A variable is *opaque* while only its presence shapes the SQL; reading into it makes its *shape* part of the plan's
key, and reading a value that decides SQL text (an enum, a boolean of a directive) makes the *literal* part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from graphql.language import ast

from ..errors import EngineError, validation
from .values import ABSENT, FOUND, KINDS, Number, literal_value

OPAQUE, SHAPE, LITERAL = 0, 1, 2
Getter = Callable[[dict[str, Any], dict[str, str]], "str | None"]


def shape(value: Any) -> Any:
    """What of a value decides the SQL: keys, lengths, kinds and booleans, but not texts and numbers."""
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in value.items())
    if isinstance(value, list):
        return ("[", *(shape(item) for item in value))
    return value if value is None or isinstance(value, bool) else type(value)


def key_of(value: Any, level: int) -> Any:
    """A variable's share in the key of a plan."""
    if level == OPAQUE:
        return value.__class__
    if level == SHAPE:
        return shape(value)
    return orjson.dumps(value, default=repr) if value is not ABSENT else ABSENT


@dataclass(slots=True)
class Val:
    """A value at some place of an operation. `var` and `path` say which part of which variable it came from."""

    scope: Scope
    raw: Any
    var: str | None = None
    path: tuple[str | int, ...] = ()

    @property
    def kind(self) -> str:
        """absent, null, object, list, enum, string, integer, float or boolean."""
        raw = self.raw
        if raw is ABSENT:
            return "absent"
        if isinstance(raw, ast.Node):
            return AST_KINDS[type(raw)]
        return "float" if isinstance(raw, Number) else KINDS.get(type(raw), "string")

    @property
    def missing(self) -> bool:
        """True for absent and null."""
        return self.raw is ABSENT or self.raw is None or isinstance(self.raw, ast.NullValueNode)

    @property
    def found(self) -> str:
        """How messages name the kind."""
        return FOUND.get(self.kind, "nothing")

    def _mark(self, level: int) -> None:
        if self.var is not None:
            self.scope.mark(self.var, level)

    def items(self) -> list[tuple[str, Val]]:
        """The fields of an object, absent ones left out."""
        self._mark(SHAPE)
        raw = self.raw
        if isinstance(raw, ast.ObjectValueNode):
            found = [(f.name.value, self.scope.val(f.value)) for f in raw.fields]
            return [(name, val) for name, val in found if val.raw is not ABSENT]
        return [(key, Val(self.scope, item, self.var, (*self.path, key))) for key, item in raw.items()]

    def elements(self) -> list[Val]:
        """The items of a list; a lone value is a list of one, as GraphQL has it."""
        self._mark(SHAPE)
        raw = self.raw
        if isinstance(raw, ast.ListValueNode):
            return [self.scope.val(item) for item in raw.values]
        if isinstance(raw, list):
            return [Val(self.scope, item, self.var, (*self.path, index)) for index, item in enumerate(raw)]
        return [self]

    def literal(self) -> Any:
        """The plain value, when it decides SQL text."""
        self._mark(LITERAL)
        if isinstance(self.raw, ast.Node):
            for name in self.scope.names_in(self.raw):
                self.scope.mark(name, LITERAL)
            return literal_value(self.raw, self.scope.variables)
        return self.raw


AST_KINDS: dict[type, str] = {
    ast.ObjectValueNode: "object",
    ast.ListValueNode: "list",
    ast.EnumValueNode: "enum",
    ast.StringValueNode: "string",
    ast.IntValueNode: "integer",
    ast.FloatValueNode: "float",
    ast.BooleanValueNode: "boolean",
    ast.NullValueNode: "null",
}


class Scope:
    """Variables in, parameters out."""

    def __init__(self, variables: dict[str, Any], types: dict[str, str]) -> None:
        self.variables = variables
        self.types = types
        self.levels: dict[str, int] = {}
        self.used: set[str] = set()
        self.params: list[Getter] = []
        self._known: dict[Any, int] = {}

    def mark(self, name: str, level: int) -> None:
        """Note that the SQL depends on this much of a variable."""
        if level > self.levels.get(name, OPAQUE):
            self.levels[name] = level

    def val(self, node: ast.ValueNode | None) -> Val:
        """The value of an AST node."""
        if node is None:
            return Val(self, ABSENT)
        if isinstance(node, ast.VariableNode):
            name = node.name.value
            if name not in self.types:
                raise validation(f'unbound variable "{name}"')
            self.used.add(name)
            return Val(self, self.variables.get(name, ABSENT), name)
        return Val(self, node)

    def const(self, raw: Any) -> Val:
        """A value from metadata."""
        return Val(self, raw)

    def names_in(self, node: ast.Node) -> list[str]:
        """The variables inside a literal."""
        if isinstance(node, ast.VariableNode):
            self.used.add(node.name.value)
            return [node.name.value]
        if isinstance(node, ast.ObjectValueNode):
            return [name for f in node.fields for name in self.names_in(f.value)]
        if isinstance(node, ast.ListValueNode):
            return [name for item in node.values for name in self.names_in(item)]
        return []

    def expect(self, val: Val, type_name: str, path: str) -> None:
        """Refuse a variable declared with another type than the place asks for."""
        if val.var is not None and not val.path and val.var in self.types:
            declared = self.types[val.var].strip("[]!")
            if declared != type_name:
                shown = self.types[val.var]
                raise validation(f'variable "{val.var}" is declared as {shown}, but used where {type_name} is expected', path)

    def _add(self, getter: Getter, key: Any = None) -> str:
        if key is not None and key in self._known:
            return f"\x01{self._known[key]}\x01"
        self.params.append(getter)
        if key is not None:
            self._known[key] = len(self.params)
        return f"\x01{len(self.params)}\x01"

    def param(self, val: Val, encoder: Callable[[Any], str | None], tag: Any = None) -> str:
        """A placeholder for a value, encoded now for literals and on every run for variables."""
        if val.var is not None:
            name, path = val.var, val.path
            if not path:
                return self._add(lambda variables, _: encoder(variables.get(name)), (name, tag) if tag else None)

            def dig(variables: dict[str, Any], _: dict[str, str]) -> str | None:
                value: Any = variables.get(name)
                for step in path:
                    value = value[step]
                return encoder(value)

            return self._add(dig, (name, path, tag) if tag else None)
        raw = val.raw
        names = self.names_in(raw) if isinstance(raw, ast.Node) else []
        if names:
            return self._add(lambda variables, _: encoder(literal_value(raw, variables)))
        text = encoder(literal_value(raw, {}) if isinstance(raw, ast.Node) else raw)
        return self._add(lambda _v, _s: text, ("=", text))

    def session(self, name: str) -> str:
        """A placeholder for a session variable; a request without it is refused."""
        lowered = name.lower()

        def get(_: dict[str, Any], session: dict[str, str]) -> str:
            try:
                return session[lowered]
            except KeyError:
                raise EngineError("not-found", f'missing session variable: "{lowered}"') from None

        return self._add(get, ("session", lowered))

    def whole_session(self) -> str:
        """A placeholder for all session variables as JSON text."""
        return self._add(lambda _, session: orjson.dumps(session).decode(), ("session",))

    def text(self, value: str) -> str:
        """A placeholder for a text the engine knows now."""
        return self._add(lambda _v, _s: value, ("=", value))
