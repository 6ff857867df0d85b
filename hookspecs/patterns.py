"""Names of settings that stand for many: ``CS_{N}_PORT``, ``AUTH_PROVIDER_{NAME}_CLIENT_ID``."""

from __future__ import annotations

import re

_KNOWN: dict[str, re.Pattern[str]] = {}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The expression of a declared name with braces: ``{N}`` a number from 1, else capitals, digits, underscores."""
    known = _KNOWN.get(pattern)
    if known is None:
        parts = re.split(r"(\{[A-Z]+\})", pattern)
        body = "".join(
            "([1-9][0-9]*)" if part == "{N}" else "([A-Z0-9_]+)" if part.startswith("{") else re.escape(part) for part in parts
        )
        known = _KNOWN[pattern] = re.compile(body + r"\Z")
    return known
