"""YAML that Compose v1 (YAML 1.1) and v2 (YAML 1.2) read alike: strings either could take for something else are quoted."""

from __future__ import annotations

import re
from typing import Any

import yaml

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n", "inf", "nan"})
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """The C dumper, without anchors and with strings quoted where it matters."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: Any, value: str) -> Any:
    style = None if _SAFE.match(value) and value.lower() not in _WORDS else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)


def dump(document: dict[str, Any]) -> str:
    """The document in the order of its keys. ``$`` is doubled in every value, since Compose would otherwise replace variables."""
    return str(yaml.dump(_literal(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096))


def _literal(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    return [_literal(item) for item in value] if isinstance(value, list | tuple) else value
