"""Webhooks taken in over HTTP: verified, stored before the answer, each once, then handled from the queue."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from builtin_plugins.host.jobs import Workers
from builtin_plugins.host.webhooks import Events, Source, intake, webhook_tasks
from hookspecs.models.host import Event
from hookspecs.models.manifest import Webhook

from .test_jobs import until, working

SECRET = "a-secret-of-github"
RULE = Webhook(source="main", scheme="github", secret="DEMO_SECRET")


def github(body: bytes, ident: str = "1", kind: str = "push", secret: str = SECRET, **more: str) -> dict[str, str]:
    """Headers as GitHub sends them."""
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "content-type": "application/json", "x-github-delivery": ident, "x-github-event": kind,
        "x-hub-signature-256": f"sha256={mac}",
        "authorization": "Bearer hidden", "user-agent": "GitHub-Hookshot/1", **more,
    }  # fmt: skip


@pytest.fixture
async def http(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    app = intake(pool)
    app.serve("demo", [Source("demo", RULE, (SECRET, "an-older-one"))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
        yield client


async def test_an_event_is_stored_once_and_handled_as_it_came(pool: asyncpg.Pool, http: httpx.AsyncClient) -> None:
    body = json.dumps({"ref": "main", "größe": 2**60}).encode()
    for _ in range(3):
        answer = await http.post("/webhooks/demo/main", content=body, headers=github(body))
        assert (answer.status_code, answer.content) == (200, b"")
    answer = await http.post("/webhooks/demo", content=body, headers=github(body, "2", secret="an-older-one"))
    assert answer.status_code == 200
    seen: list[Event] = []

    async def handle(event: Event) -> None:
        seen.append(event)

    async with working(Workers(pool, webhook_tasks("demo", [RULE], handle))):
        await until(lambda: _count(pool, "done", 2))
    assert [(e.id, e.source, e.type, dict(e.payload), e.attempt) for e in seen] == [
        (n, "main", "push", {"ref": "main", "größe": 2**60}, 1) for n in ("1", "2")
    ]
    assert seen[0].headers["user-agent"] == "GitHub-Hookshot/1"
    assert not {"authorization", "x-hub-signature-256"} & set(seen[0].headers)
    # it is known ever after
    assert (await http.post("/webhooks/demo", content=body, headers=github(body))).status_code == 200
    assert len(await Events(pool).newest()) == 2


async def _count(pool: asyncpg.Pool, state: str, wanted: int) -> Any:
    return await pool.fetchval("SELECT count(*) FROM nself_host.jobs WHERE state = $1", state) == wanted


async def test_many_at_once_are_all_stored(pool: asyncpg.Pool, http: httpx.AsyncClient) -> None:
    async def post(number: int) -> int:
        body = b'{"n": %d}' % number
        return (await http.post("/webhooks/demo", content=body, headers=github(body, str(number % 150)))).status_code

    assert set(await asyncio.gather(*[post(n) for n in range(200)])) == {200}
    assert len(await Events(pool).newest(limit=999)) == 150
