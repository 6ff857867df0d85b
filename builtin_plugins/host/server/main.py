"""The Host's process: started by ``python -m nself_core.plugins.serve``, which hands it the loader of plugins."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from ..document import Document
from ..schema import NAME as PLUGIN
from .app import HostApp
from .context import Context, make_pool
from .environment import HostEnvironment
from .gate import Gate
from .hosted import HostedPlugin, loop_factory
from .metrics import Metrics
from .tokens import Tokens
from .work import Work

if TYPE_CHECKING:
    from hookspecs import PluginLoader

_AT_ONCE = 4  # plugins that are brought up at a time
_CONNECTIONS = 24  # of the Host itself: the queue, its workers, webhooks that come in
log = logging.getLogger("nself.host")


def run(loader: PluginLoader, arguments: list[str]) -> int:
    """Serve what the document (the first argument) names, until a signal ends it."""
    _log_lines()
    environment = HostEnvironment.take()
    document = Document.model_validate_json(Path(arguments[0]).read_bytes())
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(loader, document, environment))
    return 0


async def serve(loader: PluginLoader, document: Document, environment: HostEnvironment) -> None:
    """The Host from bind to shutdown."""
    metrics = Metrics()
    pool = make_pool(environment, PLUGIN, _CONNECTIONS)
    await pool
    plugins = {
        given.plugin.name: HostedPlugin(given, loader, document.project, Context(given, environment, document))
        for given in document.plugins
    }
    work = Work(pool, plugins, metrics.registry, environment.public_url)
    for plugin in plugins.values():
        plugin.context.work = work
    gate = Gate(Tokens(environment.jwt_secret, environment.jwt_previous), environment.internal_secret)
    app = HostApp(document, plugins, gate, metrics, work)
    host, port = environment.bind
    config = uvicorn.Config(
        app, host=host, port=port, lifespan="off", access_log=False, log_config=None, proxy_headers=True,
        forwarded_allow_ips="*", server_header=False, timeout_graceful_shutdown=20, ws_max_size=1 << 20,
    )  # fmt: skip
    starting = asyncio.create_task(_bring_up(app, plugins, float(document.start_timeout)))
    working = asyncio.create_task(work.run())
    # uvicorn raises the signal again when it has ended, and the default would end the process before the work has
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        await _Server(config, work).serve()
    finally:
        starting.cancel()
        work.stop()
        await asyncio.gather(working, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in plugins.values()), return_exceptions=True)
        pool.terminate()


class _Server(uvicorn.Server):
    """Nothing more is claimed from the queue as soon as a signal comes; requests are answered meanwhile."""

    def __init__(self, config: uvicorn.Config, work: Work) -> None:
        super().__init__(config)
        self._work, self._loop = work, asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In a signal handler: the loop is told."""
        self._loop.call_soon_threadsafe(self._work.stop)
        super().handle_exit(sig, frame)


async def _bring_up(app: HostApp, plugins: dict[str, HostedPlugin], patience: float) -> None:
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(plugin: HostedPlugin) -> None:
        async with few:
            await plugin.start(patience)

    await asyncio.gather(*map(one, plugins.values()))
    app.settled = True
    good = [name for name, plugin in plugins.items() if plugin.state == "serving"]
    log.info("serving %d of %d plugins: %s", len(good), len(plugins), ", ".join(good) or "none")


class _JsonLines(logging.Formatter):
    """One JSON object a line; ``plugin`` where a plugin's own logger wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.name.startswith("plugin."):
            line["plugin"] = record.name.split(".")[1]
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _log_lines() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
