"""Where the native form's programs are."""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: The module that is the native engine.
ENGINE = "builtin_plugins.core.hasura.engine"
_LIBRARIES = ("graphql", "asyncpg", "orjson", "uvicorn", "joserfc")


def python() -> str:
    """The interpreter that runs nself."""
    return sys.executable


def engine() -> str | None:
    """The engine's start file, ``None`` where it or a library it needs is not installed."""
    if any(find_spec(library) is None for library in _LIBRARIES):
        return None
    try:
        found = find_spec(f"{ENGINE}.__main__")
    except ModuleNotFoundError:
        return None
    return found.origin if found else None
