"""Webhooks taken in over HTTP: verified, stored before the answer, each once, then handled from the queue."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import prometheus_client
import pytest
import uvicorn

from builtin_plugins.host.jobs import Workers
from builtin_plugins.host.server.http import http_for
from builtin_plugins.host.webhooks import Events, Intake, Source, endpoint, intake, webhook_tasks
from builtin_plugins.host.webhooks.store import NotStoredError, Row, Store
from hookspecs.models.host import Event
from hookspecs.models.manifest import Webhook
from tests.ports import free_port

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


def test_what_was_answered_is_counted() -> None:
    app = Intake(Store(None))  # type: ignore[arg-type]
    app.serve("demo", [Source("demo", RULE, (SECRET,))])
    registry = prometheus_client.CollectorRegistry(auto_describe=True)
    registry.register(app)  # type: ignore[arg-type]

    async def two() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            assert (await client.get("/webhooks/demo")).status_code == 405
            assert (await client.post("/webhooks/demo", content=b"{}", headers=github(b"[]"))).status_code == 401
            assert (await client.post("/webhooks/nobody")).status_code == 404

    asyncio.run(two())
    text = prometheus_client.generate_latest(registry).decode()
    assert 'nself_webhooks_total{plugin="demo",source="main",status="405"} 1.0' in text
    assert 'nself_webhooks_total{plugin="demo",source="main",status="401"} 1.0' in text


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


# --- over a real server ---


@pytest.fixture(params=["short way", "ASGI"])
async def served(url: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[int, asyncpg.Pool]]:
    """The intake behind uvicorn, as the Host runs it and by ASGI alone; its own pool, which a test may break."""
    port = free_port()
    async with asyncpg.create_pool(url, min_size=0, max_size=4, server_settings={"application_name": "intake"}) as pool:
        app = intake(pool)
        app.serve("demo", [Source("demo", RULE, (SECRET,)), Source("demo", RULE.model_copy(update={"source": "other"}), ())])
        way = http_for(app) if request.param == "short way" else "auto"
        if request.param == "short way" and way == "auto":
            pytest.skip(f"with uvicorn {uvicorn.__version__} webhooks come through ASGI; try the short way, and raise KNOWN")
        config = uvicorn.Config(app, port=port, http=way, log_level="error", timeout_graceful_shutdown=1, access_log=False)
        server = uvicorn.Server(config)
        run = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield port, pool
        server.should_exit = True
        await run


def test_the_short_way_is_taken_with_a_known_uvicorn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its inner names may change with any version: another one serves, too, by the longer way."""
    app = Intake(Store(None))  # type: ignore[arg-type]
    monkeypatch.setattr(uvicorn, "__version__", "0.54.0")
    assert http_for(app) != "auto"
    monkeypatch.setattr(uvicorn, "__version__", "99.0")
    assert http_for(app) == "auto"


