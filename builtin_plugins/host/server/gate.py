"""In front of every plugin: who calls, and whether they may at all. Finer rules are the plugin's own (``hookspecs.web``)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from hookspecs.web import SCOPE, Caller

from .tokens import TokenError, Tokens

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

INTERNAL_HEADER = "x-nself-internal-secret"
_ROLE_HEADER = "x-hasura-role"
#: What describes a plugin's API: open in dev, like GraphQL's introspection.
_DESCRIPTION = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")


class RefusedError(Exception):
    """The request bears something that is not accepted."""


class Gate:
    """Finds out who calls."""

    def __init__(self, tokens: Tokens, internal_secret: str) -> None:
        self._tokens = tokens
        self._internal = internal_secret.encode()

    def caller(self, headers: Headers) -> Caller:
        """Who calls, ``Caller()`` for somebody unknown; ``RefusedError`` for a proof that is none."""
        given = headers.get(INTERNAL_HEADER)
        if given is not None:
            if not self._internal or not hmac.compare_digest(given.encode("latin-1", "replace"), self._internal):
                raise RefusedError("the internal secret is not the project's")
            return Caller(role="admin", is_service=True)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return Caller()
        try:
            return self._tokens.caller(token.strip(), headers.get(_ROLE_HEADER))
        except TokenError as error:
            raise RefusedError(str(error)) from None


class Guarded:
    """One plugin behind the gate: 401 without a proof, unless the path is public."""

    def __init__(self, app: ASGIApp, gate: Gate, public: Iterable[str], *, described: bool) -> None:
        self._app = app
        self._gate = gate
        self._public = (*public, *(_DESCRIPTION if described else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the caller in the scope."""
        try:
            who = self._gate.caller(Headers(scope=scope))
        except RefusedError as error:
            await refuse(scope, receive, send, 401, str(error))
            return
        if not who.is_known and not self._is_public(_path(scope)):
            await refuse(scope, receive, send, 401, "a token is needed: Authorization: Bearer …")
            return
        await self._app({**scope, SCOPE: who}, receive, send)

    def _is_public(self, path: str) -> bool:
        # a path that a router may read otherwise than a glob does is no public one
        if "//" in path or "/." in path or "\\" in path:
            return False
        return any(fnmatchcase(path, pattern) for pattern in self._public)


def _path(scope: Scope) -> str:
    """The path below the plugin's mount."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) or "/"


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answer in the plugin's stead; a WebSocket is closed before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008 if status < 500 else 1011, "reason": detail[:100]})
        return
    headers: dict[str, Any] = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    await JSONResponse({"detail": detail}, status, headers)(scope, receive, send)
