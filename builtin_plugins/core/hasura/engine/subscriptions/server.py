"""GraphQL over WebSocket: `graphql-transport-ws`, and the older `graphql-ws` of subscriptions-transport-ws.

The message types are those of the two protocols' own descriptions: PROTOCOL.md of graphql-ws and of
subscriptions-transport-ws.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson

from ..auth.session import Session
from ..errors import EngineError
from ..http.cors import origin_allowed
from .live import Hub, Subscriber

if TYPE_CHECKING:
    from ..http.graphql import GraphQL
    from ..process import Process

MODERN, LEGACY = "graphql-transport-ws", "graphql-ws"
INIT_SECONDS = 10
KEEPALIVE_SECONDS = 5


class Connection:
    """One client."""

    def __init__(self, server: SocketServer, send: Any, headers: dict[str, str], protocol: str) -> None:
        self.server = server
        self.app = server.app
        self.transmit = send
        self.headers = headers
        self.modern = protocol == MODERN
        self.session: Session | None = None
        self.subscribers: dict[str, Subscriber] = {}
        self.requests: dict[str, Any] = {}
        self.running: dict[str, asyncio.Task[None]] = {}
        self.closed = False
        self.timer: asyncio.Task[None] | None = None

    async def raw(self, text: str) -> None:
        """Send a text frame."""
        if not self.closed:
            await self.transmit({"type": "websocket.send", "text": text})

    async def message(self, kind: str, identifier: str | None = None, payload: bytes | None = None) -> None:
        """Send a protocol message whose payload is ready JSON."""
        parts = ['"type":"' + kind + '"']
        if identifier is not None:
            parts.append('"id":' + orjson.dumps(identifier).decode())
        if payload is not None:
            parts.append('"payload":' + payload.decode())
        await self.raw("{" + ",".join(parts) + "}")

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        if not self.closed:
            self.closed = True
            await self.transmit({"type": "websocket.close", "code": code, "reason": reason})

    async def handle(self, text: str) -> None:
        """One message of the client."""
        try:
            message = orjson.loads(text)
            kind = message["type"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            await self.close(4400, "Invalid message")
            return
        if kind == "connection_init":
            await self._init(message.get("payload") or {})
        elif kind == "ping":
            await self.message("pong")
        elif kind in ("pong", "ka"):
            return
        elif kind in ("subscribe", "start"):
            await self._start(message)
        elif kind in ("complete", "stop"):
            self.end(str(message.get("id")))
        elif kind == "connection_terminate":
            await self.close(1000, "terminated")
        else:
            await self.close(4400, "Invalid message type")

    async def _init(self, payload: Any) -> None:
        if self.session is not None:
            await self.close(4429, "Too many initialisation requests")
            return
        given = payload.get("headers") if isinstance(payload, dict) else None
        headers = dict(self.headers)
        if isinstance(given, dict):
            headers |= {str(name).lower(): str(value) for name, value in given.items() if value is not None}
        try:
            self.session = await self.app.auth.session(headers)
        except EngineError as error:
            if self.modern:
                await self.close(4403, f"4403: {error.message}"[:120])
            else:
                await self.message("connection_error", None, orjson.dumps(error.message))
                await self.close(1000, "unauthorized")
            return
        self.headers = headers
        await self.message("connection_ack")
        if not self.modern:
            await self.message("ka")
        if self.timer is None:
            self.timer = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Keep the connection alive, and end it when its credentials expire."""
        while not self.closed:
            expires = self.session.expires if self.session else None
            wait = KEEPALIVE_SECONDS if expires is None else max(0.0, min(KEEPALIVE_SECONDS, expires - time.time()))
            await asyncio.sleep(wait)
            if expires is not None and time.time() >= expires:
                await self.close(4403 if self.modern else 1000, "Could not verify JWT: JWTExpired")
                return
            await self.message("ping" if self.modern else "ka")

    async def _start(self, message: dict[str, Any]) -> None:
        identifier, payload = message.get("id"), message.get("payload")
        if not isinstance(identifier, str) or not isinstance(payload, dict):
            await self.close(4400, "Invalid message")
            return
        if self.session is None:
            if self.modern:
                await self.close(4401, "Unauthorized")
                return
            await self._init({})
            if self.session is None:
                return
        if identifier in self.subscribers or identifier in self.running:
            if self.modern:
                await self.close(4409, f"Subscriber for {identifier} already exists")
            return
        task = asyncio.create_task(self._operate(identifier, payload))
        self.running[identifier] = task
        task.add_done_callback(lambda _: self.running.pop(identifier, None))

    async def _operate(self, identifier: str, payload: dict[str, Any]) -> None:
        try:
            await self._open(identifier, payload)
        except EngineError as error:
            await self.fail(identifier, error)
        except Exception as error:
            self.app.logger.write("websocket-log", {"event": "unexpected", "error": repr(error)}, "error")
            await self.fail(identifier, EngineError("unexpected", "internal error", "$", 500))

    async def _open(self, identifier: str, payload: dict[str, Any]) -> None:
        session = self.session
        assert session is not None  # noqa: S101 - _start has looked
        text, name = payload.get("query"), payload.get("operationName")
        variables = payload.get("variables") or {}
        if not isinstance(text, str) or not isinstance(variables, dict):
            raise EngineError("parse-failed", "a query is needed", "$")
        if self.app.config.enable_allowlist and session.role != "admin":
            self.server.graphql.limits.allowed(text)
        executor = self.app.engine.executor
        plan, coerced = executor.plan(text, name, variables, session.role, session.backend)
        if plan.kind != "subscription":
            body = await self.server.graphql.execute(payload, session, self.headers)
            await self.data(identifier, body)
            await self.message("complete", identifier)
            return
        limits = self.server.graphql.limits
        if limits.active and session.role != "admin":
            limits.check(text, name, plan, session)
        if plan.statement is None:
            raise EngineError("not-supported", "this field cannot be subscribed to", "$")
        member = Subscriber(
            plan,
            coerced,
            session.variables,
            lambda body: self.data(identifier, body),
            lambda error: self.fail(identifier, error),
        )
        member.params()
        self.subscribers[identifier] = member
        self.requests[identifier] = payload
        self.server.hub.add(member)

    async def replan(self) -> None:
        """After a schema change: compile every subscription again."""
        for identifier, payload in list(self.requests.items()):
            member = self.subscribers.pop(identifier, None)
            self.requests.pop(identifier, None)
            if member is not None:
                self.server.hub.remove(member)
                await self._operate(identifier, payload)
                again = self.subscribers.get(identifier)
                if again is not None and member.plan.stream is None:
                    again.last = member.last
                elif again is not None:
                    again.session["\x00cursor"] = member.session["\x00cursor"]

    async def data(self, identifier: str, body: bytes) -> None:
        """A result."""
        await self.message("next" if self.modern else "data", identifier, body)

    async def fail(self, identifier: str, error: EngineError) -> None:
        """An operation's error, which ends it."""
        self.end(identifier)
        shown = self.server.graphql.shown(error, self.session)
        if self.modern:
            await self.message("error", identifier, orjson.dumps(shown["errors"], default=str))
        else:
            await self.message("error", identifier, orjson.dumps(shown, default=str))

    def end(self, identifier: str) -> None:
        """End a subscription."""
        self.requests.pop(identifier, None)
        member = self.subscribers.pop(identifier, None)
        if member is not None:
            self.server.hub.remove(member)

    def gone(self) -> None:
        """The client has left."""
        self.closed = True
        for identifier in list(self.subscribers):
            self.end(identifier)
        for task in list(self.running.values()):
            task.cancel()
        if self.timer is not None:
            self.timer.cancel()


