"""Reading the ways metadata names things: tables, functions, `source`, legacy spellings."""

from __future__ import annotations

import re
from typing import Any

from ..db.catalog import Name
from ..errors import EngineError

GRAPHQL_NAME = re.compile(r"^[_A-Za-z][_0-9A-Za-z]*$")


def parse_name(raw: Any, default_schema: str = "public") -> Name:
    """`"author"`, `{"schema": "s", "name": "author"}` → (schema, name)."""
    if isinstance(raw, str):
        return (default_schema, raw)
    if isinstance(raw, dict) and isinstance(raw.get("name"), str):
        return (raw.get("schema") or default_schema, raw["name"])
    raise EngineError("parse-failed", "expected a name, or an object with schema and name", "$.args")


def show(name: Name) -> str:
    """As messages write it: the schema only when it is not public."""
    return name[1] if name[0] == "public" else f"{name[0]}.{name[1]}"


def as_json(name: Name) -> dict[str, str]:
    """As exported metadata writes it."""
    return {"schema": name[0], "name": name[1]}


def graphql_table_name(name: Name) -> str:
    """The default GraphQL name of a table or function."""
    return name[1] if name[0] == "public" else f"{name[0]}_{name[1]}"


def valid(name: str) -> bool:
    """True for a name GraphQL accepts."""
    return bool(GRAPHQL_NAME.match(name))
