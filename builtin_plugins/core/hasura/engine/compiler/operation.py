"""Compile one operation for one role into a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..db.sql import literal, qualified
from ..errors import EngineError, validation
from ..schema.roles import RoleSchema, Root
from .aggregates import aggregate_json
from .boolexp import TRUE
from .context import Context, Row
from .document import Document
from .fields import Collector, Field
from .functions import function_json
from .insert import insert_step, is_nested
from .nested import nested_step
from .plan import Part, Plan, Statement, Step
from .scope import Scope
from .select import by_pk_json, require_selection, rows_json
from .stream import stream_json
from .update import CHECK_FAILED, delete_step, update_many_steps, update_step

INTROSPECTION = ("__schema", "__type")
ROOT_TYPES = {"query": "query_root", "mutation": "mutation_root", "subscription": "subscription_root"}


def compile_operation(role: RoleSchema, document: Document, scope: Scope, remote_roots: dict[str, Any] | None = None) -> Plan:
    """The plan of an operation; raises EngineError where it does not fit the role's schema."""
    kind = document.kind
    collector = Collector(document.fragments, scope)
    type_name = ROOT_TYPES[kind]
    available = {"query": role.queries, "mutation": role.mutations, "subscription": role.subscriptions}[kind]
    remote = (remote_roots or {}).get(kind) or {}
    if kind == "mutation" and not available and not remote:
        raise validation("no mutations exist")
    if kind == "subscription" and not available:
        raise validation("no subscriptions exist")
    if kind == "query" and not available and not remote:
        available = {"no_queries_available": Root("no_queries_available", "none")}
    fields = collector.collect([document.operation.selection_set], type_name, "$")
    plan = Plan(kind, document.name)
    if kind == "mutation":
        for field in fields:
            plan.steps += _mutation(role, document, scope, field, available, remote, plan)
    else:
        if kind == "subscription" and len(fields) != 1:
            raise validation("subscriptions must select one top level field")
        _query(role, scope, collector, fields, available, remote, plan, type_name)
    if len(plan.steps) == 1 and plan.steps[0].certain and not plan.parts and not _watched(role):
        plan.direct = b'{"data":{' + orjson.dumps(plan.steps[0].alias) + b":"
    unused = set(document.types) - scope.used
    for name in unused:
        scope.levels.setdefault(name, 0)
    plan.nodes = collector.count
    return plan


def _watched(role: RoleSchema) -> bool:
    """True when triggers exist that may want to know who writes (`hasura.user` is set for a transaction)."""
    schema = role.schema
    return schema.catalog.triggers or any(table.triggers for table in schema.tables.values())


def _query(
    role: RoleSchema,
    scope: Scope,
    collector: Collector,
    fields: list[Field],
    available: Mapping[str, Root],
    remote: dict[str, Any],
    plan: Plan,
    type_name: str,
) -> None:
    columns: list[str] = []
    for field in fields:
        path = f"$.selectionSet.{field.name}"
        if field.name == "__typename":
            columns.append(f"to_json({literal(type_name)}::text)")
            plan.parts.append(Part(field.alias, len(columns) - 1))
            continue
        if field.name in INTROSPECTION and type_name == "query_root":
            if role.role in role.schema.introspection_disabled:
                raise EngineError("not-supported", f'introspection is disabled for role: "{role.role}"')
            plan.parts.append(Part(field.alias, None, ("introspection", field)))
            continue
        root = available.get(field.name)
        if root is None:
            if field.name in remote:
                plan.parts.append(Part(field.alias, None, ("remote", remote[field.name], field)))
                continue
            raise validation(f"field \"{field.name}\" not found in type: '{type_name}'", path)
        if root.kind == "action":
            plan.parts.append(Part(field.alias, None, ("action", root.extra, field)))
            continue
        c = Context(role, scope, collector)
        sql, stream = _root_sql(c, root, field, path)
        plan.stream = stream or plan.stream
        columns.append(sql)
        plan.parts.append(Part(field.alias, len(columns) - 1))
    if columns:
        listed = ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(columns))
        plan.statement = Statement(f"SELECT {listed}", scope.params)
    if len(columns) == 1 and len(plan.parts) == 1 and plan.stream is None:
        plan.simple = b'{"data":{' + orjson.dumps(plan.parts[0].alias) + b":"


