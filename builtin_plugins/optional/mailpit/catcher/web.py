"""The web page and the API."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from builtin_plugins.optional.mailpit.catcher.message import Message
from builtin_plugins.optional.mailpit.catcher.store import Store

#: A message may bring pictures and styles of its own, and nothing else.
_SANDBOX = "default-src 'none'; img-src data: cid:; style-src 'unsafe-inline'; sandbox"

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mail</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">
<style>body{{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c1c1e}}
table{{width:100%;border-collapse:collapse}}
td,th{{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}}.unread td{{font-weight:600}}
a{{color:#0b57d0}}small{{color:#666}}</style></head><body><h1>Mail</h1><p>{count} caught; nothing here was sent on.</p>
<table><thead><tr><th>From</th><th>To</th><th>Subject</th><th>When</th></tr></thead><tbody>{rows}</tbody></table></body></html>"""

_ROW = (
    '<tr class="{unread}"><td>{sender}</td><td>{to}</td><td><a href="view/{id}.html">{subject}</a> '
    '<small><a href="view/{id}.txt">text</a> <a href="api/v1/message/{id}/raw">source</a></small></td><td>{when}</td></tr>'
)


def application(store: Store, auth: str) -> Starlette:
    """The ASGI application. ``auth`` is ``user:password``, or empty for none."""
    pages = Pages(store)
    routes = [
        Route("/livez", _alive),
        Route("/readyz", _alive),
        Route("/", pages.index),
        Route("/view/{id}.html", pages.html),
        Route("/view/{id}.txt", pages.text),
        Route("/api/v1/info", pages.info),
        Route("/api/v1/messages", pages.messages, methods=["GET"]),
        Route("/api/v1/messages", pages.delete, methods=["DELETE"]),
        Route("/api/v1/messages", pages.mark, methods=["PUT"]),
        Route("/api/v1/search", pages.search, methods=["GET"]),
        Route("/api/v1/search", pages.delete_found, methods=["DELETE"]),
        Route("/api/v1/message/{id}", pages.message),
        Route("/api/v1/message/{id}/headers", pages.headers),
        Route("/api/v1/message/{id}/raw", pages.raw),
        Route("/api/v1/message/{id}/part/{part}", pages.part),
    ]
    app = Starlette(routes=routes)
    if auth:
        _protect(app, auth)
    return app


class Pages:
    """The handlers, over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def index(self, request: Request) -> Response:
        rows = "".join(_row(message) for message in self._store.all())
        return HTMLResponse(_PAGE.format(count=len(self._store.all()), rows=rows))

    async def info(self, request: Request) -> Response:
        return JSONResponse({"Version": "nself", "Messages": len(self._store.all()), "Unread": self._store.unread()})

    async def messages(self, request: Request) -> Response:
        return self._listing(request, self._store.all())

    async def search(self, request: Request) -> Response:
        return self._listing(request, self._store.search(request.query_params.get("query", "")))

    async def delete_found(self, request: Request) -> Response:
        self._store.remove(message.id for message in self._store.search(request.query_params.get("query", "")))
        return PlainTextResponse("ok")

    async def delete(self, request: Request) -> Response:
        ids = (await _body(request)).get("IDs") or None
        self._store.remove(ids)
        return PlainTextResponse("ok")

    async def mark(self, request: Request) -> Response:
        body = await _body(request)
        ids = set(body.get("IDs") or ())
        for message in self._store.all():
            if not ids or message.id in ids:
                message.read = bool(body.get("Read"))
        return PlainTextResponse("ok")

    async def message(self, request: Request) -> Response:
        message = self._find(request)
        if message is None:
            return _unknown()
        message.read = True
        return JSONResponse(message.detail())

    async def headers(self, request: Request) -> Response:
        message = self._find(request)
        return JSONResponse(message.headers()) if message else _unknown()

    async def raw(self, request: Request) -> Response:
        message = self._find(request)
        return PlainTextResponse(message.raw) if message else _unknown()

    async def part(self, request: Request) -> Response:
        message = self._find(request)
        found = next((p for p in message.parts if p.id == request.path_params["part"]), None) if message else None
        if found is None:
            return _unknown()
        return Response(found.content, media_type=found.type, headers={"Content-Security-Policy": _SANDBOX})

    async def html(self, request: Request) -> Response:
        message = self._find(request)
        if message is None:
            return _unknown()
        message.read = True
        body = message.html or f"<pre>{escape(message.text)}</pre>"
        return HTMLResponse(body, headers={"Content-Security-Policy": _SANDBOX})

    async def text(self, request: Request) -> Response:
        message = self._find(request)
        return PlainTextResponse(message.text) if message else _unknown()

    def _find(self, request: Request) -> Message | None:
        return self._store.get(request.path_params["id"])

    def _listing(self, request: Request, found: list[Message]) -> Response:
        start = _number(request, "start", 0)
        page = found[start : start + _number(request, "limit", 50)]
        unread = sum(not message.read for message in found)
        return JSONResponse(
            {
                "total": len(self._store.all()),
                "unread": self._store.unread(),
                "count": len(page),
                "messages_count": len(found),
                "messages_unread": unread,
                "start": start,
                "tags": [],
                "messages": [message.summary() for message in page],
            }
        )


async def _alive(request: Request) -> Response:
    return PlainTextResponse("ok")


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdigit() else default


def _unknown() -> Response:
    return PlainTextResponse("message not found", status_code=404)


def _row(message: Message) -> str:
    return _ROW.format(
        unread="" if message.read else "unread",
        sender=escape(message.author["Address"]),
        to=escape(", ".join(message.recipients)),
        id=message.id,
        subject=escape(message.subject or "(no subject)"),
        when=message.created.strftime("%H:%M:%S"),
    )


def _protect(app: Starlette, auth: str) -> None:
    from starlette.middleware.base import BaseHTTPMiddleware

    wanted = "Basic " + base64.b64encode(auth.encode()).decode()

    async def check(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        given = request.headers.get("authorization", "")
        if request.url.path in {"/livez", "/readyz"} or secrets.compare_digest(given.encode(), wanted.encode()):
            return await call_next(request)
        return PlainTextResponse("unauthorized", 401, {"WWW-Authenticate": 'Basic realm="Mail"'})

    app.add_middleware(BaseHTTPMiddleware, dispatch=check)
