"""Kriti, the template language of Hasura's request and response transforms, as its README describes it.

A template is JSON in which `{{ … }}` stands for a value, inside a string for text, and which may branch and repeat:
`{{ if e }} v {{ elif e }} v {{ else }} v {{ end }}`, `{{ range i, x := e }} v {{ end }}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

Scope = Mapping[str, Any]
Node = Callable[[Scope], Any]

MAX_TEXT = 200_000
TOKEN = re.compile(
    r"""\s*(?:(?P<mark>\{\{|\}\}|:=|\?\?|&&|\|\||[=!<>]=|\?\.|\?\[|[{}\[\](),:.<>?])|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<name>\$?[A-Za-z_][A-Za-z0-9_]*|\$)|(?P<double>"(?:\\.|[^"\\])*")|(?P<single>'(?:\\.|[^'\\])*'))"""
)
HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
LITERALS = {"true": True, "false": False, "null": None}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "escapeUri": lambda value: quote(str(value), safe=""),
    "head": lambda value: value[0],
    "tail": lambda value: value[1:],
    "length": len,
    "inverse": lambda value: not value if isinstance(value, bool) else value[::-1],
    "not": lambda value: not value,
    "toLower": lambda value: value.lower(),
    "toUpper": lambda value: value.upper(),
    "toTitle": lambda value: value.title(),
    "toJson": lambda value: orjson.dumps(value).decode(),
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
}
MISSING = object()


class TemplateError(Exception):
    """A template that cannot be read, or that asks for what is not there."""


@lru_cache(maxsize=500)
def compiled(text: str) -> Node:
    """A JSON template, ready to be filled in."""
    if len(text) > MAX_TEXT:
        raise TemplateError("the template is too long")
    reader = _Reader(text)
    try:
        node = reader.value()
    except RecursionError:
        raise TemplateError("the template is nested too deeply") from None
    reader.end()
    return node


@lru_cache(maxsize=500)
def text_template(text: str) -> Node:
    """A text with holes, such as that of an address."""
    parts = HOLE.split(text)
    nodes = [_expression(part) if number % 2 else (lambda _, part=part: part) for number, part in enumerate(parts)]
    return lambda scope: "".join(_text(node(scope)) for node in nodes)


