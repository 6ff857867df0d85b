"""Quoting for SQL text. Identifiers are always quoted; values travel as parameters, never through here."""

from __future__ import annotations


def ident(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted literal, for names the engine itself puts in JSON keys and trigger arguments."""
    escaped = text.replace("'", "''")
    return f" E'{escaped}'".replace("\\", "\\\\") if "\\" in text else f"'{escaped}'"


def qualified(schema: str, name: str) -> str:
    """A quoted `schema.name`."""
    return f"{ident(schema)}.{ident(name)}"
