"""A Docker Engine with the stand-in images, and the demo fixture's services that have an image, started once for all tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED, Nself
from tests.e2e_docker import engine, images
from tests.ports import free_ports
from tests.unit.compose.stacks import compose_binary

#: Parts of the fixture for which no stand-in can be made from packages: upstream images alone could prove them.
WITHOUT_IMAGE = {
    "NSELF_ADMIN_ENABLED": "false", "MINIO_ENABLED": "false", "FUNCTIONS_ENABLED": "false", "MLFLOW_ENABLED": "false",
    "MAILPIT_ENABLED": "false", "MEILISEARCH_ENABLED": "false", "CS_3": "",
}  # fmt: skip
#: In the fixture only staging and prod have one.
LIMITS = {"CS_2_CPU": "0.5"}
#: Given as free ones, so that a developer's own project may run beside the tests.
PORTS = (
    "POSTGRES_PORT",
    "HASURA_PORT",
    "AUTH_PORT",
    "REDIS_PORT",
    "NGINX_PORT",
    "NGINX_SSL_PORT",
    "CS_1_PORT",
    "CS_2_PORT",
    "CS_4_PORT",
)
#: Members of the monitoring bundle without a stand-in; the bundle is all or nothing, so they are left out at the start.
NOT_STARTED = {"grafana", "loki", "promtail", "tempo", "cadvisor"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The engine, with the images in it."""
    found = engine.present()
    lacking = (not found and engine.why_not()) or engine.why_no_images()
    if lacking or not found:
        pytest.skip(f"{lacking or 'no Docker Engine answers'}; `python3 dev.py test` starts one where it may")
    os.environ["DOCKER_HOST"] = found
    images.build_all()
    return found


class Project(Nself):
    """nself in a project on the engine, and the engine asked directly."""

    events: Path
    """What its containers did, as the engine's event log has it."""

    @cached_property
    def name(self) -> str:
        return self("config", "get", "PROJECT_NAME").stdout.strip()

    @property
    def settings_file(self) -> Path:
        return self.folder / ".env.dev"

    def set(self, **values: str) -> None:
        """Change settings in place, or add them."""
        text = self.settings_file.read_text().rstrip("\n") + "\n"
        for name, value in values.items():
            text = re.sub(rf"^{name}=.*\n", "", text, flags=re.MULTILINE) + f"{name}={value}\n"
        self.settings_file.write_text(text)

    def containers(self, *, everything: bool = False) -> dict[str, list[dict[str, Any]]]:
        """``docker inspect`` of the project's containers, by service."""
        listed = docker("ps", *(["-a"] if everything else []), "-q", "--filter", f"label=nself.project={self.name}").split()
        found: dict[str, list[dict[str, Any]]] = {}
        for one in json.loads(docker("inspect", *listed)) if listed else ():
            found.setdefault(one["Config"]["Labels"]["nself.service"], []).append(one)
        return found

    def container(self, service: str) -> dict[str, Any]:
        return self.containers()[service][0]

    def states(self, *arguments: str) -> dict[str, dict[str, Any]]:
        listed = json.loads(self("status", "--json", *arguments).stdout)["services"]
        return {s["name"] if s["instance"] == 1 else f"{s['name']} #{s['instance']}": s for s in listed}

    def port(self, service: str, inside: int | None = None) -> int:
        """The port of this machine that leads to a service's; its only one where none is named."""
        found = {port: bound for port, bound in self.container(service)["NetworkSettings"]["Ports"].items() if bound}
        return int(found[f"{inside}/tcp" if inside else min(found)][0]["HostPort"])

    def destroy(self) -> None:
        self("destroy", "--yes", check=False)


def docker(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
    """The docker program's output."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=300)
    if check and done.returncode:
        pytest.fail(f"docker {' '.join(arguments)} → {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def on_stand_ins(name: str, folder: Path, home: Path, *, compose: str = "", init: bool = False, **more: str) -> Project:
    """A project whose images are the stand-ins; custom services are built on the stand-in bases.

    ``compose``: ``v1`` or ``v2``, where none is named v2 if there is one. ``init``: made by ``nself init``.
    """
    found = compose_binary(compose) if compose else os.environ.get("NSELF_TEST_COMPOSE_V2")
    if found:
        plugins = home / ".docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(found)
    _remove_leftovers(name)
    project = Project(folder, {"NSELF_HOME": str(home), "HOME": str(home)})
    if init:
        project("init", "--name", name, "--yes")
    else:
        (folder / ".env").write_text(f"ENV=dev\nPROJECT_NAME={name}\n")
        project.settings_file.touch(mode=0o600)
    # A machine that does much else is no fault of the stack's.
    project.set(**images.settings(), NSELF_HEALTH_CHECK_TIMEOUT="400", **more)
    project("build")
    for dockerfile in folder.glob("services/*/Dockerfile"):
        text = dockerfile.read_text()
        base = images.stand_in("node" if "=node:" in text else "python")
        dockerfile.write_text(re.sub(r"^ARG BASE_IMAGE=.*", f"ARG BASE_IMAGE={base}", text, flags=re.MULTILINE))
    return project


def _remove_leftovers(name: str) -> None:
    """What a run that was ended from outside left in an engine that went on."""
    chosen = ("--filter", f"label=nself.project={name}")
    for kind, listing, remove in (
        ("container", ("ls", "-aq"), ("rm", "-fv")),
        ("network", ("ls", "-q"), ("rm",)),
        ("volume", ("ls", "-q"), ("rm",)),
    ):
        found = docker(kind, *listing, *chosen).split()
        if found:
            docker(kind, *remove, *found)


@pytest.fixture(scope="session")
def demo(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The demo fixture's services that have an image, running."""
    if not SHARED.is_dir():
        pytest.skip("needs the reference folder ../shared, which a clone does not have")
    folder = tmp_path_factory.mktemp("demo")
    for file in (SHARED / "fixtures" / "nself-demo").iterdir():
        shutil.copy(file, folder / file.name)
        (folder / file.name).chmod(0o600)
    ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    project = on_stand_ins("demo-e2e", folder, tmp_path_factory.mktemp("home"), **WITHOUT_IMAGE, **LIMITS, **ports)
    project.events = folder.parent / "events.jsonl"
    # Listened to from the start: the engine remembers only the last few hundred events, each health check among them.
    with project.events.open("w") as written:
        listener = subprocess.Popen(
            ["docker", "events", "--filter", "type=container", "--filter", "event=start", "--filter", "event=health_status",
             "--filter", f"label=nself.project={project.name}", "--format", "{{json .}}"], stdout=written,
        )  # fmt: skip
    try:
        yield project
    finally:
        project.destroy()
        listener.terminate()
        listener.wait()
