"""`insert_*` mutations that write one table: one statement, whatever the number of rows."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from typing import Any

from ..db.catalog import Column
from ..db.sql import ident, qualified
from ..errors import validation
from ..schema.roles import RoleTable
from ..schema.scalars import JSONS
from .boolexp import any_filter, condition, conjunction
from .context import Context, Row, cast, check_enum
from .fields import Field
from .plan import Step
from .scope import Val
from .select import quoted_list
from .update import check_sql, finish, presets
from .values import dumps, encode

MAX_CELLS = 30_000


def object_items(table: RoleTable, val: Val, path: str) -> list[tuple[str, Val]]:
    """The fields of one object to insert."""
    if val.kind != "object":
        raise validation(f'expected an object for type "{table.name}_insert_input", but found {val.found}', path)
    return val.items()


def is_nested(table: RoleTable, objects: list[Val], path: str) -> bool:
    """True when any object carries related rows."""
    links = table.tracked.relationships
    return any(name in links for item in objects for name, _ in object_items(table, item, path))


def column_for(table: RoleTable, columns: dict[str, Column], name: str, path: str) -> Column:
    """The column a client may insert under this name."""
    column = columns.get(name)
    if column is None:
        raise validation(f"field \"{name}\" not found in type: '{table.name}_insert_input'", f"{path}.{name}")
    return column


def insert_step(c: Context, table: RoleTable, field: Field, objects: Val, conflict: Val | None, path: str, one: bool) -> Step:
    """One statement for a list of plain objects."""
    args = f"{path}.args.{'object' if one else 'objects'}"
    items = [objects] if one else objects.elements()
    row = Row(c.alias())
    if not items:
        nothing = f"SELECT NULL::{qualified(*table.tracked.key)} AS r, TRUE AS ok WHERE FALSE"
        return finish(c, table, field, nothing, path, one=one, error_path=args)
    columns = table.insert_columns()
    named = [dict(object_items(table, item, args)) for item in items]
    for number, item in enumerate(named):
        for name in item:
            column_for(table, columns, name, args if one else f"{args}[{number}]")
    preset = presets(c, table, table.insert or {})
    uniform = len(items) > 1 and all(item.keys() == named[0].keys() for item in named) and bool(named[0])
    if uniform:
        target, source = _recordset(c, table, objects, [columns[name] for name in named[0]], list(named[0]), preset, args)
    else:
        target, source = _values(c, table, columns, named, preset, args, one)
    cte = insert_sql(c, table, row, target, source, conflict, path)
    return finish(c, table, field, cte, path, one=one, error_path=args)


def insert_sql(c: Context, table: RoleTable, row: Row, target: list[str], source: str, conflict: Val | None, path: str) -> str:
    """INSERT … RETURNING the row as `r` and the verdict of the checks as `ok`."""
    clause, updating = "", False
    if conflict is not None and not conflict.missing:
        clause, updating = on_conflict(c, table, conflict, row, f"{path}.args.on_conflict")
    check = check_sql(c, table, (table.insert or {}).get("check"), row)
    if updating:
        after = check_sql(c, table, (table.update or {}).get("check"), row)
        if (check, after) != ("TRUE", "TRUE"):
            check = f"CASE WHEN {row.alias}.xmax = 0 THEN {check} ELSE {after} END"
    into = f"{qualified(*table.tracked.key)} AS {row.alias}"
    columns = f"({quoted_list(target)}) {source}" if target else "DEFAULT VALUES"
    return f"INSERT INTO {into} {columns}{clause} RETURNING {row.alias} AS r, {check} AS ok"


def _values(
    c: Context,
    table: RoleTable,
    columns: dict[str, Column],
    named: list[dict[str, Val]],
    preset: dict[str, str],
    args: str,
    one: bool,
) -> tuple[list[str], str]:
    used = {columns[name].name: name for item in named for name in item}
    if len(used) * len(named) > MAX_CELLS:
        raise validation("too many rows of differing shapes in one insert", args)
    if not used and not preset:
        if len(named) > 1:
            first = next(iter(columns.values()))
            return [first.name], "VALUES " + ", ".join(["(DEFAULT)"] * len(named))
        return [], ""
    rows = []
    for number, item in enumerate(named):
        where = args if one else f"{args}[{number}]"
        cells = [
            c.column_value(item[shown], columns[shown], c.enum_of(table, name), f"{where}.{shown}")
            if shown in item
            else "DEFAULT"
            for name, shown in used.items()
        ]
        rows.append(f"({', '.join([*cells, *preset.values()])})")
    return [*used, *preset], "VALUES " + ", ".join(rows)


def _recordset(
    c: Context, table: RoleTable, objects: Val, columns: list[Column], names: list[str], preset: dict[str, str], args: str
) -> tuple[list[str], str]:
    """Rows of one shape travel as one JSON parameter, however many they are."""
    enums = {column.name: c.enum_of(table, column.name) for column in columns}
    enum_values = {name: c.enum_values(enum) for name, enum in enums.items() if enum is not None}

    def cell(raw: Any, column: Column, path: str) -> Any:
        enum = enums[column.name]
        if enum is not None:
            return check_enum(raw, enum_values[column.name], enum, path)
        if column.type.real in JSONS:
            return raw
        return encode(raw, column.type, path)

    def encoder(raw: Any) -> str:
        rows = raw if isinstance(raw, list) else [raw]
        return dumps(
            [
                {
                    f"c{i}": cell(row.get(n), column, f"{args}[{k}].{n}")
                    for i, (n, column) in enumerate(zip(names, columns, strict=True))
                }
                for k, row in enumerate(rows)
            ]
        )

    placeholder = c.scope.param(objects, encoder)
    shape = ", ".join(f"c{i} {'json' if column.type.real in JSONS else 'text'}" for i, column in enumerate(columns))
    cells = [
        f"v.c{i}::{column.type.cast}" if column.type.real in JSONS else cast(f"v.c{i}", column.type)
        for i, column in enumerate(columns)
    ]
    source = f"SELECT {', '.join([*cells, *preset.values()])} FROM json_to_recordset(({placeholder})::json) AS v({shape})"
    return [*(column.name for column in columns), *preset], source


def on_conflict(c: Context, table: RoleTable, val: Val, row: Row, path: str) -> tuple[str, bool]:
    """ON CONFLICT, and whether it updates."""
    given = dict(val.items())
    kind = f"{table.name}_on_conflict"
    for name in given:
        if name not in ("constraint", "update_columns", "where"):
            raise validation(f"field \"{name}\" not found in type: '{kind}'", f"{path}.{name}")
    if "constraint" not in given:
        raise validation('missing required field "constraint"', path)
    constraint = given["constraint"].literal()
    if constraint not in table.tracked.table.uniques:
        listed = ", ".join(sorted(table.tracked.table.uniques))
        kind = f"{table.name}_constraint"
        raise validation(f'expected one of the values {listed} for type "{kind}", but found "{constraint}"', f"{path}.constraint")
    wanted = given["update_columns"].literal() if "update_columns" in given else []
    allowed = table.update_columns()
    updates: dict[str, str] = {}
    for name in wanted if isinstance(wanted, list) else [wanted]:
        if name not in allowed:
            listed = ", ".join(sorted(allowed))
            kind = f"{table.name}_update_column"
            raise validation(
                f'expected one of the values {listed} for type "{kind}", but found "{name}"', f"{path}.update_columns"
            )
        updates[allowed[name].name] = f"EXCLUDED.{ident(allowed[name].name)}"
    clause = f" ON CONFLICT ON CONSTRAINT {ident(constraint)} "
    if not updates:
        return clause + "DO NOTHING", False
    permission = table.update or {}
    updates |= presets(c, table, permission)
    parts = []
    if permission.get("filter"):
        parts.append(any_filter(c, table, [permission["filter"]], row))
    if "where" in given and not given["where"].missing:
        parts.append(condition(c, table, given["where"], row, f"{path}.where"))
    where = conjunction(parts)
    tail = f" WHERE {where}" if where != "TRUE" else ""
    assigned = ", ".join(f"{ident(name)} = {sql}" for name, sql in updates.items())
    return f"{clause}DO UPDATE SET {assigned}{tail}", True
