"""YAML that Compose v1 (YAML 1.1) and v2 (YAML 1.2) read alike: strings either could take for something else are quoted.

Mappings, sequences and scalars are all there is, and a JSON string is a YAML string: so little needs no library, whose import
and work took a tenth of a build.
"""

from __future__ import annotations

import json
import re
from typing import Any

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n", "inf", "nan"})
#: Printable for JSON, yet no part of a YAML stream, or a line break there.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def dump(document: dict[str, Any]) -> str:
    """The document in the order of its keys. ``$`` is doubled in every value, since Compose would otherwise replace variables."""
    lines: list[str] = []
    _mapping(document, lines, "", "")
    return "".join(f"{line}\n" for line in lines)


def _mapping(items: dict[str, Any], lines: list[str], indent: str, lead: str) -> None:
    """Add the lines of a mapping; ``lead`` stands before the first one, ``indent`` before the others."""
    for key, value in items.items():
        if isinstance(value, dict) and value:
            lines.append(f"{lead}{_string(key)}:")
            _mapping(value, lines, f"{indent}  ", f"{indent}  ")
        elif isinstance(value, list | tuple) and value:
            lines.append(f"{lead}{_string(key)}:")
            _sequence(value, lines, indent, indent)
        else:
            lines.append(f"{lead}{_string(key)}: {_scalar(value)}")
        lead = indent


def _sequence(items: list[Any] | tuple[Any, ...], lines: list[str], indent: str, lead: str) -> None:
    for item in items:
        if isinstance(item, dict) and item:
            _mapping(item, lines, f"{indent}  ", f"{lead}- ")
        elif isinstance(item, list | tuple) and item:
            _sequence(item, lines, f"{indent}  ", f"{lead}- ")
        else:
            lines.append(f"{lead}- {_scalar(item)}")
        lead = indent


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _string(value.replace("$", "$$"))
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "e" not in text or "." in text else text.replace("e", ".0e")  # YAML 1.1 asks for the point
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    raise TypeError(f"{type(value).__name__} has no place in a Compose file")


def _string(value: str) -> str:
    if _SAFE.match(value) and value.lower() not in _WORDS:
        return value
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
