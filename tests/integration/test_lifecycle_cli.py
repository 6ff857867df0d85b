"""start, stop, status, logs, exec, health, urls, doctor, clean, destroy: as a user meets them, on local processes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Nself
from tests.ports import free_port

DATABASE = "postgres"
SETTINGS = "PROJECT_NAME=lifecycle\nBASE_DOMAIN=localhost\nPOSTGRES_PASSWORD='it is $odd #1 \"q\" ${x}'\n"


def status(nself: Nself, *arguments: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(nself("status", "--json", *arguments, **options).stdout)
    return found


@pytest.fixture
def project(nself: Nself) -> Nself:
    """A project of the core services alone, nothing started."""
    (nself.folder / ".env.dev").write_text(SETTINGS)
    return nself


@pytest.fixture
def started(project: Nself) -> Iterator[Nself]:
    """The database of a project, running; stopped and removed with its data afterwards."""
    try:
        begun = project("start", DATABASE, "--runtime", "native")
        assert "Not built yet, so built first" in begun.stdout + begun.stderr
        yield project
    finally:
        project("destroy", "--yes", check=False)


# -- before anything is started: quick, and free of effects


def test_before_the_first_start_nothing_is_silent_and_nothing_breaks(project: Nself) -> None:
    found = status(project)
    assert {s["status"] for s in found["services"]} <= {"stopped", "unavailable"}
    assert found["project"] == "lifecycle"
    assert "nothing to stop" in project("stop").stdout
    assert "nothing to destroy" in project("destroy", "--yes").stdout
    for command in (("logs",), ("exec", DATABASE, "psql")):
        done = project(*command, check=False)
        assert done.returncode == 1
        assert "nothing was started here" in done.stderr
    assert project("health", check=False).returncode == 1
    assert project("urls", "--json").returncode == 0


def test_outside_a_project_every_command_says_so(nself: Nself) -> None:
    for command in (["start"], ["stop"], ["status"], ["logs"], ["urls"], ["exec", "a", "b"], ["health"], ["clean"], ["destroy"]):
        done = nself(*command, check=False)
        assert done.returncode == 1, command
        assert "this is no nself project" in done.stderr
        assert "Traceback" not in done.stderr
    done = nself("doctor", check=False)
    assert done.returncode == 1
    assert "this is no nself project" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "start",
        "stop",
        "restart",
        "status",
        "logs",
        "urls",
        "exec",
        "health",
        "doctor",
        "runtime",
        "clean",
        "destroy",
        "up",
        "down",
    ],
)
def test_help_has_examples_and_no_effects(nself: Nself, name: str) -> None:
    done = nself(name, "--help")
    assert "Examples:" in done.stdout
    assert list(nself.folder.iterdir()) == []


def test_a_misspelt_service_is_wrong_usage_with_the_near_name(project: Nself) -> None:
    done = project("logs", "postgrs", check=False)
    assert done.returncode == 2
    assert "did you mean postgres?" in done.stderr


def test_runtime_show_names_each_and_why(project: Nself) -> None:
    found = json.loads(project("runtime", "show", "--json").stdout)
    assert {o["name"] for o in found["offers"]} >= {"native", "compose"}
    assert found["recorded"] is None
    assert project("runtime", "switch", "nowhere", check=False).returncode == 2


def test_clean_removes_what_build_makes_and_leaves_an_edited_file(project: Nself) -> None:
    project("build")
    compose = project.folder / "docker-compose.yml"
    listed = project("clean", "--dry-run").stdout
    assert "would remove: docker-compose.yml" in listed
    assert compose.exists()
    compose.write_text(compose.read_text() + "# mine\n")
    assert "left alone, as you edited it: docker-compose.yml" in project("clean").stdout
    assert compose.read_text().endswith("# mine\n")
    assert not (project.folder / ".nself" / "build.json").exists()
    assert (project.folder / ".env.dev").read_text() == SETTINGS


def test_doctor_finds_and_mends(project: Nself) -> None:
    project("build")
    secrets = project.folder / ".environments" / "dev" / ".env.secrets"
    secrets.chmod(0o644)
    found = json.loads(project("doctor", "--json", check=False).stdout)
    assert [f["where"] for f in found["findings"] if f["code"] == "secret-readable"] == [".environments/dev/.env.secrets"]
    project("doctor", "--fix")
    assert secrets.stat().st_mode & 0o777 == 0o600
    (project.folder / "docker-compose.yml").unlink()
    assert "out of date: " in project("doctor").stderr
    project("doctor", "--fix")
    assert (project.folder / "docker-compose.yml").exists()


# -- with services


@pytest.mark.slow
def test_the_whole_life_of_a_service(started: Nself) -> None:
    sub = started.folder / "deep" / "down"
    sub.mkdir(parents=True)
    found = status(started, cwd=sub)
    mine = next(s for s in found["services"] if s["name"] == DATABASE)
    assert (mine["status"], mine["health"]) == ("running", "healthy")
    assert set(mine) >= {"name", "category", "status", "health", "container_id", "image", "ports", "uptime", "memory", "cpu"}
    assert set(found) >= {"project", "environment", "timestamp", "summary", "services"}
    assert set(found["summary"]) >= {"total", "running", "healthy", "unhealthy", "stopped"}
    assert started("status", "-q").stdout == "running:1 healthy:1 unhealthy:0\n"
    assert "\x1b[" not in started("status").stdout + started("logs").stdout
    assert started("health", DATABASE).returncode == 0

    piped = started("exec", DATABASE, "psql", "-At", stdin="select 40 + 2;\n", cwd=sub)
    assert piped.stdout.strip() == "42"
    assert started("exec", DATABASE, "sh", "-c", "exit 7", check=False).returncode == 7
    assert started("exec", "--set", "WORD=odd $w", DATABASE, "sh", "-c", 'printf %s "$WORD"').stdout == "odd $w"
    started("exec", DATABASE, "psql", "-c", "create table kept (n int)")

    lines = started("logs", DATABASE, "--all").stdout
    assert "ready to accept connections" in lines
    assert started("logs", DATABASE, "--grep", "READY TO ACCEPT", "-n", "1000").stdout.count("\n") < lines.count("\n")
    assert all(
        json.loads(line)["service"] == DATABASE for line in started("logs", "--json", "-n", "3", DATABASE).stdout.splitlines()
    )

    again = started("start", DATABASE)
    assert "1 of 1 services are up" in again.stdout
    assert next(s for s in status(started)["services"] if s["name"] == DATABASE)["container_id"] == mine["container_id"]

    refused = started("start", "--runtime", "compose", check=False)
    assert refused.returncode == 1
    assert "holds this project's data" in refused.stderr
    assert "run from these files" in started("clean", check=False).stderr
    not_asked = started("destroy", check=False)
    assert not_asked.returncode == 1
    assert "pass --yes" in not_asked.stderr

    started("stop")
    assert status(started)["summary"]["running"] == 0
    assert started("stop").returncode == 0
    started("up", DATABASE)
    assert started("exec", DATABASE, "psql", "-Atc", "select count(*) from kept").stdout.strip() == "0"
    started("restart", DATABASE)
    started("down")


@pytest.mark.slow
def test_a_taken_port_moves_and_stays_moved_and_an_explicit_one_is_an_error(project: Nself) -> None:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        try:
            holder.bind(("127.0.0.1", 5432))
            holder.listen()
        except OSError:
            holder.close()  # somebody else holds it already, which serves as well
        done = project("start", DATABASE, "--runtime", "native")
        assert "5432 is held by" in done.stderr
        ports = json.loads((project.folder / ".nself" / "ports.json").read_text())["native"]["dev"]
        assert ports[f"{DATABASE}/tcp"] != 5432
        assert f":{ports[f'{DATABASE}/tcp']}" in project("urls").stdout
        project("stop")
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            number = other.getsockname()[1]
            (project.folder / ".env.dev").write_text(f"{SETTINGS}POSTGRES_PORT={number}\n")
            refused = project("start", DATABASE, check=False)
        assert refused.returncode == 1
        assert f"POSTGRES_PORT asks for port {number}" in refused.stderr
        assert f"(pid {os.getpid()})" in refused.stderr
    finally:
        holder.close()
        project("destroy", "--yes", check=False)


@pytest.mark.slow
def test_a_changed_env_is_built_again_and_said(started: Nself) -> None:
    number = free_port()
    (started.folder / ".env.dev").write_text(f"{SETTINGS}POSTGRES_PORT={number}\n")
    done = started("start", DATABASE)
    assert "The settings changed since the last build" in done.stderr
    mine = next(s for s in status(started)["services"] if s["name"] == DATABASE)
    assert any(str(number) in port for port in mine["ports"])


@pytest.mark.slow
def test_a_new_name_for_what_runs_is_refused(started: Nself) -> None:
    """What runs, and its data, is found by the project's name: a stop said "stopped", and a start began with no data."""
    settings = started.folder / ".env.dev"
    settings.write_text(SETTINGS.replace("lifecycle", "renamed"))
    for command in (["status"], ["stop"], ["start", "--runtime", "native"], ["restart"], ["destroy", "--yes"]):
        done = started(*command, check=False)
        assert done.returncode == 1, command
        assert "this project was started as lifecycle" in done.stderr
        assert ".env.dev:1" in done.stderr
    settings.write_text(SETTINGS)
    assert status(started)["summary"]["running"] == 1
    started("destroy", "--yes")
    settings.write_text(SETTINGS.replace("lifecycle", "renamed"))
    assert status(started)["project"] == "renamed"
