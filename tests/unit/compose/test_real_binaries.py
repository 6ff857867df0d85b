"""Both generations of Compose read what we write, and odd secrets come through both unchanged."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from builtin_plugins.runtimes.compose import binaries
from builtin_plugins.runtimes.compose.command import ComposeCommand
from builtin_plugins.runtimes.compose.engine import Engine
from hookspecs import (
    ExecProbe,
    HttpProbe,
    Image,
    Join,
    Limits,
    Mount,
    Need,
    Port,
    Secret,
    Security,
    Service,
)
from hookspecs.quoting import env_line

from .stacks import compose_binary, project, stack, write

ODD = [
    "", "plain", " lead and trail ", "a'b", 'a"b', "a#b", "a #b", "$X", "${X}", "${X:-d}", "$$", "a$", "$(id)", "\\", "\\\\",
    "a\\", "\\'", '\\"', "\\n", "a\nb", "\nfirst", "a\r\nb", "é漢字🎉", "'\"$'${}\\\\\n\n", "a=b", "export X=1", "`id`", "\t x",
    "\u2028", "1e3", "0x10", "yes", "null", "~", "=",
]  # fmt: skip
_random = random.Random(7)
ODD += ["".join(_random.choices("ab\\'\"$ {}#\n=\t-:X\r%`0é", k=_random.randint(1, 14))) for _ in range(400)]


def config(generation: str, root: Path) -> dict[str, Any]:
    """What ``config`` of that Compose understands, its doubled ``$`` undone."""
    empty = root / "empty.env"
    empty.touch()
    argv = [compose_binary(generation), "-p", "demo", "-f", str(root / "docker-compose.yml"), "--env-file", str(empty), "config"]
    argv += ["--format", "json"] if generation == "v2" else []
    environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "obsolete" not in done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout) if generation == "v2" else yaml.load(done.stdout, yaml.BaseLoader)
    return loaded


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_odd_values_come_through(tmp_path: Path, generation: str) -> None:
    made = project(tmp_path)
    env = {f"S{n}": Secret(name=f"S{n}") for n in range(len(ODD))} | {f"P{n}": value for n, value in enumerate(ODD)}
    write(made, stack(made, Service(name="web", image=Image(ref="x"), env=env)), {f"S{n}": value for n, value in enumerate(ODD)})
    found = config(generation, tmp_path)["services"]["web"]["environment"]
    for number, value in enumerate(ODD):
        assert found[f"S{number}"].replace("$$", "$") == value, f"secret {value!r} as {env_line(f'X={value}')!r}"
        assert found[f"P{number}"].replace("$$", "$") == value, f"plain {value!r}"


def test_helpers_appear_only_where_the_two_readers_differ() -> None:
    assert env_line("A=it's $5 #1 \\n") == "A='it\\'s $5 #1 \\n'"
    assert "NSELF_" in env_line("A=${B}")
    with pytest.raises(ValueError, match="A holds a NUL"):
        env_line("A=\0")


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_everything_we_write_is_understood(tmp_path: Path, generation: str) -> None:
    made = project(tmp_path)
    (tmp_path / "conf").mkdir()
    rich = Service(
        name="web",
        aliases=("web_app",),
        image=Image(ref="example.org/web:1"),
        command=("serve", "--price=$5"),
        ports=(Port(container=8000, host=18000), Port(name="https", container=443, host=8443, edge=True)),
        probe=HttpProbe(path="/health"),
        needs=(Need(service="db"), Need(service="helper", condition="completed")),
        mounts=(
            Mount(kind="volume", source="web_data", target="/data"),
            Mount(kind="bind", source="conf", target="/etc/web", read_only=True),
            Mount(kind="anonymous", target="/cache"),
            Mount(kind="tmpfs", target="/run"),
        ),
        limits=Limits(memory=64 * 1024 * 1024, cpus=0.5),
        security=Security(user="1000", read_only=True, cap_add=("NET_BIND_SERVICE",)),
        env={"URL": Join.of("db://", Secret(name="PW", quote="url"), "@db")},
    )
    db = Service(name="db", image=Image(ref="example.org/db:1"), probe=ExecProbe(command=("ready",)))
    helper = Service(name="helper", image=Image(ref="example.org/helper:1"), one_shot=True)
    copies = Service(name="copies", image=Image(ref="example.org/web:1"), replicas=3)
    write(made, stack(made, rich, db, helper, copies), {"PW": "p@ss/w:rd"})
    found = config(generation, tmp_path)["services"]
    web = found["web"]
    assert set(found) == {"web", "db", "helper", "copies"}
    assert web["environment"]["URL"] == "db://p%40ss%2Fw%3Ard@db"
    assert web["command"] == ["serve", "--price=$$5"]
    assert web["depends_on"]["db"]["condition"] == "service_healthy"
    assert web["depends_on"]["helper"]["condition"] == "service_completed_successfully"
    assert str(found["copies"]["scale"]) == "3"
    assert str(web["pids_limit"]) == "512"
    assert web["security_opt"] == ["no-new-privileges:true"]
    assert web["labels"]["nself.service"] == "web"


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_neither_the_folder_nor_composes_own_variables_change_what_is_run(
    tmp_path: Path, generation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths broke in folders below; another project's name or file in Compose's variables won over ours."""
    made = project(tmp_path / "my_folder", name="demo")
    below = made.root / "deep" / "down"
    below.mkdir(parents=True)
    (made.root / ".env").write_text("COMPOSE_PROJECT_NAME=other\nCOMPOSE_FILE=nowhere.yml\nPORT=9\n")
    found = binaries.ComposeBinary(compose_binary(generation))
    monkeypatch.setattr(binaries, "find", lambda: found)
    write(made, stack(made, Service(name="web", image=Image(ref="x"), env={"TOKEN": Secret(name="TOKEN")})), {"TOKEN": "${PORT}"})
    argv = ComposeCommand(made.root, made.name, Engine(made.name)).argv("config")
    environment = {"PATH": os.environ["PATH"], "COMPOSE_PROJECT_NAME": "other", "COMPOSE_FILE": "nowhere.yml"}
    done = subprocess.run(argv, cwd=below, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert shown["services"]["web"]["environment"]["TOKEN"].replace("$$", "$") == "${PORT}"
    assert shown["networks"]["default"]["name"] == "demo_network"
    assert shown.get("name", made.name) == made.name
    assert argv[argv.index("-p") + 1] == made.name


def test_a_stack_without_services_is_a_valid_file(tmp_path: Path) -> None:
    made = project(tmp_path)
    write(made, stack(made))
    assert config("v2", tmp_path).get("services", {}) == {}
