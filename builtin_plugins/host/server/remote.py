"""A plugin that runs in a process of its own, as the Host sees it: the same face as one that the Host runs itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from hookspecs import Job, WebhookResult
from hookspecs.web import SCOPE

from .gate import refuse
from .link import CALLER_HEADER, LINK, SECRET_HEADER

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from hookspecs import Event, InstalledPlugin

    from .environment import HostEnvironment
    from .face import State

log = logging.getLogger("nself.host")
_LOOK = 2.0  # seconds between two looks
_HOP = frozenset({
    b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer", b"proxy-authorization",
    b"proxy-connection", SECRET_HEADER.encode(), CALLER_HEADER.encode(),
})  # fmt: skip


class RemotePlugin:
    """See ``Plugin``."""

    def __init__(self, plugin: InstalledPlugin, environment: HostEnvironment) -> None:
        self.name = plugin.name
        self.plugin = plugin
        self.jobs: Mapping[str, Job] = {}
        self.since = datetime.now(UTC)
        self.sandbox = ""
        self._environment = environment
        self._state: State = "starting"
        self._reason = ""
        self._families: list[Metric] = []
        self._looking: asyncio.Task[None] | None = None
        headers = {SECRET_HEADER: environment.link_secret(plugin.name)}
        self._client = httpx.AsyncClient(
            base_url=environment.link_address(plugin.name), headers=headers, trust_env=False, timeout=httpx.Timeout(30, read=None)
        )

    @property
    def state(self) -> State:
        return self._state

    @property
    def told(self) -> str:
        return self._reason

    def secret(self, name: str) -> str | None:
        """See ``Plugin``."""
        return self._environment.secret(name)

    def collect(self) -> Iterable[Metric]:
        """Its metrics as they were at the last look."""
        return self._families

    async def start(self, patience: float) -> None:
        """Look after it from now on; returns once it serves, or after ``patience`` seconds."""
        up = asyncio.Event()
        self._looking = asyncio.create_task(self._look(up))
        try:
            await asyncio.wait_for(up.wait(), patience)
        except TimeoutError:
            log.error("plugin %s is not up: %s", self.name, self._reason)

    async def stop(self) -> None:
        """Let go of it; its process is not the Host's to end."""
        if self._looking is not None:
            self._looking.cancel()
        await self._client.aclose()

    async def serve(self, scope: Scope, receive: Receive, send: Send, patience: float) -> int:
        """See ``Plugin``."""
        if scope["type"] == "websocket":
            await refuse(scope, receive, send, 501, "an isolated plugin serves no WebSockets")
            return 501
        if self._state != "serving":
            await refuse(scope, receive, send, 503, f"plugin {self.name} does not answer: {self._reason or self._state}")
            return 503
        path = scope.get("raw_path", scope["path"].encode()).partition(b"?")[0]
        query = scope.get("query_string", b"")
        headers = [(name, value) for name, value in scope["headers"] if name not in _HOP]
        headers.append((CALLER_HEADER.encode(), json.dumps(scope[SCOPE].model_dump(mode="json")).encode()))
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
        url = self._client.base_url.copy_with(raw_path=path + (b"?" + query if query else b""))
        request = self._client.build_request(scope["method"], url, headers=headers, content=_body(receive) if has_body else None)
        begun = False
        try:
            async with asyncio.timeout(patience):
                answer = await self._client.send(request, stream=True)
            try:
                kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP]
                begun = True
                await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
                async for chunk in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await answer.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            if begun:
                raise
            status = 504 if isinstance(error, TimeoutError) else 502
            await refuse(scope, receive, send, status, f"plugin {self.name} does not answer: {error or type(error).__name__}")
            return status
        return answer.status_code

    async def run_job(self, name: str, payload: Mapping[str, Any]) -> None:
        """See ``Plugin``."""
        await self._post(f"{LINK}jobs/{name}", json.dumps(dict(payload)))

    async def handle(self, event: Event) -> WebhookResult:
        """See ``Plugin``."""
        return WebhookResult.model_validate(await self._post(f"{LINK}webhook", event.model_dump_json()))

    async def _post(self, path: str, content: str) -> dict[str, Any]:
        answer = await self._client.post(path, content=content)
        found: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            raise RuntimeError(str(found.get("detail", answer.status_code)))
        return found

    async def _look(self, up: asyncio.Event) -> None:
        while True:
            try:
                found = (await self._client.get(f"{LINK}health", timeout=5)).raise_for_status().json()
                text = (await self._client.get(f"{LINK}metrics", timeout=5)).raise_for_status().text
                self._families = list(text_string_to_metric_families(text))
                self._take(found)
            except (httpx.HTTPError, ValueError, KeyError) as error:
                self._turn("failed", f"its process does not answer ({type(error).__name__})")
            if self._state == "serving":
                up.set()
            await asyncio.sleep(_LOOK)

    def _take(self, found: Mapping[str, Any]) -> None:
        self.jobs = {one["name"]: Job(run=self._runner(one["name"]), **one) for one in found["jobs"]}
        self.sandbox = found["sandbox"]
        self._turn(found["status"], found.get("reason", ""))

    def _turn(self, state: State, reason: str) -> None:
        if state != self._state:
            self.since = datetime.now(UTC)
            note = f" (sandbox: {self.sandbox})" if self.sandbox else ""
            log.info("isolated plugin %s: %s%s%s", self.name, state, f": {reason}" if reason else "", note)
        self._state, self._reason = state, reason

    def _runner(self, name: str) -> Callable[[Mapping[str, Any]], Awaitable[None]]:
        async def run(payload: Mapping[str, Any]) -> None:
            await self.run_job(name, payload)

        return run


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
