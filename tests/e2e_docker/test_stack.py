"""The demo fixture's services on a real engine, from the first start to the last stop. The tests run in order, on one stack."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e_docker.conftest import NOT_STARTED, Project, docker
from tests.native_project import until

pytestmark = pytest.mark.timeout(1200)

SECRETS = ("demo-password", "demo-admin-secret", "demo-redis-password", "demo-jwt-secret-key-minimum-32-characters-long")


def services(demo: Project) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((demo.folder / "docker-compose.yml").read_text())
    return {name: entry for name, entry in document["services"].items() if name not in NOT_STARTED}


def ids(demo: Project) -> dict[str, list[tuple[str, str]]]:
    """Container and moment of its start, by service: what a restart or a new container changes."""
    return {name: [(c["Id"], c["State"]["StartedAt"]) for c in found] for name, found in demo.containers().items()}


def ask(demo: Project, path: str, host: str, *, port: int | None = None) -> tuple[int, str]:
    """Through the proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port or demo.port("nginx", 80), timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_every_container_gets_healthy(demo: Project) -> None:
    done = demo("start", *services(demo), timeout=1100)
    assert "services are up" in done.stdout
    assert "Traceback" not in done.stderr
    states = demo.states()
    for name in services(demo):
        assert (states[name]["status"], states[name]["health"]) == ("running", "healthy"), states[name]
    assert len(services(demo)) == 13


def test_status_at_a_glance_says_what_the_long_way_does(demo: Project) -> None:
    def plain(text: str) -> list[list[str]]:
        """Cell by cell: the time goes on between the two, and may widen its column."""
        return [re.sub(r"\b\d+[smhd]\b", "time", line).split() for line in text.splitlines()]

    (demo.folder / ".nself" / "glance.json").unlink(missing_ok=True)
    long_way = demo("status").stdout
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nself_core", "status"], cwd=demo.folder, env={**os.environ, **demo.environ},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert plain(done.stdout) == plain(long_way)
    assert not re.search(r"\b(click|pydantic|pluggy|http)\b", done.stderr)
    assert "MEMORY" in demo("status", "--usage").stdout


def test_what_is_needed_was_healthy_first(demo: Project) -> None:
    first: dict[tuple[str, str], int] = {}
    for event in map(json.loads, demo.events.read_text().splitlines()):
        name, action = event["Actor"]["Attributes"]["nself.service"], event["Action"]
        if action == "start" or action.startswith("health_status: healthy"):
            first.setdefault((name, action), event["timeNano"])
    checked = 0
    for name, entry in services(demo).items():
        for other, how in entry.get("depends_on", {}).items():
            wanted = "health_status: healthy" if how["condition"] == "service_healthy" else "start"
            assert first[(other, wanted)] < first[(name, "start")], (name, other)
            checked += 1
    assert checked >= 8


def published(demo: Project) -> dict[str, set[str]]:
    """The addresses at which each service's ports are open, by service."""
    found: dict[str, set[str]] = {}
    for name, copies in demo.containers().items():
        bound = [b for c in copies for bindings in c["NetworkSettings"]["Ports"].values() for b in bindings or ()]
        found[name] = {b["HostIp"] for b in bound}
    return found


def test_nothing_is_published_beyond_this_machine(demo: Project) -> None:
    assert {address for addresses in published(demo).values() for address in addresses} == {"127.0.0.1"}


def test_the_database_is_out_of_reach_from_the_outside_network(demo: Project) -> None:
    """Another network of the engine stands for the outside: from there neither its name nor its address answers."""
    network = next(iter(demo.container("postgres")["NetworkSettings"]["Networks"].values()))
    published = demo.port("postgres", 5432)
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
    places = (f"{network['IPAddress']} 5432", "postgres 5432", f"{gateway} {published}")
    attempts = "; ".join(f"nc -z -w 2 {place} && echo reached {place}" for place in places)
    assert in_network(demo, "bridge", f"{attempts}; echo asked") == "asked\n"
    assert in_network(demo, "demo-e2e_network", "nc -z postgres 5432 && echo reached") == "reached\n"
    with pytest.raises(OSError), socket.create_connection((gateway, published), timeout=2):
        pass


