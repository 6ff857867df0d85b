"""When a secret is weak, and how one is made."""

from __future__ import annotations

import re
import secrets
import string

#: Well-known words that guard nothing, alone or with something behind them.
WEAK_WORDS = (
    "password", "passwd", "passw0rd", "pass", "admin", "administrator", "root", "secret", "changeme", "change-me", "change_me",
    "default", "test", "testing", "demo", "example", "qwerty", "letmein", "welcome",
    "123456", "12345", "nself", "nhost", "dev", "development", "placeholder", "your", "please-change",
)  # fmt: skip
# The word, digits and signs, then nothing or parts joined by - _ . or space (demo-jwt-secret, changeme123!, Admin_2024);
# and any word with admin behind it.
_WORDS = "|".join(map(re.escape, sorted(WEAK_WORDS, key=len, reverse=True)))
_WEAK = re.compile(rf"({_WORDS}|[a-z]{{1,12}}admin)[^a-z]*([-_. ].*)?\Z", re.DOTALL)
_FEWEST_LETTERS = 5
"""Different characters a long secret must have: ``aaaaaaaaaaaaaaaa`` is long and worth nothing."""

_ALPHABET = string.ascii_letters + string.digits

#: What stands for a secret that a dry run would make.
TO_BE_MADE = "<to be made>"


def made(length: int) -> str:
    """A new secret: letters and digits alone, so that it needs no quoting anywhere."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def default_strength(name: str) -> int:
    """The least length where the declaration names none: 32 for keys, admin and JWT secrets, 16 for passwords."""
    return 32 if re.search(r"KEY|SECRET|JWT|TOKEN", name) else 16


def weakness(value: str, least: int) -> str | None:
    """Why a secret is weak, in words that follow its name, or ``None``. ``least`` 0 asks for no length."""
    lowered = value.strip().lower()
    if _WEAK.match(lowered):
        return "begins with a well-known word"
    if len(value) < least:
        return f"has {len(value)} characters, fewer than {least}"
    if least and len(set(value)) < _FEWEST_LETTERS:
        return "is nearly one character repeated"
    return None
