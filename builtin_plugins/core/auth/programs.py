"""Where the native form's programs are."""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: The module that is the native server.
SERVER = "builtin_plugins.core.auth.server"
_LIBRARIES = ("asyncpg", "starlette", "uvicorn", "joserfc", "bcrypt")


def python() -> str:
    """The interpreter that runs nself."""
    return sys.executable


def server() -> str | None:
    """The server's start file, ``None`` where it or a library it needs is not installed."""
    if any(find_spec(library) is None for library in _LIBRARIES):
        return None
    try:
        found = find_spec(f"{SERVER}.__main__")
    except ModuleNotFoundError:
        return None
    return found.origin if found else None
