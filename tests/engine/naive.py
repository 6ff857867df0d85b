"""Conditions and orders over rows in Python, in SQL's three-valued logic: the yardstick of the property tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
Near = Callable[[str, Row], list[Row] | None]
"""The related rows by relationship name; None where there is no such relationship."""
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "_eq": lambda x, y: x == y,
    "_neq": lambda x, y: x != y,
    "_gt": lambda x, y: x > y,
    "_lte": lambda x, y: x <= y,
}


def both(one: bool | None, two: bool | None) -> bool | None:
    """AND."""
    return False if one is False or two is False else None if one is None or two is None else True


def holds(condition: dict[str, Any], row: Row, near: Near) -> bool | None:
    """Whether a condition holds for a row; None for unknown."""
    verdict: bool | None = True
    for key, value in condition.items():
        verdict = both(verdict, _part(key, value, row, near))
    return verdict


def _part(key: str, value: Any, row: Row, near: Near) -> bool | None:
    if key == "_and":
        return functools.reduce(both, (holds(item, row, near) for item in value), True)
    if key == "_or":
        found = [holds(item, row, near) for item in value]
        return True if True in found else None if None in found else False
    if key == "_not":
        inner = holds(value, row, near)
        return None if inner is None else not inner
    others = near(key, row)
    if others is not None:
        return any(holds(value, other, near) is True for other in others)
    ((operator, operand),) = value.items()
    cell = row[key]
    if operator == "_is_null":
        return (cell is None) is operand
    if operator in ("_in", "_nin"):
        if not operand:
            return operator == "_nin"
        return None if cell is None else (cell in operand) is (operator == "_in")
    return None if cell is None else COMPARE[operator](cell, operand)


def ordered(rows: list[Row], keys: list[tuple[Callable[[Row], Any], str]]) -> list[Row]:
    """Rows by these keys; PostgreSQL puts nulls last ascending and first descending."""
    for value, direction in reversed(keys):
        rows = sorted(rows, key=lambda row: (value(row) is None, value(row) or 0), reverse=direction == "desc")
    return rows
