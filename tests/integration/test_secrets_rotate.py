"""`nself secrets rotate` on a running stack: nothing breaks, what keeps a copy is told, and a rotation cut off is finished."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from nself_core.lifecycle import rotation
from nself_core.workspace import Workspace
from tests.conftest import Nself
from tests.native_project import quiet
from tests.ports import free_ports

pytestmark = pytest.mark.slow


class Stack:
    """Database, GraphQL API, cache and the plugins' host of a started project, by their ports on loopback."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.database, self.graphql, self.cache = free_ports(3)
        folder.mkdir()
        self.nself = Nself(folder, {"HOME": str(home), "NSELF_HOME": str(home / ".nself")})
        (folder / ".env").write_text("ENV=dev\nPROJECT_NAME=rotating\n")
        (folder / ".env.dev").write_text(
            f"POSTGRES_PORT={self.database}\nHASURA_PORT={self.graphql}\nREDIS_PORT={self.cache}\n"
            "NGINX_ENABLED=false\nAUTH_ENABLED=false\nREDIS_ENABLED=true\n"
        )
        self.nself("start", "--runtime", "native")

    def value(self, name: str) -> str:
        rows = json.loads(self.nself("secrets", "list", "--show", "--json").stdout)
        return next(row["value"] for row in rows if row["name"] == name)

    def pids(self) -> dict[str, str]:
        listed = json.loads(self.nself("status", "--json").stdout)["services"]
        return {s["name"]: s["container_id"] for s in listed if s["container_id"]}

    async def logs_in(self, password: str) -> bool:
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=self.database, user="postgres", password=password, database="rotating"
            )
        except asyncpg.InvalidPasswordError:
            return False
        await connection.close()
        return True

    def query(self) -> str:
        secret = self.value("HASURA_GRAPHQL_ADMIN_SECRET")
        body = {"type": "run_sql", "args": {"source": "default", "sql": "SELECT 40 + 2"}}
        answer = httpx.post(
            f"http://127.0.0.1:{self.graphql}/v2/query", json=body, headers={"X-Hasura-Admin-Secret": secret}, timeout=30
        )
        return str(answer.json()["result"][1][0])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp("rotate")
    made = Stack(base / "project", base / "home")
    yield made
    made.nself("stop")
    made.nself("destroy", "--yes")


async def test_the_databases_password_is_changed_where_it_is_kept_and_what_uses_it_restarted(stack: Stack) -> None:
    old, before = stack.value("POSTGRES_PASSWORD"), stack.pids()
    done = json.loads(stack.nself("secrets", "rotate", "POSTGRES_PASSWORD", "--yes", "--json").stdout)
    assert done["names"] == ["POSTGRES_PASSWORD"] and done["told"] == ["postgres"]
    new, after = stack.value("POSTGRES_PASSWORD"), stack.pids()
    assert new != old and new not in json.dumps(done)
    assert await stack.logs_in(new)
    assert not await stack.logs_in(old)
    assert stack.query() == "42"
    changed = {name for name in before if before[name] != after[name]}
    assert changed == set(done["restarted"]) and "hasura" in changed
    assert "redis" not in changed  # it does not know that password
    assert not (stack.nself.folder / ".nself" / "rotation.json").exists()


async def test_every_secret_at_once(stack: Stack) -> None:
    names = {row["name"] for row in json.loads(stack.nself("secrets", "list", "--json").stdout)}
    old = {name: stack.value(name) for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "HASURA_GRAPHQL_ADMIN_SECRET")}
    done = stack.nself("secrets", "rotate", "--all", "--yes")
    assert "HASURA_JWT_KEY" in names and "HASURA_JWT_KEY is left as it is: nself auth keys rotate" in done.stderr
    assert all(stack.value(name) != value for name, value in old.items())
    assert "Restarted: " in done.stdout and "redis" in done.stdout
    assert await stack.logs_in(stack.value("POSTGRES_PASSWORD"))
    assert stack.query() == "42"
    assert stack.nself("health").returncode == 0
    refused = stack.nself("secrets", "rotate", "HASURA_JWT_KEY", "--yes", check=False)
    assert refused.returncode == 2 and "nself auth keys rotate" in refused.stderr


@pytest.mark.parametrize("finished_by", ["start", "secrets"])
async def test_a_rotation_cut_off_after_the_database_was_told_is_finished(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, finished_by: str
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    for name, value in stack.nself.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rotation, "store", cut)
    new = f"{os.urandom(16).hex()}"
    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(Workspace.open(start=stack.nself.folder), {"POSTGRES_PASSWORD": new}, timeout=60, progress=quiet)
    journal = stack.nself.folder / ".nself" / "rotation.json"
    assert journal.stat().st_mode & 0o777 == 0o600
    assert stack.value("POSTGRES_PASSWORD") != new and await stack.logs_in(new)
    if finished_by == "start":
        assert "was cut off" in stack.nself("start").stderr
    else:
        stack.nself("secrets", "rotate", "--yes")
    assert not journal.exists()
    assert stack.value("POSTGRES_PASSWORD") == new and await stack.logs_in(new)
    assert stack.query() == "42"


async def test_what_does_not_run_is_told_all_the_same(stack: Stack) -> None:
    stack.nself("stop")
    old = stack.value("POSTGRES_PASSWORD")
    done = stack.nself("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert "Changed in: postgres." in done.stdout
    assert stack.pids() == {}
    stack.nself("start")
    assert await stack.logs_in(stack.value("POSTGRES_PASSWORD"))
    assert not await stack.logs_in(old)
    assert stack.query() == "42"