def in_network(demo: Project, network: str, script: str) -> str:
    image = demo.container("nginx")["Config"]["Image"]
    return docker("run", "--rm", "--network", network, "--entrypoint", "sh", image, "-c", script)


def test_limits_stand_in_the_control_groups(demo: Project) -> None:
    demo_limits = {name: c[0]["HostConfig"] for name, c in demo.containers().items()}
    assert demo_limits["nginx"]["Memory"] == 256 << 20
    assert demo_limits["bullmq-worker"]["NanoCpus"] == 500_000_000
    for name in ("nginx", "postgres", "auth", "bullmq-worker"):
        pid = demo.container(name)["State"]["Pid"]
        groups = dict(line.split(":")[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
        if "memory" in groups:  # control groups v1
            memory = int(Path(f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes").read_text())
            pids = Path(f"/sys/fs/cgroup/pids{groups['pids']}/pids.max").read_text().strip()
            scheduler = Path(f"/sys/fs/cgroup/cpu{groups.get('cpu,cpuacct', groups.get('cpu', ''))}")
            quota, period = ((scheduler / f"cpu.cfs_{part}_us").read_text().strip() for part in ("quota", "period"))
        else:
            text = Path(f"/sys/fs/cgroup{groups['']}/memory.max").read_text().strip()
            memory = 1 << 62 if text == "max" else int(text)
            pids = Path(f"/sys/fs/cgroup{groups['']}/pids.max").read_text().strip()
            quota, period = Path(f"/sys/fs/cgroup{groups['']}/cpu.max").read_text().split()
        assert int(pids) == demo_limits[name]["PidsLimit"] > 0
        wanted = demo_limits[name]["Memory"]
        assert memory == wanted if wanted else memory > 1 << 40
        share = demo_limits[name]["NanoCpus"]
        assert int(quota) * 1_000_000_000 == share * int(period) if share else quota in {"max", "-1"}, name


def test_secrets_are_nowhere_they_need_not_be(demo: Project) -> None:
    compose = (demo.folder / "docker-compose.yml").read_text()
    assert not [s for s in SECRETS if s in compose]
    for name, copies in demo.containers().items():
        for one in copies:
            arguments = json.dumps(
                [one["Path"], one["Args"], one["Config"]["Cmd"], one["Config"]["Entrypoint"], one["Config"]["Labels"]]
            )
            assert not [s for s in SECRETS if s in arguments], name
            health = json.dumps(one["Config"].get("Healthcheck")) + json.dumps(one["State"].get("Health"))
            assert not [s for s in SECRETS if s in health], name
        image = copies[0]["Config"]["Image"]
        made = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
        assert not [s for s in SECRETS if s in made], name
        top = docker("top", copies[0]["Id"], "-eo", "pid,args")
        assert not [s for s in SECRETS if s in top], name
        logs = docker("logs", copies[0]["Id"])
        assert not [s for s in SECRETS if s in logs], name


def test_logs_exec_and_health(demo: Project) -> None:
    lines = demo("logs", "postgres", "--tail", "5000").stdout
    assert "database system is ready to accept connections" in lines
    one = demo("exec", "postgres", "psql", "-Atc", "select current_user")
    assert one.stdout.strip() == "postgres"
    assert demo("exec", "postgres", "sh", "-c", "exit 7", check=False).returncode == 7
    piped = demo("exec", "postgres", "psql", "-At", stdin="select 6 * 7;\n")
    assert piped.stdout.strip() == "42"
    answer = demo("health", "--json", *services(demo))
    assert {s["status"] for s in json.loads(answer.stdout)["services"]} == {"healthy"}


def test_logs_are_rotated(demo: Project) -> None:
    for name, copies in demo.containers().items():
        config = copies[0]["HostConfig"]["LogConfig"]
        assert (config["Type"], config["Config"]) == ("json-file", {"max-size": "10m", "max-file": "3"}), name


def test_the_proxy_leads_to_what_has_a_route(demo: Project) -> None:
    assert ask(demo, "/healthz", "api.local.nself.org")[0] in {200, 301, 308}
    assert ask(demo, "/health", "express-api.local.nself.org")[0] in {200, 301, 308}


def test_a_killed_service_comes_back(demo: Project) -> None:
    before = demo.container("redis")
    docker("exec", "-u", "0", before["Id"], "sh", "-c", "kill -9 -1; true", check=False)
    docker("kill", "--signal", "KILL", before["Id"], check=False)  # the engine's own kill is taken as a wish of the user's
    demo("start", "redis")
    after = demo.container("redis")
    assert after["State"]["StartedAt"] != before["State"]["StartedAt"]
    pid = after["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    back = until(lambda: (c := demo.containers().get("redis")) and c[0]["State"]["Pid"] not in {0, pid} and c[0])
    assert back["RestartCount"] >= 1
    until(lambda: demo.states()["redis"]["health"] == "healthy")


def test_starting_again_changes_nothing(demo: Project) -> None:
    before = ids(demo)
    demo("start", *services(demo))
    assert ids(demo) == before


def test_only_what_changed_restarts(demo: Project) -> None:
    before = ids(demo)
    demo.set(AUTH_ACCESS_TOKEN_EXPIRES_IN="777", NGINX_CLIENT_MAX_BODY_SIZE="7M")
    shown = demo("build", "--dry-run", "--diff").stdout
    assert re.search(r"^\+\s+AUTH_ACCESS_TOKEN_EXPIRES_IN: \"777\"", shown, re.MULTILINE), shown
    assert "client_max_body_size 7" in shown
    assert ids(demo) == before, "a dry run touches nothing"
    demo("start", *services(demo))
    after = ids(demo)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == {"auth", "nginx"}
    assert before["auth"][0][0] != after["auth"][0][0], "a changed specification is a new container"
    assert before["nginx"][0][0] == after["nginx"][0][0], "changed configuration restarts the one there is"
    assert "AUTH_ACCESS_TOKEN_EXPIRES_IN=777" in demo.container("auth")["Config"]["Env"]


def test_three_copies_behind_the_proxy(demo: Project) -> None:
    before = ids(demo)
    demo.set(CS_1_REPLICAS="3")
    demo("start", *services(demo))
    after = ids(demo)
    assert len(after["express-api"]) == 3
    assert {n for n in before if before[n] != after[n]} <= {"express-api", "nginx"}
    assert all(not any(c["NetworkSettings"]["Ports"].values()) for c in demo.containers()["express-api"])
    states = demo.states()
    assert [states[name]["health"] for name in ("express-api", "express-api #2", "express-api #3")] == ["healthy"] * 3
    seen = set()
    for _ in range(40):
        ask(demo, "/health", "express-api.local.nself.org")
    for one in demo.containers()["express-api"]:
        if '"path":"/health"' in docker("logs", one["Id"]):
            seen.add(one["Id"])
    assert len(seen) == 3
    demo.set(CS_1_REPLICAS="1")
    demo("start", "express-api")
    assert len(ids(demo)["express-api"]) == 1


def test_stop_ends_all_and_keeps_the_data(demo: Project) -> None:
    demo("exec", "postgres", "psql", "-c", "create table kept (n int); insert into kept values (7)")
    demo("stop")
    assert demo.containers() == {}
    assert {s["status"] for s in demo.states().values()} == {"stopped"}
    demo.set(NGINX_BIND_IP="127.0.0.2")
    demo("start", "postgres", "nginx")
    assert demo("exec", "postgres", "psql", "-Atc", "select n from kept").stdout.strip() == "7"
    assert published(demo) == {"postgres": {"127.0.0.1"}, "nginx": {"127.0.0.2"}}, "beyond it just where the project says so"
    demo("stop")
