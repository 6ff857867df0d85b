"""What the Compose file says, read back as YAML."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from builtin_plugins.runtimes.compose.document import compose_file
from builtin_plugins.runtimes.compose.text import dump
from hookspecs import (
    Build,
    ExecProbe,
    HostTarget,
    HttpProbe,
    Image,
    Join,
    Limits,
    Mount,
    Need,
    Port,
    Ref,
    Route,
    Secret,
    Security,
    Service,
    TcpProbe,
    UserError,
)

from .stacks import project, stack, write

IMAGE = Image(ref="example.org/thing:1.2")
WEB = Port(name="http", container=8000, host=18000)


def entry(root: Path, *services: Service | Route, name: str = "web", cls: str = "dev") -> dict[str, Any]:
    made = project(root, cls=cls)
    write(made, stack(made, *services), {"TOKEN": "hidden-token"})
    document = yaml.safe_load((root / "docker-compose.yml").read_text())
    found: dict[str, Any] = document["services"][name]
    return found


def test_secrets_stand_in_the_env_file_alone(tmp_path: Path) -> None:
    made = entry(
        tmp_path,
        Service(
            name="web",
            image=IMAGE,
            env={"PLAIN": "$x", "TOKEN_URL": Join.of("http://:", Secret(name="TOKEN"), "@h"), "OFF": None},
        ),
    )
    assert made["environment"] == {"PLAIN": "$$x"}
    assert made["env_file"] == ["./.nself/compose/env/web.env"]
    env_file = tmp_path / ".nself/compose/env/web.env"
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    assert "TOKEN_URL='http://:hidden-token@h'\n" in env_file.read_text()
    assert "hidden-token" not in (tmp_path / "docker-compose.yml").read_text()


def test_a_secret_as_an_argument_is_refused(tmp_path: Path) -> None:
    made = project(tmp_path)
    bound = stack(made, Service(name="web", image=IMAGE, command=("run", Join.of("--password=", Secret(name="TOKEN")))))
    with pytest.raises(UserError, match="command of web holds a secret"):
        compose_file(made, bound)


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (HttpProbe(path="/up"), ["CMD", "wget", "-q", "-T", "5", "-O", "/dev/null", "http://127.0.0.1:8000/up"]),
        (HttpProbe(tool="curl"), ["CMD", "curl", "-fsS", "-o", "/dev/null", "--max-time", "5", "http://127.0.0.1:8000/"]),
        (TcpProbe(port="http"), ["CMD", "nc", "-z", "-w", "5", "127.0.0.1", "8000"]),
        (TcpProbe(port="http", tool="bash"), ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000"]),
        (ExecProbe(command=("ready", "$me")), ["CMD", "ready", "$$me"]),
    ],
)
def test_probes_use_the_program_the_image_has(tmp_path: Path, probe: Any, expected: list[str]) -> None:
    check = entry(tmp_path, Service(name="web", image=IMAGE, ports=(WEB,), probe=probe))["healthcheck"]
    assert check == {"test": expected, "interval": "10s", "timeout": "5s", "retries": 6, "start_period": "30s"}


def test_python_and_node_probes_are_programs_that_parse(tmp_path: Path) -> None:
    python = entry(tmp_path, Service(name="web", image=IMAGE, ports=(WEB,), probe=HttpProbe(tool="python")))["healthcheck"][
        "test"
    ]
    compile(python[3], "probe", "exec")
    assert python[:3] == ["CMD", "python", "-c"]
    node = entry(tmp_path, Service(name="web", image=IMAGE, ports=(WEB,), probe=HttpProbe(tool="node")))["healthcheck"]["test"]
    assert node[:3] == ["CMD", "node", "-e"]
    assert "'http://127.0.0.1:8000/'" in node[3]


def test_a_probe_from_outside_turns_the_images_own_off(tmp_path: Path) -> None:
    made = entry(tmp_path, Service(name="web", image=IMAGE, ports=(WEB,), probe=HttpProbe(tool="outside")))
    assert made["healthcheck"] == {"disable": True}


def test_conditions_follow_what_the_other_can_tell(tmp_path: Path) -> None:
    made = entry(
        tmp_path,
        Service(name="db", image=IMAGE, probe=ExecProbe(command=("ready",))),
        Service(name="mute", image=IMAGE),
        Service(name="distant", image=IMAGE, ports=(WEB,), probe=HttpProbe(tool="outside")),
        Service(name="helper", image=IMAGE, one_shot=True),
        Service(name="web", image=IMAGE, needs=(
            Need(service="db"), Need(service="mute"), Need(service="distant"), Need(service="helper", condition="completed"),
            Need(service="absent", required=False),
        )),
    )  # fmt: skip
    assert {name: value["condition"] for name, value in made["depends_on"].items()} == {
        "db": "service_healthy",
        "distant": "service_started",
        "helper": "service_completed_successfully",
        "mute": "service_started",
    }


def test_ports_bind_loopback_and_outside_dev_only_the_edge_is_published(tmp_path: Path) -> None:
    edge = Service(name="web", image=IMAGE, ports=(Port(name="https", container=443, host=8443, bind="0.0.0.0", edge=True), WEB))
    assert entry(tmp_path, edge)["ports"] == ["0.0.0.0:8443:443", "127.0.0.1:18000:8000"]
    assert entry(tmp_path, edge, cls="prod")["ports"] == ["0.0.0.0:8443:443"]


def test_replicas_scale_without_a_host_port(tmp_path: Path) -> None:
    made = entry(tmp_path, Service(name="web", image=IMAGE, ports=(WEB,), replicas=3))
    assert made["scale"] == 3
    assert "ports" not in made
    assert "deploy" not in made


def test_limits_hardening_logging_and_grace(tmp_path: Path) -> None:
    made = entry(
        tmp_path,
        Service(
            name="web",
            image=IMAGE,
            limits=Limits(memory=256 * 1024 * 1024, cpus=0.5, pids=64),
            security=Security(user="1000:1000", cap_add=("CHOWN",), read_only=True, tmpfs=("/tmp",)),
            stop_grace=7,
        ),
    )
    expected = {
        "mem_limit": "256m", "cpus": 0.5, "pids_limit": 64, "user": "1000:1000", "cap_drop": ["ALL"], "cap_add": ["CHOWN"],
        "security_opt": ["no-new-privileges:true"], "read_only": True, "tmpfs": ["/tmp"], "stop_grace_period": "7s",
        "restart": "unless-stopped", "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
    }  # fmt: skip
    assert {key: made[key] for key in expected} == expected


def test_mounts_volumes_builds_and_aliases(tmp_path: Path) -> None:
    made = project(tmp_path)
    service = Service(
        name="express-api",
        aliases=("express_api",),
        build=Build(context="services/express_api", target="dev"),
        mounts=(
            Mount(kind="volume", source="api_data", target="/data"),
            Mount(kind="bind", source="conf/api", target="/etc/api", read_only=True),
            Mount(kind="anonymous", target="/app/node_modules"),
            Mount(kind="tmpfs", target="/run"),
        ),
    )
    document = compose_file(made, stack(made, service))
    found = document["services"]["express-api"]
    assert found["build"] == {"context": "./services/express_api", "dockerfile": "Dockerfile", "target": "dev"}
    assert found["volumes"] == [
        {"type": "volume", "source": "api_data", "target": "/data"},
        {"type": "bind", "source": "./conf/api", "target": "/etc/api", "read_only": True},
        "/app/node_modules",
    ]
    assert found["tmpfs"] == ["/run"]
    assert found["networks"] == {"default": {"aliases": ["express_api"]}}
    assert document["volumes"] == {
        "api_data": {"name": "demo_api_data", "labels": {"nself.project": "demo", "nself.volume": "api_data"}}
    }
    assert document["networks"]["default"]["name"] == "demo_network"


def test_host_programs_are_reached_by_the_edge_alone(tmp_path: Path) -> None:
    edge = Service(name="face", image=IMAGE, ports=(Port(container=80, host=8088, edge=True),))
    other = Service(name="web", image=IMAGE, ports=(WEB,))
    route = Route(name="app", host="app.localhost", target=HostTarget(port=3000))
    assert entry(tmp_path, edge, other, route, name="face")["extra_hosts"] == ["host.docker.internal:host-gateway"]
    assert "extra_hosts" not in entry(tmp_path, edge, other, route)


def test_the_spec_label_changes_with_the_entry_and_with_nothing_else(tmp_path: Path) -> None:
    one = entry(tmp_path, Service(name="web", image=IMAGE))["labels"]
    same = entry(tmp_path, Service(name="web", image=IMAGE, summary="words"))["labels"]
    other = entry(tmp_path, Service(name="web", image=Image(ref="example.org/thing:1.3")))["labels"]
    assert one == same
    assert one["nself.spec"] != other["nself.spec"]
    assert (one["nself.project"], one["nself.service"], one["nself.environment"]) == ("demo", "web", "dev")


def test_the_same_stack_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    made = project(tmp_path)
    services = [
        Service(name="b", image=IMAGE, env={"Z": "1", "A": Ref(service="a", port="http", as_="url")}, needs=(Need(service="a"),)),
        Service(name="a", image=IMAGE, ports=(WEB,)),
    ]
    forward, backward = (dump(compose_file(made, stack(made, *order))) for order in (services, services[::-1]))
    assert forward == backward
    assert yaml.safe_load(forward)["services"]["b"]["environment"] == {"A": "http://a:8000", "Z": "1"}


def test_there_is_neither_a_version_nor_a_name_in_the_file(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert set(compose_file(made, stack(made, Service(name="web", image=IMAGE)))) == {"services", "networks"}
