"""Remote schemas joined at the root: their root fields are learnt by introspection and passed on as they are asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from graphql import DocumentNode, GraphQLSchema, build_client_schema, get_introspection_query, print_ast
from graphql.language import ast

from ..errors import EngineError
from ..schema.model import ADMIN
from .actions import FORWARDED, expand, header_list
from .view import View, permitted_sdl, view_of

if TYPE_CHECKING:
    from ..process import Process


class RemoteSchemas:
    """Knows which root field belongs to which remote, and asks it."""

    def __init__(self, app: Process) -> None:
        self.app = app
        self.schemas: dict[str, GraphQLSchema] = {}
        self.problems: dict[str, str] = {}
        self.known: dict[str, Any] = {}
        self.views: dict[tuple[str, str], View] = {}
        self._work: asyncio.Task[None] | None = None
        app.engine.listeners.append(self.changed)

    def changed(self) -> None:
        """The metadata changed: learn the remotes that are new or different, and those that could not be learnt."""
        wanted = self.wanted()
        if wanted != self.known or self.problems:
            self._work = asyncio.create_task(self.refresh(wanted))

    def wanted(self) -> dict[str, Any]:
        """The remotes of the metadata in force, by name."""
        return {remote["name"]: remote for remote in self.app.engine.document.get("remote_schemas") or ()}

    async def settled(self) -> None:
        """Wait until what is being learnt is known."""
        if self._work is not None:
            await self._work

    async def refresh(self, wanted: dict[str, Any]) -> None:
        """Introspect every remote; one that does not answer has no fields until the metadata is changed or reloaded."""
        found: dict[str, GraphQLSchema] = {}
        problems: dict[str, str] = {}
        for name, remote in wanted.items():
            try:
                found[name] = build_client_schema(await self.introspect(remote), assume_valid=True)
            except Exception as error:
                problems[name] = str(error)
                self.app.logger.write("remote-schema", {"name": name, "error": problems[name]}, "error")
        self.schemas, self.problems, self.known = found, problems, wanted
        self.views.clear()
        self.app.engine.executor.cache.clear()
        if self.app.engine.executor.schema is not None:
            self.app.engine.executor.schema.role_cache.clear()

    async def introspect(self, remote: dict[str, Any]) -> Any:
        """What a remote says of itself; raises the error of one that does not answer so."""
        try:
            body = await self._post(remote, {"query": get_introspection_query()}, {}, {})
            data = body["data"]
            build_client_schema(data, assume_valid=True)
        except EngineError:
            raise
        except Exception as error:
            message = f'the remote schema "{remote["name"]}" cannot be introspected: {type(error).__name__}'
            raise EngineError("remote-schema-error", message, "$.args", 400) from None
        return data

    def view(self, remote: dict[str, Any], role: str) -> View | None:
        """What a role may use of a remote; None for nothing."""
        schema = self.schemas.get(remote["name"])
        if schema is None:
            return None
        restricted = role != ADMIN and self.app.config.remote_schema_permissions
        key = (remote["name"], role if restricted else "")
        if key not in self.views:
            sdl = permitted_sdl(remote, role) if restricted else None
            if restricted and sdl is None:
                return None
            self.views[key] = view_of(schema, sdl)
        return self.views[key]

    def of_role(self, role: str) -> list[tuple[dict[str, Any], View]]:
        """The remotes a role may use; where two have a root field of one name, the first answers."""
        pairs = [(remote, self.view(remote, role)) for remote in self.known.values()]
        return [(remote, view) for remote, view in pairs if view is not None]

    def roots(self, role: str) -> dict[str, dict[str, Any]]:
        """The remote root fields of a role, by kind of operation."""
        found: dict[str, dict[str, Any]] = {"query": {}, "mutation": {}}
        for remote, view in self.of_role(role):
            for kind, fields in found.items():
                for name in view.roots(kind):
                    fields.setdefault(name, remote)
        return found

    async def _post(self, remote: dict[str, Any], body: Any, headers: dict[str, str], session: dict[str, str]) -> Any:
        definition = remote["definition"]
        env = self.app.config.environ
        url = definition.get("url") or env.get(definition.get("url_from_env", ""), "")
        sent = {"content-type": "application/json"}
        if definition.get("forward_client_headers"):
            sent |= {name: value for name, value in headers.items() if name in FORWARDED}
        sent |= session | header_list(definition.get("headers"), env)
        timeout = definition.get("timeout_seconds") or 60
        reply = await self.app.http.post(expand(url, env), content=orjson.dumps(body), headers=sent, timeout=timeout)
        return orjson.loads(reply.content)

    async def ask(
        self, remote: dict[str, Any], field: Any, kind: str, variables: dict[str, Any], request: Any, document: Any
    ) -> bytes:
        """Pass one root field on."""
        selections = tuple(s for part in field.sets for s in part.selections)
        node = ast.FieldNode(
            name=field.node.name,
            alias=field.node.alias,
            arguments=field.node.arguments,
            directives=(),
            selection_set=ast.SelectionSetNode(selections=selections) if selections else None,
        )
        names, fragments = used(node, document.fragments)
        definitions = tuple(d for d in document.operation.variable_definitions or () if d.variable.name.value in names)
        operation = ast.OperationDefinitionNode(
            operation=ast.OperationType(kind),
            name=None,
            variable_definitions=definitions,
            directives=(),
            selection_set=ast.SelectionSetNode(selections=(node,)),
        )
        asked = DocumentNode(definitions=(operation, *(document.fragments[name] for name in fragments)))
        session = request["session"]
        view = self.view(remote, session.role)
        if view is None:
            raise EngineError("remote-schema-error", f'the remote schema "{remote["name"]}" is not there', "$")
        text = print_ast(view.checked(asked, session.variables))
        given = {name: value for name, value in variables.items() if name in names}
        try:
            body = {"query": text, "variables": given}
            answer = await self._post(remote, body, request["headers"], session.variables)
        except Exception as error:
            message = f"HTTP exception occurred while sending the request to remote schema: {type(error).__name__}"
            raise EngineError("remote-schema-error", message, "$") from None
        if not isinstance(answer, dict) or answer.get("errors"):
            first = (answer.get("errors") or [{}])[0] if isinstance(answer, dict) else {}
            raise EngineError("remote-schema-error", str(first.get("message", "the remote schema failed")), "$")
        return orjson.dumps((answer.get("data") or {}).get(field.alias))


def used(node: Any, fragments: dict[str, Any]) -> tuple[set[str], list[str]]:
    """The variables and fragments below a node."""
    names: set[str] = set()
    spread: list[str] = []
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.VariableNode):
            names.add(current.name.value)
        elif isinstance(current, ast.FragmentSpreadNode):
            name = current.name.value
            if name not in fragments:
                raise EngineError("validation-failed", f'reference to undefined fragment "{name}"')
            if name not in spread:
                spread.append(name)
                pending.append(fragments[name])
        if isinstance(current, ast.Node):
            pending += [getattr(current, key, None) for key in current.keys]
        elif isinstance(current, list | tuple):
            pending += current
    return names, spread
