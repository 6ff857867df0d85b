"""Functions tracked as root fields."""

from __future__ import annotations

from typing import Any

from ..db.catalog import Name
from ..errors import EngineError
from .model import Call, Inconsistency, Schema, TrackedFunction
from .names import as_json, graphql_table_name, show, valid


def function_error(name: Name, reason: str, where: str) -> Inconsistency:
    """How a function that cannot be tracked is listed."""
    shown = show(name)
    return Inconsistency(
        "function", f"function {shown}{where}", as_json(name), f'Inconsistent object: in function "{shown}": {reason}'
    )


def track_function(schema: Schema, meta: dict[str, Any], name: Name) -> TrackedFunction:
    """Resolve one tracked function; raises EngineError with the reason when it cannot be."""
    shown = show(name)
    prefix = f'the function "{shown}" cannot be tracked because '
    found = schema.catalog.functions.get(name)
    if not found:
        raise EngineError("not-exists", f'no such function exists: "{shown}"')
    if len(found) > 1:
        raise EngineError("not-supported", prefix + "function is overloaded. Overloaded functions are not supported")
    function = found[0]
    config = meta.get("configuration") or {}
    session = None
    wanted = config.get("session_argument")
    if wanted:
        names = [argument.name for argument in function.arguments]
        if wanted not in names:
            raise EngineError(
                "invalid-configuration", f'{prefix}given session argument "{wanted}" not the input argument of the function'
            )
        session = names.index(wanted)
        if function.arguments[session].type.name != "json":
            raise EngineError("invalid-configuration", f'{prefix}given session argument "{wanted}" is not of type json')
    if function.returns_table is None:
        raise EngineError("invalid-configuration", prefix + "the function does not return a table")
    if function.returns_table not in schema.tables:
        raise EngineError("invalid-configuration", prefix + f"the table {show(function.returns_table)} is not tracked")
    if function.variadic:
        raise EngineError("not-supported", prefix + "function with variadic parameters is not supported")
    base = config.get("custom_name") or graphql_table_name(name)
    roots = config.get("custom_root_fields") or {}
    root = roots.get("function") or base
    if not valid(root):
        raise EngineError("invalid-configuration", prefix + f'"{root}" is not a valid GraphQL identifier')
    exposed = config.get("exposed_as")
    mutation = exposed == "mutation" or (exposed is None and function.volatile)
    return TrackedFunction(
        Call(function, None, session),
        meta,
        root,
        roots.get("function_aggregate") or f"{base}_aggregate",
        mutation,
        frozenset(p["role"] for p in meta.get("permissions") or ()),
    )
