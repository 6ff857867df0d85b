"""The Host's ASGI application: plugins below ``/plugins/<name>``, health, metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .gate import Gate, Guarded, refuse
from .metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..document import Document
    from .face import Plugin
    from .work import Work

PREFIX = "/plugins/"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HostApp:
    """Everything that the Host's port answers."""

    def __init__(
        self, document: Document, plugins: Mapping[str, Plugin], gate: Gate, metrics: Metrics, work: Work, link: ASGIApp
    ) -> None:
        self.metrics = metrics
        self.settled = False
        """Whether every plugin has come up or was given up."""
        self._plugins = plugins
        self._patience = float(document.request_timeout)
        self._work = work
        self._link = link
        described = document.project.environment.is_dev
        mounted = {name: self._mount(one, gate, described=described) for name, one in plugins.items()}
        self._served: ASGIApp = CORSMiddleware(
            _Mounts(mounted),
            allow_origins=document.origins,
            allow_origin_regex=document.origin_pattern or None,
            allow_methods=["*"],
            allow_headers=["*"],
            max_age=600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead each request where it belongs."""
        if scope["type"] not in {"http", "websocket"}:
            return
        path = scope["path"]
        if path.startswith(PREFIX):
            await self._served(scope, receive, send)
        elif path.startswith("/webhooks/") and scope["type"] == "http":
            await self._work.intake(scope, receive, send)
        elif path.startswith("/_link/") and scope["type"] == "http":
            await self._link(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(scope, receive, send, 404, "there is nothing here")
        else:
            answer = await self._own(path)
            await answer(scope, receive, send)

    async def _own(self, path: str) -> Response:
        if path == "/metrics":
            with suppress(Exception):  # the database may be away: its figures are then those of the last time
                await self._work.refresh()
            for name, one in self._plugins.items():
                self.metrics.up.labels(name).set(one.state == "serving")
            text = self.metrics.text({name: one.collect() for name, one in self._plugins.items()})
            return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")
        if path == "/healthz":
            good = all(one.state == "serving" for one in self._plugins.values())
            word = "starting" if not self.settled else "ok" if good else "degraded"
            body = {"status": word, "plugins": {name: health(one) for name, one in self._plugins.items()}}
            return JSONResponse(body, 200 if self.settled else 503)
        name = path.removeprefix("/healthz/")
        if name in self._plugins:
            return JSONResponse(health(self._plugins[name]), 200 if self._plugins[name].state == "serving" else 503)
        return JSONResponse({"detail": "there is nothing here"}, 404)

    def _mount(self, plugin: Plugin, gate: Gate, *, described: bool) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await plugin.serve(scope, receive, send, self._patience)

        return self._measured(plugin.name, Guarded(serve, gate, plugin.plugin.manifest.permissions.public, described=described))

    def _measured(self, plugin: str, app: ASGIApp) -> ASGIApp:
        seconds = self.metrics.seconds.labels(plugin)

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started, status = time.perf_counter(), 500

            async def noting(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                seconds.observe(time.perf_counter() - started)
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self.metrics.requests.labels(plugin, method, str(status)).inc()

        return measured


class _Mounts:
    """``/plugins/<name>/…`` to the plugin's app, which sees ``/plugins/<name>`` as its root."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, slash, _ = scope["path"].removeprefix(PREFIX).partition("/")
        app = self._apps.get(name)
        if app is None:
            await refuse(scope, receive, send, 404, f"no plugin {name!r} is served here")
        elif not slash and scope["type"] == "http":
            await Response(status_code=308, headers={"location": f"{PREFIX}{name}/"})(scope, receive, send)
        else:
            await app({**scope, "root_path": f"{scope.get('root_path', '')}{PREFIX}{name}"}, receive, send)


def health(plugin: Plugin) -> dict[str, Any]:
    """A plugin's health as JSON."""
    told = {"status": plugin.state, "version": plugin.plugin.version, "since": plugin.since.isoformat(timespec="seconds")}
    return told | ({"reason": plugin.told} if plugin.told else {}) | ({"sandbox": plugin.sandbox} if plugin.sandbox else {})