def _root_sql(c: Context, root: Root, field: Field, path: str) -> tuple[str, Any]:
    if root.kind == "none":
        return "to_json(''::text)", None
    if root.kind in ("function", "function_aggregate"):
        return function_json(c, root, field, path), None
    table = root.table
    assert table is not None  # noqa: S101 - the remaining kinds carry a table
    if root.kind == "select_by_pk":
        return by_pk_json(c, table, field, path), None
    if root.kind == "select_stream":
        return stream_json(c, table, field, path)
    row = Row(c.alias())
    source = f"{qualified(*table.tracked.key)} AS {row.alias}"
    if root.kind == "select_aggregate":
        return aggregate_json(c, table, field, row, source, [], path), None
    return rows_json(c, table, field, row, source, [], path), None


def _mutation(  # noqa: PLR0911 - one return per kind
    role: RoleSchema,
    document: Document,
    scope: Scope,
    field: Field,
    available: Mapping[str, Root],
    remote: dict[str, Any],
    plan: Plan,
) -> list[Step]:
    path = f"$.selectionSet.{field.name}"
    if field.name == "__typename":
        return [Step(field.alias, constant=b'"mutation_root"')]
    root = available.get(field.name)
    if root is None and field.name in remote:
        plan.parts.append(Part(field.alias, None, ("remote", remote[field.name], field)))
        return []
    if root is None:
        raise validation(f"field \"{field.name}\" not found in type: 'mutation_root'", path)
    if root.kind == "action":
        plan.parts.append(Part(field.alias, None, ("action", root.extra, field)))
        return []

    def context() -> Context:
        own = Scope(scope.variables, scope.types)
        own.levels, own.used = scope.levels, scope.used
        return Context(role, own, Collector(document.fragments, own))

    c = context()
    table = root.table
    if root.kind == "function":
        statement = Statement(f"SELECT {function_json(c, root, field, path)} AS o, TRUE AS ok", c.scope.params)
        return [Step(field.alias, statement)]
    assert table is not None  # noqa: S101 - the remaining kinds carry a table
    if root.kind in ("insert", "insert_one"):
        return [_insert(context, table, field, path, plan, one=root.kind == "insert_one")]
    if root.kind in ("update", "update_by_pk"):
        return [update_step(c, table, field, path, by_pk=root.kind == "update_by_pk")]
    if root.kind in ("delete", "delete_by_pk"):
        return [delete_step(c, table, field, path, by_pk=root.kind == "delete_by_pk")]
    return [_update_many(context, table, field, path)]


def _insert(context: Any, table: Any, field: Field, path: str, plan: Plan, *, one: bool) -> Step:
    c = context()
    name = "object" if one else "objects"
    given = c.collector.arguments(field.node, (name, "on_conflict"), path)
    if name not in given:
        raise validation(f'missing required field "{name}"', f"{path}.args.{name}")
    objects = given[name]
    if objects.kind == "null":
        raise validation(f'unexpected null value for "{name}"', f"{path}.args.{name}")
    c.scope.expect(objects, f"{table.name}_insert_input", f"{path}.args.{name}")
    conflict = given.get("on_conflict")
    items = [objects] if one else objects.elements()
    if is_nested(table, items, f"{path}.args.{name}"):
        plan.cacheable = False
        return nested_step(context, table, field, objects, conflict, path, one)
    return insert_step(c, table, field, objects, conflict, path, one)


def _update_many(context: Any, table: Any, field: Field, path: str) -> Step:
    c = context()
    given = c.collector.arguments(field.node, ("updates",), path)
    if "updates" not in given:
        raise validation('missing required field "updates"', f"{path}.args.updates")
    require_selection(field, f"{table.name}_mutation_response", path)
    steps = update_many_steps(context, table, field, given["updates"], path)

    async def run(lease: Any, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        answers = []
        for step in steps:
            statement = step.statement
            found = await lease.row(statement.sql, statement.values(variables, session))
            if not found["ok"]:
                raise EngineError("permission-error", CHECK_FAILED)
            answers.append(found["o"])
        return b"[" + b",".join(answers) + b"]"

    return Step(field.alias, None, run)


__all__ = ["TRUE", "compile_operation"]
