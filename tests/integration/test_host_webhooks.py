"""Webhooks and jobs on the native stack: the real Host is killed while events come in; the commands show what became of them."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests import plugin_home
from tests.native_project import NativeProject, native_project, until
from tests.ports import free_ports
from tests.queue.signing import github
from tests.queue.test_killed import post

pytestmark = pytest.mark.slow
SECRET = "what-the-shop-signs-with-0123456789"
EVENTS = 1500
_PLUGIN = """
import os

from hookspecs import Job, WebhookResult, hookimpl


@hookimpl
async def handle_webhook(event, host):
    if event.type == "fail":
        await host.enqueue("fail", {"of": event.id})
        await host.deliver("http://127.0.0.1:1/hook", "it.failed", {}, secret="whsec_" + "QUJD" * 8)
        return WebhookResult(detail="handed on")
    await host.pool.execute(
        "WITH new AS (INSERT INTO np_shop_seen (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)"
        " INSERT INTO np_shop_effects (id, n) SELECT id, $2 FROM new",
        event.id, event.payload["n"],
    )
    return WebhookResult()


@hookimpl
def contribute_jobs(project, host):
    async def fail(payload):
        raise RuntimeError(f"no luck with {payload['of']}")

    yield Job(name="fail", run=fail, retries=0)


@hookimpl
def contribute_routes(project, host):
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/state")
    async def state():
        rows = await host.pool.fetch("SELECT id, n FROM np_shop_effects ORDER BY n")
        return {"pid": os.getpid(), "effects": [[row["id"], row["n"]] for row in rows]}

    return app
"""


class Shop:
    """The project, and how it is spoken to."""

    def __init__(self, project: NativeProject, host: int, nginx: int) -> None:
        self.project, self.host, self.nginx = project, host, nginx

    def state(self) -> dict[str, Any]:
        """Of the plugin, by its own route."""
        found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.host}/plugins/shop/state", timeout=30).json()
        return found

    def is_up(self) -> bool:
        """Whether the plugin answers: after a kill it takes a moment."""
        try:
            return bool(self.state()["pid"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    def metrics(self) -> str:
        """Of the Host, as Prometheus reads them."""
        return httpx.get(f"http://127.0.0.1:{self.host}/metrics", timeout=30).text

    def dead(self, job: str) -> int:
        """How many jobs of this name are dead."""
        found = re.search(rf'^nself_jobs{{job="{job}",plugin="shop",state="dead"}} (\S+)$', self.metrics(), re.MULTILINE)
        return int(float(found[1])) if found else 0

    def nself(self, *arguments: str) -> str:
        """What the command prints."""
        command = [sys.executable, "-m", "nself_core", *arguments]
        done = subprocess.run(command, cwd=self.project.root, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    place: Path = tmp_path_factory.mktemp("shop")
    before = os.environ.get("NSELF_HOME")
    os.environ["NSELF_HOME"] = str(place / "home")
    manifest = {
        "hooks": ["handle_webhook", "contribute_jobs", "contribute_routes"],
        "settings": [{"name": "SHOP_SECRET", "secret": True, "help": "Signs what comes."}],
        "webhooks": [{"source": "main", "scheme": "github", "secret": "SHOP_SECRET"}],
        "tables": ["np_shop_seen", "np_shop_effects"],
        "permissions": {"public": ["/state"]},
    }
    tables = "CREATE TABLE np_shop_seen (id text PRIMARY KEY); CREATE TABLE np_shop_effects (id text, n int);"
    plugin_home.write(place / "home", place, "shop", _PLUGIN, {"schema/001.sql": tables}, **manifest)
    plugin_home.enable(place / "project", "shop")
    host, nginx = free_ports(2)
    settings = {"NGINX_ENABLED": "true", "SSL_ENABLED": "false", "NGINX_PORT": str(nginx), "HOST_PORT": str(host)}
    try:
        with native_project(place / "project", SHOP_SECRET=SECRET, **settings) as project:
            assert project.start()["host"].health == "healthy"
            yield Shop(project, host, nginx)
    finally:
        os.environ.pop("NSELF_HOME")
        if before is not None:
            os.environ["NSELF_HOME"] = before


@pytest.fixture(autouse=True)
def own_home() -> None:
    """The module's home, not one of each test."""


