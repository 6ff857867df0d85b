"""`nself hasura` and `nself auth` on a running native project, and a user's own rows through the proxy with a token."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Nself
from tests.ports import free_ports

pytestmark = pytest.mark.slow

PASSWORD = "a long enough password"
TABLE = """CREATE TABLE note (id serial PRIMARY KEY, owner uuid NOT NULL, body text NOT NULL)"""


class Stack:
    """The public face of a started project, with the addresses that `urls` prints led to loopback."""

    def __init__(self, nself: Nself, home: Path) -> None:
        self.nself = nself
        listed = json.loads(nself("urls", "--json").stdout)["urls"]
        self.routes = {url["service"]: url["url"] for url in listed if url["kind"] == "route"}
        context = ssl.create_default_context(cafile=str(home / ".nself" / "ca" / "rootCA.pem"))
        self.client = httpx.Client(verify=context, timeout=60, trust_env=False)
        self.secret = json.loads(nself("secrets", "list", "--show", "--json").stdout)

    def post(self, service: str, path: str, body: Any, **headers: str) -> Any:
        parts = urlsplit(self.routes[service])
        url = parts._replace(netloc=f"127.0.0.1:{parts.port or 443}", path=path).geturl()
        answer = self.client.post(
            url, json=body, headers={"Host": parts.netloc, **headers}, extensions={"sni_hostname": str(parts.hostname)}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def admin(self, path: str, kind: str, args: Any) -> Any:
        secret = next(row["value"] for row in self.secret if row["name"] == "HASURA_GRAPHQL_ADMIN_SECRET")
        return self.post("hasura", path, {"type": kind, "args": args}, **{"X-Hasura-Admin-Secret": secret})

    def users(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.nself("auth", "users", "list", "--json", *arguments).stdout)
        return found

    def sign_in(self, email: str, password: str) -> httpx.Response:
        parts = urlsplit(self.routes["auth"])
        return self.client.post(
            parts._replace(netloc=f"127.0.0.1:{parts.port or 443}", path="/signin/email-password").geturl(),
            json={"email": email, "password": password},
            headers={"Host": parts.netloc},
            extensions={"sni_hostname": str(parts.hostname)},
        )


@pytest.fixture
def stack(nself: Nself, own_home: Path) -> Iterator[Stack]:
    nself("init", "--yes")
    names = ("POSTGRES_PORT", "HASURA_PORT", "AUTH_PORT", "NGINX_PORT", "NGINX_SSL_PORT")
    ports = "".join(f"{name}={port}\n" for name, port in zip(names, free_ports(len(names)), strict=True))
    with (nself.folder / ".env.dev").open("a") as settings:
        settings.write(f"\n{ports}AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED=false\n")
    told = nself("start", "--runtime", "native", timeout=280).stderr
    assert told.index("auth: starting") < told.index("hasura: healthy"), told  # a need that is met once the other is started
    yield Stack(nself, own_home)
    nself("stop")
    nself("destroy", "--yes")


def test_a_user_sees_own_rows_alone_through_the_proxy(stack: Stack) -> None:
    stack.admin("/v1/query", "run_sql", {"sql": TABLE})
    stack.admin("/v1/metadata", "pg_track_table", {"source": "default", "table": "note"})
    permission = {"columns": ["id", "body"], "filter": {"owner": {"_eq": "X-Hasura-User-Id"}}}
    permit = {"source": "default", "table": "note", "role": "user", "permission": permission}
    stack.admin("/v1/metadata", "pg_create_select_permission", permit)

    session = stack.post("auth", "/signup/email-password", {"email": "ada@example.com", "password": PASSWORD})["session"]
    rows = f"('{session['user']['id']}', 'mine'), (gen_random_uuid(), 'not mine')"
    stack.admin("/v1/query", "run_sql", {"sql": f"INSERT INTO note (owner, body) VALUES {rows}"})

    token = {"Authorization": f"Bearer {session['accessToken']}"}
    assert stack.post("hasura", "/v1/graphql", {"query": "{ note { body } }"}, **token) == {"data": {"note": [{"body": "mine"}]}}
    hidden = stack.post("hasura", "/v1/graphql", {"query": "{ note { owner } }"}, **token)
    assert hidden["errors"][0]["extensions"]["code"] == "validation-failed"
    assert "errors" in stack.post("hasura", "/v1/graphql", {"query": "{ note { body } }"})

    own = "{ users { email } }"
    until_tracked(stack)
    stack.post("auth", "/signup/email-password", {"email": "bob@example.com", "password": PASSWORD})
    assert stack.post("hasura", "/v1/graphql", {"query": own}, **token) == {"data": {"users": [{"email": "ada@example.com"}]}}
    stack.nself("auth", "users", "delete", "bob@example.com", "--yes")

    (listed,) = stack.users()
    assert (listed["email"], listed["disabled"], listed["roles"]) == ("ada@example.com", False, ["me", "user"])
    metadata_in_a_folder(stack)


def until_tracked(stack: Stack) -> None:
    """The auth server tells the engine of its tables once both answer; a version that has passed is refused."""
    for _ in range(100):
        found = stack.admin("/v1/metadata", "export_metadata", {"version": 2})
        if any(t["table"]["schema"] == "auth" for s in found["metadata"]["sources"] for t in s["tables"]):
            break
        time.sleep(0.2)
    else:
        pytest.fail("the auth tables were not tracked within 20 s")
    stale = {"type": "replace_metadata", "version": 2, "resource_version": 0, "args": {"metadata": found["metadata"]}}
    secret = next(row["value"] for row in stack.secret if row["name"] == "HASURA_GRAPHQL_ADMIN_SECRET")
    parts = urlsplit(stack.routes["hasura"])
    answer = stack.client.post(
        parts._replace(netloc=f"127.0.0.1:{parts.port or 443}", path="/v1/metadata").geturl(),
        json=stale,
        headers={"Host": parts.netloc, "X-Hasura-Admin-Secret": secret},
        extensions={"sni_hostname": str(parts.hostname)},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def metadata_in_a_folder(stack: Stack) -> None:
    nself, folder = stack.nself, stack.nself.folder / "hasura" / "metadata"
    assert nself("hasura", "metadata", "diff", check=False).returncode == 1  # there is no folder yet
    nself("hasura", "metadata", "export")
    table = folder / "databases" / "default" / "tables" / "public_note.yaml"
    assert "X-Hasura-User-Id" in table.read_text()
    assert json.loads(nself("hasura", "metadata", "diff", "--json").stdout) == {"differs": False, "diff": ""}

    text = table.read_text()
    table.write_text(re.sub(r"\n *- body\n", "\n", text))
    done = nself("hasura", "metadata", "diff", check=False)
    assert done.returncode == 1
    assert "- body" in done.stdout
    assert nself("hasura", "metadata", "apply", check=False).returncode == 1  # nobody was there to say yes
    nself("hasura", "metadata", "apply", "--yes")
    assert nself("hasura", "metadata", "diff").stdout == ""
    exported = stack.admin("/v1/metadata", "export_metadata", {})
    (noted,) = [t for t in exported["sources"][0]["tables"] if t["table"]["name"] == "note"]
    assert noted["select_permissions"][0]["permission"]["columns"] == ["id"]

    table.write_text("columns: [")
    done = nself("hasura", "metadata", "apply", "--yes", check=False)
    assert (done.returncode, "public_note.yaml" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_an_operator_makes_changes_and_moves_users(stack: Stack) -> None:
    nself = stack.nself
    nself("auth", "users", "create", "bob@example.com", "--role", "editor", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert stack.sign_in("bob@example.com", PASSWORD).json()["session"]["user"]["defaultRole"] == "editor"
    assert nself("auth", "users", "create", "bob@example.com", "--no-password", check=False).returncode == 1
    for option in ("--limit", "--offset"):
        assert nself("auth", "users", "list", option, "9" * 20, check=False).returncode == 2
    both = nself("auth", "users", "create", "eve@example.com", "--no-password", "--password-stdin", stdin="x\n", check=False)
    assert (both.returncode, "exclude each other" in both.stderr) == (2, True)
    long = nself("auth", "users", "create", "eve@example.com", "--no-password", "--name", "x" * 33, check=False)
    assert (long.returncode, "at most 32 characters" in long.stderr) == (1, True)
    assert nself("auth", "users", "create", "eve@example.com", check=False).returncode == 2  # no terminal, no password

    nself("auth", "users", "disable", "bob@example.com")
    assert stack.sign_in("bob@example.com", PASSWORD).status_code == 401
    nself("auth", "users", "disable", "bob@example.com", "--undo")
    noted = nself("auth", "users", "set-roles", "bob@example.com", "user", "reader", "editer")
    assert "the role editer is new; did you mean editor?" in noted.stderr
    noted = nself("auth", "users", "set-roles", "bob@example.com", "user", "reader")
    assert "is new" not in noted.stderr
    nself("auth", "users", "reset-password", "bob@example.com", "--password-stdin", stdin="quite another one\n")
    assert stack.sign_in("bob@example.com", PASSWORD).status_code == 401
    user = stack.sign_in("bob@example.com", "quite another one").json()["session"]["user"]
    assert (user["defaultRole"], sorted(user["roles"])) == ("user", ["reader", "user"])

    assert "password_hash" not in nself("auth", "users", "export").stdout
    nself("auth", "users", "export", "--secrets", "users.jsonl")
    kept = nself.folder / "users.jsonl"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert nself("auth", "users", "export", "users.jsonl", check=False).returncode == 1  # never over a file that is there
    nowhere = nself("auth", "users", "export", "/nowhere/users.jsonl", check=False).stderr
    assert "/nowhere/users.jsonl" in nowhere and ".part" not in nowhere
    (nself.folder / "noise.jsonl").write_bytes(b"{}\n\xce\x00")
    assert "line 2: it is not UTF-8" in nself("auth", "users", "import", "noise.jsonl", check=False).stderr
    assert nself("auth", "users", "delete", "bob@example.com", check=False).returncode == 1  # nobody was there to say yes
    assert len(stack.users("--search", "bob")) == 1
    nself("auth", "users", "delete", "bob@example.com", "--yes")
    assert stack.users("--search", "bob") == []
    nself("auth", "users", "import", "users.jsonl")
    assert nself("auth", "users", "import", "users.jsonl", check=False).returncode == 1
    assert "1 were there already" in nself("auth", "users", "import", "users.jsonl", "--skip-existing").stdout
    assert stack.sign_in("bob@example.com", "quite another one").status_code == 200


def test_a_new_key_counts_beside_the_old_one_for_a_while(stack: Stack) -> None:
    nself = stack.nself
    nself("auth", "users", "create", "bob@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")

    def token() -> str:
        return str(stack.sign_in("bob@example.com", PASSWORD).json()["session"]["accessToken"])

    def accepted(given: str) -> bool:
        return "data" in stack.post("hasura", "/v1/graphql", {"query": "{ __typename }"}, Authorization=f"Bearer {given}")

    first = token()
    assert nself("auth", "keys", "rotate", check=False).returncode == 1  # nobody was there to say yes
    nself("auth", "keys", "rotate", "--yes")
    nself("start")
    second = token()
    assert (accepted(first), accepted(second)) == (True, True)
    done = nself("auth", "keys", "rotate", "--yes", "--overlap", "0", "--json")
    assert json.loads(done.stdout) == {"names": ["HASURA_JWT_KEY", "AUTH_JWT_PREVIOUS_SECRETS"]}
    nself("start")
    assert (accepted(first), accepted(second), accepted(token())) == (False, False, True)


def test_the_engines_run_alone(stack: Stack, tmp_path: Path) -> None:
    """Against the project's database, from a folder that is no project, configured by their own variables alone."""
    listed = {row["name"]: row["value"] for row in stack.secret if "value" in row}
    ports = json.loads((stack.nself.folder / ".nself" / "ports.json").read_text())["native"]["dev"]
    shown = httpx.URL("postgresql://127.0.0.1").copy_with(
        username="postgres", password=listed["POSTGRES_PASSWORD"], port=ports["postgres/tcp"], path="/postgres"
    )
    graphql, auth = free_ports(2)
    key = json.dumps({"type": "HS256", "key": "k" * 64})
    shared = {"HASURA_GRAPHQL_DATABASE_URL": str(shown), "HASURA_GRAPHQL_JWT_SECRET": key}
    alone(
        tmp_path, ["hasura", "serve"], graphql,
        {**shared, "HASURA_GRAPHQL_SERVER_PORT": str(graphql), "HASURA_GRAPHQL_ADMIN_SECRET": "s" * 32},
    )  # fmt: skip
    alone(tmp_path, ["auth", "serve"], auth, {**shared, "AUTH_PORT": str(auth), "AUTH_HOST": "127.0.0.1"})


