"""Input values, literal or from variables, behind one face; and the text that PostgreSQL receives for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
from graphql.language import ast

from ..db.catalog import PgType
from ..errors import EngineError, validation
from ..schema.scalars import GEO, JSONS, TEXTUAL, graphql_name

ABSENT: Any = type("Absent", (), {"__repr__": lambda _: "ABSENT", "__bool__": lambda _: False})()
KINDS = {dict: "object", list: "list", str: "string", bool: "boolean", int: "integer", float: "float", type(None): "null"}
FOUND = {"object": "an object", "list": "a list", "string": "a string", "boolean": "a boolean", "integer": "an integer"}
FOUND |= {"float": "a float", "null": "null", "enum": "an enum value"}
LABEL_PATH = re.compile(r"^(\w+(\.\w+)*)?$")
LTREE_ERROR = "Expecting label path: a sequence of zero or more labels separated by dots, for example L1.L2.L3"

Encoder = Callable[[Any, str], str | None]


def literal_value(node: ast.ValueNode, variables: dict[str, Any]) -> Any:  # noqa: PLR0911 - one return per kind
    """A literal as plain Python; numbers keep their text so that no digit is lost."""
    if isinstance(node, ast.VariableNode):
        found = variables.get(node.name.value, ABSENT)
        return None if found is ABSENT else found
    if isinstance(node, ast.ObjectValueNode):
        return {f.name.value: literal_value(f.value, variables) for f in node.fields}
    if isinstance(node, ast.ListValueNode):
        return [literal_value(item, variables) for item in node.values]
    if isinstance(node, ast.IntValueNode):
        return int(node.value) if len(node.value) < 4000 else node.value
    if isinstance(node, ast.FloatValueNode):
        return Number(node.value)
    if isinstance(node, ast.NullValueNode):
        return None
    return node.value  # type: ignore[attr-defined] - strings, enums and booleans all carry one


class Number(float):
    """A float literal that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> Number:
        made = super().__new__(cls, text)
        made.text = text
        return made


def dumps(value: Any) -> str:
    """JSON text of a value for a json parameter."""
    return orjson.dumps(_plain(value), option=orjson.OPT_PASSTHROUGH_SUBCLASS, default=_default).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return orjson.Fragment(value.text.encode())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value).encode())
    return value


def _default(value: Any) -> Any:
    raise TypeError(type(value).__name__)


def text_of(value: Any) -> str:
    """A scalar as PostgreSQL's input functions read it."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Number):
        return value.text
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)


def array_literal(value: list[Any], element: PgType | None, path: str = "$") -> str:
    """A list as a PostgreSQL array literal."""
    parts = []
    for index, item in enumerate(value):
        if item is None:
            parts.append("NULL")
        elif isinstance(item, list) and (element is None or element.real not in JSONS):
            parts.append(array_literal(item, element, f"{path}[{index}]"))
        else:
            text = encode(item, element, f"{path}[{index}]") if element else text_of(item)
            parts.append('"' + (text or "").replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "{" + ",".join(parts) + "}"


def encode(value: Any, pg_type: PgType, path: str) -> str | None:  # noqa: PLR0911, PLR0912 - one return per kind
    """The parameter text for a value of a type; raises when the value can never be one."""
    if value is None:
        return None
    real = pg_type.real
    if real in JSONS:
        return dumps(value)
    if pg_type.element is not None:
        if isinstance(value, list):
            return array_literal(value, pg_type.element, path)
        if isinstance(value, str):
            return value
        raise mismatch("a list", pg_type, value, path)
    if real in GEO and isinstance(value, dict):
        return dumps(value)
    if isinstance(value, dict | list):
        if pg_type.kind == "c" and isinstance(value, dict):
            return dumps(value)
        expected = {"int4": "a 32-bit integer", "bool": "a boolean"}.get(real, "a string")
        raise mismatch(expected, pg_type, value, path)
    if real in ("text", "varchar") and not isinstance(value, str):
        raise mismatch("a string", pg_type, value, path)
    if real == "bool" and not isinstance(value, bool | str):
        raise mismatch("a boolean", pg_type, value, path)
    if real == "int4" and not isinstance(value, str) and (isinstance(value, bool) or not _fits(value)):
        raise mismatch("a 32-bit integer", pg_type, value, path)
    text = text_of(value)
    if real == "money" and isinstance(value, float):
        return format(Decimal(text), "f")
    if real == "ltree" and not LABEL_PATH.match(text):
        raise EngineError("parse-failed", LTREE_ERROR, path)
    return text


def _fits(value: Any) -> bool:
    return (isinstance(value, int) or value == int(value)) and -(2**31) <= value < 2**31


def mismatch(expected: str, pg_type: PgType, value: Any, path: str) -> EngineError:
    """`expected a string for type "String", but found an integer`."""
    found = FOUND.get(KINDS.get(type(value), "float"), "a value")
    return validation(f'expected {expected} for type "{graphql_name(pg_type)}", but found {found}', path)


def textual(pg_type: PgType) -> bool:
    """True for types that take text as it is."""
    return pg_type.real in TEXTUAL


def check_labels(items: list[Any], path: str) -> None:
    """Every item must be a label path of ltree."""
    for index, item in enumerate(items):
        if not isinstance(item, str) or not LABEL_PATH.match(item):
            raise EngineError("parse-failed", LTREE_ERROR, f"{path}[{index}]")
