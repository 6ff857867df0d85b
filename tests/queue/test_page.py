"""The plugin on the page about webhooks and jobs does what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg

from builtin_plugins.host.jobs import Queue, Workers, handlers
from builtin_plugins.host.webhooks import Source, intake, webhook_tasks
from hookspecs.models.host import Event
from hookspecs.models.manifest import Manifest

from .signing import Request, standard
from .test_jobs import until, working

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "webhooks-and-jobs.md"
SECRET = "whsec_" + "QUJD" * 8


def block(kind: str) -> str:
    """The page's block of that language."""
    return re.search(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)[1]  # type: ignore[index]


async def test_the_example(pool: asyncpg.Pool) -> None:
    manifest = Manifest.model_validate({"name": "shop", "version": "1.0.0", "summary": "x", **json.loads(block("json"))})
    plugin: dict[str, Any] = {}
    exec(compile(block("python"), str(PAGE), "exec"), plugin)
    for table in ("np_shop_events (id text PRIMARY KEY)", "np_shop_orders (id text, total int)", "np_shop_reports (total int)"):
        await pool.execute(f"CREATE TABLE {table}")
    queue = Queue(pool)

    async def enqueue(job: str, payload: dict[str, Any], *, delay: float = 0, key: str = "") -> str:
        return await queue.enqueue("shop", job, payload, delay=delay / 100, key=key)

    host = SimpleNamespace(pool=pool, enqueue=enqueue)

    async def handle(event: Event) -> Any:
        return await plugin["handle_webhook"](event, host)

    workers = Workers(pool, handlers("shop", plugin["contribute_jobs"](None, host)), poll=0.05)
    workers.serve(webhook_tasks("shop", manifest.webhooks, handle))
    app = intake(pool, clock=lambda: 1000, stored=workers.wake)
    app.serve("shop", [Source("shop", rule, (SECRET,)) for rule in manifest.webhooks])
    for kind, status in (("order.made", 200), ("user.made", 200)):
        assert await post(app, standard(SECRET, 1000, json.dumps({"type": kind, "data": {"total": 7}}).encode())) == status
    async with working(workers):
        await until(lambda: pool.fetchval("SELECT total FROM np_shop_reports"))
    assert await pool.fetchval("SELECT array_agg(total) FROM np_shop_orders") == [7]


async def post(app: Any, request: Request) -> int:
    """The status of the answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": request.body}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/webhooks/shop", "headers": request.raw()}, receive, send)
    return int(sent[0]["status"])
