"""One plugin in the Host: a thread with a loop of its own, from import to shutdown. Whatever goes wrong stays in here."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hookspecs import Job, UserError

from .bridge import Bridge, across
from .context import Context
from .gate import refuse
from .lifespan import Lifespan
from .unstorable import refuse_unstorable

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from starlette.types import ASGIApp, Receive, Scope, Send

    from hookspecs import Event, PluginLoader, Project, WebhookResult

    from ..document import Hosted as Given
    from .face import State

log = logging.getLogger("nself.host")

_BEAT = 1.0  # seconds between two signs of life
_HUNG = 10.0  # seconds without one: the plugin's loop is blocked
_GOODBYE = 5.0  # seconds for a plugin to end


class HostedPlugin:
    """``app`` answers its routes, ``jobs`` are its jobs; both empty until it serves."""

    def __init__(self, given: Given, loader: PluginLoader, project: Project, context: Context) -> None:
        self.name = given.plugin.name
        self.plugin = given.plugin
        self.context = context
        self.jobs: Mapping[str, Job] = {}
        self.reason = ""
        self.sandbox = ""
        self.since = datetime.now(UTC)
        self.ready = threading.Event()
        """Set once it serves, failed, or was given up."""
        self._state: State = "starting"
        self._loader = loader
        self._project = project.model_copy(update={"settings": given.settings})
        self._app: ASGIApp | None = None
        self._lifespan: Lifespan | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"plugin-{self.name}", daemon=True)

    # -- from the Host's loop

    @property
    def state(self) -> State:
        """``hung``: it serves, and its loop has shown no sign of life for a while."""
        return "hung" if self._state == "serving" and time.monotonic() - self._beat > _HUNG else self._state

    @property
    def told(self) -> str:
        """Why it does not serve."""
        if self.state == "hung":
            return f"its code has blocked for {time.monotonic() - self._beat:.0f} s"
        return self.reason

    def secret(self, name: str) -> str | None:
        """The value of a secret setting of its own."""
        return self.context.secret(name)

    def collect(self) -> Iterable[Metric]:
        """Its metrics."""
        return self.context.metrics.collect()

    async def start(self, patience: float) -> None:
        """Load it and bring it up, or give it up; raises nothing."""
        self._thread.start()
        if not await asyncio.to_thread(self.ready.wait, patience):
            self._fail(f"it was not up after {patience:.0f} s")

    async def stop(self) -> None:
        """End it, as far as it lets itself be ended."""
        if self._loop is not None and self._ending is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            await asyncio.to_thread(self._thread.join, _GOODBYE)

    async def serve(self, scope: Scope, receive: Receive, send: Send, patience: float) -> int:
        """Answer a request by the plugin's app; the status that was sent."""
        if self.state != "serving" or self._app is None or self._loop is None:
            told = "it has no routes" if self._state == "serving" and self._app is None else self.told or "it is being started"
            status = 404 if self._state == "serving" and self._app is None else 503
            await refuse(scope, receive, send, status, f"plugin {self.name} does not answer: {told}")
            return status
        bridge = Bridge(scope, receive, send)
        state = self._lifespan.state if self._lifespan else {}
        scope["state"] = dict(state)
        try:
            await bridge.run(self._app, self._loop, patience)
        except TimeoutError:
            log.error("plugin %s has not begun its answer to %s %s in time", self.name, scope.get("method", ""), scope["path"])
            await refuse(scope, receive, send, 504, f"plugin {self.name} did not answer in time")
            return 504
        except Exception:
            log.exception("plugin %s failed in %s %s", self.name, scope.get("method", scope["type"]), scope["path"])
            if bridge.begun and not bridge.ended:
                raise  # the connection is cut, so that nobody takes a part for the whole
            if not bridge.begun:
                await refuse(scope, receive, send, 500, f"plugin {self.name} failed")
            return 500
        return bridge.status

    async def run_job(self, name: str, payload: Mapping[str, Any]) -> None:
        """Run one of its jobs; what it raises passes. ``KeyError`` for a job it has not."""
        await self.call(_run(self.jobs[name], payload))

    async def handle(self, event: Event) -> WebhookResult:
        """Hand it a webhook; what it raises passes."""
        hook = self._loader.hook(self.plugin, "handle_webhook")
        result: WebhookResult = await self.call(hook(event=event, host=self.context))
        return result

    async def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of the plugin's on its loop."""
        if self.state != "serving" or self._loop is None:
            coroutine.close()
            raise RuntimeError(f"plugin {self.name} does not serve: {self.told or self.state}")
        return await across(_contained(coroutine), self._loop)

    # -- on its own thread

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._live())
        except BaseException as error:  # SystemExit and its like too: the thread is all that ends
            self._fail(_short(error), error)
        finally:
            self.ready.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        await self._come_up()
        if self._state == "failed":  # given up meanwhile
            return
        self._turn("serving")
        self.ready.set()
        beating = asyncio.create_task(self._keep_beating())
        await self._ending.wait()
        beating.cancel()
        if self._lifespan is not None:
            await asyncio.wait_for(self._lifespan.shutdown(), _GOODBYE)
        await self.context.close()
        self._turn("stopped")

    async def _come_up(self) -> None:
        await self.context.open()
        arguments = {"project": self._project, "host": self.context}
        if "contribute_routes" in self.plugin.hooks:
            self._app = self._loader.hook(self.plugin, "contribute_routes")(**arguments)
            refuse_unstorable(self._app)
        if "contribute_jobs" in self.plugin.hooks:
            found = list(self._loader.hook(self.plugin, "contribute_jobs")(**arguments) or ())
            if wrong := [job for job in found if not isinstance(job, Job)]:
                raise TypeError(f"contribute_jobs gave a {type(wrong[0]).__name__} where Job is due")
            self.jobs = {job.name: job for job in found}
        if "handle_webhook" in self.plugin.hooks:
            self._loader.hook(self.plugin, "handle_webhook")  # imported now, so that a fault shows now
        if self._app is not None:
            self._lifespan = Lifespan(self._app)
            await self._lifespan.startup()

    async def _keep_beating(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_BEAT)

    def _fail(self, reason: str, error: BaseException | None = None) -> None:
        if self._state == "failed":
            return
        self.reason = reason
        self._turn("failed")
        show = None if isinstance(error, UserError) or error is None else error
        log.error("plugin %s is left out: %s", self.name, reason, exc_info=show)

    def _turn(self, state: State) -> None:
        self._state = state
        self.since = datetime.now(UTC)


async def _run(job: Job, payload: Mapping[str, Any]) -> None:
    await job.run(payload)


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What would end the thread ends this call alone."""
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(f"{type(error).__name__} raised") from error


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _short(error: BaseException) -> str:
    if isinstance(error, UserError):
        return error.message
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
