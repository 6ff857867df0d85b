"""Comparison of one column (or computed scalar) with values, session variables or other columns."""

from __future__ import annotations

from ..db.catalog import Column, PgType
from ..errors import validation
from ..schema.permissions import modern
from ..schema.roles import RoleTable
from ..schema.scalars import (
    ARRAY,
    CASTS,
    COLUMN_COMPARE,
    COMPARE,
    JSONB,
    LIKE,
    LTREE,
    SPATIAL,
    comparison_name,
    operators,
)
from .context import Context, Row, cast
from .scope import Val
from .values import array_literal, check_labels

TEXT = PgType("text", "text")


def column_condition(
    c: Context, table: RoleTable, column: Column, val: Val, left: str, path: str, meta: bool, row: Row, root: Row
) -> str:
    """All operators of a comparison object, joined by AND."""
    enum = None if meta else c.enum_of(table, column.name)
    type_name = f"{enum}_comparison_exp" if enum else comparison_name(column.type)
    if meta and val.kind != "object":
        if val.kind == "null":
            return "TRUE"
        return f"{left} = {c.value(val, column.type, path, meta=True)}"
    if val.kind == "null":
        return "TRUE"
    if val.kind != "object":
        raise validation(f'expected an object for type "{type_name}", but found {val.found}', path)
    parts: list[str] = []
    for raw, item in val.items():
        operator = modern(raw) if meta else raw
        where = f"{path}.{raw}"
        if meta and operator in COLUMN_COMPARE:
            parts.append(f"{left} {COLUMN_COMPARE[operator]} {_other_column(item, row, root)}")
        elif enum is not None:
            parts.append(_enum(c, column, enum, operator, item, left, where, type_name))
        else:
            parts.append(_operator(c, column.type, operator, item, left, where, meta, type_name))
    return " AND ".join(f"({part})" for part in parts) if len(parts) > 1 else parts[0] if parts else "TRUE"


def _other_column(val: Val, row: Row, root: Row) -> str:
    raw = val.raw
    if isinstance(raw, list):
        if len(raw) == 2 and raw[0] == "$":
            return root.col(str(raw[1]))
        raw = raw[-1]
    return row.col(str(raw))


def _null(val: Val, path: str, type_name: str) -> None:
    if val.kind == "null":
        raise validation(f'unexpected null value for type "{type_name}"', path)


def _enum(c: Context, column: Column, enum: str, operator: str, val: Val, left: str, path: str, type_name: str) -> str:
    if operator == "_is_null":
        return _is_null(left, val, path)
    _null(val, path, enum)
    if operator in ("_eq", "_neq"):
        return f"{left} {COMPARE[operator]} {cast(c.enum_param(val, column, enum, path), column.type)}"
    if operator in ("_in", "_nin"):
        items = [cast(c.enum_param(v, column, enum, f"{path}[{i}]"), column.type) for i, v in enumerate(val.elements())]
        listed = f"ARRAY[{', '.join(items)}]::{column.type.cast}[]"
        return f"{left} {'= ANY' if operator == '_in' else '<> ALL'} ({listed})"
    raise validation(f"field \"{operator}\" not found in type: '{type_name}'", path)


def _is_null(left: str, val: Val, path: str) -> str:
    _null(val, path, "Boolean")
    if val.kind == "string" and str(val.raw).lower() in ("true", "false"):
        return f"{left} IS {'' if str(val.raw).lower() == 'true' else 'NOT '}NULL"
    if val.kind != "boolean":
        raise validation(f'expected a boolean for type "Boolean", but found {val.found}', path)
    return f"{left} IS {'' if val.literal() else 'NOT '}NULL"


def _operator(c: Context, pg_type: PgType, operator: str, val: Val, left: str, path: str, meta: bool, type_name: str) -> str:  # noqa: PLR0911 - one return per kind
    if meta and operator == "_ne":
        operator = "_neq"
    allowed = operators(pg_type)
    if operator == "_cast" and pg_type.name in CASTS:
        return _cast(c, pg_type, val, left, path, meta)
    if operator not in allowed and not (meta and operator in LIKE):
        raise validation(f"field \"{operator}\" not found in type: '{type_name}'", path)
    if operator == "_is_null":
        return _is_null(left, val, path)
    _null(val, path, type_name.removesuffix("_comparison_exp"))
    if operator in COMPARE:
        return f"{left} {COMPARE[operator]} {c.value(val, pg_type, path, meta=meta)}"
    if operator in ("_in", "_nin"):
        return f"{left} {'= ANY' if operator == '_in' else '<> ALL'} ({many(c, val, pg_type, path, meta)})"
    if operator in LIKE:
        return f"{left} {LIKE[operator]} {c.value(val, TEXT if meta else pg_type, path, meta=meta, as_text=True)}"
    if pg_type.element is not None and operator in ARRAY:
        return f"{left} {ARRAY[operator]} {c.value(val, pg_type, path, meta=meta)}"
    if pg_type.real == "jsonb":
        return _jsonb(c, pg_type, operator, val, left, path, meta)
    if pg_type.real == "ltree":
        symbol, other, several = LTREE[operator]
        other_type = c.schema.type_named(other) or PgType(other, other)
        if several:
            return f"{left} {symbol} {many(c, val, other_type, path, meta)}"
        return f"{left} {symbol} {c.value(val, other_type, path, meta=meta) if meta else _loose(c, val, other_type, path)}"
    return _spatial(c, pg_type, operator, val, left, path, meta)


