"""Where the native catcher's program is."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def python() -> str | None:
    """This Python, where it has what the catcher needs."""
    return sys.executable if find_spec("aiosmtpd") and find_spec("starlette") and find_spec("uvicorn") else None