class SocketServer:
    """All connections of one process."""

    def __init__(self, app: Process, graphql: GraphQL) -> None:
        self.app = app
        self.graphql = graphql
        self.hub = Hub(app)
        self.connections: set[Connection] = set()
        self._replanning: set[asyncio.Task[None]] = set()
        app.engine.listeners.append(self._changed)

    def count(self) -> int:
        """How many subscriptions are open."""
        return sum(len(connection.subscribers) for connection in self.connections)

    def _changed(self) -> None:
        for connection in list(self.connections):
            if connection.requests:
                task = asyncio.create_task(connection.replan())
                self._replanning.add(task)
                task.add_done_callback(self._replanning.discard)

    async def connect(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one connection until it ends."""
        await receive()
        if scope["path"] not in ("/v1/graphql", "/v1alpha1/graphql"):
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not origin_allowed(self.app.config, headers):
            # Browsers ask nobody before they open a socket to another origin, so the server must look.
            await send({"type": "websocket.close", "code": 1008, "reason": "the origin is not allowed"})
            return
        offered = scope.get("subprotocols") or []
        protocol = next((p for p in offered if p in (MODERN, LEGACY)), None)
        await send({"type": "websocket.accept", "subprotocol": protocol} if protocol else {"type": "websocket.accept"})
        if not self.app.config.ws_read_cookie:
            headers.pop("cookie", None)
        connection = Connection(self, send, headers, protocol or LEGACY)
        self.connections.add(connection)
        watch = asyncio.get_running_loop().call_later(
            INIT_SECONDS, lambda: asyncio.ensure_future(self._late(connection)) if connection.session is None else None
        )
        try:
            while not connection.closed:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    break
                text = message.get("text")
                await connection.handle(text if text is not None else (message.get("bytes") or b"").decode("utf-8", "replace"))
        finally:
            watch.cancel()
            connection.gone()
            self.connections.discard(connection)

    async def _late(self, connection: Connection) -> None:
        if connection.session is None:
            await connection.close(4408, "Connection initialisation timeout")

    async def stop(self) -> None:
        """Close everything."""
        for connection in list(self.connections):
            await connection.close(1001, "the server is going away")
        await self.hub.stop()
