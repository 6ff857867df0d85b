"""Names and literals as PostgreSQL reads them, whatever they hold."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A quoted name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted text, right under ``standard_conforming_strings``; psql reads no commands of its own inside."""
    return "'" + text.replace("'", "''") + "'"


def nullable(text: str | None) -> str:
    """A quoted text, or ``NULL``."""
    return "NULL" if text is None else literal(text)
