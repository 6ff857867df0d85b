"""Webhooks sent out: signed, retried by the specification's schedule, never to where they must not go."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import standardwebhooks
import uvicorn

from builtin_plugins.egress import GuardedTransport, public_address
from builtin_plugins.host.jobs import Queue, Workers
from builtin_plugins.host.jobs.records import Records
from builtin_plugins.host.webhooks import Outbound, outbound
from tests.ports import free_port

from .test_jobs import until, working

OLD, NEW = ("whsec_" + base64.b64encode(bytes([n]) * 24).decode() for n in (1, 2))


class Receiver:
    """Takes webhooks on loopback, and answers what it is told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.wait = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.taken.append(({k.decode(): v.decode() for k, v in scope["headers"]}, body))
        await asyncio.sleep(self.wait)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    app = Receiver()
    server = uvicorn.Server(uvicorn.Config(app, port=app.port, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    run = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield app
    server.should_exit = True
    await run


@pytest.fixture
async def sending(pool: asyncpg.Pool, receiver: Receiver) -> AsyncIterator[Outbound]:
    """A Host that may send to the receiver, and works."""
    made = Outbound(pool, Queue(pool), private_hosts=[f"127.0.0.1:{receiver.port}"])
    async with working(Workers(pool, made.tasks(["demo"]), poll=0.05)):
        yield made
    await made.aclose()


async def row(pool: asyncpg.Pool, ident: str) -> asyncpg.Record:
    return await pool.fetchrow("SELECT * FROM nself_host.jobs WHERE once = $1", ident)


async def tried(pool: asyncpg.Pool, ident: str, times: int = 1) -> asyncpg.Record:
    """The job once it was tried so often and does not run."""

    async def check() -> bool:
        found = await row(pool, ident)
        return bool(found["attempts"] == times and found["state"] != "running")

    await until(check)
    return await row(pool, ident)


async def test_it_is_signed_by_every_secret_and_reads_as_the_specification_says(
    pool: asyncpg.Pool, sending: Outbound, receiver: Receiver
) -> None:
    ident = await sending.deliver("demo", receiver.url, "user.created", {"name": "Zoë"}, secret=f"{NEW} {OLD}")
    assert (await tried(pool, ident))["state"] == "done"
    headers, body = receiver.taken[0]
    for secret in (OLD, NEW):
        told = standardwebhooks.Webhook(secret).verify(body, headers)
        assert (told["type"], told["data"]) == ("user.created", {"name": "Zoë"})
    assert headers["webhook-id"] == ident
    assert headers["content-type"] == "application/json"
    # the same id is sent once
    assert await sending.deliver("demo", receiver.url, "user.created", {}, secret=NEW, id=ident) == ident
    await asyncio.sleep(0.3)
    assert len(receiver.taken) == 1
    # what signs stands in no listing
    found = await Records(pool).newest()
    assert NEW not in repr(found) + repr(await Records(pool).get(found[0].id))


async def test_failures_are_tried_again_by_the_schedule_and_then_dead(
    pool: asyncpg.Pool, sending: Outbound, receiver: Receiver
) -> None:
    receiver.status, receiver.body = 500, b"out of order"
    ident = await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    for times, wait in enumerate(outbound.SCHEDULE, 1):
        found = await tried(pool, ident, times)
        now = await pool.fetchval("SELECT now()")
        assert found["state"] == "queued"
        assert abs(found["run_at"] - now - timedelta(seconds=wait)) < timedelta(seconds=5)
        assert "500: out of order" in found["error"]
        await pool.execute("UPDATE nself_host.jobs SET run_at = now() WHERE once = $1", ident)
    assert (await tried(pool, ident, 10))["state"] == "dead"
    signatures = {headers["webhook-signature"] for headers, _ in receiver.taken}
    assert len(receiver.taken) == 10
    assert {headers["webhook-id"] for headers, _ in receiver.taken} == {ident}
    assert len(signatures) <= 10
    receiver.status = 200
    await Records(pool).retry(numbers=[found["id"]])
    assert (await tried(pool, ident, 1))["state"] == "done"


async def test_only_2xx_is_success_and_redirects_are_not_followed(
    pool: asyncpg.Pool, sending: Outbound, receiver: Receiver
) -> None:
    receiver.headers = [(b"location", receiver.url.encode()), (b"retry-after", b"600")]
    for number, status in enumerate((301, 302, 307, 400, 404, 429, 502), 1):
        receiver.status = status
        found = await tried(pool, await sending.deliver("demo", receiver.url, "e", {}, secret=NEW))
        assert found["state"] == "queued", status
        assert len(receiver.taken) == number
        assert found["run_at"] - found["created_at"] > timedelta(seconds=590)  # as it asked


async def test_410_disables_the_endpoint(pool: asyncpg.Pool, sending: Outbound, receiver: Receiver) -> None:
    receiver.status = 410
    ident = await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    assert (await tried(pool, ident))["state"] == "dead"
    with pytest.raises(ValueError, match="410"):
        await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    assert await outbound.enable(pool, "demo", receiver.url)
    assert not await outbound.enable(pool, "demo", receiver.url)
    receiver.status = 200
    ident = await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    assert (await tried(pool, ident))["state"] == "done"


async def test_a_slow_receiver_is_given_up_and_a_long_answer_is_not_read(
    pool: asyncpg.Pool, sending: Outbound, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TIMEOUT", 0.5)
    receiver.wait = 3
    slow = await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    found = await tried(pool, slow)
    assert (found["state"], "TimeoutError" in found["error"]) == ("queued", True)
    receiver.wait, receiver.status, receiver.body = 0, 500, b"x" * 50_000_000
    long = await sending.deliver("demo", receiver.url, "e", {}, secret=NEW)
    assert len((await tried(pool, long))["error"]) < 500


INWARDS = (
    "http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://0.0.0.0:1/", "http://169.254.169.254/latest/meta-data",
    "http://10.1.2.3/", "http://192.168.0.1/", "http://172.16.0.1/", "http://100.64.0.1/", "http://[fd00::1]/", "http://[fe80::1]/",
    "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
    "http://[2002:7f00:1::]/", "http://224.0.0.1/",
)  # fmt: skip


async def test_addresses_that_lead_inwards_are_refused_at_once(pool: asyncpg.Pool) -> None:
    made = Outbound(pool, Queue(pool))
    async with working(Workers(pool, made.tasks(["demo"]), poll=0.05)):
        for target in INWARDS:
            found = await tried(pool, await made.deliver("demo", target, "e", {}, secret=NEW))
            assert (found["state"], "not a public address" in found["error"]) == ("dead", True), target
    await made.aclose()


async def test_the_address_that_was_judged_is_the_one_connected_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with a public address first and an inward one then changes nothing."""
    answers = iter(["93.184.216.34", "127.0.0.1"])

    async def resolve(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(0, 0, 0, "", (next(answers), port))]

    seen: list[httpx.URL] = []

    class Inner(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.url)
            assert request.headers["host"] == "rebind.example"
            return httpx.Response(204)

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve, raising=False)
    async with httpx.AsyncClient(transport=GuardedTransport((), Inner())) as client:
        await client.post("https://rebind.example/")
        with pytest.raises(httpx.ConnectError, match="not a public address"):
            await client.post("https://rebind.example/")
        with pytest.raises(httpx.ConnectError, match="only https"):
            await client.post("http://rebind.example/")
    assert [url.host for url in seen] == ["93.184.216.34"]


def test_what_counts_as_public() -> None:
    assert public_address("93.184.216.34")
    assert public_address("2606:2800:220:1::1")
    assert public_address("64:ff9b::5db8:d822"), "NAT64 of a public IPv4 address"
    assert public_address("2002:5db8:d822::1"), "6to4 of one"
    for inner in (
        "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "::1",
        "::", "fec0::1", "fe80::1%eth0", "fd00::1", "ff02::1", "5f00::1", "0.0.0.0", "100.64.0.1", "169.254.169.254", "224.0.0.1",
    ):  # fmt: skip
        assert not public_address(inner), inner


UNUSABLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"url": "ftp://example.com/"}, "no URL"),
    ({"url": "nothing"}, "no URL"),
    ({"url": "http://"}, "no URL"),
    ({"url": "https://u:p@example.com/"}, "credentials"),
    ({"secret": ""}, "no secret"),
    ({"secret": "whsec_AAAA"}, "24 bytes"),
    ({"secret": "whsec_not base64"}, "24 bytes|Base64"),
    ({"id": "a.b"}, "id of a webhook"),
    ({"id": "ü"}, "id of a webhook"),
    ({"payload": {"x": object()}}, "no JSON"),
)


async def test_what_cannot_be_sent_is_refused_when_it_is_asked_for(pool: asyncpg.Pool) -> None:
    made = Outbound(pool, Queue(pool))
    for change, text in UNUSABLE:
        asked: dict[str, Any] = {"url": "https://example.com/", "event": "e", "payload": {}, "secret": NEW} | change
        with pytest.raises(ValueError, match=text):
            await made.deliver("demo", **asked)
    await made.aclose()
    assert await Records(pool).newest() == []