def alone(folder: Path, arguments: list[str], port: int, variables: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nself_core", *arguments], cwd=folder, env={**os.environ, **variables}
    ) as served:
        try:
            until_healthy(port, served)
        finally:
            served.send_signal(signal.SIGTERM)
    assert served.returncode in {0, -signal.SIGTERM}


def until_healthy(port: int, served: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert served.poll() is None, "it ended by itself"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    pytest.fail("it never answered")


def test_outside_a_project_and_before_a_start_the_error_says_what_to_do(nself: Nself) -> None:
    done = nself("auth", "users", "list", check=False)
    assert (done.returncode, "no nself project" in done.stderr) == (1, True)
    (nself.folder / ".env").write_text("PROJECT_NAME=idle\nAUTH_ENABLED=false\n")
    done = nself("auth", "users", "list", check=False)
    assert done.returncode == 2
    assert "there is no service 'auth'" in done.stderr
    (port,) = free_ports(1)
    (nself.folder / ".env").write_text(f"PROJECT_NAME=idle\nPOSTGRES_PORT={port}\nHASURA_PORT={port + 1}\n")
    for command in (["auth", "users", "list"], ["hasura", "metadata", "export"]):
        done = nself(*command, check=False)
        assert done.returncode == 1
        assert "nself start" in done.stderr
        assert "Traceback" not in done.stderr
