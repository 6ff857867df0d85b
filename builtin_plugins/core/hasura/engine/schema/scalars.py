"""How PostgreSQL types appear in GraphQL, and which comparison operators each has."""

from __future__ import annotations

from ..db.catalog import PgType

NAMES = {
    "int4": "Int",
    "bool": "Boolean",
    "float4": "Float",
    "text": "String",
    "varchar": "String",
    "int2": "smallint",
    "int8": "bigint",
}
STRINGIFIED = frozenset({"int8", "numeric", "float8"})
TEXTUAL = frozenset({"text", "varchar", "bpchar", "citext", "name", "char"})
NUMERIC = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "money"})
GEO = frozenset({"geometry", "geography"})
JSONS = frozenset({"json", "jsonb"})
UNORDERED = frozenset({"json", "jsonb", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "bool"})

COMPARE = {"_eq": "=", "_neq": "<>", "_gt": ">", "_lt": "<", "_gte": ">=", "_lte": "<="}
LIKE = {
    "_like": "LIKE",
    "_nlike": "NOT LIKE",
    "_ilike": "ILIKE",
    "_nilike": "NOT ILIKE",
    "_similar": "SIMILAR TO",
    "_nsimilar": "NOT SIMILAR TO",
    "_regex": "~",
    "_iregex": "~*",
    "_nregex": "!~",
    "_niregex": "!~*",
}
JSONB = {"_contains": "@>", "_contained_in": "<@", "_has_key": "?", "_has_keys_any": "?|", "_has_keys_all": "?&"}
ARRAY = {"_contains": "@>", "_contained_in": "<@"}
LTREE = {
    "_ancestor": ("@>", "ltree", False),
    "_ancestor_any": ("@>", "ltree", True),
    "_descendant": ("<@", "ltree", False),
    "_descendant_any": ("<@", "ltree", True),
    "_matches": ("~", "lquery", False),
    "_matches_any": ("?", "lquery", True),
    "_matches_fulltext": ("@", "ltxtquery", False),
}
SPATIAL = {
    "_st_contains": "ST_Contains",
    "_st_crosses": "ST_Crosses",
    "_st_equals": "ST_Equals",
    "_st_intersects": "ST_Intersects",
    "_st_3d_intersects": "ST_3DIntersects",
    "_st_overlaps": "ST_Overlaps",
    "_st_touches": "ST_Touches",
    "_st_within": "ST_Within",
}
SPATIAL_GEOGRAPHY = frozenset({"_st_intersects"})
COLUMN_COMPARE = {
    "_ceq": "=",
    "_cne": "<>",
    "_cneq": "<>",
    "_cgt": ">",
    "_clt": "<",
    "_cgte": ">=",
    "_clte": "<=",
}


def graphql_name(pg_type: PgType) -> str:
    """The GraphQL scalar's name; an array is named by its element (see `is_list`)."""
    if pg_type.element is not None:
        return graphql_name(pg_type.element)
    return NAMES.get(pg_type.name, pg_type.name)


def is_list(pg_type: PgType) -> bool:
    """True for array types, which are GraphQL lists."""
    return pg_type.element is not None


def comparison_name(pg_type: PgType) -> str:
    """The name of the input type that compares values of this type."""
    suffix = "_array_comparison_exp" if is_list(pg_type) else "_comparison_exp"
    return graphql_name(pg_type) + suffix


def operators(pg_type: PgType) -> list[str]:
    """The comparison operators offered for a type, beyond `_cast`."""
    found = [*COMPARE, "_in", "_nin", "_is_null"]
    if is_list(pg_type):
        return found + list(ARRAY)
    real = pg_type.real
    if real in TEXTUAL:
        found += LIKE
    elif real == "jsonb":
        found += JSONB
    elif real == "ltree":
        found += LTREE
    elif real == "geometry":
        found += [*SPATIAL, "_st_d_within", "_st_3d_d_within"]
    elif real == "geography":
        found += [*sorted(SPATIAL_GEOGRAPHY), "_st_d_within"]
    return found


CASTS = {"jsonb": ("String", "text"), "geometry": ("geography", "geography"), "geography": ("geometry", "geometry")}
"""What `_cast` offers: for a type, the GraphQL name of the target and its SQL type."""
