"""A request's text: parsed within bounds, its operation chosen, its variables coerced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, parse, print_ast
from graphql.language import ast

from ..errors import validation
from .values import ABSENT, literal_value

MAX_NESTING = 500
MAX_TOKENS = 100_000
MAX_TEXT = 2_000_000
OPEN, CLOSE = frozenset("{[("), frozenset("}])")


@dataclass(slots=True)
class Document:
    """One operation with the fragments it may use."""

    operation: ast.OperationDefinitionNode
    fragments: dict[str, ast.FragmentDefinitionNode]
    types: dict[str, str]
    defaults: dict[str, Any]

    @property
    def kind(self) -> str:
        """query, mutation or subscription."""
        return self.operation.operation.value

    @property
    def name(self) -> str | None:
        """The operation's name."""
        return self.operation.name.value if self.operation.name else None

    def coerce(self, given: dict[str, Any]) -> dict[str, Any]:
        """The variables of one request: defaults filled in, unknown and missing ones refused."""
        if not self.types and not given:
            return given
        path = "$.variableValues"
        extra = [name for name in given if name not in self.types]
        if extra:
            raise validation(f"unexpected variables in variableValues: {', '.join(extra)}", path)
        found = dict(given)
        for name, declared in self.types.items():
            if name not in found and name in self.defaults:
                found[name] = self.defaults[name]
            if declared.endswith("!") and found.get(name, ABSENT) in (ABSENT, None):
                raise validation(f'expecting a value for non-nullable variable: "{name}"', path)
        return found


def too_deep(text: str) -> bool:
    """A cheap look at bracket nesting, before the recursive parser sees the text."""
    depth = 0
    for char in text:
        if char in OPEN:
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif char in CLOSE:
            depth -= 1
    return False


def read(text: str, operation_name: str | None) -> Document:
    """Parse and choose; raises the errors clients know."""
    if len(text) > MAX_TEXT:
        raise validation("not a valid graphql query: the text is too long", "$.query")
    if too_deep(text):
        raise validation("not a valid graphql query: nested too deeply", "$.query")
    try:
        parsed = parse(text, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError):
        raise validation("not a valid graphql query", "$.query") from None
    operations = [d for d in parsed.definitions if isinstance(d, ast.OperationDefinitionNode)]
    fragments = {d.name.value: d for d in parsed.definitions if isinstance(d, ast.FragmentDefinitionNode)}
    operation = _choose(operations, operation_name)
    types: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        types[name] = print_ast(definition.type)
        if definition.default_value is not None:
            defaults[name] = literal_value(definition.default_value, {})
    return Document(operation, fragments, types, defaults)


def _choose(operations: list[ast.OperationDefinitionNode], name: str | None) -> ast.OperationDefinitionNode:
    if name:
        for operation in operations:
            if operation.name is not None and operation.name.value == name:
                return operation
        raise validation(f'no such operation found in the document: "{name}"')
    if len(operations) == 1:
        return operations[0]
    if not operations:
        raise validation("exactly one operation has to be present in the document when operationName is not specified")
    raise validation("exactly one operation has to be present in the document when operationName is not specified")
