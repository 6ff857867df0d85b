"""What ``nself eject`` writes runs with Docker Compose alone, either generation of it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e_docker.conftest import Project, docker, on_stand_ins
from tests.native_project import until
from tests.ports import free_ports
from tests.unit.compose.stacks import compose_binary

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def project(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    names = ("POSTGRES_PORT", "HASURA_PORT", "AUTH_PORT", "NGINX_PORT", "NGINX_SSL_PORT", "CS_1_PORT")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    home = tmp_path_factory.mktemp("home")
    settings = {"POSTGRES_EXTENSIONS": "pg_trgm,vector", "CS_1": "api:fastapi"}
    yield on_stand_ins("eject-e2e", tmp_path_factory.mktemp("project"), home, init=True, **settings, **ports)


@pytest.fixture(params=["v2", "v1"])
def compose(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The ejected folder, somewhere else than the project; and the program."""
    program = compose_binary(request.param)
    folder = tmp_path / "ejected"
    project("eject", str(folder))
    yield folder, program
    run(folder, program, "down", "-v", "--remove-orphans")


def healthy() -> list[str]:
    return docker("ps", "-q", "--filter", "label=com.docker.compose.project=eject-e2e", "--filter", "health=healthy").split()


def run(folder: Path, program: str, *arguments: str) -> str:
    """Without nself: another home, and nothing of this environment on PATH."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "DOCKER_HOST": os.environ["DOCKER_HOST"]}
    done = subprocess.run([program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_runs_without_nself(compose: tuple[Path, str], project: Project) -> None:
    folder, program = compose
    text = (folder / "docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    assert ".nself" not in text
    assert not any("labels" in s for s in services.values())
    run(folder, program, "up", "-d")
    until(lambda: len(healthy()) == len(services) - 1, 120)  # all but the one-shot
    port = int(services["nginx"]["ports"][0].split(":")[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/healthz", headers={"Host": "api.localhost"})
    assert connection.getresponse().status in {200, 301, 308}
    psql = ("exec", "-T", "postgres", "psql", "-Atc")
    made = "select extname from pg_extension where extname in ('pg_trgm', 'vector') order by 1"
    assert run(folder, program, *psql, made).split() == ["pg_trgm", "vector"]
    applied = run(folder, program, *psql, "select count(*) from nself.migrations")
    run(folder, program, "up", "-d")
    assert run(folder, program, *psql, "select count(*) from nself.migrations") == applied, "each is applied once"


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_secret_of_odd_characters_arrives_as_it_is(project: Project, tmp_path: Path, generation: str) -> None:
    odd = """o'd"d $HOME ${HOME} #x \\ %20 `y` é"""
    before = project("config", "get", "HASURA_GRAPHQL_ADMIN_SECRET", "--show").stdout.strip()
    project("config", "set", "HASURA_GRAPHQL_ADMIN_SECRET", stdin=odd)
    try:
        project("eject", str(tmp_path / "out"))
    finally:
        project("config", "set", "HASURA_GRAPHQL_ADMIN_SECRET", stdin=before)
    read = yaml.safe_load(run(tmp_path / "out", compose_binary(generation), "config"))["services"]["hasura"]["environment"]
    assert read["HASURA_GRAPHQL_ADMIN_SECRET"].replace("$$", "$") == odd


def test_secrets_stand_in_private_files_alone(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    project("eject", str(folder))
    secret = project("config", "get", "POSTGRES_PASSWORD", "--show").stdout.strip()
    holding = [p for p in folder.rglob("*") if p.is_file() and secret in p.read_text(errors="replace")]
    assert holding
    assert {p.parent.name for p in holding} == {"env"}
    assert {p.stat().st_mode & 0o777 for p in holding} == {0o600}
    refused = project("eject", str(folder), check=False)
    assert refused.returncode == 1
    assert "holds something already" in refused.stderr
    assert json.loads(project("build", "--json").stdout)["changed"] is False
