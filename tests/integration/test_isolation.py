"""A plugin in a sandbox that tries more than its manifest declares is stopped; what is declared works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from builtin_plugins.host.sandbox import bwrap
from tests import plugin_home
from tests.native_project import NativeProject, native_project, until
from tests.ports import free_ports

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(bwrap.refusal(bwrap.program())), reason=f"no sandbox here: {bwrap.refusal(bwrap.program())}"),
]
INTERNAL = "internal-secret-of-this-test-alone-0123456789"


class Hostile:
    def __init__(self, project: NativeProject, port: int) -> None:
        self.project = project
        self.base = f"http://127.0.0.1:{port}"

    def __call__(self, attempt: str, **query: Any) -> str:
        """What came of an attempt."""
        answer = self.call("POST", attempt, params=query)
        assert answer.status_code == 200, answer.text
        return str(answer.json())

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-Nself-Internal-Secret": INTERNAL}
        return httpx.request(method, f"{self.base}/plugins/hostile/{path}", headers=headers, timeout=30, **options)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    place = tmp_path_factory.mktemp("isolation")
    before = os.environ.get("NSELF_HOME")
    os.environ["NSELF_HOME"] = str(place / "home")
    root = place / "project"
    for name in ("hostile", "board"):
        plugin_home.link(place / "home", name)
    plugin_home.enable(root, "hostile", "board")
    for name in ("shared", "outbox", "private"):
        (root / name).mkdir()
        (root / name / "note").write_text(f"of {name}")
    (port,) = free_ports(1)
    settings = {"HOST_PORT": str(port), "PLUGIN_HOSTILE_ISOLATED": "true", "PLUGIN_INTERNAL_SECRET": INTERNAL}
    try:
        with native_project(root, **settings) as project:
            states = project.start()
            assert states["plugin-hostile"].health == "healthy", states
            found = Hostile(project, port)
            until(lambda: found.call("GET", "own").status_code == 200, 60)
            yield found
    finally:
        os.environ.pop("NSELF_HOME")
        if before is not None:
            os.environ["NSELF_HOME"] = before


@pytest.fixture(autouse=True)
def own_home() -> None:
    """The module's home, not one of each test."""


def test_it_has_what_is_its_own(hostile: Hostile) -> None:
    own = hostile.call("GET", "own").json()
    assert own["role"] == "np_hostile"
    assert own["key"] == 32
    assert hostile("write", path=f"{own['data']}/mine").startswith("done")
    assert hostile("read", path=f"{own['data']}/mine") == "done: b'written'"
    assert hostile.call("POST", "echo", json={"ä": [1, None]}).json() == {"ä": [1, None]}
    health = httpx.get(f"{hostile.base}/healthz").json()["plugins"]["hostile"]
    assert (health["status"], health["sandbox"]) == ("serving", "bubblewrap")


def test_it_reads_and_writes_the_declared_folders_alone(hostile: Hostile) -> None:
    root = hostile.project.root
    assert hostile("read", path=str(root / "shared" / "note")) == "done: b'of shared'"
    assert not hostile("write", path=str(root / "shared" / "note")).startswith("done")
    assert hostile("write", path=str(root / "outbox" / "new")).startswith("done")
    assert (root / "outbox" / "new").read_text() == "written"
    data = Path(hostile.call("GET", "own").json()["data"])
    (data.parent / "board").mkdir(exist_ok=True)
    (data.parent / "board" / "secret").write_text("of the board")
    for path in (
        "/etc/shadow",
        str(root / "private" / "note"),
        str(root / ".env.dev"),
        str(root / ".environments" / "dev" / ".env.secrets"),
        str(data.parent / "board" / "secret"),
        str(data / ".." / "board" / "secret"),
        str(Path.home() / ".nself"),
    ):
        assert "Error" in hostile("read", path=path), path
    for path in ("/usr/x", "/etc/x", str(Path(bwrap.__file__).with_name("x.py"))):
        assert not hostile("write", path=path).startswith("done"), path
    hostile("write", path=str(root / "x"))  # this project lies below /tmp, where the sandbox has its own
    assert not (root / "x").exists()


def test_it_connects_nowhere_by_itself(hostile: Hostile) -> None:
    postgres = int(hostile.project.settings["POSTGRES_PORT"])
    host = int(hostile.base.rpartition(":")[2])
    for address, port in (("127.0.0.1", postgres), ("127.0.0.1", host), ("8.8.8.8", 53), ("::1", postgres)):
        assert "Error" in hostile("connect", address=address, port=port), (address, port)


def test_the_proxy_leads_to_named_hosts_alone(hostile: Hostile) -> None:
    host = hostile.base.rpartition(":")[2]
    for url in (f"http://127.0.0.1:{host}/healthz", "https://elsewhere.example/", "http://169.254.169.254/", "http://localhost/"):
        assert hostile("fetch", url=url).startswith("EgressRefusedError"), url
        assert "403" in hostile("urllib", url=url), url
    said = hostile("fetch", url="https://api.example.com/")  # named; there is no such host here
    assert "cannot be reached" in said or "502" in said, said


def test_it_sees_and_ends_no_process_but_its_own(hostile: Hostile) -> None:
    own = hostile.call("GET", "own").json()
    assert len(own["processes"]) <= 4
    assert not [name for name in own["environment"] if "SECRET" in name or "PASSWORD" in name]
    assert "ProcessLookupError" in hostile("kill", pid=os.getpid())


def test_its_jobs_run_in_its_own_process(hostile: Hostile) -> None:
    assert hostile("queue", word="hello").isdigit()
    until(lambda: "hello" in hostile.call("GET", "own").json()["runs"], 20)


def test_it_is_back_after_a_kill_and_the_rest_serves_on(hostile: Hostile) -> None:
    (state,) = [one for one in hostile.project.states().values() if one.name == "plugin-hostile"]
    os.kill(int(state.id), 9)
    assert httpx.get(f"{hostile.base}/plugins/board/hello").status_code == 200
    until(lambda: hostile.call("GET", "own").status_code == 200, 60)


def test_a_request_may_not_name_its_caller_itself(hostile: Hostile) -> None:
    forged = {"X-Nself-Caller": '{"role": "admin", "is_service": true}'}
    assert httpx.get(f"{hostile.base}/plugins/hostile/own", headers=forged).status_code == 401
    port = next(p for p in (hostile.project.last._stack.ports.get("plugin-hostile", "http"),) if p)
    assert httpx.get(f"http://127.0.0.1:{port}/plugins/hostile/own", headers=forged).status_code == 401
    assert httpx.post(f"{hostile.base}/_link/hostile/enqueue", json={}, headers=forged).status_code == 401