@pytest.mark.timeout(400)
async def test_the_host_is_killed_and_no_event_is_lost(shop: Shop) -> None:
    taken: set[int] = set()
    share = [list(range(first, EVENTS, 8)) for first in range(8)]
    senders = asyncio.gather(*[post([shop.host], numbers, taken, "/webhooks/shop", SECRET) for numbers in share])
    chance = random.Random(3)
    killed: set[int] = set()
    while len(killed) < 3:
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        try:
            pid = (await asyncio.to_thread(shop.state))["pid"]
        except (httpx.HTTPError, ValueError, KeyError):
            continue  # it is not back yet
        if pid not in killed:
            psutil.Process(pid).kill()
            killed.add(pid)
    await asyncio.wait_for(senders, 200)
    assert taken == set(range(EVENTS))

    # Counted by the queue: an effect is there before its event is marked done, and those that a killed Host had in hand are
    # handled again when its lease has run out.
    def ended() -> dict[str, int] | None:
        counts = {each["plugin"]: each for each in json.loads(shop.nself("job", "status", "--json"))}["shop"]
        return None if counts["queued"] or counts["running"] else counts

    counts = await asyncio.to_thread(until, ended, seconds=120)
    assert (counts["dead"], counts["done"]) == (0, EVENTS)
    await asyncio.to_thread(until, shop.is_up)
    assert shop.state()["effects"] == [[f"e{n}", n] for n in range(EVENTS)]


def test_through_the_proxy_it_comes_in_and_the_commands_show_what_became_of_it(shop: Shop) -> None:
    until(shop.is_up)  # the test before may have failed just after a kill
    body = b'{"n": -1}'
    signed = github(SECRET, 0, body).headers | {"x-github-delivery": "bad-1", "x-github-event": "fail"}
    there = {"Host": "plugins.localhost"}
    address = f"http://127.0.0.1:{shop.nginx}/webhooks/shop/main"
    assert httpx.post(address, content=body + b" ", headers=signed | there, timeout=30).status_code == 401
    assert httpx.post(address, content=body, headers=signed | there, timeout=30).status_code == 200

    # waited for by the metrics, since each command is a process whose start a busy machine makes slow
    until(lambda: shop.dead("fail") == 1 and shop.dead("outbound:webhook") == 1, seconds=120)
    dead = {j["name"]: j for j in json.loads(shop.nself("job", "list", "--plugin", "shop", "--state", "dead", "--json"))}
    assert set(dead) == {"fail", "outbound:webhook"}
    assert dead["fail"]["error"] == "RuntimeError: no luck with bad-1"
    assert "not a public address" in dead["outbound:webhook"]["error"]

    def handled() -> dict[str, Any] | None:  # what it handed on may end before it does
        (event,) = json.loads(shop.nself("webhook", "list", "--type", "fail", "--json"))
        return event if event["state"] == "done" else None

    event = until(handled)
    assert (event["plugin"], event["source"], event["id"]) == ("shop", "main", "bad-1")
    assert '{"n": -1}' in shop.nself("webhook", "show", "bad-1")
    shop.nself("job", "retry", str(dead["fail"]["id"]))
    shop.nself("webhook", "replay", "bad-1")
    until(lambda: shop.dead("fail") == 2, seconds=120)
    failed = json.loads(shop.nself("job", "list", "--name", "fail", "--json"))
    assert [job["state"] for job in failed] == ["dead", "dead"]
    assert 'nself_webhooks_total{plugin="shop",source="main",status="401"} 1.0' in shop.metrics()
