"""A Host of the tests' own, to be killed: takes webhooks on a port, and handles them.

    python -m tests.queue.host_process <database URL> <port>

The handler's effect is a row that the event's id makes unique, in a transaction: done twice, it shows once.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import asyncpg
import uvicorn

from builtin_plugins.host.jobs import Workers
from builtin_plugins.host.jobs.queue import POOL
from builtin_plugins.host.server.http import http_for
from builtin_plugins.host.webhooks import Source, intake, webhook_tasks
from hookspecs.models.host import Event
from hookspecs.models.manifest import Webhook

SECRET = "of-the-kill-test"
RULE = Webhook(source="main", scheme="github", secret="X")
_EFFECT = """
    WITH called AS (INSERT INTO calls (id) VALUES ($1)),
        new AS (INSERT INTO seen (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
    INSERT INTO effects (id, n) SELECT id, $2 FROM new
"""


async def main(url: str, port: int) -> None:
    """Serve until a signal."""
    async with asyncpg.create_pool(url, min_size=2, max_size=8, **POOL) as pool:

        async def handle(event: Event) -> None:
            await pool.execute(_EFFECT, event.id, event.payload["n"])

        workers = Workers(pool, webhook_tasks("demo", [RULE], handle), lease=3, poll=0.2, grace=3, per_plugin=40)
        app = intake(pool)
        app.serve("demo", [Source("demo", RULE, (SECRET,))])
        working = asyncio.create_task(workers.run())
        config = uvicorn.Config(
            app, port=port, http=http_for(app), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=3
        )
        server = uvicorn.Server(config)

        def stop() -> None:
            server.should_exit = True
            workers.stop()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        await asyncio.gather(
            server._serve(), working
        )  # `serve` would raise the signal again, and end the process before its work


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
