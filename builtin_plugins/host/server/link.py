"""Between the Host and a plugin in a process of its own: what each asks the other, proven by a secret that only the two know."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.exposition import generate_latest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hookspecs import Event
from hookspecs.web import SCOPE, Caller

from .app import PREFIX, health
from .gate import refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .environment import HostEnvironment
    from .hosted import HostedPlugin
    from .work import Work

SECRET_HEADER = "x-nself-link"  # noqa: S105  a header's name
CALLER_HEADER = "x-nself-caller"
LINK = "/_link/"


def proven(headers: Mapping[str, str], secret: str) -> bool:
    """Whether a request comes from the other end."""
    return bool(secret) and hmac.compare_digest(headers.get(SECRET_HEADER, "").encode("latin-1", "replace"), secret.encode())


class AloneApp:
    """What the plugin's own process answers, to the Host alone."""

    def __init__(self, plugin: HostedPlugin, secret: str, sandbox: str, patience: float) -> None:
        self._plugin = plugin
        self._secret = secret
        self._sandbox = sandbox
        self._patience = patience
        self._own = Starlette(
            routes=[
                Route(f"{LINK}health", self._health),
                Route(f"{LINK}metrics", self._metrics),
                Route(f"{LINK}jobs/{{name}}", self._job, methods=["POST"]),
                Route(f"{LINK}webhook", self._webhook, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the Host."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        if not proven(headers, self._secret):
            await refuse(scope, receive, send, 401, "this is for the plugin host")
        elif scope["path"].startswith(PREFIX):
            who = Caller.model_validate_json(headers.get(CALLER_HEADER, "{}"))
            hidden = {SECRET_HEADER.encode(), CALLER_HEADER.encode()}
            rest = [(name, value) for name, value in scope["headers"] if name not in hidden]
            inner = {**scope, "headers": rest, "root_path": f"{PREFIX}{self._plugin.name}", SCOPE: who}
            await self._plugin.serve(inner, receive, send, self._patience)
        else:
            await self._own(scope, receive, send)

    async def _health(self, request: Request) -> Response:
        jobs = [job.model_dump(exclude={"run"}) for job in self._plugin.jobs.values()]
        return JSONResponse({**health(self._plugin), "jobs": jobs, "sandbox": self._sandbox})

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(generate_latest(self._plugin.context.metrics))

    async def _job(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._plugin.jobs:
            return JSONResponse({"detail": f"it has no job {name!r}"}, 404)
        try:
            await self._plugin.run_job(name, await request.json())
        except Exception as error:
            return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 500)
        return JSONResponse({})

    async def _webhook(self, request: Request) -> Response:
        try:
            result = await self._plugin.handle(Event.model_validate_json(await request.body()))
        except Exception as error:
            return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 500)
        return JSONResponse(result.model_dump() if result is not None else {})


class HostLink:
    """What the plugin's own process asks the Host: ``HostContext.enqueue`` and ``deliver``."""

    def __init__(self, address: str, secret: str) -> None:
        unix = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=unix), base_url="http://host" if unix else address,
            headers={SECRET_HEADER: secret}, trust_env=False, timeout=30,
        )  # fmt: skip

    async def enqueue(
        self, plugin: str, job: str, payload: Mapping[str, Any], *, delay: float, priority: int | None, key: str
    ) -> str:
        """See ``HostContext.enqueue``."""
        return await self._ask(
            plugin, "enqueue", {"job": job, "payload": payload, "delay": delay, "priority": priority, "key": key}
        )

    async def deliver(self, plugin: str, url: str, event: str, payload: Mapping[str, Any], *, secret: str, id: str) -> str:
        """See ``HostContext.deliver``."""
        return await self._ask(plugin, "deliver", {"url": url, "event": event, "payload": payload, "secret": secret, "id": id})

    async def _ask(self, plugin: str, what: str, body: Mapping[str, Any]) -> str:
        answer = await self._client.post(f"{LINK}{plugin}/{what}", content=json.dumps(body, default=str))
        found = answer.json()
        if answer.status_code == 400:
            raise ValueError(found["detail"])
        if answer.status_code != 200:
            raise RuntimeError(f"the plugin host answered {answer.status_code}: {found.get('detail', '')}")
        return str(found["id"])


class LinkApp:
    """What the Host answers an isolated plugin's process: ``/_link/<plugin>/enqueue`` and ``deliver``, as that plugin."""

    def __init__(self, work: Work, environment: HostEnvironment) -> None:
        self._work = work
        self._environment = environment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        plugin, _, what = scope["path"].removeprefix(LINK).partition("/")
        if not proven(Headers(scope=scope), self._environment.link_secret(plugin)):
            await refuse(scope, receive, send, 401, "this is for isolated plugins")
            return
        body = await Request(scope, receive).json()
        asks: dict[str, Any] = {"enqueue": self._work.enqueue, "deliver": self._work.deliver}
        ask = asks.get(what)
        if ask is None:
            await refuse(scope, receive, send, 404, "there is nothing here")
            return
        try:
            answer = JSONResponse({"id": await ask(plugin, **body)})
        except (ValueError, TypeError) as error:
            answer = JSONResponse({"detail": str(error)}, 400)
        await answer(scope, receive, send)