def _expression(text: str) -> Node:
    reader = _Reader(text)
    node = reader.expression()
    reader.end()
    return node


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class _Reader:
    """Recursive descent; every rule answers a function of the scope."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.kind, self.word = "", ""
        self.next()

    def next(self) -> str:
        """Step on; answers the token stepped over."""
        stepped = self.word
        match = TOKEN.match(self.text, self.place)
        if match is None:
            if self.text[self.place :].strip():
                raise TemplateError(f"unexpected {self.text[self.place :].strip()[:20]!r}")
            self.kind = self.word = ""
        else:
            self.place = match.end()
            self.kind = str(match.lastgroup)
            self.word = match[self.kind]
        return stepped

    def expect(self, token: str) -> None:
        if self.word != token:
            raise TemplateError(f"expected {token}, found {self.word or 'the end'}")
        self.next()

    def end(self) -> None:
        if self.word:
            raise TemplateError(f"unexpected {self.word}")

    def value(self) -> Node:
        if self.word == "{{":
            return self.hole()
        if self.word == "{":
            return self.object()
        if self.word == "[":
            return self.array()
        if self.kind == "double":
            return text_template(orjson.loads(self.next()))
        return self.literal()

    def literal(self) -> Node:
        kind, token = self.kind, self.next()
        if kind == "number" or token in LITERALS:
            found = orjson.loads(token)
        elif kind == "single":
            found = token[1:-1].replace("\\'", "'").replace("\\\\", "\\")
        elif kind == "double":
            found = orjson.loads(token)
        else:
            raise TemplateError(f"unexpected {token or 'end'}")
        return lambda _: found

    def object(self) -> Node:
        self.expect("{")
        pairs: list[tuple[Node, Node]] = []
        while self.word != "}":
            if pairs:
                self.expect(",")
            if self.kind != "double":
                raise TemplateError("expected a name in double quotes")
            name = text_template(orjson.loads(self.next()))
            self.expect(":")
            pairs.append((name, self.value()))
        self.next()
        return lambda scope: {name(scope): value(scope) for name, value in pairs}

    def array(self) -> Node:
        self.expect("[")
        items: list[Node] = []
        while self.word != "]":
            if items:
                self.expect(",")
            items.append(self.value())
        self.next()
        return lambda scope: [item(scope) for item in items]

    def hole(self) -> Node:
        self.expect("{{")
        if self.word == "if":
            return self.branches()
        if self.word == "range":
            return self.loop()
        node = self.expression()
        self.expect("}}")
        return node

    def branches(self) -> Node:
        self.next()
        condition = self.expression()
        self.expect("}}")
        then = self.value()
        self.expect("{{")
        if self.word == "elif":
            otherwise = self.branches()
            return lambda scope: then(scope) if condition(scope) else otherwise(scope)
        self.expect("else")
        self.expect("}}")
        otherwise = self.value()
        self.expect("{{")
        self.expect("end")
        self.expect("}}")
        return lambda scope: then(scope) if condition(scope) else otherwise(scope)

    def loop(self) -> Node:
        self.next()
        names = [self.next()]
        if self.word == ",":
            self.next()
            names.append(self.next())
        self.expect(":=")
        items = self.expression()
        self.expect("}}")
        body = self.value()
        self.expect("{{")
        self.expect("end")
        self.expect("}}")
        index, name = names if len(names) == 2 else ("_", names[0])
        return lambda scope: [body({**scope, index: i, name: item}) for i, item in enumerate(items(scope))]

    def expression(self) -> Node:
        node = self.comparison()
        while self.word in ("??", "&&", "||"):
            operator, left = self.next(), node
            node = _joined(operator, left, self.comparison())
        return _present(node)

    def comparison(self) -> Node:
        left = self.term()
        if self.word not in COMPARE:
            return left
        compare, right = COMPARE[self.next()], self.term()
        return lambda scope: compare(_sure(left(scope)), _sure(right(scope)))

    def term(self) -> Node:
        if self.word == "(":
            self.next()
            node = self.expression()
            self.expect(")")
            return node
        if self.kind != "name" or self.word in LITERALS:
            return self.value() if self.word in ("{", "[") else self.literal()
        name = self.next()
        if name == "getSessionVariable" or name in FUNCTIONS:
            argument = self.term()
            if name == "getSessionVariable":
                return lambda scope: scope["$session_variables"][str(argument(scope)).lower()]
            function = FUNCTIONS[name]
            return lambda scope: function(_sure(argument(scope)))
        return self.path(name)

    def path(self, name: str) -> Node:
        steps: list[tuple[Node, bool]] = []
        while self.word in (".", "?.", "[", "?["):
            mark = self.next()
            if mark.endswith("."):
                step = self.next()
                steps.append((lambda _, step=step: step, mark.startswith("?")))
            else:
                steps.append((self.expression(), mark.startswith("?")))
                self.expect("]")

        def walk(scope: Scope) -> Any:
            if name not in scope:
                raise TemplateError(f"{name} is not known")
            found = scope[name]
            for step, optional in steps:
                key = step(scope)
                try:
                    found = found[key]
                except (KeyError, IndexError, TypeError):
                    if optional:
                        return MISSING
                    raise TemplateError(f"{name} has no {key!r}") from None
            return found

        return walk


def _joined(operator: str, left: Node, right: Node) -> Node:
    if operator == "??":
        return lambda scope: right(scope) if (found := left(scope)) is MISSING or found is None else found
    if operator == "&&":
        return lambda scope: bool(_sure(left(scope))) and bool(_sure(right(scope)))
    return lambda scope: bool(_sure(left(scope))) or bool(_sure(right(scope)))


def _sure(value: Any) -> Any:
    return None if value is MISSING else value


def _present(node: Node) -> Node:
    return lambda scope: _sure(node(scope))
