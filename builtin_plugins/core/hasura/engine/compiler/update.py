"""`update_*` and `delete_*` mutations."""

# ruff: noqa: S608 - every identifier here is quoted and every value is a placeholder

from __future__ import annotations

from typing import Any

from ..db.catalog import PgType
from ..db.sql import ident, literal, qualified
from ..errors import validation
from ..schema.roles import RoleTable
from ..schema.scalars import NUMERIC
from .boolexp import any_filter, condition, conjunction
from .context import Context, Row
from .fields import Field
from .plan import Statement, Step
from .scope import Val
from .select import EMPTY, json_object, key_equals, object_json, pk_conditions, require_selection

TEXT = PgType("text", "text")
OPERATORS = ("_set", "_inc", "_append", "_prepend", "_delete_key", "_delete_elem", "_delete_at_path")
CHECK_FAILED = "check constraint of an insert/update permission has failed"


def response_json(c: Context, table: RoleTable, field: Field, source: str, row: Row, path: str, affected: str) -> str:
    """`{affected_rows returning {…}}` over a data-modifying CTE."""
    kind = f"{table.name}_mutation_response"
    require_selection(field, kind, path)
    pairs: list[tuple[str, str]] = []
    for item in c.collector.collect(field.sets, kind, path):
        where = f"{path}.selectionSet.{item.name}"
        if item.name == "__typename":
            pairs.append((item.alias, literal(kind) + "::text"))
        elif item.name == "affected_rows":
            pairs.append((item.alias, affected))
        elif item.name == "returning" and table.selectable:
            require_selection(item, table.name, where)
            inner = object_json(c, table, item.sets, row, where)
            pairs.append((item.alias, f"(SELECT coalesce(json_agg({inner}), {EMPTY}) FROM {source})"))
        else:
            raise validation(f"field \"{item.name}\" not found in type: '{kind}'", where)
    return json_object(pairs)


def finish(c: Context, table: RoleTable, field: Field, cte: str, path: str, *, one: bool, error_path: str) -> Step:
    """A step from a CTE that returns the rows as `r` and whether each passed as `ok`."""
    row = Row(c.alias("m"), "r")
    source = f"m AS {row.alias}"
    if one:
        require_selection(field, table.name, path)
        answer = f"(SELECT {object_json(c, table, field.sets, row, path)} FROM {source} LIMIT 1)"
    else:
        answer = response_json(c, table, field, source, row, path, "(SELECT count(*) FROM m)")
    sql = f"WITH m AS ({cte}) SELECT {answer} AS o, (SELECT coalesce(bool_and(ok), TRUE) FROM m) AS ok"
    return Step(field.alias, Statement(sql, c.scope.params), error_path=error_path, certain=cte.endswith(" TRUE AS ok"))


def check_sql(c: Context, table: RoleTable, check: Any, row: Row) -> str:
    """A permission's check on a written row; unknown counts as failed."""
    if not check:
        return "TRUE"
    return f"coalesce({any_filter(c, table, [check], row)}, FALSE)"


def _assignments(c: Context, table: RoleTable, given: dict[str, Val], row: Row, path: str) -> tuple[dict[str, str], bool]:
    """Column → expression, and whether any operator was given at all."""
    allowed = table.update_columns()
    found: dict[str, str] = {}
    repeated: set[str] = set()
    present = False
    for operator in OPERATORS:
        val = given.get(operator)
        if val is None or val.missing:
            continue
        present = True
        if val.kind != "object":
            kind = f"{table.name}{operator}_input"
            raise validation(f'expected an object for type "{kind}", but found {val.found}', f"{path}.{operator}")
        for shown, item in val.items():
            where = f"{path}.{operator}.{shown}"
            column = allowed.get(shown)
            if column is None or not _applies(operator, column.type.real):
                raise validation(f"field \"{shown}\" not found in type: '{table.name}{operator}_input'", where)
            if column.name in found:
                repeated.add(shown)
            found[column.name] = _expression(c, table, operator, column, item, row, where)
    if repeated:
        listed = ", ".join(f'"{name}"' for name in sorted(repeated))
        raise validation(f"Column found in multiple operators: {listed}.", path)
    return found, present


def _applies(operator: str, real: str) -> bool:
    if operator == "_set":
        return True
    return real in NUMERIC if operator == "_inc" else real == "jsonb"


def _expression(c: Context, table: RoleTable, operator: str, column: Any, val: Val, row: Row, path: str) -> str:  # noqa: PLR0911 - one return per kind
    left = row.col(column.name)
    if operator == "_set":
        return c.column_value(val, column, c.enum_of(table, column.name), path)
    if operator == "_inc":
        return f"{left} + {c.value(val, column.type, path)}"
    if operator == "_append":
        return f"{left} || {c.value(val, column.type, path)}"
    if operator == "_prepend":
        return f"{c.value(val, column.type, path)} || {left}"
    if operator == "_delete_key":
        return f"{left} - {c.value(val, TEXT, path)}"
    if operator == "_delete_elem":
        return f"{left} - {c.value(val, PgType('int4', 'integer'), path)}"
    from .operators import many

    return f"{left} #- {many(c, val, TEXT, path, False)}"