async def raw(port: int, head: str, body: bytes = b"", *, pause: float = 0) -> str:
    """What is answered to bytes as they are."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1"))
    for part in (body[: len(body) // 2], body[len(body) // 2 :]):
        await asyncio.sleep(pause)
        writer.write(part)
    answer = (await asyncio.wait_for(reader.read(4096), 15)).decode("latin-1")
    writer.close()
    return answer


def head(body: bytes, path: str = "/webhooks/demo/main", **more: str) -> str:
    lines = {"host": "x", "content-length": str(len(body)), **github(body), **{k.replace("_", "-"): v for k, v in more.items()}}
    return f"POST {path} HTTP/1.1\n" + "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


async def test_what_is_too_much_or_not_whole_is_refused(
    served: tuple[int, asyncpg.Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, pool = served
    monkeypatch.setattr(endpoint, "_SLOWEST", 1)
    good = b'{"a": 1}'
    long = b'{"a": "' + b"x" * (1024 * 1024) + b'"}'
    chunked = {"transfer_encoding": "chunked"}
    cases = {
        "a good one": (head(good), good, "200"),
        "in pieces": (head(good), good, "200"),
        "a length over the limit": (head(good, content_length=str(2**21)), b"", "413"),
        "over the limit without a length": (
            head(long, **chunked).replace(f"content-length: {len(long)}\n", ""),
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(long), long),
            "413",
        ),
        "headers over the limit": (head(good, x_long="y" * 40_000), good, "431"),
        "compressed": (head(good, content_encoding="gzip"), good, "415"),
        "no JSON": (head(b"<xml/>"), b"<xml/>", "415"),
        "multipart": (head(b"--x", content_type="multipart/form-data; boundary=x"), b"--x", "415"),
        "a body that never comes": (head(good), b"", "408"),
        "nobody there": (head(good, path="/webhooks/nobody"), good, "404"),
        "two sources, none named": (head(good, path="/webhooks/demo"), good, "404"),
        "a source without a secret": (head(good, path="/webhooks/demo/other"), good, "503"),
    }  # fmt: skip
    for name, (start, body, status) in cases.items():
        answer = await raw(port, start, body, pause=0.1 if name == "in pieces" else 0)
        assert answer.startswith(f"HTTP/1.1 {status}"), (name, answer[:200])
    assert await pool.fetchval("SELECT count(*) FROM nself_host.jobs") == 1


async def test_requests_that_follow_on_one_connection_are_answered_in_order(served: tuple[int, asyncpg.Pool]) -> None:
    """Sent at once without waiting, good and bad and of every way; a body that comes in pieces keeps the next one waiting."""
    port, pool = served
    good, bad = b'{"a": 1}', b"<xml/>"

    def request(ident: str, body: bytes, **more: str) -> bytes:
        return head(body, x_github_delivery=ident, **more).replace("\n", "\r\n").encode() + body

    other = b"GET /webhooks/demo/main HTTP/1.1\r\nhost: x\r\n\r\n"
    chunks = b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'
    chunked = request("d", good, transfer_encoding="chunked").replace(b"content-length: 8\r\n", b"").removesuffix(good) + chunks
    last = request("e", good, connection="close")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = request("a", good) + request("b", bad) + other + request("c", good) + chunked + last
    for part in (sent[:300], sent[300:]):
        writer.write(part)
        await asyncio.sleep(0.05)
    answers = (await asyncio.wait_for(reader.read(), 10)).decode()
    assert re.findall(r"HTTP/1.1 (\d+)", answers) == ["200", "415", "405", "200", "200", "200"]
    assert "connection: close" in answers.rpartition("HTTP/1.1")[2]
    assert answers.count("\ndate: ") == 6
    assert {row["once"] for row in await pool.fetch("SELECT once FROM nself_host.jobs")} == {"a", "c", "d", "e"}
    writer.close()


async def test_a_sender_that_goes_away_leaves_nothing(served: tuple[int, asyncpg.Pool]) -> None:
    port, pool = served
    body = b'{"a": 1}'
    for sent in (head(body).replace("\n", "\r\n").encode() + body[:3], head(body).replace("\n", "\r\n").encode()[:40]):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await writer.drain()
        writer.close()
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/webhooks/demo/main", content=body, headers=github(body))
    assert answer.status_code == 200
    assert await pool.fetchval("SELECT count(*) FROM nself_host.jobs") == 1


async def test_while_the_database_is_down_it_is_never_answered_2xx(
    served: tuple[int, asyncpg.Pool], url: str, postgres: str
) -> None:
    port, _ = served
    admin = await asyncpg.connect(postgres)
    name = url.rpartition("/")[2]
    body = b'{"a": 1}'

    async def burst(first: int) -> list[tuple[int, str | None]]:
        async with httpx.AsyncClient(timeout=20) as client:
            target = f"http://127.0.0.1:{port}/webhooks/demo/main"
            posts = [client.post(target, content=body, headers=github(body, str(first + n))) for n in range(100)]
            return [(answer.status_code, answer.headers.get("retry-after")) for answer in await asyncio.gather(*posts)]

    assert set(await burst(0)) == {(200, None)}
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'intake'")
    assert set(await burst(1000)) == {(503, "5")}
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert set(await burst(1000)) == {(200, None)}
    await admin.close()
    mine = await asyncpg.connect(url)
    assert await mine.fetchval("SELECT count(*) FROM nself_host.jobs") == 200
    await mine.close()


async def test_the_dead_are_listed_shown_and_replayed(pool: asyncpg.Pool, http: httpx.AsyncClient) -> None:
    body = b'{"a": 1}'
    await http.post("/webhooks/demo", content=body, headers=github(body, "evt"))
    faulty = True

    async def handle(event: Event) -> None:
        if faulty:
            raise RuntimeError("no use for it")

    tasks = {
        name: replace(task, retries=1, backoff=lambda _: 0.01) for name, task in webhook_tasks("demo", [RULE], handle).items()
    }
    events = Events(pool)
    async with working(Workers(pool, tasks, poll=0.02)):
        await until(lambda: _count(pool, "dead", 1))
        (dead,) = await events.newest(plugin="demo", source="main", kind="push", state="dead")
        assert (dead.id, dead.attempts, dead.error) == ("evt", 2, "RuntimeError: no use for it")
        assert (await events.find("evt")) == (await events.find(str(dead.number))) == [dead]
        content = await events.content(dead.number)
        assert content is not None
        assert content.body == body.decode()
        faulty = False
        assert await events.replay(numbers=[dead.number]) == [dead.number]
        await until(lambda: _count(pool, "done", 1))
        assert await events.replay(plugin="demo") == []  # none is dead any more
        assert await events.replay(numbers=[dead.number]) == [dead.number]  # a done one is replayed when it is named
        await until(lambda: _count(pool, "done", 1))


async def test_what_waits_for_the_database_is_bounded_in_memory(pool: asyncpg.Pool) -> None:
    """A database that hangs must not fill the Host's memory; afterwards there is room again."""
    store = Store(pool, room=10_000, patience=1)
    rows = [Row("demo", "webhook:main", str(number), "{}", b"x" * 900) for number in range(20)]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE nself_host.jobs")
        asked = [asyncio.ensure_future(store.store(row)) for row in rows]
        await asyncio.sleep(0.1)
        assert 5 < sum(not each.done() for each in asked) < 15  # the rest was refused at once
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, NotStoredError) for each in found)
    await asyncio.gather(*[store.store(row) for row in rows[:10]])
    assert len(await Events(pool).newest()) == 10


async def test_one_row_that_the_database_refuses_fails_alone(pool: asyncpg.Pool) -> None:
    store = Store(pool)
    good = [Row("demo", "webhook:main", str(number), "{}", b"{}") for number in range(5)]
    bad = Row("demo", "webhook:main", "bad", "no JSON", b"{}")
    found = await asyncio.gather(*map(store.store, [*good[:2], bad, *good[2:]]), return_exceptions=True)
    assert [isinstance(each, NotStoredError) for each in found] == [False, False, True, False, False, False]
    assert len(await Events(pool).newest()) == 5
