"""The ASGI application: dispatch by path, with `/v1/graphql` first and nothing in its way."""

from __future__ import annotations

import time
import uuid
from typing import Any

from ..auth.session import Session
from ..config import Config
from ..errors import DatabaseDown, EngineError
from ..logs import Logger
from ..metadata import deliveries as _deliveries  # noqa: F401 - registers its commands
from ..metadata import events_api as _events_api  # noqa: F401 - registers its commands
from ..metadata import rows as _rows  # noqa: F401 - registers the commands on rows
from ..metadata import run_sql as _run_sql  # noqa: F401 - registers run_sql
from ..metadata.api import run
from ..process import Process
from ..schema.model import ADMIN
from .cors import cors_headers, preflight_headers
from .graphql import GraphQL
from .pages import page
from .reply import JSON, dump, parse_json, read_body, send_bytes

GRAPHQL = {"/v1/graphql": 200, "/v1alpha1/graphql": 0, "/v1beta1/relay": 200}
METADATA = frozenset({"/v1/metadata", "/v1/query", "/v2/query"})


class App(Process):
    """The whole HTTP face of one engine."""

    def __init__(self, config: Config, logger: Logger | None = None) -> None:
        super().__init__(config, logger)
        self.graphql = GraphQL(self)
        self.workers: list[Any] = []

    async def start(self) -> None:
        """Load the schema and start the background work."""
        from ..events.service import EventService
        from ..remote.outside import Outside
        from ..subscriptions.server import SocketServer

        await self.engine.start()
        self.engine.executor.outside = Outside(self).answer
        self.sockets = SocketServer(self, self.graphql)
        service = EventService(self)
        self.workers = [service]
        service.start()

    async def stop(self) -> None:
        """End the background work."""
        for worker in self.workers:
            await worker.stop()
        if self.sockets is not None:
            await self.sockets.stop()
        await self.engine.stop()
        await self.http.aclose()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self.sockets.connect(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path, method = scope["path"], scope["method"]
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        extra = cors_headers(self.config, headers.get("origin"))
        session: Session | None = None
        operation: Any = None
        self.requests += 1
        try:
            if method == "OPTIONS" and extra:
                status, body, kind = 204, b"", preflight_headers(headers)
            elif path in GRAPHQL and method in ("POST", "GET"):
                status, body, session = await self.graphql.answer(path, headers, receive, scope)
                kind = [JSON]
            elif path in METADATA and method == "POST":
                status, body, session = await self._metadata(headers, receive)
                kind = [JSON]
            else:
                status, body, kind = await page(self, path, method, headers)
        except EngineError as error:
            status, body, kind = error.status, dump(error.plain()), [JSON]
            operation = error.message
        except Exception as error:
            self.logger.write("unhandled", {"path": path, "error": f"{type(error).__name__}: {error}"}, "error")
            unexpected = EngineError("unexpected", "internal error", "$", 500)
            status, body, kind = 500, dump(unexpected.plain()), [JSON]
        self.failures += status >= 500
        if self.logger.wants("http-log"):
            self._log(scope, headers, session, status, len(body), time.perf_counter() - started, operation)
        await send_bytes(send, status, body, [*kind, *extra])

    async def _metadata(self, headers: dict[str, str], receive: Any) -> tuple[int, bytes, Session]:
        if "metadata" not in self.config.enabled_apis:
            raise EngineError("not-found", "resource does not exist", "$", 404)
        session = await self.auth.session(headers)
        if session.role != ADMIN:
            raise EngineError("access-denied", "restricted access : admin only", "$", 400)
        body = parse_json(await read_body(receive, self.config.max_body))
        if not self.engine.ready:
            raise DatabaseDown("the schema is not loaded yet")
        answer = await run(self.engine, body)
        return 200, answer if isinstance(answer, bytes) else dump(answer), session

    def _log(self, scope: Any, headers: Any, session: Session | None, status: int, size: int, seconds: float, error: Any) -> None:
        client = scope.get("client") or ("", 0)
        detail = {
            "operation": {
                "request_id": headers.get("x-request-id") or str(uuid.uuid4()),
                "response_size": size,
                "query_execution_time": seconds,
                "user_vars": session.variables if session else None,
                "error": {"error": error} if error else None,
            },
            "http_info": {
                "status": status,
                "http_version": f"HTTP/{scope.get('http_version', '1.1')}",
                "url": scope["path"],
                "method": scope["method"],
                "ip": client[0],
                "content_encoding": None,
            },
        }
        self.logger.write("http-log", detail, "info" if status < 400 else "error")
