"""Fields of a selection set: fragments spread, directives applied, duplicates merged, all within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql.language import ast

from ..errors import validation
from .scope import Scope, Val

MAX_FIELDS = 50_000


@dataclass(slots=True)
class Field:
    """One field to answer: its response key, its name, its arguments and what is selected below it."""

    alias: str
    name: str
    node: ast.FieldNode
    sets: list[ast.SelectionSetNode] = field(default_factory=list)


class Collector:
    """Collects the fields of an operation; counts them, so that fragments cannot multiply without end."""

    def __init__(self, fragments: dict[str, ast.FragmentDefinitionNode], scope: Scope) -> None:
        self.fragments = fragments
        self.scope = scope
        self.count = 0
        self.cached_directives: set[str] = set()

    def collect(self, sets: list[ast.SelectionSetNode], type_name: str, path: str) -> list[Field]:
        """The merged fields of these selection sets, in order."""
        found: dict[str, Field] = {}
        for selection_set in sets:
            self._into(found, selection_set, type_name, path, ())
        if not found:
            return []
        return list(found.values())

    def _into(
        self, found: dict[str, Field], selection_set: ast.SelectionSetNode, type_name: str, path: str, spread: tuple[str, ...]
    ) -> None:
        for selection in selection_set.selections:
            self.count += 1
            if self.count > MAX_FIELDS:
                raise validation("the operation selects too many fields")
            if selection.directives and not self._included(selection.directives, path):
                continue
            if isinstance(selection, ast.FieldNode):
                self._add(found, selection, path)
            elif isinstance(selection, ast.InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or condition.name.value == type_name:
                    self._into(found, selection.selection_set, type_name, path, spread)
            elif isinstance(selection, ast.FragmentSpreadNode):
                name = selection.name.value
                if name in spread:
                    raise validation(f"the fragment definition(s) {name} form a cycle", path)
                fragment = self.fragments.get(name)
                if fragment is None:
                    raise validation(f'reference to undefined fragment "{name}"', path)
                if fragment.type_condition.name.value == type_name:
                    self._into(found, fragment.selection_set, type_name, path, (*spread, name))

    def _add(self, found: dict[str, Field], node: ast.FieldNode, path: str) -> None:
        alias = node.alias.value if node.alias else node.name.value
        known = found.get(alias)
        if known is None:
            known = found[alias] = Field(alias, node.name.value, node)
        elif known.name != node.name.value or not _same_arguments(known.node, node):
            raise validation(
                f"selection of both '{known.name}' and '{node.name.value}' specify the same response name, '{alias}'", path
            )
        if node.selection_set is not None:
            known.sets.append(node.selection_set)

    def _included(self, directives: tuple[ast.DirectiveNode, ...] | list[ast.DirectiveNode], path: str) -> bool:
        keep = True
        for directive in directives:
            name = directive.name.value
            if name == "cached":
                continue
            if name not in ("include", "skip"):
                raise validation(f'directive "{name}" is not defined in the schema', path)
            argument = next((a for a in directive.arguments or () if a.name.value == "if"), None)
            if argument is None:
                raise validation(f'missing required argument "if" of directive "{name}"', path)
            value = self.scope.val(argument.value)
            if value.kind != "boolean":
                raise validation(f'expected a boolean for type "Boolean", but found {value.found}', path)
            if value.literal() is (name == "skip"):
                keep = False
        return keep

    def arguments(self, node: ast.FieldNode, allowed: Any, path: str) -> dict[str, Val]:
        """Arguments by name, absent ones left out; an unknown one is refused."""
        found: dict[str, Val] = {}
        for argument in node.arguments or ():
            name = argument.name.value
            if name not in allowed:
                raise validation(f'"{node.name.value}" has no argument named "{name}"', path)
            value = self.scope.val(argument.value)
            if value.kind != "absent":
                found[name] = value
        return found


def _same_arguments(one: ast.FieldNode, other: ast.FieldNode) -> bool:
    if one is other or (not one.arguments and not other.arguments):
        return True
    return {a.name.value: a.value for a in one.arguments} == {a.name.value: a.value for a in other.arguments}
