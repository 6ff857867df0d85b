"""The Host's process, and that of an isolated plugin: ``python -m nself_core.plugins.serve`` hands them the loader of plugins."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from ..document import Document
from ..jobs.queue import POOL
from ..sandbox import relay
from ..schema import NAME as PLUGIN
from .app import HostApp
from .context import Context, make_pool
from .egress import PROXY
from .environment import HostEnvironment
from .gate import Gate
from .hosted import HostedPlugin, loop_factory
from .http import Http, http_for
from .link import AloneApp, HostLink, LinkApp
from .logs import json_lines
from .metrics import Metrics
from .remote import RemotePlugin
from .tokens import Tokens
from .work import Work

if TYPE_CHECKING:
    from hookspecs import PluginLoader

    from .face import Plugin

#: Seconds that a busy thread keeps others waiting; Python's own 5 ms would be added to each request while a plugin computes.
_TURN = 0.0005
_AT_ONCE = 4  # plugins that are brought up at a time
_CONNECTIONS = 24  # of the Host itself: the queue, its workers, webhooks that come in
log = logging.getLogger("nself.host")


def run(loader: PluginLoader, arguments: list[str]) -> int:
    """The Host: serve what the document (the first argument) names, until a signal ends it."""
    sys.setswitchinterval(_TURN)
    json_lines()
    environment, document = HostEnvironment.take(), _read(arguments[0])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(loader, document, environment))
    return 0


def alone(loader: PluginLoader, arguments: list[str]) -> int:
    """The process of one isolated plugin: serve the Host, until a signal ends it."""
    json_lines()
    environment, document = HostEnvironment.take(), _read(arguments[0])
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve_alone(loader, document, environment))
    return 0


def _read(path: str) -> Document:
    """The document; what its plugins require of other people's packages is found from now on, after nself's own."""
    document = Document.model_validate_json(Path(path).read_bytes())
    if document.project.packages is not None:
        sys.path.append(str(document.project.packages))
    return document


async def _serve(loader: PluginLoader, document: Document, environment: HostEnvironment) -> None:
    metrics = Metrics()
    pool = make_pool(environment, PLUGIN, _CONNECTIONS, **POOL)
    await pool
    own = {
        given.plugin.name: HostedPlugin(given, loader, document.project, Context(given, environment, document))
        for given in document.plugins
    }
    plugins: dict[str, Plugin] = {**own, **{one.name: RemotePlugin(one, environment) for one in document.isolated}}
    work = Work(pool, plugins, metrics.registry, environment.public_url, document.private_hosts)
    for hosted in own.values():
        hosted.context.work = work
    gate = Gate(Tokens(environment.jwt_secret, environment.jwt_previous), environment.internal_secret)
    app = HostApp(document, plugins, gate, metrics, work, LinkApp(work, environment))
    starting = asyncio.create_task(_bring_up(app, plugins, float(document.start_timeout)))
    working = asyncio.create_task(work.run())
    try:
        await _listen(app, environment, work.stop, http=http_for(work.intake))
    finally:
        starting.cancel()
        work.stop()
        await asyncio.gather(working, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in plugins.values()), return_exceptions=True)
        pool.terminate()


async def _serve_alone(loader: PluginLoader, document: Document, environment: HostEnvironment) -> None:
    given = document.plugins[0]
    name = given.plugin.name
    if environment.egress:
        await asyncio.start_server(relay.to_unix(environment.egress), *PROXY)
        proxy = f"http://{PROXY[0]}:{PROXY[1]}"
        os.environ.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy))
    context = Context(given, environment, document)
    secret = environment.link_secret(name)
    context.work = HostLink(environment.link, secret)
    plugin = HostedPlugin(given, loader, document.project, context)
    starting = asyncio.create_task(plugin.start(float(document.start_timeout)))
    app = AloneApp(plugin, secret, environment.sandbox, float(document.request_timeout))
    try:
        await _listen(app, environment, lambda: None)
    finally:
        starting.cancel()
        await plugin.stop()


async def _listen(app: Any, environment: HostEnvironment, ending: Callable[[], None], http: Http = "auto") -> None:
    """Answer until a signal comes; ``ending`` is called at once then."""
    config = uvicorn.Config(
        app, **environment.bind, http=http, lifespan="off", access_log=False, log_config=None, proxy_headers=True,
        forwarded_allow_ips="*", server_header=False, timeout_graceful_shutdown=20, ws_max_size=1 << 20,
    )  # fmt: skip
    # uvicorn raises the signal again when it has ended, and the default would end the process before the work has
    signal.signal(signal.SIGTERM, lambda *_: None)
    await _Server(config, ending).serve()


class _Server(uvicorn.Server):
    """Nothing more is claimed from the queue as soon as a signal comes; requests are answered meanwhile."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending, self._loop = ending, asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In a signal handler: the loop is told."""
        self._loop.call_soon_threadsafe(self._ending)
        super().handle_exit(sig, frame)


async def _bring_up(app: HostApp, plugins: dict[str, Plugin], patience: float) -> None:
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(plugin: Plugin) -> None:
        if isinstance(plugin, RemotePlugin):  # it costs this process nothing
            await plugin.start(patience)
            return
        async with few:
            await plugin.start(patience)

    await asyncio.gather(*map(one, plugins.values()))
    app.settled = True
    good = [name for name, plugin in plugins.items() if plugin.state == "serving"]
    log.info("serving %d of %d plugins: %s", len(good), len(plugins), ", ".join(good) or "none")
