"""`order_by` and `distinct_on`: columns, computed scalars, and through relationships their columns and aggregates."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from dataclasses import dataclass

from ..db.catalog import Column
from ..db.sql import qualified
from ..errors import validation
from ..schema.roles import RoleTable
from .boolexp import conjunction, guarded, joined, permission
from .context import Context, Row
from .scope import Val

DIRECTIONS = {
    "asc": "ASC NULLS LAST",
    "asc_nulls_first": "ASC NULLS FIRST",
    "asc_nulls_last": "ASC NULLS LAST",
    "desc": "DESC NULLS FIRST",
    "desc_nulls_first": "DESC NULLS FIRST",
    "desc_nulls_last": "DESC NULLS LAST",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One expression to sort by."""

    sql: str
    direction: str


def order_by(c: Context, table: RoleTable, val: Val | None, row: Row, path: str) -> list[Term]:
    """The terms of an `order_by` argument, in order."""
    if val is None or val.missing:
        return []
    terms: list[Term] = []
    for index, item in enumerate(val.elements()):
        terms += _object(c, table, item, row, f"{path}[{index}]" if val.kind == "list" else path)
    return terms


def _direction(val: Val, path: str) -> str:
    raw = val.literal()
    if not isinstance(raw, str) or raw not in DIRECTIONS:
        listed = ", ".join(DIRECTIONS)
        raise validation(f'expected one of the values {listed} for type "order_by", but found "{raw}"', path)
    return DIRECTIONS[raw]


def _object(c: Context, table: RoleTable, val: Val, row: Row, path: str) -> list[Term]:
    if val.missing:
        return []
    if val.kind != "object":
        raise validation(f'expected an object for type "{table.name}_order_by", but found {val.found}', path)
    terms: list[Term] = []
    for name, item in val.items():
        if item.missing:
            continue
        where = f"{path}.{name}"
        column = table.fields.get(name)
        if column is not None:
            terms.append(Term(guarded(c, table, column, row, meta=False), _direction(item, where)))
            continue
        terms += _linked(c, table, name, item, row, where)
    return terms


def _linked(c: Context, table: RoleTable, name: str, val: Val, row: Row, path: str) -> list[Term]:
    link = c.role.relationship(table, name)
    if link is not None and not link[0].array:
        other = Row(c.alias())
        inner = _object(c, link[1], val, other, path)
        where = conjunction([joined(link[0], row, other), permission(c, link[1], other)])
        source = f"{qualified(*link[0].target)} AS {other.alias}"
        return [Term(f"(SELECT {t.sql} FROM {source} WHERE {where} LIMIT 1)", t.direction) for t in inner]
    if name.endswith("_aggregate"):
        link = c.role.relationship(table, name.removesuffix("_aggregate"))
        if link is not None and link[0].array and link[1].aggregates:
            return _aggregate(c, link[1], val, row, path, link[0])
    computed = c.role.computed_field(table, name)
    if computed is not None and computed.table is None and val.kind != "object":
        return [Term(c.call(computed.call, row, {}), _direction(val, path))]
    raise validation(f"field \"{name}\" not found in type: '{table.name}_order_by'", path)


def _aggregate(c: Context, table: RoleTable, val: Val, row: Row, path: str, link: object) -> list[Term]:
    from .aggregates import FUNCTIONS, sql_function

    terms: list[Term] = []
    for operator, item in val.items():
        if item.missing:
            continue
        where = f"{path}.{operator}"
        if operator == "count":
            terms.append(Term(_subquery(c, table, "count(*)", row, link, Row(c.alias())), _direction(item, where)))
            continue
        if operator not in FUNCTIONS:
            raise validation(f"field \"{operator}\" not found in type: '{table.name}_aggregate_order_by'", where)
        for name, direction in item.items():
            if direction.missing:
                continue
            column = table.fields.get(name)
            if column is None:
                kind = f"{table.name}_{operator}_order_by"
                raise validation(f"field \"{name}\" not found in type: '{kind}'", f"{where}.{name}")
            other = Row(c.alias())
            call = f"{sql_function(operator)}({guarded(c, table, column, other, meta=False)})"
            terms.append(Term(_subquery(c, table, call, row, link, other), _direction(direction, f"{where}.{name}")))
    return terms


def _subquery(c: Context, table: RoleTable, call: str, row: Row, link: object, other: Row) -> str:
    where = conjunction([joined(link, row, other), permission(c, table, other)])  # type: ignore[arg-type]
    return f"(SELECT {call} FROM {qualified(*table.tracked.key)} AS {other.alias} WHERE {where})"


def distinct_columns(table: RoleTable, val: Val, path: str) -> list[Column]:
    """The columns of `distinct_on`."""
    raw = val.literal()
    found: list[Column] = []
    for name in raw if isinstance(raw, list) else [raw]:
        column = table.fields.get(name)
        if column is None:
            kind = f"{table.name}_select_column"
            raise validation(f'expected one of the values of type "{kind}", but found "{name}"', path)
        found.append(column)
    return found
