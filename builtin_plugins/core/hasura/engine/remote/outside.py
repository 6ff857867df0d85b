"""Root fields answered outside SQL: introspection, actions, remote schemas."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import orjson
from graphql import DocumentNode, execute
from graphql.language import ast

from ..errors import EngineError
from ..schema.introspect.roots import graphql_schema
from ..schema.roles import role_schema
from . import api as _api  # noqa: F401 - registers its commands
from .actions import run_action
from .deep import deeply
from .schemas import RemoteSchemas

if TYPE_CHECKING:
    from ..compiler.plan import Part, Plan
    from ..process import Process

REQUEST: ContextVar[dict[str, Any]] = ContextVar("graphql_request")


class Outside:
    """Answers the parts of a plan that are not SQL."""

    def __init__(self, app: Process) -> None:
        self.app = app
        self.remotes = RemoteSchemas(app)
        app.engine.executor.remote_roots = self.remotes.roots
        app.engine.remotes = self.remotes
        self.remotes.changed()

    async def answer(self, parts: list[Part], plan: Plan, variables: dict[str, Any], session: dict[str, str]) -> dict[str, bytes]:
        """JSON by alias."""
        if plan.kind == "mutation":
            found = [await self._one(part, variables, plan.kind) for part in parts]
        else:
            found = await asyncio.gather(*(self._one(part, variables, plan.kind) for part in parts))
        return dict(zip((part.alias for part in parts), found, strict=True))

    async def _one(self, part: Part, variables: dict[str, Any], operation: str) -> bytes:
        kind, *rest = part.outside
        if kind == "introspection":
            return await self._introspect(rest[0], variables)
        if kind == "action":
            return await run_action(self.app, rest[0], rest[1], variables, REQUEST.get(), operation)
        if kind == "remote":
            request = REQUEST.get()
            return await self.remotes.ask(rest[0], rest[1], operation, variables, request, self._document(request))
        raise EngineError("unexpected", f"nothing answers {part.alias}", "$", 500)

    def _document(self, request: dict[str, Any]) -> Any:
        session = request["session"]
        return self.app.engine.executor.document(request["text"], request["name"], session.role, session.backend)

    def _remote_fields(self, role: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {"query": {}, "mutation": {}}
        for _, view in self.remotes.of_role(role):
            for kind, fields in found.items():
                for name, field in view.roots(kind).items():
                    fields.setdefault(name, field)
        return found

    async def _introspect(self, field: Any, variables: dict[str, Any]) -> bytes:
        """Beside the loop: the schema of hundreds of tables takes seconds to build, and others wait for nothing meanwhile."""
        request = REQUEST.get()
        session = request["session"]
        document = self._document(request)
        role = role_schema(self.app.engine.schema, session.role, session.backend)
        key = ("introspection", session.role, session.backend)
        remote = self._remote_fields(session.role)
        node = ast.FieldNode(
            name=field.node.name,
            alias=field.node.alias,
            arguments=field.node.arguments,
            directives=(),
            selection_set=ast.SelectionSetNode(selections=tuple(s for part in field.sets for s in part.selections)),
        )
        operation = ast.OperationDefinitionNode(
            operation=ast.OperationType.QUERY,
            name=None,
            variable_definitions=document.operation.variable_definitions,
            directives=(),
            selection_set=ast.SelectionSetNode(selections=(node,)),
        )
        asked = DocumentNode(definitions=(operation, *document.fragments.values()))

        def answer() -> Any:
            schema = role.schema.role_cache.get(key)
            if schema is None:
                schema = role.schema.role_cache[key] = graphql_schema(role, remote)
            return execute(schema, asked, variable_values=variables)

        result = await deeply(answer)
        if result.errors:
            raise EngineError("validation-failed", result.errors[0].message, f"$.selectionSet.{field.name}")
        return orjson.dumps((result.data or {}).get(field.alias))
