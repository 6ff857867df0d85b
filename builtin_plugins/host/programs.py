"""Where the native form's programs are."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_LIBRARIES = ("fastapi", "uvicorn", "asyncpg", "prometheus_client", "joserfc", "orjson")


def python() -> str:
    """The interpreter that runs nself."""
    return sys.executable


def server() -> str | None:
    """The server's start file, ``None`` where a library it needs is not installed."""
    if any(find_spec(library) is None for library in _LIBRARIES):
        return None
    found = find_spec("builtin_plugins.host.server.main")
    return found.origin if found else None