def presets(c: Context, table: RoleTable, permission: dict[str, Any]) -> dict[str, str]:
    """Columns a permission sets itself: session variables or fixed values."""
    by_name = table.tracked.table.by_name
    return {
        name: c.value(c.scope.const(value), by_name[name].type, "$", meta=True)
        for name, value in (permission.get("set") or {}).items()
    }


def _row_filter(c: Context, table: RoleTable, permission: dict[str, Any], row: Row) -> str:
    found = permission.get("filter")
    return any_filter(c, table, [found], row) if found else "TRUE"


def update_step(c: Context, table: RoleTable, field: Field, path: str, *, by_pk: bool) -> Step:
    """`update_author(where, _set …)` or `update_author_by_pk(pk_columns, _set …)`."""
    names = {*OPERATORS, "pk_columns" if by_pk else "where"}
    given = c.collector.arguments(field.node, names, path)
    args = f"{path}.args"
    row = Row(c.alias())
    permission = table.update or {}
    if by_pk:
        if "pk_columns" not in given:
            raise validation('missing required field "pk_columns"', args)
        keys = {table.tracked.columns[column]: column for column in table.tracked.table.primary_key}
        conditions = key_equals(c, table, dict(given["pk_columns"].items()), keys, row, f"{args}.pk_columns")
    else:
        conditions = [required_where(c, table, given, row, args)]
    return _update(c, table, field, given, conditions, permission, row, path, by_pk)


def required_where(c: Context, table: RoleTable, given: dict[str, Val], row: Row, args: str) -> str:
    """The obligatory `where` of updates and deletes."""
    where = given.get("where")
    if where is None:
        raise validation('missing required field "where"', f"{args}.where")
    if where.kind == "null":
        raise validation(f'unexpected null value for type "{table.name}_bool_exp"', f"{args}.where")
    c.scope.expect(where, f"{table.name}_bool_exp", f"{args}.where")
    return condition(c, table, where, row, f"{args}.where")


def _update(
    c: Context,
    table: RoleTable,
    field: Field,
    given: dict[str, Val],
    conditions: list[str],
    permission: dict[str, Any],
    row: Row,
    path: str,
    one: bool,
) -> Step:
    sets, present = _assignments(c, table, given, row, f"{path}.args")
    preset = presets(c, table, permission)
    if not present and not preset:
        listed = ", ".join(OPERATORS)
        raise validation(f"at least any one of {listed} operator is expected", f"{path}.args")
    if not sets and not preset:
        nothing = f"SELECT NULL::{qualified(*table.tracked.key)} AS r, TRUE AS ok WHERE FALSE"
        return finish(c, table, field, nothing, path, one=one, error_path="$")
    sets |= preset
    assigned = ", ".join(f"{ident(name)} = {sql}" for name, sql in sets.items())
    where = conjunction([*conditions, _row_filter(c, table, permission, row)])
    check = check_sql(c, table, permission.get("check"), row)
    cte = f"UPDATE {qualified(*table.tracked.key)} AS {row.alias} SET {assigned} WHERE {where} RETURNING {row.alias} AS r, {check} AS ok"  # noqa: E501
    return finish(c, table, field, cte, path, one=one, error_path="$")


def update_many_steps(c_factory: Any, table: RoleTable, field: Field, val: Val, path: str) -> list[Step]:
    """`update_author_many(updates: [{where, _set …}])`: one statement each, answers in a list."""
    steps = []
    for index, item in enumerate(val.elements()):
        c = c_factory()
        where = f"{path}.args.updates[{index}]"
        given = dict(item.items())
        for name in given:
            if name not in (*OPERATORS, "where"):
                raise validation(f"field \"{name}\" not found in type: '{table.name}_updates'", f"{where}.{name}")
        row = Row(c.alias())
        conditions = [required_where(c, table, given, row, where)]
        steps.append(_update(c, table, field, given, conditions, table.update or {}, row, path, False))
    return steps


def delete_step(c: Context, table: RoleTable, field: Field, path: str, *, by_pk: bool) -> Step:
    """`delete_author(where)` or `delete_author_by_pk(id)`."""
    row = Row(c.alias())
    if by_pk:
        conditions = pk_conditions(c, table, field, row, path)
    else:
        given = c.collector.arguments(field.node, ("where",), path)
        conditions = [required_where(c, table, given, row, f"{path}.args")]
    where = conjunction([*conditions, _row_filter(c, table, table.delete or {}, row)])
    cte = f"DELETE FROM {qualified(*table.tracked.key)} AS {row.alias} WHERE {where} RETURNING {row.alias} AS r, TRUE AS ok"
    return finish(c, table, field, cte, path, one=by_pk, error_path="$")
