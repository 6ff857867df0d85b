"""Run GraphQL operations: cached plans, one statement per query, one transaction per mutation."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import asyncpg
import orjson

from .compiler.document import Document, read
from .compiler.operation import compile_operation
from .compiler.plan import Plan, Step
from .compiler.scope import OPAQUE, Scope, key_of
from .compiler.update import CHECK_FAILED
from .compiler.values import ABSENT
from .db.pool import DOWN, Pool
from .errors import DatabaseDown, EngineError, from_postgres, validation
from .schema.model import Schema
from .schema.roles import role_schema

FAMILIES_KEPT = 4000
TEXT_KEPT = 50_000
PLANS_KEPT = 200


class Family:
    """One operation text for one role: parsed once, with a plan for each shape of its variables."""

    __slots__ = ("document", "levels", "only", "plans")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.levels: dict[str, int] = {}
        self.plans: dict[Any, Plan] = {}
        self.only: Plan | None = None

    def key(self, variables: dict[str, Any]) -> Any:
        """Which plan these variables need."""
        levels = self.levels
        return tuple(key_of(variables.get(name, ABSENT), levels.get(name, OPAQUE)) for name in self.document.types)


class Executor:
    """Compiles and runs; knows nothing of HTTP."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.schema: Schema | None = None
        self.remote_roots: Any = None
        self.outside: Any = None
        self.cache: OrderedDict[Any, Family] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def use(self, schema: Schema) -> None:
        """Switch to a new schema; every plan of the old one is dropped."""
        self.schema = schema
        self.cache.clear()

    def plan(
        self, text: str, name: str | None, variables: dict[str, Any], role: str, backend: bool
    ) -> tuple[Plan, dict[str, Any]]:
        """The plan of an operation, from the cache when it is known, and its coerced variables."""
        schema = self.schema
        if schema is None:
            raise DatabaseDown("the schema is not loaded yet")
        key = (text, name, role, backend)
        family = self.cache.get(key)
        if family is None:
            self.misses += 1
            family = Family(read(text, name))
            if len(text) <= TEXT_KEPT:
                self.cache[key] = family
            if len(self.cache) > FAMILIES_KEPT:
                self.cache.popitem(last=False)
        elif family.only is not None and not variables:
            self.hits += 1
            return family.only, variables
        document = family.document
        variables = document.coerce(variables)
        shape = family.key(variables)
        plan = family.plans.get(shape)
        if plan is not None:
            self.hits += 1
            return plan, variables
        scope = Scope(variables, document.types)
        try:
            plan = compile_operation(role_schema(schema, role, backend), document, scope, self._remotes(role))
        except RecursionError:
            raise validation("the operation is nested too deeply") from None
        if any(level > family.levels.get(name, OPAQUE) for name, level in scope.levels.items()):
            for found, level in scope.levels.items():
                family.levels[found] = max(level, family.levels.get(found, OPAQUE))
            family.plans.clear()
        if plan.cacheable:
            if len(family.plans) >= PLANS_KEPT:
                family.plans.pop(next(iter(family.plans)))
            family.plans[family.key(variables)] = plan
            if not document.types:
                family.only = plan
        return plan, variables

    def document(self, text: str, name: str | None, role: str, backend: bool) -> Document:
        """The parsed operation of a request."""
        family = self.cache.get((text, name, role, backend))
        return family.document if family is not None else read(text, name)

    def _remotes(self, role: str) -> dict[str, Any] | None:
        return self.remote_roots(role) if self.remote_roots is not None else None

    async def run(self, plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        """The whole response body."""
        try:
            if plan.simple is not None and plan.statement is not None:
                statement = plan.statement
                params = [getter(variables, session) for getter in statement.getters]
                async with self.pool.lease() as lease:
                    body = await lease.value(statement.sql, params)
                return plan.simple + (b"null" if body is None else body) + b"}}"
            if plan.direct is not None:
                return await self._direct(plan, variables, session)
            if plan.kind == "mutation":
                return await self._mutate(plan, variables, session)
            return await self._query(plan, variables, session)
        except asyncpg.PostgresError as error:
            raise from_postgres(error) from error
        except DOWN as error:
            raise DatabaseDown(f"connection error: {type(error).__name__}") from error

    async def _direct(self, plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        step = plan.steps[0]
        async with self.pool.lease() as lease:
            try:
                body = await _step(lease, step, variables, session)
            except asyncpg.PostgresError as error:
                raise from_postgres(error, step.error_path) from error
        return (plan.direct or b"") + body + b"}}"

    async def _query(self, plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        row: Any = ()
        if plan.statement is not None:
            params = plan.statement.values(variables, session)
            async with self.pool.lease() as lease:
                row = await lease.row(plan.statement.sql, params)
        outside = await self._outside(plan, variables, session)
        pairs = [
            (part.alias, _bytes(row[part.column]) if part.column is not None else outside[part.alias]) for part in plan.parts
        ]
        return b'{"data":' + joined(pairs) + b"}"

    async def _outside(self, plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> dict[str, bytes]:
        wanted = [part for part in plan.parts if part.outside is not None]
        if not wanted:
            return {}
        return await self.outside(wanted, plan, variables, session)

    async def _mutate(self, plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> bytes:
        outside = await self._outside(plan, variables, session)
        pairs = [(alias, body) for alias, body in outside.items()]
        if plan.steps:
            async with self.pool.transaction() as lease:
                await lease.value(SESSION_SETTING, [session_text(session)])
                for step in plan.steps:
                    try:
                        pairs.append((step.alias, await _step(lease, step, variables, session)))
                    except asyncpg.PostgresError as error:
                        raise from_postgres(error, step.error_path) from error
        return b'{"data":' + joined(pairs) + b"}"


SESSION_SETTING = "SELECT set_config('hasura.user', $1::text, true)"


def session_text(session: dict[str, str]) -> str:
    """`hasura.user` for the transaction: event triggers put the session variables into their payload."""
    return orjson.dumps({k: v for k, v in session.items() if not k.startswith("\x00")}).decode()


async def _step(lease: Any, step: Step, variables: dict[str, Any], session: dict[str, str]) -> bytes:
    if step.constant is not None:
        return step.constant
    if step.procedure is not None:
        return await step.procedure(lease, variables, session)
    statement = step.statement
    assert statement is not None  # noqa: S101 - a step is one of the three
    row = await lease.row(statement.sql, statement.values(variables, session))
    if not row["ok"]:
        raise EngineError("permission-error", CHECK_FAILED, step.error_path)
    return _bytes(row["o"])


def _bytes(value: Any) -> bytes:
    if value is None:
        return b"null"
    return value if isinstance(value, bytes) else str(value).encode()


def joined(pairs: list[tuple[str, bytes]]) -> bytes:
    """A JSON object from ready parts."""
    return b"{" + b",".join(orjson.dumps(key) + b":" + body for key, body in pairs) + b"}"
