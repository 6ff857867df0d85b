"""Remote schemas joined at the root: their root fields are learnt by introspection and passed on as they are asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from graphql import DocumentNode, GraphQLError, get_introspection_query, parse, print_ast
from graphql.language import ast

from ..errors import EngineError
from .actions import FORWARDED, expand, header_list

if TYPE_CHECKING:
    from ..http.app import App

KINDS = {"query": "queryType", "mutation": "mutationType"}


class RemoteSchemas:
    """Knows which root field belongs to which remote, and asks it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.fields: dict[str, dict[str, dict[str, Any]]] = {}
        self.known: dict[str, Any] = {}
        self._work: asyncio.Task[None] | None = None
        app.engine.listeners.append(self.changed)

    def changed(self) -> None:
        """The metadata changed: learn the remotes that are new or different."""
        wanted = {remote["name"]: remote for remote in self.app.engine.document.get("remote_schemas") or ()}
        if wanted != self.known:
            self._work = asyncio.create_task(self.refresh(wanted))

    async def refresh(self, wanted: dict[str, Any]) -> None:
        """Introspect every remote; one that does not answer has no fields until the next change."""
        found: dict[str, dict[str, dict[str, Any]]] = {"query": {}, "mutation": {}}
        for remote in wanted.values():
            try:
                schema = await self._introspect(remote)
            except Exception as error:
                detail = {"name": remote["name"], "error": f"{type(error).__name__}: {error}"}
                self.app.logger.write("remote-schema", detail, "error")
                continue
            types = {kind["name"]: kind for kind in schema["types"]}
            for kind, key in KINDS.items():
                root = types.get((schema.get(key) or {}).get("name")) or {}
                for item in root.get("fields") or ():
                    found[kind].setdefault(item["name"], remote)
        self.fields, self.known = found, wanted
        self.app.engine.executor.cache.clear()

    async def _introspect(self, remote: dict[str, Any]) -> dict[str, Any]:
        body = await self._post(remote, {"query": get_introspection_query()}, {}, {})
        return body["data"]["__schema"]

    def roots(self, role: str) -> dict[str, dict[str, Any]]:
        """The remote root fields of a role."""
        if role == "admin" or not self.app.config.remote_schema_permissions:
            return self.fields
        found: dict[str, dict[str, Any]] = {}
        for kind, fields in self.fields.items():
            found[kind] = {name: remote for name, remote in fields.items() if name in permitted(remote, role, kind)}
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
        text = print_ast(DocumentNode(definitions=(operation, *(document.fragments[name] for name in fragments))))
        given = {name: value for name, value in variables.items() if name in names}
        try:
            body = {"query": text, "variables": given}
            answer = await self._post(remote, body, request["headers"], request["session"].variables)
        except Exception as error:
            message = f"HTTP exception occurred while sending the request to remote schema: {type(error).__name__}"
            raise EngineError("remote-schema-error", message, "$") from None
        if not isinstance(answer, dict) or answer.get("errors"):
            first = (answer.get("errors") or [{}])[0] if isinstance(answer, dict) else {}
            raise EngineError("remote-schema-error", str(first.get("message", "the remote schema failed")), "$")
        return orjson.dumps((answer.get("data") or {}).get(field.alias))


def permitted(remote: dict[str, Any], role: str, kind: str) -> set[str]:
    """The root fields that a role's own schema of a remote names."""
    for permission in remote.get("permissions") or ():
        if permission["role"] != role:
            continue
        try:
            document = parse((permission.get("definition") or {}).get("schema", ""), no_location=True)
        except GraphQLError:
            return set()
        root = {"query": "Query", "mutation": "Mutation"}[kind]
        for definition in document.definitions:
            if isinstance(definition, ast.SchemaDefinitionNode):
                for entry in definition.operation_types:
                    if entry.operation.value == kind:
                        root = entry.type.name.value
        for definition in document.definitions:
            if isinstance(definition, ast.ObjectTypeDefinitionNode) and definition.name.value == root:
                return {item.name.value for item in definition.fields or ()}
    return set()


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
