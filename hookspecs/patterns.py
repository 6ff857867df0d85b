"""Names of settings that stand for many: ``CS_{N}_PORT``, ``AUTH_PROVIDER_{NAME}_CLIENT_ID``."""

from __future__ import annotations

import re
from functools import cache


@cache
def pattern_text(pattern: str) -> str:
    """The regular expression of a declared name with braces: ``{N}`` a number from 1, else capitals, digits, underscores."""
    parts = re.split(r"(\{[A-Z]+\})", pattern)
    body = "".join(
        "([1-9][0-9]*)" if part == "{N}" else "([A-Z0-9_]+)" if part.startswith("{") else re.escape(part) for part in parts
    )
    return body + r"\Z"


def match_pattern(pattern: str, name: str) -> re.Match[str] | None:
    """Match a name; the expression is compiled only where the plain ends of the pattern fit, as compiling hundreds is slow."""
    start, end = _plain_ends(pattern)
    return re.match(pattern_text(pattern), name) if name.startswith(start) and name.endswith(end) else None


@cache
def _plain_ends(pattern: str) -> tuple[str, str]:
    return pattern.partition("{")[0], pattern.rpartition("}")[2]
