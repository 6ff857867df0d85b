"""The plugin Host as containers: its image built from what is installed, its routes through the proxy, its database role."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests import plugin_home
from tests.e2e_docker import images
from tests.e2e_docker.conftest import Project, docker, on_stand_ins
from tests.ports import free_ports

pytestmark = pytest.mark.timeout(600)

INTERNAL = "internal-secret-of-this-test-alone-0123456789"
ALONE = """\
import os

from hookspecs import hookimpl


@hookimpl
def contribute_routes(project, host):
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/hello")
    async def hello():
        return {"user": os.getuid(), "secrets": sorted(name for name in os.environ if "SECRET" in name or "PASSWORD" in name)}

    return app
"""


@pytest.fixture(scope="module")
def project(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two installed plugins, one of them in a container of its own."""
    folder, home = tmp_path_factory.mktemp("host"), tmp_path_factory.mktemp("home")
    plugin_home.link(home, "board")
    manifest = {"hooks": ["contribute_routes"], "permissions": {"public": ["/hello"]}}
    plugin_home.write(home, tmp_path_factory.mktemp("plugins"), "alone", ALONE, **manifest)
    plugin_home.enable(folder, "board", "alone")
    names = ("POSTGRES_PORT", "NGINX_PORT", "NGINX_SSL_PORT", "HOST_PORT")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    settings = {
        "HASURA_ENABLED": "false", "AUTH_ENABLED": "false", "SSL_ENABLED": "false", "BOARD_TITLE": "'the common room'",
        "PLUGIN_ALONE_ISOLATED": "true", "PLUGIN_INTERNAL_SECRET": INTERNAL, "HOST_BASE_IMAGE": images.stand_in("python"),
    }  # fmt: skip
    made = on_stand_ins("host-e2e", folder, home, **settings, **ports)
    try:
        made("start", "--runtime", "compose", timeout=550)
        yield made
    finally:
        made.destroy()


def ask(project: Project, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Through the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", project.port("nginx", 80), timeout=30)
    try:
        sent = None if body is None else json.dumps(body)
        told = {"Host": "plugins.localhost", "Content-Type": "application/json"}
        connection.request(method, path, sent, told | {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text
    finally:
        connection.close()


def test_it_is_healthy_on_an_image_of_what_is_installed(project: Project) -> None:
    states = project.states()
    for name in ("host", "plugin-alone"):
        assert (states[name]["status"], states[name]["health"]) == ("running", "healthy"), states[name]
    found = docker("exec", project.container("host")["Id"], "ls", "/opt/nself/plugins").split()
    assert found == ["alone", "board"]
    assert docker("exec", project.container("host")["Id"], "id", "-u").strip() == "10001"


def test_its_routes_answer_through_the_proxy(project: Project) -> None:
    assert ask(project, "GET", "/plugins/board/hello") == (200, {"title": "the common room", "project": "host-e2e"})
    assert ask(project, "GET", "/plugins/board/key")[0] == 401
    assert ask(project, "GET", "/plugins/board/key", X_Nself_Internal_Secret=INTERNAL)[0] == 200


def test_its_plugins_have_roles_of_their_own_in_the_database(project: Project) -> None:
    question = "/plugins/board/sql?text=SELECT%20session_user::text"
    assert ask(project, "POST", question, X_Nself_Internal_Secret=INTERNAL) == (200, {"rows": [["np_board"]]})
    tables = project("exec", "postgres", "psql", "-Atc", "select tableowner from pg_tables where tablename = 'np_board_notes'")
    assert tables.stdout.strip() == "np_board"


def test_an_isolated_plugin_answers_from_its_own_container_without_the_secrets_of_others(project: Project) -> None:
    status, answer = ask(project, "GET", "/plugins/alone/hello")
    assert (status, answer["user"]) == (200, 10001)
    assert not [name for name in answer["secrets"] if "BOARD" in name or "INTERNAL" in name or "JWT" in name]
    docker("pause", project.container("plugin-alone")["Id"])
    try:
        assert ask(project, "GET", "/plugins/board/hello")[0] == 200, "the Host does not wait for it"
    finally:
        docker("unpause", project.container("plugin-alone")["Id"])
