"""What goes wrong on an engine is told as one clear error: what, where, and what to do. Nothing is half started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Nself
from tests.e2e_docker import engine, images
from tests.e2e_docker.conftest import Project, docker, on_stand_ins
from tests.native_project import until
from tests.ports import free_ports

pytestmark = pytest.mark.timeout(300)

OFF = {"HASURA_ENABLED": "false", "AUTH_ENABLED": "false", "NGINX_ENABLED": "false", "REDIS_ENABLED": "true"}


def both(test: Callable[..., None]) -> Callable[..., None]:
    """A test of what Compose itself does: on both generations. What nself alone does is tested on one."""
    return pytest.mark.parametrize("made", ["v1", "v2"], indirect=True)(test)


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A database and a cache, not started."""
    generation = getattr(request, "param", "")
    first, second = free_ports(2)
    folder, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    ports = {"POSTGRES_PORT": str(first), "REDIS_PORT": str(second)}
    found = on_stand_ins(f"faults-{generation or 'any'}", folder, home, compose=generation, **OFF, **ports)
    found("runtime", "switch", "compose")
    yield found


@pytest.fixture
def project(made: Project) -> Iterator[Project]:
    """It is afterwards as it was before."""
    settings, environ = made.settings_file.read_text(), dict(made.environ)
    yield made
    made.environ = environ
    made.destroy()
    made.settings_file.write_text(settings)


def fails(project: Nself, *arguments: str, timeout: float = 200) -> str:
    done = project(*arguments, check=False, timeout=timeout)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "\n  → " in done.stderr, "it says what to do"
    return done.stderr


def test_the_engine_is_down_or_the_context_wrong(project: Project) -> None:
    project.environ["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    for command in ("start", "stop", "status", "health"):
        told = fails(project, command)
        assert "unix:///nowhere/docker.sock" in told
        assert "there is no such socket" in told
    project.environ["DOCKER_HOST"] = ""
    project.environ["DOCKER_CONTEXT"] = "elsewhere"
    told = fails(project, "start")
    assert "the docker context 'elsewhere' is chosen, but does not exist" in told
    assert "docker context use default" in told


class Registry(BaseHTTPRequestHandler):
    """The part of a registry's protocol (distribution specification 1.1) that says no: it knows no image, and gives none of
    ``private/…``."""

    def do_GET(self) -> None:
        if self.path == "/v2/":
            self.answer(200, {})
        elif "/private/" in self.path:
            self.answer(403, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]})
        else:
            self.answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})

    do_HEAD = do_GET  # noqa: N815  the name that http.server looks for

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_images_that_cannot_be_had_are_all_named(project: Project, registry: str) -> None:
    project.set(REDIS_IMAGE=f"{registry}/no/such:1", POSTGRES_IMAGE=f"{registry}/private/db:18")
    told = fails(project, "start")
    assert "2 images could not be had; nothing was started" in told
    assert f"{registry}/no/such:1: there is no such image" in told
    assert "REDIS_IMAGE=" in told
    assert f"{registry}/private/db:18: the registry refuses it" in told
    assert "docker login" in told
    assert project.containers(everything=True) == {}


def test_a_port_that_is_taken(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        project.set(REDIS_PORT=str(port))
        told = fails(project, "start")
        assert str(port) in told
        assert "REDIS_PORT" in told
        assert "python" in told or str(os.getpid()) in told, "it names who holds it"
    assert project.containers(everything=True) == {}


def test_a_stop_stops_while_a_setting_is_broken(project: Project) -> None:
    project("start", timeout=200)
    assert set(project.containers()) == {"postgres", "redis"}
    project.set(POSTGRES_PORT="many")
    assert "POSTGRES_PORT: 'many' is no port" in fails(project, "start")
    assert "Stopped." in project("stop", timeout=100).stdout
    assert project.containers() == {}
    assert set(project.containers(everything=True)) == {"postgres", "redis"}


def test_what_never_gets_healthy_is_named_with_its_last_lines(project: Project) -> None:
    project.set(
        CS_1="sick:custom:8001",
        CS_1_IMAGE=images.stand_in("nginx"),
        CS_1_COMMAND="sh -c 'echo the licence has expired; trap exit TERM; sleep 600 & wait'",
        CS_1_HEALTHCHECK="CMD-SHELL echo no licence; exit 1",
        CS_2="after:custom:8002",
        CS_2_IMAGE=images.stand_in("nginx"),
        CS_2_COMMAND="sleep 600",
        CS_2_HEALTHCHECK="disabled",
        CS_2_DEPENDS_ON="sick:healthy",
    )
    told = fails(project, "start", "--timeout", "25")
    assert re.search(r"sick\b.* did not come up", told)
    assert "the licence has expired" in told
    assert "nself logs sick" in told
    states = project.states()
    assert states["redis"]["health"] == "healthy", "the others are left as they are"
    assert "no licence" in states["sick"]["reason"] or states["sick"]["health"] in {"starting", "unhealthy"}
    assert states["after"]["status"] == "stopped", "what needs it waits for it"
    assert project("health", check=False).returncode == 1


def test_a_service_that_says_much_does_not_fill_the_disk(project: Project) -> None:
    project.set(
        DOCKER_LOG_MAX_SIZE="20k",
        DOCKER_LOG_MAX_FILE="2",
        CS_1="loud:custom:8001",
        CS_1_IMAGE=images.stand_in("nginx"),
        CS_1_COMMAND="sh -c 'seq 1 20000; trap exit TERM; sleep 600 & wait'",
        CS_1_HEALTHCHECK="disabled",
    )
    project("start", "loud")
    log = Path(project.container("loud")["LogPath"])
    until(lambda: "20000" in project("logs", "loud", "--tail", "1").stdout)
    if not log.parent.is_dir():
        pytest.skip("the engine's files are on another machine")
    kept = sorted(log.parent.glob(f"{log.name}*"))
    assert [file.name for file in kept] == [log.name, f"{log.name}.1"]
    assert all(file.stat().st_size <= 21_000 for file in kept)


@both
def test_a_full_disk(project: Project, tmp_path: Path) -> None:
    """A second engine whose data is on a file system of a few megabytes."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with engine.running(small, "--storage-driver", "vfs") as host:
            project.environ["DOCKER_HOST"] = host
            packed = tmp_path / "tiny.tar"
            docker("save", "--output", str(packed), tiny_image(tmp_path))
            subprocess.run(["docker", "--host", host, "load", "--input", str(packed)], check=True, capture_output=True)
            with contextlib.suppress(OSError), (small / "ballast").open("wb", buffering=0) as ballast:
                while ballast.write(b"\0" * 4096):
                    pass
            project.set(CS_1="tiny:custom:8001", CS_1_IMAGE="nself-test/tiny:1", REDIS_ENABLED="false", POSTGRES_ENABLED="false")
            told = fails(project, "start")
            assert "the disk is full" in told
            assert "docker system prune" in told
            (small / "ballast").unlink()
            project.destroy()
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=False)


def tiny_image(scratch: Path) -> str:
    """An image of a few kilobytes."""
    (scratch / "tiny").mkdir(exist_ok=True)
    (scratch / "tiny" / "file").write_bytes(os.urandom(1000))
    subprocess.run(
        f"tar -C {scratch / 'tiny'} -c . | docker import - nself-test/tiny:1", shell=True, check=True, capture_output=True
    )
    return "nself-test/tiny:1"
