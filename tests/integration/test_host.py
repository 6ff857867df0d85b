"""The plugin Host on the native stack, through nginx: routes, rights, roles, jobs, metrics, and plugins that misbehave."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from nself_core.workspace import Workspace
from tests import plugin_home
from tests.conftest import Nself
from tests.native_project import NativeProject, native_project, until
from tests.ports import free_ports

pytestmark = pytest.mark.slow
KEY = "a-key-of-this-test-alone-0123456789abcdef"
INTERNAL = "internal-secret-of-this-test-alone-0123456789"
_HOOK = "from hookspecs import hookimpl\n\n\n@hookimpl\ndef contribute_routes(project, host):\n    "
_APP = "from fastapi import FastAPI\n    return FastAPI()\n"


class Stack:
    def __init__(self, project: NativeProject, ports: dict[str, int]) -> None:
        self.project = project
        self.ports = ports
        self.host = f"http://127.0.0.1:{ports['HOST_PORT']}"

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Through nginx, as a browser would."""
        headers = {"Host": "plugins.localhost", **options.pop("headers", {})}
        return httpx.request(method, f"http://127.0.0.1:{self.ports['NGINX_PORT']}{path}", headers=headers, timeout=30, **options)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.host}/healthz", timeout=10).json()
        return found

    def log(self) -> str:
        return (self.project.last.layout.logs / "host.log").read_text()

    def sql(self, text: str) -> list[list[Any]]:
        """What the board's own role is answered; a refusal is a 500."""
        answer = self.call("POST", "/plugins/board/sql", params={"text": text}, headers=service())
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["rows"]
        return rows

    def refused(self, text: str) -> bool:
        return self.call("POST", "/plugins/board/sql", params={"text": text}, headers=service()).status_code == 500


def token(user: str, *roles: str, **claims: Any) -> dict[str, str]:
    held = {"x-hasura-allowed-roles": list(roles or ("user",)), "x-hasura-default-role": (roles or ("user",))[0]}
    held |= {"x-hasura-user-id": user} | claims.pop("session", {})
    body = {"exp": int(time.time()) + 600, "https://hasura.io/jwt/claims": held, **claims}
    return {"Authorization": f"Bearer {jwt.encode({'alg': 'HS256'}, body, OctKey.import_key(KEY))}"}


def service() -> dict[str, str]:
    return {"X-Nself-Internal-Secret": INTERNAL}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    place = tmp_path_factory.mktemp("host")
    home = place / "home"
    before = os.environ.get("NSELF_HOME")
    os.environ["NSELF_HOME"] = str(home)
    plugin_home.link(home, "board")
    routes = {"hooks": ["contribute_routes"]}
    plugin_home.write(home, place, "broken", "raise RuntimeError('it cannot be imported')\n", **routes)
    plugin_home.write(home, place, "sleepy", f"{_HOOK}import time; time.sleep(3600)\n", **routes)
    plugin_home.write(home, place, "quitter", f"{_HOOK}raise SystemExit(3)\n", **routes)
    plugin_home.write(home, place, "plain", f"{_HOOK}{_APP}", **routes)
    # `board` is the beginning of this one's name
    tables = {"schema/001.sql": "CREATE TABLE np_board_plus_things (id int); INSERT INTO np_board_plus_things VALUES (7);"}
    plugin_home.write(home, place, "board-plus", f"{_HOOK}{_APP}", tables, tables=["np_board_plus_things"], **routes)
    root = place / "project"
    plugin_home.enable(root, "board", "broken", "sleepy", "quitter", "plain", "board-plus")
    names = ("NGINX_PORT", "HASURA_PORT", "HOST_PORT")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    settings = {"HASURA_ENABLED": "true", "NGINX_ENABLED": "true", "SSL_ENABLED": "false", "HOST_START_TIMEOUT": "4"}
    settings |= {"HASURA_JWT_KEY": KEY, "PLUGIN_INTERNAL_SECRET": INTERNAL, "BOARD_TITLE": "'the common room'"}
    try:
        with native_project(root, **settings, **{name: str(port) for name, port in ports.items()}) as project:
            states = project.start()
            assert {name: s.health for name, s in states.items()} == dict.fromkeys(
                ("postgres", "hasura", "host", "nginx"), "healthy"
            )
            yield Stack(project, ports)
    finally:
        os.environ.pop("NSELF_HOME")
        if before is not None:
            os.environ["NSELF_HOME"] = before


