"""``${NAME}`` and ``${NAME:-default}`` in values.

``${NAME}`` of an unset name is an error; ``:-`` gives the default where the name is unset or empty, as in a shell. A default
is plain text: one with a ``${`` of its own is not understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_REFERENCE = re.compile(r"\$\{([^}]*)\}|\$\{")
#: Characters that a value may have once its references are replaced: a few lines that double one another would fill the memory.
LONGEST = 1 << 20
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\Z", re.DOTALL)


class BadReferenceError(ValueError):
    """What stands between ``${`` and ``}`` is not understood."""


class TooLongError(BadReferenceError):
    """A value grew over ``LONGEST`` characters."""


def references(value: str) -> list[str]:
    """The names a value refers to, in order; what is not understood is left out."""
    found = []
    for match in _REFERENCE.finditer(value):
        inside = _INSIDE.match(match[1]) if match[1] is not None else None
        if inside:
            found.append(inside[1])
    return found


def expand(value: str, look_up: Callable[[str], str | None], unset: Callable[[str], None]) -> str:
    """Replace the references of a value. ``look_up`` gives a name's value or ``None``; ``unset`` is told of each missing one.

    Raises ``BadReferenceError`` for ``${1x}``, ``${X:?}``, ``${X``, ``${X:-${Y}}`` and the like, ``TooLongError`` for a value
    that refers to more than can be meant.
    """
    length = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal length
        text = resolve(match)
        length += len(text)
        if length > LONGEST:
            raise TooLongError
        return text

    def resolve(match: re.Match[str]) -> str:
        inside = _INSIDE.match(match[1]) if match[1] is not None else None
        if inside is None or "${" in (inside[2] or ""):
            raise BadReferenceError(match[0])
        name, default = inside[1], inside[2]
        found = look_up(name)
        if found or (found is not None and default is None):
            return found
        if default is not None:
            return default
        unset(name)
        return ""

    return _REFERENCE.sub(replace, value)


def expand_plain(value: str, environ: Mapping[str, str]) -> str:
    """As ``expand`` over one mapping; what is unset becomes empty, what is not understood stays."""
    try:
        return expand(value, environ.get, lambda _: None)
    except BadReferenceError:
        return value