def _loose(c: Context, val: Val, pg_type: PgType, path: str) -> str:
    from .values import encode

    return cast(c.scope.param(val, lambda raw: encode(raw, pg_type, path)), pg_type)


def many(c: Context, val: Val, element: PgType, path: str, meta: bool) -> str:
    """A placeholder for a list, as one array parameter."""
    array = f"{element.cast}[]"
    if meta and isinstance(val.raw, str) and val.raw.lower().startswith("x-hasura-"):
        return f"({c.scope.session(val.raw)})::{array}"
    if meta and isinstance(val.raw, list) and any(isinstance(v, str) and v.lower().startswith("x-hasura-") for v in val.raw):
        items = [c.value(v, element, path, meta=True) for v in val.elements()]
        return f"ARRAY[{', '.join(items)}]::{array}"

    def encoder(raw: object) -> str:
        items = raw if isinstance(raw, list) else [raw]
        if element.real == "ltree":
            check_labels(items, path)
        return array_literal(items, element, path)

    if not meta and val.kind not in ("list", "null") and val.var is None and isinstance(val.raw, str):
        return f"({c.scope.param(val, encoder)})::{array}"
    return f"({c.scope.param(val, encoder, (array, path))})::{array}"


def _jsonb(c: Context, pg_type: PgType, operator: str, val: Val, left: str, path: str, meta: bool) -> str:
    symbol = JSONB[operator]
    if operator == "_has_key":
        return f"{left} {symbol} {c.value(val, TEXT, path, meta=meta)}"
    if operator in ("_has_keys_any", "_has_keys_all"):
        return f"{left} {symbol} {many(c, val, TEXT, path, meta)}"
    return f"{left} {symbol} {c.value(val, pg_type, path, meta=meta)}"


def _cast(c: Context, pg_type: PgType, val: Val, left: str, path: str, meta: bool) -> str:
    graphql, target = CASTS[pg_type.name]
    target_type = TEXT if target == "text" else c.schema.type_named(target) or PgType(target, target)
    column = Column("cast", target_type, True, False, "", False, None, 0)
    parts = []
    for key, item in val.items():
        if key not in (graphql, target):
            raise validation(f"field \"{key}\" not found in type: '{pg_type.name}_cast_exp'", f"{path}.{key}")
        parts += [
            _operator(c, column.type, modern(k) if meta else k, v, f"({left})::{target}", f"{path}.{key}.{k}", meta, graphql)
            for k, v in item.items()
        ]
    return " AND ".join(f"({part})" for part in parts) or "TRUE"


def _spatial(c: Context, pg_type: PgType, operator: str, val: Val, left: str, path: str, meta: bool) -> str:
    if operator in SPATIAL:
        return f"{SPATIAL[operator]}({left}, {c.value(val, pg_type, path, meta=meta)})"
    parts = dict(val.items())
    if "distance" not in parts or "from" not in parts:
        raise validation(f'missing required field "{"from" if "distance" in parts else "distance"}"', path)
    number = PgType("float8", "double precision")
    distance = cast(_number(c, parts["distance"], number, path, meta), number)
    origin = c.value(parts["from"], pg_type, f"{path}.from", meta=meta)
    function = "ST_3DDWithin" if operator == "_st_3d_d_within" else "ST_DWithin"
    tail = ""
    if pg_type.real == "geography" and "use_spheroid" in parts:
        tail = f", {'TRUE' if parts['use_spheroid'].literal() else 'FALSE'}"
    return f"{function}({left}, {origin}, {distance}{tail})"


def _number(c: Context, val: Val, number: PgType, path: str, meta: bool) -> str:
    from .values import encode

    if meta and isinstance(val.raw, str) and val.raw.lower().startswith("x-hasura-"):
        return c.scope.session(val.raw)
    return c.scope.param(val, lambda raw: encode(raw, number, f"{path}.distance"))
