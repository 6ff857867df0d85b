"""Writing values so that the programs that read them get them back unchanged."""

from __future__ import annotations

import re

#: What the two readers take differently inside single quotes: a backslash before a backslash, a quote or the end; a
#: carriage return (one of them translates line ends); ``${`` (one of them replaces it even there).
_UNLIKE = re.compile(r"\\\\|\\'|\\\Z|\r|\$\{")
_ESCAPES = {"\\": "${NSELF_BACKSLASH}", "$": "${NSELF_DOLLAR}", '"': '\\"', "\r": "\\r", "\n": "\\n"}
_HELPERS = "NSELF_DOLLAR='$'\nNSELF_BACKSLASH=\\\n"


def env_line(assignment: str) -> str:
    """``NAME=value`` as a line of an env file that Compose v1 (python-dotenv) and v2 (compose-go) read alike.

    Single quotes serve nearly every value. The few that the two read differently there are put in double quotes, with
    ``$`` and the backslash named through two helper variables on lines before it, as neither has an escape for them that
    the other shares. A NUL cannot be in an environment: ``ValueError``.
    """
    name, _, value = assignment.partition("=")
    if "\0" in value:
        raise ValueError(f"{name} holds a NUL character, which no environment variable can")
    if not _UNLIKE.search(value):
        return f"{name}='" + value.replace("'", "\\'") + "'"
    body = "".join(_ESCAPES.get(sign, sign) for sign in value)
    return f'{_HELPERS}{name}="{body}"'
