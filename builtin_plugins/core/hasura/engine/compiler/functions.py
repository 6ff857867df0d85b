"""Tracked functions as root fields."""

from __future__ import annotations

from ..schema.roles import Root
from .aggregates import aggregate_json
from .boolexp import conjunction, permission
from .context import Context, Row
from .fields import Field
from .select import ROWS, function_arguments, object_json, require_selection, rows_json


def function_json(c: Context, root: Root, field: Field, path: str) -> str:
    """Rows, a row or aggregates of what a function returns."""
    function, table = root.function, root.table
    assert function is not None and table is not None  # noqa: S101 - roots of this kind carry both
    call_spec = function.call
    allowed = {"args"} if call_spec.inputs else set()
    require_selection(field, table.name, path)
    arguments = c.collector.arguments(field.node, allowed | ROWS, path)
    call = c.call(call_spec, None, function_arguments(c, call_spec, arguments.get("args"), f"{path}.args.args"))
    row = Row(c.alias())
    source = f"{call} AS {row.alias}"
    if root.kind == "function_aggregate":
        return aggregate_json(c, table, field, row, source, [], path, arguments)
    if function.function.returns_set:
        return rows_json(c, table, field, row, source, [], path, arguments)
    where = conjunction([f"{row.alias} IS DISTINCT FROM NULL", permission(c, table, row)])
    inner = object_json(c, table, field.sets, row, path)
    return f"(SELECT {inner} FROM {source} WHERE {where} LIMIT 1)"  # noqa: S608 - quoted and parameterised parts
