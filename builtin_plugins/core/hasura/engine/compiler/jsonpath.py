"""The `path` argument of json columns: `$.a.b[0]["c d"]`, `a.b`, `.a`, `[0]`."""

from __future__ import annotations

import re
from typing import Any

from ..errors import EngineError

STEP = re.compile(r"""\.?([^.\[\]"']+)|\[(\d+)\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\]|\[\s*'((?:[^'\\]|\\.)*)'\s*\]""")


def parse_path(raw: Any, path: str) -> list[str]:
    """The steps of a path."""
    text = raw if isinstance(raw, str) else ""
    position = 1 if text.startswith("$") else 0
    steps: list[str] = []
    while position < len(text):
        match = STEP.match(text, position)
        if match is None or match.end() == position:
            raise EngineError("parse-failed", f"parse json path error: invalid path {text!r}", path)
        step = next(group for group in match.groups() if group is not None)
        steps.append(re.sub(r"\\(.)", r"\1", step) if match.group(3) or match.group(4) else step)
        position = match.end()
    if not steps and text not in ("", "$"):
        raise EngineError("parse-failed", "parse json path error: empty path", path)
    return steps
