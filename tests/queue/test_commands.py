"""``nself job`` and ``nself webhook`` on the Host's tables, under the Host's own role."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import click
import pytest
from click.testing import CliRunner, Result

from builtin_plugins.host.commands import job, webhook
from builtin_plugins.host.document import password_variable
from builtin_plugins.host.schema import NAME, ROLE
from hookspecs import UserError

PASSWORD = "p@ss:w/rd"


@dataclass
class Context:
    """The part of a project that the commands ask."""

    url: str

    def environment(self, service: str, env: str | None = None) -> dict[str, str]:
        """As the Host is given it."""
        assert service == "host"
        return {
            "NSELF_SQL_HOST": "postgres",
            "NSELF_SQL_PORT": "5432",
            "NSELF_SQL_DATABASE": "app",
            password_variable(NAME): PASSWORD,
        }

    def reach(self, url: str, env: str | None = None) -> str:
        """From this machine."""
        there = urlsplit(self.url)
        return url.replace("postgres:5432/app", f"127.0.0.1:{there.port}{there.path}")


async def invoke(context: Context, group: click.Group, *arguments: str) -> Result:
    """Run a command below a root like the CLI's: a command keeps the help options of the first one it is run below."""
    root = click.Group(commands=[group], context_settings={"help_option_names": ["-h", "--help"]})
    return await asyncio.to_thread(CliRunner().invoke, root, [str(group.name), *arguments], obj=context)


@pytest.fixture
async def run(url: str, pool: asyncpg.Pool) -> Callable[..., Any]:
    """Run a command; what a ``UserError`` says stands in ``exception``."""
    if not await pool.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", ROLE):
        await pool.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
    await pool.execute(f"GRANT USAGE ON SCHEMA nself_host TO {ROLE}; GRANT ALL ON ALL TABLES IN SCHEMA nself_host TO {ROLE}")

    async def run(group: click.Group, *arguments: str) -> Result:
        return await invoke(Context(url), group, *arguments)

    return run


_FILL = """
    INSERT INTO nself_host.jobs (plugin, name, once, payload, event, state, attempts, error, finished_at, secret) VALUES
    ('notify', 'send', NULL, '{"to": "ada"}', NULL, 'dead', 6, 'RuntimeError: no
 luck', now(), NULL),
    ('notify', 'send', NULL, '{}', NULL, 'queued', 0, NULL, NULL, NULL),
    ('notify', 'outbound:webhook', 'msg_1', '{"url": "https://a.example"}', NULL, 'done', 1, NULL, now(), 'whsec_never-shown'),
    ('stripe', 'webhook:main', 'evt_1', '{"id": "evt_1"}', '{"type": "charge.paid", "form": false, "headers": {"x-a": "b"}}',
     'dead', 9, 'KeyError: x', now(), NULL),
    ('stripe', 'webhook:main', 'evt_2', '{}', '{"type": "ping", "form": false, "headers": {}}', 'queued', 0, NULL, NULL, NULL),
    ('github', 'webhook:main', 'evt_2', '{}', '{"type": "push", "form": false, "headers": {}}', 'done', 1, NULL, now(), NULL)
"""


async def test_jobs(run: Callable[..., Any], pool: asyncpg.Pool) -> None:
    assert (await run(job, "list")).stderr == "no jobs\n"
    await pool.execute(_FILL)
    table = (await run(job, "list")).stdout.splitlines()
    assert len(table) == 4
    assert "RuntimeError: no luck" in table[3]
    listed = json.loads((await run(job, "list", "--state", "dead", "--json")).stdout)
    assert [(j["plugin"], j["name"], j["attempts"]) for j in listed] == [("notify", "send", 6)]
    for arguments in (("show", "1"), ("show", "3"), ("show", "3", "--json"), ("list", "--json")):
        assert "never-shown" not in (await run(job, *arguments)).stdout
    assert json.loads((await run(job, "show", "1", "--json")).stdout)["payload"] == '{"to": "ada"}'
    assert '{"to": "ada"}' in (await run(job, "show", "1")).stdout
    assert json.loads((await run(job, "retry", "1", "3", "--json")).stdout) == [1, 3]
    assert await pool.fetchrow("SELECT state, attempts, error FROM nself_host.jobs WHERE id = 1") == ("queued", 0, None)
    assert (await run(job, "retry", "--dead")).stderr == "0 queued again\n"
    counts = json.loads((await run(job, "status", "--json")).stdout)
    assert [(c["plugin"], c["queued"], c["dead"]) for c in counts] == [("github", 0, 0), ("notify", 3, 0), ("stripe", 1, 1)]
    assert "OLDEST WAITS" in (await run(job, "status")).stdout
    assert (await run(job, "delete", "2", "--yes")).exit_code == 0
    for arguments, text in {
        ("show", "99"): "no job 99", ("delete", "99", "--yes"): "no job 99", ("retry", "99"): "no job 99",
        ("show", "4"): "no job 4", ("retry",): "either", ("retry", "1", "--dead"): "either", ("delete", "1"): "Not asked",
    }.items():  # fmt: skip
        error = (await run(job, *arguments)).exception
        assert isinstance(error, UserError), arguments
        assert text in error.message


async def test_webhooks(run: Callable[..., Any], pool: asyncpg.Pool) -> None:
    assert (await run(webhook, "list")).stderr == "no webhooks\n"
    await pool.execute(_FILL)
    assert len((await run(webhook, "list")).stdout.splitlines()) == 4
    dead = json.loads((await run(webhook, "list", "--state", "dead", "--json")).stdout)
    assert [(e["plugin"], e["source"], e["id"], e["type"]) for e in dead] == [("stripe", "main", "evt_1", "charge.paid")]
    assert len(json.loads((await run(webhook, "list", "--type", "push", "--plugin", "github", "--json")).stdout)) == 1
    shown = (await run(webhook, "show", "evt_1")).stdout
    assert "x-a: b" in shown
    assert shown.endswith('{"id": "evt_1"}\n')
    assert json.loads((await run(webhook, "show", "4", "--json")).stdout)["headers"] == {"x-a": "b"}
    assert (await run(webhook, "replay", "evt_1")).stderr == "1 to be handled again\n"
    assert await pool.fetchval("SELECT state FROM nself_host.jobs WHERE id = 4") == "queued"
    assert json.loads((await run(webhook, "replay", "--dead", "--plugin", "stripe", "--json")).stdout) == []
    await pool.execute("INSERT INTO nself_host.webhook_endpoints_gone (plugin, url) VALUES ('notify', 'https://a.example/')")
    assert (await run(webhook, "enable", "notify", "https://a.example/")).exit_code == 0
    for arguments, text in {
        ("show", "nothing"): "no webhook nothing", ("replay", "evt_1"): "not ended", ("replay", "evt_2"): "more than once",
        ("replay",): "either", ("enable", "notify", "https://a.example/"): "not kept",
    }.items():  # fmt: skip
        error = (await run(webhook, *arguments)).exception
        assert isinstance(error, UserError), arguments
        assert text in error.message


async def test_without_a_database_or_tables_the_error_says_what_to_do(
    run: Callable[..., Any], pool: asyncpg.Pool, url: str
) -> None:
    await pool.execute("DROP TABLE nself_host.jobs")
    error = (await run(job, "list")).exception
    assert isinstance(error, UserError)
    assert error.remedy == "nself start"
    gone = await invoke(Context("postgresql://127.0.0.1:1/app"), job, "list")
    assert isinstance(gone.exception, UserError)
    assert PASSWORD not in gone.exception.message