@pytest.fixture(autouse=True)
def own_home() -> None:
    """The module's home, not one of each test."""


def test_a_public_path_is_served_through_the_proxy_with_its_settings(stack: Stack) -> None:
    answer = stack.call("GET", "/plugins/board/hello")
    assert answer.status_code == 200
    assert answer.json() == {"title": "the common room", "project": "native-test"}


def test_every_other_path_asks_for_a_proof(stack: Stack) -> None:
    for method, path in (("GET", "/notes"), ("POST", "/notes"), ("GET", "/"), ("GET", "/nowhere"), ("GET", "/hello/../notes")):
        assert stack.call(method, f"/plugins/board{path}").status_code in {401}, path
    for bad in (
        {"Authorization": "Bearer not.a.token"},
        token("ada", exp=int(time.time()) - 5),
        {"X-Nself-Internal-Secret": "guessed"},
        {**token("ada"), "X-Hasura-Role": "admin"},
    ):
        answer = stack.call("GET", "/plugins/board/hello", headers=bad)
        assert answer.status_code == 401, bad
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_user_writes_as_themselves_and_in_their_account(stack: Stack) -> None:
    note = {"body": "hello", "meta": {"deep": [1, {"x": None}]}}
    made = stack.call("POST", "/plugins/board/notes", json=note, headers=token("ada"))
    assert made.status_code == 201
    assert made.json()["meta"] == note["meta"], "JSON comes back as it went in"
    elsewhere = {**token("ada"), "X-Source-Account-Id": "shop-b"}
    assert stack.call("POST", "/plugins/board/notes", json={"body": "of the shop"}, headers=elsewhere).status_code == 201
    assert [n["body"] for n in stack.call("GET", "/plugins/board/notes", headers=elsewhere).json()] == ["of the shop"]
    bound = token("ada", session={"x-hasura-source-account-id": "shop-b"})
    assert [n["body"] for n in stack.call("GET", "/plugins/board/notes", headers=bound).json()] == ["of the shop"]
    crossed = {**bound, "X-Source-Account-Id": "primary"}
    assert stack.call("GET", "/plugins/board/notes", headers=crossed).status_code == 403
    assert stack.call("GET", "/plugins/board/notes", headers={**token("ada"), "X-Source-Account-Id": "a b"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"body": "a\\u0000b"}', "cannot be stored"),
        ('{"body": "x", "meta": {"deep": "\\u0000"}}', "cannot be stored"),
        ('{"body": "x", "meta": {"deep": "\\ud83d"}}', "cannot be stored"),
        ('{"body": "half an emoji: \\ud83d"}', "valid string|cannot be stored"),
        ('{"unknown": "\\ud83d"}', "cannot be stored"),
        ('{"body": 7}', "valid string"),
        ("{", "JSON"),
        (b'{"body": "\xff"}', "JSON|parsing the body"),
    ],
)
def test_what_cannot_be_stored_is_the_callers_fault(stack: Stack, body: str | bytes, told: str) -> None:
    headers = {**token("ada"), "Content-Type": "application/json"}
    answer = stack.call("POST", "/plugins/board/notes", content=body, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert re.search(told, answer.text), answer.text
    assert stack.call("POST", "/plugins/board/level", params={"number": 2**31}, headers=service()).status_code == 422


def test_what_is_for_administrators(stack: Stack) -> None:
    assert stack.call("GET", "/plugins/board/key", headers=token("ada")).status_code == 403
    assert stack.call("GET", "/plugins/board/key", headers=token("root", "user", "admin")).status_code == 403
    as_admin = {**token("root", "user", "admin"), "X-Hasura-Role": "admin"}
    assert stack.call("GET", "/plugins/board/key", headers=as_admin).status_code == 200
    found = stack.call("GET", "/plugins/board/key", headers=service()).json()
    assert len(found["key"]) == 32
    assert found["environment"] == [], "the process environment holds no secret once the Host runs"
    assert found["data"].endswith("host_data/board")


def test_the_api_is_described(stack: Stack) -> None:
    described = stack.call("GET", "/plugins/board/openapi.json").json()
    assert described["servers"] == [{"url": "/plugins/board"}]
    assert {"/notes", "/hello"} <= described["paths"].keys()


def test_the_role_owns_its_tables_and_reaches_no_others(stack: Stack) -> None:
    assert stack.sql("SELECT session_user::text, current_user::text") == [["np_board", "np_board"]]
    assert stack.sql("SELECT np_board_shout('hey')") == [["HEY!"]]
    rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication FROM pg_roles WHERE rolname = 'np_board'"
    assert stack.sql(rights) == [[False] * 5]
    for forbidden in (
        "SELECT * FROM np_board_plus_things",  # of a plugin whose name begins like this one's
        "CREATE TABLE np_board_more (x int)",
        "CREATE TABLE other (x int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE more",
        "SELECT * FROM nself.plugins",
        "SELECT * FROM nself_host.jobs",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE np_board_plus",
        "SET SESSION AUTHORIZATION np_core_host",
        "SELECT nself.stray('np_board')",
    ):
        assert stack.refused(forbidden), forbidden


def test_who_fails_to_come_up_is_left_out_and_told(stack: Stack) -> None:
    plugins = stack.health()["plugins"]
    assert stack.health()["status"] == "degraded"
    assert {name for name, one in plugins.items() if one["status"] == "serving"} == {"board", "plain", "board-plus"}
    assert {name for name, one in plugins.items() if one["status"] == "failed"} == {"broken", "sleepy", "quitter"}
    assert "it cannot be imported" in plugins["broken"]["reason"]
    assert plugins["sleepy"]["reason"] == "it was not up after 4 s"
    assert "SystemExit" in plugins["quitter"]["reason"]
    assert httpx.get(f"{stack.host}/healthz/broken").status_code == 503
    assert httpx.get(f"{stack.host}/healthz/board").status_code == 200
    answer = stack.call("GET", "/plugins/broken/x", headers=service())
    assert answer.status_code == 503
    assert "it cannot be imported" in answer.json()["detail"]
    assert stack.call("GET", "/plugins/nobody/x", headers=service()).status_code == 404
    assert "plugin sleepy is left out" in stack.log()


def test_a_crash_is_the_crashing_plugins_own(stack: Stack) -> None:
    for path in ("crash", "leave"):
        answer = stack.call("GET", f"/plugins/board/{path}", headers=service())
        assert answer.status_code == 500
    assert stack.call("GET", "/plugins/board/hello").status_code == 200
    assert "it crashed, as asked" in stack.log()


def test_a_plugin_that_blocks_holds_up_no_other(stack: Stack) -> None:
    with suppress(httpx.TimeoutException):
        httpx.get(f"{stack.host}/plugins/board/block", params={"seconds": 14}, headers=service(), timeout=0.5)
    began = time.monotonic()
    assert stack.call("GET", "/plugins/plain/x", headers=service()).status_code == 404
    assert time.monotonic() - began < 2
    until(lambda: stack.health()["plugins"]["board"]["status"] == "hung", 14)
    assert stack.call("GET", "/plugins/board/hello").status_code == 503
    until(lambda: stack.health()["plugins"]["board"]["status"] == "serving", 20)
    assert stack.call("GET", "/plugins/board/hello").status_code == 200


def test_a_websocket_reaches_the_plugin_and_only_with_a_proof(stack: Stack) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    def reach() -> socket.socket:
        return socket.create_connection(("127.0.0.1", stack.ports["NGINX_PORT"]), 10)

    url = "ws://plugins.localhost/plugins/board/live"
    with connect(url, sock=reach(), additional_headers=token("ada")) as live:
        live.send("hello")
        assert live.recv(timeout=10) == "HELLO"
    with pytest.raises(InvalidStatus):
        connect(url, sock=reach()).close()


def test_status_tells_which_plugins_do_not_serve(stack: Stack) -> None:
    Workspace.open(start=stack.project.root).record_runtime("native")
    nself = Nself(stack.project.root)
    said = nself("plugin", "status").stdout
    assert "broken does not serve: failed" in said
    assert "board" not in [line.split()[0] for line in said.splitlines() if "does not serve" in line]
    one = json.loads(nself("plugin", "status", "board", "--json").stdout)
    assert one["running"]["status"] == "serving"


def test_figures_bear_the_plugins_name(stack: Stack) -> None:
    stack.call("POST", "/plugins/board/notes", json={"body": "counted"}, headers=token("eve"))
    text = httpx.get(f"{stack.host}/metrics").text
    assert 'board_notes_written_total{plugin="board"}' in text
    assert 'nself_plugin_requests_total{method="POST",plugin="board",status="201"}' in text
    assert 'nself_plugin_up{plugin="broken"} 0.0' in text
    assert 'nself_plugin_request_seconds_bucket{le="0.1",plugin="board"}' in text
    assert stack.call("GET", "/metrics").status_code == 404, "the proxy does not lead there"
    assert stack.call("GET", "/healthz").status_code == 404


def graphql(stack: Stack, query: str, headers: dict[str, str]) -> dict[str, Any]:
    answer = httpx.post(f"http://127.0.0.1:{stack.ports['HASURA_PORT']}/v1/graphql", json={"query": query}, headers=headers)
    found: dict[str, Any] = answer.json()
    return found


def test_tables_are_in_graphql_with_the_plugins_permissions(stack: Stack) -> None:
    stack.call("POST", "/plugins/board/notes", json={"body": "of Grace"}, headers=token("grace"))
    stack.call("POST", "/plugins/board/notes", json={"body": "of Alan"}, headers=token("alan"))
    query = "{ np_board_notes { body author } }"
    assert graphql(stack, query, token("grace")) == {"data": {"np_board_notes": [{"body": "of Grace", "author": "grace"}]}}
    assert "errors" in graphql(stack, "{ np_board_notes { meta } }", token("grace")), "a column that is not permitted"
    assert "errors" in graphql(stack, "{ np_board_runs { word } }", token("grace")), "a table without a permission"
    assert "errors" in graphql(stack, query, {}), "nobody"


def test_a_job_runs(stack: Stack) -> None:
    answer = stack.call("POST", "/plugins/board/queue", params={"word": "queued"}, headers=service())
    assert answer.status_code == 200, answer.text
    until(lambda: stack.sql("SELECT word FROM np_board_runs WHERE word = 'queued'") == [["queued"]], 15)


def test_only_named_hosts_are_reached(stack: Stack) -> None:
    for url in (
        "http://169.254.169.254/",
        f"http://127.0.0.1:{stack.ports['HASURA_PORT']}/healthz",
        "https://elsewhere.example/",
    ):
        answer = stack.call("POST", "/plugins/board/fetch", params={"url": url}, headers=service())
        assert answer.json()["error"] == "EgressRefusedError", url


def test_a_killed_host_is_back_by_itself(stack: Stack) -> None:
    first = stack.call("GET", "/plugins/board/whoami", headers=service()).json()["pid"]
    psutil.Process(first).kill()

    def back() -> bool:
        with suppress(httpx.HTTPError, ValueError, KeyError):
            answer = stack.call("GET", "/plugins/board/whoami", headers=service())
            return answer.status_code == 200 and answer.json()["pid"] != first
        return False

    until(back, 60)


def test_nothing_secret_is_written_into_the_document(stack: Stack) -> None:
    told = json.loads((stack.project.root / ".nself" / "native" / "conf" / "host" / "host.json").read_text())
    text = json.dumps(told)
    assert KEY not in text
    assert INTERNAL not in text
    secrets = (stack.project.root / ".environments" / "dev" / ".env.secrets").read_text()
    values = [line.partition("=")[2].strip("'\"") for line in secrets.splitlines() if "=" in line]
    assert len(values) >= 2
    assert not [value for value in values if value and value in text]
