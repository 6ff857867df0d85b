"""`/v1/graphql`: one request or a batch, over POST or GET."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ..auth.session import Session
from ..errors import DatabaseDown, EngineError, validation
from ..limits import Limits
from .reply import dump, parse_json, read_body

if TYPE_CHECKING:
    from ..process import Process


class GraphQL:
    """Answers GraphQL requests; errors are part of the answer, with status 200 on `/v1/graphql`."""

    def __init__(self, app: Process) -> None:
        self.app = app
        self.limits = Limits(app.engine)

    async def answer(self, path: str, headers: dict[str, str], receive: Any, scope: Any) -> tuple[int, bytes, Session | None]:
        """Status, body and whose session it was."""
        session = None
        app = self.app
        try:
            if "graphql" not in app.config.enabled_apis:
                raise EngineError("not-found", "resource does not exist", "$", 404)
            if scope["method"] == "GET":
                query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
                body: Any = {**query, "variables": parse_json((query.get("variables") or "null").encode())}
            else:
                raw = await read_body(receive, app.config.max_body)
                body = parse_json(raw)
            session = await app.auth.session(headers, body)
            if isinstance(body, list):
                answers = [await self._one_of_batch(item, session, headers) for item in body]
                return 200, b"[" + b",".join(answers) + b"]", session
            return 200, await self.execute(body, session, headers, allow_mutation=scope["method"] != "GET"), session
        except EngineError as error:
            status = error.status if path == "/v1alpha1/graphql" or isinstance(error, DatabaseDown) else 200
            if error.status in (404, 413):
                status = error.status
            return status, dump(self.shown(error, session)), session

    def shown(self, error: EngineError, session: Session | None) -> dict[str, Any]:
        """The error as this client may see it: `internal` only in dev mode or for the admin."""
        body = error.graphql()
        admin = session is not None and session.role == "admin" and self.app.config.admin_internal_errors
        if error.internal is not None and not (self.app.config.dev_mode or admin):
            body["errors"][0]["extensions"].pop("internal", None)
        return body

    async def _one_of_batch(self, item: Any, session: Session, headers: dict[str, str]) -> bytes:
        try:
            return await self.execute(item, session, headers)
        except EngineError as error:
            return dump(self.shown(error, session))

    async def execute(self, body: Any, session: Session, headers: dict[str, str], *, allow_mutation: bool = True) -> bytes:
        """One operation's response body."""
        if not isinstance(body, dict):
            raise EngineError("parse-failed", "expected an object with a query", "$")
        text = body.get("query")
        if not isinstance(text, str):
            raise EngineError("invalid-json", "the key 'query' was not present", "$")
        variables = body.get("variables")
        variables = {} if variables is None else variables
        if not isinstance(variables, dict):
            raise EngineError("parse-failed", "variables must be an object", "$.variables")
        name = body.get("operationName")
        if name is not None and not isinstance(name, str):
            raise EngineError("parse-failed", "operationName must be a string", "$.operationName")
        app = self.app
        executor = app.engine.executor
        if app.config.enable_allowlist and session.role != "admin":
            self.limits.allowed(text)
        plan, variables = executor.plan(text, name, variables, session.role, session.backend)
        if plan.kind == "subscription":
            raise validation("subscriptions are not supported over HTTP, use websockets instead")
        if plan.kind == "mutation" and not allow_mutation:
            raise validation("mutations are not allowed over GET")
        if app.logger.wants("query-log"):
            query = {"query": text, "operationName": name}
            app.logger.write("query-log", {"query": query, "request_id": headers.get("x-request-id"), "kind": "database"})
        if self.limits.active and session.role != "admin":
            return await self.limits.run(text, name, plan, variables, session)
        if plan.parts and any(part.outside is not None for part in plan.parts):
            from ..remote.outside import REQUEST

            REQUEST.set({"text": text, "name": name, "session": session, "headers": headers, "body": body})
        return await executor.run(plan, variables, session.variables)
